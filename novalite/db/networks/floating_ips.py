"""Floating addresses: a port on an external network that stands for an address inside."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from sqlalchemy import delete, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from novalite.db.models.network_services import FloatingIp, Router
from novalite.db.models.networks import IpAllocation, Network, NetworkPort, NetworkTag
from novalite.db.networks import ports, rows
from novalite.objects.base import Record
from novalite.objects.network_errors import (
    BadFloatingIpRequest,
    ExternalGatewayForFloatingIpNotFound,
    FloatingIpNotFound,
    FloatingIpPortAlreadyAssociated,
    NetworkNotFound,
)
from novalite.objects.networks import FLOATING_IP, ROUTER_INTERFACE

_DETAILS = ("name", "network_id", "mac_address", "admin_state_up", "status", "device_id", "device_owner")
NOWHERE = {"port_id": None, "fixed_ip_address": None, "router_id": None, "status": "DOWN"}


def get(session: Session, floating_ip_id: str, lock: str | None = None) -> Record:
    """One floating address; FloatingIpNotFound."""
    found = rows.first(session, FloatingIp, FloatingIp.id == floating_ip_id, lock=lock)
    if found is None:
        raise FloatingIpNotFound(floating_ip_id=floating_ip_id)
    return complete(session, [found])[0]


def complete(session: Session, found: list[Record]) -> list[Record]:
    """Rows with port_details (None: it points nowhere) and tags."""
    ids = [one["port_id"] for one in found if one["port_id"]]
    inside: dict[str, Record] = {}
    if ids:
        row = NetworkPort
        columns = [getattr(row, name) for name in _DETAILS]
        for port_id, *values in session.execute(select(row.id, *columns).where(row.id.in_(ids))):
            inside[port_id] = dict(zip(_DETAILS, values, strict=True))
    tags = rows.tags_of(session, [one["id"] for one in found])
    for one in found:
        one["port_details"], one["tags"] = inside.get(one["port_id"]), tags[one["id"]]
    return found


def of_ports(session: Session, port_ids: list[str]) -> dict[str, list[Record]]:
    """Floating addresses by the port they stand for."""
    found: dict[str, list[Record]] = {one: [] for one in port_ids}
    for one in rows.fetch(session, FloatingIp, FloatingIp.port_id.in_(port_ids)) if port_ids else []:
        found[one["port_id"]].append(one)
    return found


def of_routers(session: Session, router_ids: list[str]) -> list[Record]:
    """What some routers translate."""
    return rows.fetch(session, FloatingIp, FloatingIp.router_id.in_(router_ids)) if router_ids else []


def create(session: Session, values: Mapping[str, Any], fixed_ips: list[Record] | None = None) -> Record:
    """An address of floating_network_id for project_id, pointing nowhere; `fixed_ips` says which one."""
    network = rows.first(session, Network, Network.id == values["floating_network_id"], lock="read")
    if network is None:
        raise NetworkNotFound(network_id=values["floating_network_id"])
    if not network["external"]:
        raise BadFloatingIpRequest(reason=f"Network {network['id']} is not a valid external network")
    floating_id = str(uuid4())
    port = ports.create(session, {
        "network_id": network["id"], "project_id": "", "device_id": floating_id, "device_owner": FLOATING_IP,
        "fixed_ips": fixed_ips, "port_security_enabled": False,
    })  # fmt: skip
    address = next((one["ip_address"] for one in port["fixed_ips"] if ":" not in one["ip_address"]), None)
    if address is None:
        raise BadFloatingIpRequest(reason=f"Network {network['id']} does not contain any IPv4 subnet")
    row = {"id": floating_id, "floating_ip_address": address, "floating_port_id": port["id"], **values}
    session.execute(insert(FloatingIp).values(**row))
    return get(session, floating_id)


def change(session: Session, floating_ip_id: str, values: Mapping[str, Any]) -> Record:
    """Write columns."""
    if not rows.touch(session, FloatingIp, FloatingIp.id == floating_ip_id, **values):
        raise FloatingIpNotFound(floating_ip_id=floating_ip_id)
    return get(session, floating_ip_id)


def point(session: Session, floating_ip_id: str, port: Record | None, fixed: str | None = None) -> Record:
    """Make it stand for an address of a port: `fixed`, or its only v4 one. None: for nothing."""
    one = get(session, floating_ip_id, lock="write")
    if port is None:
        return change(session, floating_ip_id, NOWHERE)
    inside = _inside(port, fixed)
    router = _router(session, one, port, inside)
    values = {"port_id": port["id"], "fixed_ip_address": inside["ip_address"], "router_id": router}
    taken = FloatingIpPortAlreadyAssociated(
        floating_ip_address=one["floating_ip_address"], floating_ip_id=one["id"], port_id=port["id"],
        fixed_ip_address=inside["ip_address"], network_id=one["floating_network_id"],
    )  # fmt: skip
    row = FloatingIp
    twin = select(row.id).where(row.port_id == port["id"], row.fixed_ip_address == inside["ip_address"])
    if session.scalar(twin) not in (None, one["id"]):
        raise taken
    try:
        with session.begin_nested():
            rows.touch(session, row, row.id == floating_ip_id, status="DOWN", **values)
    except IntegrityError:
        raise taken from None
    return get(session, floating_ip_id)


def _inside(port: Record, fixed: str | None) -> Record:
    offered: list[Record] = [one for one in port["fixed_ips"] if ":" not in one["ip_address"]]
    if fixed is not None:
        for one in offered:
            if one["ip_address"] == fixed:
                return one
        raise BadFloatingIpRequest(reason=f"Port {port['id']} does not have fixed ip {fixed}")
    if not offered:
        raise BadFloatingIpRequest(
            reason=f"Cannot add floating IP to port {port['id']} that has no fixed IPv4 addresses"
        )
    if len(offered) > 1:
        raise BadFloatingIpRequest(
            reason=f"Port {port['id']} has multiple fixed IPv4 addresses. Must provide a specific IPv4 address "
            "when assigning a floating IP"
        )
    return offered[0]


def _router(session: Session, one: Record, port: Record, inside: Record) -> str:
    """The router between the two networks, of several the one that was joined first. It stays between them until
    the transaction ends."""
    held, plug = IpAllocation, NetworkPort
    query = (
        select(Router.id)
        .join(plug, (plug.device_id == Router.id) & (plug.device_owner == ROUTER_INTERFACE))
        .join(held, held.port_id == plug.id)
        .where(held.subnet_id == inside["subnet_id"])
        .where(Router.external_network_id == one["floating_network_id"])
        .order_by(plug.created_at, Router.id)
    )
    found = session.scalars(query).first()
    if found is not None:
        rows.first(session, Router, Router.id == found, lock="read")
        found = session.scalars(query).first()  # it may have been parted before it was locked
    if found is None:
        raise ExternalGatewayForFloatingIpNotFound(
            external_network_id=one["floating_network_id"], subnet_id=inside["subnet_id"], port_id=port["id"]
        )
    return str(found)


def remove(session: Session, floating_ip_id: str) -> Record:
    """The address goes back to its network; answers what it was."""
    one = get(session, floating_ip_id, lock="write")
    session.execute(delete(FloatingIp).where(FloatingIp.id == floating_ip_id))
    session.execute(delete(NetworkTag).where(NetworkTag.resource_id == floating_ip_id))
    ports.remove(session, [one["floating_port_id"]])
    return one
