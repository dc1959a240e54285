"""Routers: their gateway on an external network, and their interfaces, which are ports."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from sqlalchemy import delete, exists, insert, select
from sqlalchemy.orm import Session

from novalite.db.models.network_services import FloatingIp, Router
from novalite.db.models.networks import Network, NetworkPort, NetworkTag, Subnet
from novalite.db.networks import ports, rows
from novalite.objects.base import Record
from novalite.objects.ip_ranges import overlap
from novalite.objects.network_errors import (
    BadRouterRequest,
    NetworkNotFound,
    OverlappingRouterSubnets,
    RouterExternalGatewayInUse,
    RouterInterfaceInUseByFloatingIp,
    RouterInterfaceNotFound,
    RouterInterfaceNotFoundForSubnet,
    RouterInUse,
    RouterNotFound,
)
from novalite.objects.networks import ROUTER_GATEWAY, ROUTER_INTERFACE

GATEWAY = ("network_id", "enable_snat", "external_fixed_ips")


def get(session: Session, router_id: str, lock: str | None = None) -> Record:
    """One router with external_fixed_ips and tags; RouterNotFound."""
    found = rows.first(session, Router, Router.id == router_id, lock=lock)
    if found is None:
        raise RouterNotFound(router_id=router_id)
    return complete(session, [found])[0]


def complete(session: Session, routers: list[Record]) -> list[Record]:
    """Rows with the addresses of their gateways, and tags."""
    gateways = [one["gateway_port_id"] for one in routers if one["gateway_port_id"]]
    held = {port["id"]: port["fixed_ips"] for port in ports.of_ids(session, gateways)} if gateways else {}
    tags = rows.tags_of(session, [one["id"] for one in routers])
    for router in routers:
        router["external_fixed_ips"] = held.get(router["gateway_port_id"], [])
        router["tags"] = tags[router["id"]]
    return routers


def interfaces(session: Session, router_ids: list[str]) -> dict[str, list[Record]]:
    """Interface ports by router."""
    found: dict[str, list[Record]] = {one: [] for one in router_ids}
    chosen = NetworkPort.device_id.in_(router_ids) & (NetworkPort.device_owner == ROUTER_INTERFACE)
    for port in ports.fetch(session, chosen) if router_ids else []:
        found[port["device_id"]].append(port)
    return found


def of_networks(session: Session, network_ids: list[str]) -> list[Record]:
    """Routers with an interface or their gateway in one of the networks."""
    port = NetworkPort
    owners = (ROUTER_INTERFACE, ROUTER_GATEWAY)
    query = select(port.device_id).where(port.network_id.in_(network_ids), port.device_owner.in_(owners))
    return complete(session, rows.fetch(session, Router, Router.id.in_(query)))


def create(session: Session, values: Mapping[str, Any], gateway: Record | None) -> Record:
    """A router of project_id; `gateway` as in set_gateway."""
    made = {"id": str(uuid4()), **values}
    session.execute(insert(Router).values(**made))
    if gateway is not None:
        set_gateway(session, made["id"], gateway)
    return get(session, made["id"])


def change(session: Session, router_id: str, values: Mapping[str, Any]) -> Record:
    """Write columns."""
    if not rows.touch(session, Router, Router.id == router_id, **values):
        raise RouterNotFound(router_id=router_id)
    return get(session, router_id)


def remove(session: Session, router_id: str) -> Record:
    """The router and its gateway; RouterInUse while it has interfaces."""
    router = get(session, router_id, lock="write")
    if interfaces(session, [router_id])[router_id]:
        raise RouterInUse(router_id=router_id, reason="still has ports")
    set_gateway(session, router_id, None)
    session.execute(delete(NetworkTag).where(NetworkTag.resource_id == router_id))
    session.execute(delete(Router).where(Router.id == router_id))
    return router


# --- the gateway ----------------------------------------------------------------------------------


def set_gateway(session: Session, router_id: str, wanted: Record | None) -> None:
    """`wanted`: network_id, enable_snat (None: as it was, at first true), external_fixed_ips (None: any). None
    takes the gateway away; RouterExternalGatewayInUse while floating addresses need it."""
    router = get(session, router_id, lock="write")
    old = router["external_network_id"]
    if wanted is None or (old is not None and old != wanted["network_id"]):
        if old is not None:
            _drop_gateway(session, router)
        if wanted is None:
            return
        old = None
    snat = wanted.get("enable_snat")
    values: Record = {"enable_snat": True if snat is None else snat}
    fixed = wanted.get("external_fixed_ips")
    if old is None:
        values |= {
            "external_network_id": wanted["network_id"],
            "gateway_port_id": _plug(session, router_id, wanted),
        }
    elif fixed is not None:
        ports.change(session, router["gateway_port_id"], {"fixed_ips": fixed})
    rows.touch(session, Router, Router.id == router_id, **values)


def _plug(session: Session, router_id: str, wanted: Record) -> str:
    network = rows.first(session, Network, Network.id == wanted["network_id"], lock="read")
    if network is None:
        raise NetworkNotFound(network_id=wanted["network_id"])
    if not network["external"]:
        raise BadRouterRequest(reason=f"Network {network['id']} is not an external network")
    port = ports.create(session, {
        "network_id": network["id"], "project_id": "", "device_id": router_id, "device_owner": ROUTER_GATEWAY,
        "fixed_ips": wanted.get("external_fixed_ips"), "port_security_enabled": False,
    })  # fmt: skip
    return str(port["id"])


def _drop_gateway(session: Session, router: Record) -> None:
    used = exists().where(FloatingIp.router_id == router["id"])
    if session.scalar(select(used)):
        raise RouterExternalGatewayInUse(router_id=router["id"], network_id=router["external_network_id"])
    gone = {"external_network_id": None, "gateway_port_id": None, "enable_snat": True}
    rows.touch(session, Router, Router.id == router["id"], **gone)
    ports.remove(session, [router["gateway_port_id"]])


# --- interfaces -----------------------------------------------------------------------------------


def add_subnet(session: Session, router_id: str, subnet: Record) -> Record:
    """An interface with the gateway's address of a subnet; answers the port."""
    router = get(session, router_id, lock="write")
    if not subnet["gateway_ip"]:
        raise BadRouterRequest(reason="Subnet for router interface must have a gateway IP")
    had = _check_subnets(session, router_id, [subnet])
    address = {"subnet_id": subnet["id"], "ip_address": subnet["gateway_ip"]}
    # A network's v6 subnets share one interface: its guests hear one router (RFC 4861).
    if subnet["ip_version"] == 6:
        for port in had:
            if port["network_id"] == subnet["network_id"] and ":" in port["fixed_ips"][0]["ip_address"]:
                return ports.change(session, port["id"], {"fixed_ips": [*port["fixed_ips"], address]})
    return ports.create(session, {
        "network_id": subnet["network_id"], "project_id": router["project_id"], "device_id": router_id,
        "device_owner": ROUTER_INTERFACE, "fixed_ips": [address], "port_security_enabled": False,
    })  # fmt: skip


