"""Subnets: find, create, change, delete."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import uuid4

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from novalite.db.models.networks import IpAllocation, Network, NetworkPort, NetworkTag, Subnet
from novalite.db.networks import rows
from novalite.objects.base import Record
from novalite.objects.ip_ranges import gives_itself, overlap
from novalite.objects.network_errors import (
    GatewayIpInUse,
    InvalidSubnetOverlap,
    NetworkNotFound,
    SubnetInUse,
    SubnetNotFound,
)
from novalite.objects.networks import ROUTER_INTERFACE, ROUTER_OWNERS


def get(session: Session, subnet_id: str, lock: str | None = None) -> Record:
    """One subnet with its tags; SubnetNotFound."""
    found = rows.first(session, Subnet, Subnet.id == subnet_id, lock=lock)
    if found is None:
        raise SubnetNotFound(subnet_id=subnet_id)
    return complete(session, [found])[0]


def fetch(session: Session, *where: Any) -> list[Record]:
    """Subnets where all conditions hold, oldest first."""
    return complete(session, rows.fetch(session, Subnet, *where, order=(Subnet.created_at, Subnet.id)))


def of_networks(session: Session, network_ids: Iterable[str]) -> dict[str, list[Record]]:
    """Subnets by network."""
    found: dict[str, list[Record]] = {one: [] for one in network_ids}
    if found:
        for subnet in fetch(session, Subnet.network_id.in_(list(found))):
            found[subnet["network_id"]].append(subnet)
    return found


def complete(session: Session, subnets: list[Record]) -> list[Record]:
    """Rows with tags: one statement."""
    tags = rows.tags_of(session, [subnet["id"] for subnet in subnets])
    for subnet in subnets:
        subnet["tags"] = tags[subnet["id"]]
    return subnets


def create(session: Session, values: Mapping[str, Any]) -> Record:
    """A subnet of network_id; InvalidSubnetOverlap with another one of it. Everything else has been checked."""
    network = rows.first(session, Network, Network.id == values["network_id"], lock="write")
    if network is None:
        raise NetworkNotFound(network_id=values["network_id"])
    for cidr in session.scalars(select(Subnet.cidr).where(Subnet.network_id == network["id"])):
        if overlap(cidr, values["cidr"]):
            raise InvalidSubnetOverlap(cidr=values["cidr"], network_id=network["id"])
    made = {"id": str(uuid4()), **values}
    session.execute(insert(Subnet).values(**made))
    return get(session, made["id"])


def change(session: Session, subnet_id: str, values: Mapping[str, Any]) -> Record:
    """Write columns. GatewayIpInUse while a router has the gateway's address."""
    old = get(session, subnet_id, lock="write")
    if "gateway_ip" in values and values["gateway_ip"] != old["gateway_ip"] and old["gateway_ip"]:
        held, port = IpAllocation, NetworkPort
        query = select(held.port_id).join(port, port.id == held.port_id)
        mine = (held.subnet_id == subnet_id) & (held.ip_address == old["gateway_ip"])
        if router := session.scalar(query.where(mine, port.device_owner == ROUTER_INTERFACE)):
            raise GatewayIpInUse(gateway=old["gateway_ip"], port_id=router)
    if "allocation_pools" in values:
        values = {**values, "next_address": None}
    rows.touch(session, Subnet, Subnet.id == subnet_id, **values)
    return get(session, subnet_id)


def remove(session: Session, subnet_id: str) -> Record:
    """The subnet; SubnetInUse while a port has an address of it that it did not make itself."""
    subnet = get(session, subnet_id, lock="write")
    held, port = IpAllocation, NetworkPort
    query = select(held.port_id, held.ip_address, port.device_owner).join(port, port.id == held.port_id)
    found = session.execute(query.where(held.subnet_id == subnet_id)).all()
    own = gives_itself(subnet)
    if any(not own or row.device_owner in ROUTER_OWNERS for row in found):
        raise SubnetInUse(
            subnet_id=subnet_id, reason="One or more ports have an IP allocation from this subnet."
        )
    session.execute(delete(held).where(held.subnet_id == subnet_id))
    session.execute(delete(NetworkTag).where(NetworkTag.resource_id == subnet_id))
    session.execute(delete(Subnet).where(Subnet.id == subnet_id))
    return subnet
