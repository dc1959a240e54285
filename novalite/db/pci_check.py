"""What must be true of PCI devices and who has them; see check.py."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import and_, func, select
from sqlalchemy.orm import Session, aliased

from novalite.db import pci
from novalite.db.models.compute import Allocation, Host
from novalite.db.models.pci import PciDevice
from novalite.objects.pci import PART, WHOLE, PciPool, pooled


def devices_belong_to_claims(session: Session) -> Iterator[str]:
    """Who has a device has a place on its host, and the place knows how many devices belong to it."""
    counted = (
        select(PciDevice.host, PciDevice.holder, func.count().label("number"))
        .where(PciDevice.holder.is_not(None))
        .group_by(PciDevice.host, PciDevice.holder)
    )
    found = {(host, holder): number for host, holder, number in session.execute(counted)}
    claims = session.execute(
        select(Allocation.host, Allocation.server_id, Allocation.pci_devices).where(
            (Allocation.pci_devices > 0)
            | Allocation.server_id.in_(select(PciDevice.holder).where(PciDevice.holder.is_not(None)))
        )
    )
    for host, holder, number in claims:
        has = found.pop((host, holder), 0)
        if has != number:
            yield f"The claim of {holder} on host {host} counts {number} PCI devices, but it has {has}."
    for (host, nobody), number in found.items():
        yield f"{nobody} has {number} PCI devices of host {host} without a claim there."


def devices_are_given_once(session: Session) -> Iterator[str]:
    """A physical function is somebody's as a whole or in parts."""
    whole, part = aliased(PciDevice), aliased(PciDevice)
    query = (
        select(whole.host, whole.address, whole.holder, part.address, part.holder)
        .join(part, and_(part.host == whole.host, part.parent == whole.address))
        .where(whole.kind == WHOLE, part.kind == PART, whole.holder.is_not(None), part.holder.is_not(None))
    )
    for host, address, holder, other, another in session.execute(query):
        yield f"PCI device {address} of host {host} is {holder}'s, but {other}, a part of it, is {another}'s."


def vanished_devices(session: Session) -> Iterator[str]:
    """Who has a device that its host does not offer any more should move, or give it back."""
    query = select(PciDevice.host, PciDevice.address, PciDevice.holder).where(PciDevice.gone.is_(True))
    for host, address, holder in session.execute(query):
        yield f"Host {host} offers PCI device {address} no more, but {holder} has it."


def free_devices_are_told(session: Session) -> Iterator[str]:
    """Each host repeats what is free of its devices: schedulers read it there."""
    told = select(Host.host, Host.pci_pools).where(
        Host.pci_pools.is_not(None) | Host.host.in_(select(PciDevice.host))
    )
    for host, pools in session.execute(told).all():
        if {PciPool(**one) for one in pools or ()} != set(pooled(pci.of_host(session, host))):
            yield f"What host {host} tells of its free PCI devices is not what is free."
