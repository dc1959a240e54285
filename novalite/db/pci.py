"""PCI devices of hosts: what hosts report, who has what. Which device to give is decided by `scheduler.pci`.

Everything that writes here has locked the host's row before (a claim and a release by their arithmetic, a report
by itself), so that two never give the same device. `hosts.pci_pools` repeats what is free, for schedulers.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import case, delete, insert, select, update
from sqlalchemy.orm import Session

from novalite.db.models.base import now
from novalite.db.models.compute import Allocation, Host
from novalite.db.models.pci import PciDevice as Row
from novalite.objects.base import Record
from novalite.objects.pci import GivenDevice, KnownDevice, PciDevice, pooled

LOG = logging.getLogger(__name__)
FACTS = tuple(PciDevice.model_fields)
"""What a host reports of a device."""
LESSER = ("driver", "interface")
"""Those that change whenever a guest starts or stops with the device: no news, and no reason to void claims."""
_COLUMNS = tuple(KnownDevice.model_fields)
_SELECT = select(*(getattr(Row, name) for name in _COLUMNS))


def of_host(session: Session, host: str) -> list[KnownDevice]:
    """Every device of a host, also those that are gone, by address."""
    return _read(session, _SELECT.where(Row.host == host).order_by(Row.address))


def held(session: Session, host: str, holder: str) -> list[KnownDevice]:
    """What a server, or a migration, has on a host, by address."""
    return _read(session, _SELECT.where(Row.host == host, Row.holder == holder).order_by(Row.address))


def given(session: Session, host: str, server_id: str, migration: str | None = None) -> tuple[GivenDevice, ...]:
    """What the server's guest has on a host: by its own place there, else by the one that its migration keeps."""
    places = session.scalars(
        select(Allocation.server_id).where(
            Allocation.host == host, Allocation.server_id.in_([one for one in (server_id, migration) if one])
        )
    ).all()
    holder = server_id if server_id in places or migration is None else migration
    return tuple(GivenDevice(**one.model_dump()) for one in held(session, host, holder))


def _read(session: Session, query: Any) -> list[KnownDevice]:
    return [KnownDevice(**dict(zip(_COLUMNS, row, strict=True))) for row in session.execute(query)]


def listing(session: Session, host: str | None = None) -> list[Record]:
    """Devices of one host or of all, with their host, for people."""
    query = select(Row.host, *(getattr(Row, name) for name in _COLUMNS)).order_by(Row.host, Row.address)
    if host is not None:
        query = query.where(Row.host == host)
    return [dict(row._mapping) for row in session.execute(query)]


# --- what hosts report -------------------------------------------------------------------------


def report(session: Session, host: str, devices: Iterable[PciDevice]) -> bool:
    """These are the devices that a host offers now; True when that is news.

    A device that is not offered any more and that somebody has is kept, as gone: it is given to nobody else, and its
    row goes when it is given back.
    """
    told = {one.address: one for one in devices}
    known = {one.address: one for one in of_host(session, host)}
    if {at: _weighty(one) for at, one in known.items() if not one.gone} == {
        at: _weighty(one) for at, one in told.items()
    }:
        for address, one in told.items():
            lesser = {name: getattr(one, name) for name in LESSER}
            if any(getattr(known[address], name) != value for name, value in lesser.items()):
                _change(session, host, [address], **lesser)
        return False
    session.execute(
        update(Host)
        .where(Host.host == host)
        .values(version=Host.version + 1, generation=Host.generation + 1, updated_at=now())
        .execution_options(synchronize_session=False)
    )
    known = {one.address: one for one in of_host(session, host)}  # again, now that nobody else can give any
    for address, one in told.items():
        values = {**_plain(one), "gone": False, "updated_at": now()}
        if address not in known:
            session.execute(insert(Row).values(host=host, **values))
        elif known[address].gone or _plain(known[address]) != _plain(one):
            _change(session, host, [address], **values)
    for address in known.keys() - told.keys():
        _vanished(session, host, known[address])
    tell(session, host)
    return True


def _vanished(session: Session, host: str, device: KnownDevice) -> None:
    if device.holder is None:
        session.execute(delete(Row).where(Row.host == host, Row.address == device.address))
    elif not device.gone:
        LOG.warning("Host %s offers PCI device %s no more, but %s has it: it is given to nobody else",
                    host, device.address, device.holder)  # fmt: skip
        _change(session, host, [device.address], gone=True, updated_at=now())


def _plain(device: PciDevice) -> Record:
    return {name: getattr(device, name) for name in FACTS}


def _weighty(device: PciDevice) -> Record:
    return {name: value for name, value in _plain(device).items() if name not in LESSER}


def tell(session: Session, host: str) -> None:
    """Write down what is free, as schedulers hear it; nothing where a host has no devices (any more)."""
    devices = of_host(session, host)
    pools = [pool.model_dump(mode="json", exclude_defaults=True) for pool in pooled(devices)]
    session.execute(
        update(Host)
        .where(Host.host == host)
        .values(pci_pools=pools if devices else None)
        .execution_options(synchronize_session=False)
    )


# --- who has them ------------------------------------------------------------------------------


def give(session: Session, host: str, server_id: str, chosen: Mapping[str, str]) -> None:
    """The server has these (address to alias) from now on. Its claim on the host was taken in this transaction."""
    _change(session, host, chosen, holder=server_id, updated_at=now(), alias=case(chosen, value=Row.address))
    session.execute(
        update(Allocation)
        .where(Allocation.server_id == server_id, Allocation.host == host)
        .values(pci_devices=len(chosen))
        .execution_options(synchronize_session=False)
    )
    tell(session, host)


def give_back(session: Session, host: str, holder: str) -> None:
    """Nobody has any more what this one had; what is gone is forgotten."""
    session.execute(delete(Row).where(Row.host == host, Row.holder == holder, Row.gone.is_(True)))
    mine = [one.address for one in held(session, host, holder)]
    _change(session, host, mine, holder=None, alias=None, updated_at=now())
    tell(session, host)


def hand_over(session: Session, host: str, holder: str, taker: str) -> None:
    """What one had the other has."""
    session.execute(
        update(Row)
        .where(Row.host == host, Row.holder == holder)
        .values(holder=taker)
        .execution_options(synchronize_session=False)
    )


def _change(session: Session, host: str, addresses: Iterable[str], **values: Any) -> None:
    session.execute(
        update(Row)
        .where(Row.host == host, Row.address.in_(list(addresses)))
        .values(**values)
        .execution_options(synchronize_session=False)
    )