def add_port(session: Session, router_id: str, port: Record) -> Record:
    """An interface that is this port; answers it."""
    get(session, router_id, lock="write")
    if not port["fixed_ips"]:
        raise BadRouterRequest(reason="Router port must have at least one fixed IP")
    ids = [one["subnet_id"] for one in port["fixed_ips"]]
    _check_subnets(session, router_id, rows.fetch(session, Subnet, Subnet.id.in_(ids)))
    if port["device_id"]:
        return ports.take(session, port["id"], "", "")  # never free: says whose it is
    return ports.take(session, port["id"], router_id, ROUTER_INTERFACE, status="DOWN")


def _check_subnets(session: Session, router_id: str, new: list[Record]) -> list[Record]:
    """Packets find one way only: no subnet twice, none that overlaps another. Answers the interfaces."""
    had = interfaces(session, [router_id])[router_id]
    ids = {one["subnet_id"] for port in had for one in port["fixed_ips"]}
    for other in rows.fetch(session, Subnet, Subnet.id.in_(list(ids))) if ids else []:
        for subnet in new:
            if other["id"] == subnet["id"]:
                raise BadRouterRequest(reason=f"Router already has a port on subnet {subnet['id']}")
            if overlap(other["cidr"], subnet["cidr"]):
                raise OverlappingRouterSubnets(
                    cidr=subnet["cidr"],
                    subnet_id=subnet["id"],
                    other_cidr=other["cidr"],
                    other_id=other["id"],
                )
    return had


def drop_subnet(session: Session, router_id: str, subnet_id: str) -> Record:
    """The router leaves a subnet; answers the port as it was."""
    get(session, router_id, lock="write")
    for port in interfaces(session, [router_id])[router_id]:
        if any(one["subnet_id"] == subnet_id for one in port["fixed_ips"]):
            kept = [one for one in port["fixed_ips"] if one["subnet_id"] != subnet_id]
            _check_unneeded(session, router_id, [subnet_id])
            if kept:
                ports.change(session, port["id"], {"fixed_ips": kept})
            else:
                ports.remove(session, [port["id"]])
            return port
    raise RouterInterfaceNotFoundForSubnet(router_id=router_id, subnet_id=subnet_id)


def drop_port(session: Session, router_id: str, port_id: str) -> Record:
    """The interface that is this port is gone; answers what it was."""
    get(session, router_id, lock="write")
    for port in interfaces(session, [router_id])[router_id]:
        if port["id"] == port_id:
            _check_unneeded(session, router_id, [one["subnet_id"] for one in port["fixed_ips"]])
            ports.remove(session, [port_id])
            return port
    raise RouterInterfaceNotFound(router_id=router_id, port_id=port_id)


def _check_unneeded(session: Session, router_id: str, subnet_ids: list[str]) -> None:
    """No floating address is reached through an interface that is to go."""
    row = FloatingIp
    query = select(row.port_id, row.fixed_ip_address).where(row.router_id == router_id)
    for port_id, address in session.execute(query).all():
        port = ports.get(session, str(port_id))
        for one in port["fixed_ips"]:
            if one["ip_address"] == address and one["subnet_id"] in subnet_ids:
                raise RouterInterfaceInUseByFloatingIp(subnet_id=one["subnet_id"], router_id=router_id)
