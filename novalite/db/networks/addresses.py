"""Giving addresses to ports. Whoever does it locks the subnets first, and the table's key has the last word: an
address is never given twice."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address
from itertools import islice
from typing import Any

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from novalite.db.models.networks import IpAllocation, Subnet
from novalite.db.networks.rows import columns, names, record
from novalite.objects.base import Record
from novalite.objects.ip_ranges import eui64, first_free, gives_itself, holds, spans_of, text, walk
from novalite.objects.network_errors import (
    InvalidIpForNetwork,
    InvalidIpForSubnet,
    InvalidNetworkInput,
    IpAddressGenerationFailure,
    IpAddressInUse,
    SubnetNotFound,
)
from novalite.objects.networks import ROUTER_OWNERS

_WINDOW = 32
"""Addresses looked at before all that are in use are read."""


def lock_subnets(session: Session, network_id: str) -> list[Record]:
    """The subnets of a network, oldest first; nobody else gives out their addresses until the end."""
    query = select(*columns(Subnet), Subnet.next_address).where(Subnet.network_id == network_id)
    rows = session.execute(query.order_by(Subnet.id).with_for_update()).all()
    found = [record(Subnet, row[: len(names(Subnet))]) | {"next_address": row.next_address} for row in rows]
    return sorted(found, key=lambda subnet: (subnet["created_at"], subnet["id"]))


def give(
    session: Session, port: Record, wanted: list[Record] | None, subnets: list[Record] | None = None
) -> list[Record]:
    """Give a port (id, network_id, mac_address, device_owner) what is wanted: [{subnet_id, ip_address}], either of
    the two or both; None: one address of each version, and those that guests give themselves.

    `subnets` are those of the network if they are locked already. Answers fixed_ips. Raises SubnetNotFound,
    InvalidIpFor…, IpAddressInUse and IpAddressGenerationFailure.
    """
    locked = lock_subnets(session, port["network_id"]) if subnets is None else subnets
    if wanted is None:
        _automatic(session, port, locked)
    for one in wanted or ():
        _wanted(session, port, locked, one)
    return held_by(session, [port["id"]])[port["id"]]


def _keep(session: Session, port: Record, subnet: Record, address: str) -> None:
    """The address is the port's. The lock of the subnet makes a clash all but impossible; the key excludes it."""
    row = IpAllocation
    place = session.scalar(select(func.count()).where(row.port_id == port["id"]))
    try:
        session.execute(
            insert(row).values(
                subnet_id=subnet["id"], ip_address=address, network_id=port["network_id"], port_id=port["id"],
                position=place,
            )
        )  # fmt: skip
    except IntegrityError:
        raise IpAddressInUse(network_id=port["network_id"], ip_address=address) from None


def take_back(session: Session, port_ids: Iterable[str], addresses: Iterable[str] | None = None) -> None:
    """The addresses of ports, or some of them, are free."""
    gone = delete(IpAllocation).where(IpAllocation.port_id.in_(list(port_ids)))
    if addresses is not None:
        gone = gone.where(IpAllocation.ip_address.in_(list(addresses)))
    session.execute(gone)


def held_by(session: Session, port_ids: Iterable[str]) -> dict[str, list[Record]]:
    """fixed_ips by port, in the order they were given."""
    row = IpAllocation
    found: dict[str, list[Record]] = {one: [] for one in port_ids}
    if found:
        query = select(row.port_id, row.subnet_id, row.ip_address).where(row.port_id.in_(list(found)))
        for port_id, subnet_id, address in session.execute(query.order_by(row.position, row.ip_address)):
            found[port_id].append({"subnet_id": subnet_id, "ip_address": address})
    return found


# --- what nobody chose ----------------------------------------------------------------------------


def _automatic(session: Session, port: Record, subnets: list[Record]) -> None:
    usable = [one for one in subnets if _serves(one, port["device_owner"])]
    if subnets and not usable:
        raise IpAddressGenerationFailure(network_id=port["network_id"])
    for version in (4, 6):
        offered = [one for one in usable if one["ip_version"] == version and not gives_itself(one)]
        if offered and not any(_next(session, port, one) for one in offered):
            raise IpAddressGenerationFailure(network_id=port["network_id"])
    if port["device_owner"] not in ROUTER_OWNERS:
        for subnet in usable:
            if gives_itself(subnet):
                _own(session, port, subnet)


def _serves(subnet: Record, device_owner: str) -> bool:
    """A subnet for some kinds of devices serves only these."""
    kinds = subnet["service_types"]
    return not kinds or any(device_owner.startswith(kind) for kind in kinds)


def _own(session: Session, port: Record, subnet: Record) -> None:
    address = eui64(subnet["cidr"], port["mac_address"])
    _check_free(session, subnet, address)
    _keep(session, port, subnet, address)


def _next(session: Session, port: Record, subnet: Record) -> bool:
    """Give the next free address of a locked subnet; False when there is none."""
    row, version = IpAllocation, subnet["ip_version"]
    spans = spans_of(subnet["allocation_pools"])
    begin = int(ip_address(subnet["next_address"])) if subnet["next_address"] else None
    mine = select(row.ip_address).where(row.subnet_id == subnet["id"])
    near = [text(number, version) for number in islice(walk(spans, begin), _WINDOW)]
    used = set(session.scalars(mine.where(row.ip_address.in_(near)))) if near else set()
    address = next((one for one in near if one not in used), None)
    if address is None and near:
        everything = {int(ip_address(one)) for one in session.scalars(mine)}
        number = first_free(spans, begin, everything.__contains__)
        address = None if number is None else text(number, version)
    if address is None:
        return False
    _remember(session, subnet, int(ip_address(address)) + 1)
    _keep(session, port, subnet, address)
    return True


def _remember(session: Session, subnet: Record, number: int) -> None:
    """Begin there next time. Addresses given back rest until all others were given: guests and switches that
    remember the former owner have time to forget it."""
    spans = spans_of(subnet["allocation_pools"])
    subnet["next_address"] = text(number, subnet["ip_version"]) if number <= spans[-1][1] else None
    session.execute(
        update(Subnet).where(Subnet.id == subnet["id"]).values(next_address=subnet["next_address"])
    )


# --- what somebody chose --------------------------------------------------------------------------


def _wanted(session: Session, port: Record, subnets: list[Record], one: Record) -> None:
    subnet_id, address = one.get("subnet_id"), one.get("ip_address")
    if subnet_id is None:
        subnet = _subnet_with(subnets, address)
    else:
        subnet = _of_network(session, port, subnets, subnet_id)
    if address is None:
        if gives_itself(subnet) and port["device_owner"] not in ROUTER_OWNERS:
            _own(session, port, subnet)
        elif not _next(session, port, subnet):
            raise IpAddressGenerationFailure(network_id=port["network_id"])
        return
    address = str(ip_address(address))
    if not holds(subnet["cidr"], address):
        raise InvalidIpForSubnet(ip_address=address)
    _check_free(session, subnet, address)
    _keep(session, port, subnet, address)


def _subnet_with(subnets: list[Record], address: Any) -> Record:
    if address is None:
        raise InvalidNetworkInput(reason="A fixed IP needs subnet_id or ip_address")
    for subnet in subnets:
        if holds(subnet["cidr"], address):
            return subnet
    raise InvalidIpForNetwork(ip_address=address)


def _of_network(session: Session, port: Record, subnets: list[Record], subnet_id: str) -> Record:
    for subnet in subnets:
        if subnet["id"] == subnet_id:
            return subnet
    if session.scalar(select(Subnet.id).where(Subnet.id == subnet_id)) is None:
        raise SubnetNotFound(subnet_id=subnet_id)
    raise InvalidNetworkInput(
        reason=f"Failed to create port on network {port['network_id']}, because fixed_ips included invalid "
        f"subnet {subnet_id}"
    )


def _check_free(session: Session, subnet: Record, address: str) -> None:
    row = IpAllocation
    query = select(row.port_id).where(row.subnet_id == subnet["id"], row.ip_address == address)
    if session.scalar(query) is not None:
        raise IpAddressInUse(network_id=subnet["network_id"], ip_address=address)
