"""Interfaces of servers: the ports that are plugged into them, as views, hosts and flows need them.

Nothing of this is kept a second time with the servers: ports, addresses and groups change without them, and
reading them costs a page two statements.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import and_, bindparam, case, select, update
from sqlalchemy.orm import Session

from novalite.db.models.compute import Server
from novalite.db.models.network_services import FloatingIp, PortGroup, SecurityGroup
from novalite.db.models.networks import IpAllocation, Network, NetworkPort, Subnet
from novalite.db.networks import ports
from novalite.db.session import run_statement
from novalite.objects import host_networks
from novalite.objects.base import Record
from novalite.objects.ip_ranges import mac_of
from novalite.states import PowerState

OWNER = "compute:"
"""The device_owner of a server's port begins so; the zone follows."""
PLUGGED_IN: dict[str, Any] = {"vif_type": "bridge", "vif_details": {"port_filter": True, "connectivity": "l2"}}
"""How a port on a compute host is plugged in (binding:vif_type and binding:vif_details of the Network API)."""

_PLUGGED = and_(NetworkPort.device_owner.like(OWNER + "%"), NetworkPort.device_index > 0)
_THESE = (NetworkPort.device_id.in_(bindparam("b_servers", expanding=True)), _PLUGGED)
_THIS = (NetworkPort.device_id == bindparam("b_server"), _PLUGGED)
_ORDER = (NetworkPort.device_index, NetworkPort.id)
_ADDRESSES = (
    select(
        NetworkPort.device_id, Network.name, NetworkPort.mac_address, IpAllocation.ip_address,
        FloatingIp.floating_ip_address,
    )
    .join(Network, Network.id == NetworkPort.network_id)
    .outerjoin(IpAllocation, IpAllocation.port_id == NetworkPort.id)
    .outerjoin(
        FloatingIp,
        and_(FloatingIp.port_id == NetworkPort.id, FloatingIp.fixed_ip_address == IpAllocation.ip_address),
    )
    .where(*_THESE)
    .order_by(*_ORDER, IpAllocation.position)
)  # fmt: skip
_GROUPS = (
    select(NetworkPort.device_id, SecurityGroup.name)
    .join(PortGroup, PortGroup.port_id == NetworkPort.id)
    .join(SecurityGroup, SecurityGroup.id == PortGroup.security_group_id)
    .where(*_THESE)
    .distinct()
    .order_by(SecurityGroup.name)
)
_PORT = (
    NetworkPort.id, NetworkPort.network_id, NetworkPort.mac_address, NetworkPort.status, NetworkPort.tag,
    NetworkPort.device_index, NetworkPort.made_for_device, NetworkPort.port_security_enabled, NetworkPort.vnic_type,
    NetworkPort.host,
)  # fmt: skip
_INTERFACES = (
    select(*_PORT, IpAllocation.subnet_id, IpAllocation.ip_address)
    .outerjoin(IpAllocation, IpAllocation.port_id == NetworkPort.id)
    .where(*_THIS)
    .order_by(*_ORDER, IpAllocation.position)
)
_VIFS = (
    select(
        *_PORT, IpAllocation.ip_address, Network.name, Network.network_type, Network.physical_network,
        Network.segmentation_id, Network.mtu, Subnet.id.label("subnet_id"), Subnet.cidr, Subnet.ip_version,
        Subnet.gateway_ip, Subnet.dns_nameservers, Subnet.host_routes, Subnet.enable_dhcp,
        Subnet.ipv6_address_mode, Subnet.ipv6_ra_mode,
    )
    .join(Network, Network.id == NetworkPort.network_id)
    .outerjoin(IpAllocation, IpAllocation.port_id == NetworkPort.id)
    .outerjoin(Subnet, Subnet.id == IpAllocation.subnet_id)
    .where(*_THIS)
    .order_by(*_ORDER, IpAllocation.position)
)  # fmt: skip
_AT_ADDRESS = (
    select(NetworkPort.device_id)
    .join(IpAllocation, IpAllocation.port_id == NetworkPort.id)
    .where(
        NetworkPort.network_id == bindparam("b_network"), NetworkPort.host == bindparam("b_host"), _PLUGGED,
        IpAllocation.ip_address == bindparam("b_address"),
    )
)
_AT_MAC = select(NetworkPort.device_id).where(
    NetworkPort.network_id == bindparam("b_network"), NetworkPort.host == bindparam("b_host"), _PLUGGED,
    NetworkPort.mac_address == bindparam("b_mac"),
)
_POWER = select(Server.power_state).where(Server.id == bindparam("b_server")).scalar_subquery()
_STATUS = case((_POWER.in_([int(PowerState.RUNNING), int(PowerState.PAUSED)]), "ACTIVE"), else_="DOWN")
_FOLLOW = (
    update(NetworkPort)
    .where(*_THIS, NetworkPort.host != "", NetworkPort.status != _STATUS)
    .values(status=_STATUS)
    .execution_options(synchronize_session=False)
)


def addresses(session: Session, server_ids: Sequence[str]) -> dict[str, dict[str, list[Record]]]:
    """Addresses by network name of each server that has any, as the API shows them: fixed ones in the order of
    the interfaces, then the floating ones. One statement."""
    found: dict[str, dict[str, list[Record]]] = {}
    floating: list[tuple[list[Record], Record]] = []
    for server, label, mac, fixed, public in run_statement(session, _ADDRESSES, b_servers=list(server_ids)):
        shown = found.setdefault(server, {}).setdefault(label, [])
        if fixed is not None:
            shown.append(_address(fixed, "fixed", mac))
        if public is not None:
            floating.append((shown, _address(public, "floating", mac)))
    for shown, address in floating:
        shown.append(address)
    return found


def _address(ip: str, kind: str, mac: str) -> Record:
    version = 6 if ":" in ip else 4
    return {"version": version, "addr": ip, "OS-EXT-IPS:type": kind, "OS-EXT-IPS-MAC:mac_addr": mac}


def group_names(session: Session, server_ids: Sequence[str]) -> dict[str, list[str]]:
    """Names of the security groups of the ports of each server that has any. One statement."""
    found: dict[str, list[str]] = {}
    for server, name in run_statement(session, _GROUPS, b_servers=list(server_ids)):
        found.setdefault(server, []).append(name)
    return found


def of_server(session: Session, server_id: str) -> list[Record]:
    """Every interface: port_id, net_id, mac_addr, port_state, fixed_ips (subnet_id, ip_address), tag, and `index`,
    `host` ("" for none) and `made` (the port was made for the server and goes with it). One statement."""
    found: dict[str, Record] = {}
    for row in run_statement(session, _INTERFACES, b_server=server_id):
        port = found.setdefault(
            row.id,
            {
                "port_id": row.id, "net_id": row.network_id, "mac_addr": row.mac_address, "port_state": row.status,
                "fixed_ips": [], "tag": row.tag, "index": row.device_index - 1, "made": bool(row.made_for_device),
                "host": row.host,
            },
        )  # fmt: skip
        if row.ip_address is not None:
            port["fixed_ips"].append({"subnet_id": row.subnet_id, "ip_address": row.ip_address})
    return list(found.values())


def vifs(session: Session, server_id: str) -> tuple[host_networks.Vif, ...]:
    """The same as the server's host is told it. One statement."""
    cards: dict[str, tuple[Any, list[host_networks.FixedIp]]] = {}
    for row in run_statement(session, _VIFS, b_server=server_id):
        _, fixed = cards.setdefault(row.id, (row, []))
        if row.ip_address is not None and row.subnet_id is not None:
            fixed.append(host_networks.FixedIp(address=row.ip_address, subnet=_subnet(row)))
    return tuple(_vif(row, fixed) for row, fixed in cards.values())


def at_address(session: Session, host: str, network_id: str, address: str) -> str | None:
    """The server that has an address on that network by a port on that host; None: nobody, or not surely one. One
    statement."""
    where = {"b_host": host, "b_network": network_id}
    mac = mac_of(address)
    if mac is not None:
        found = run_statement(session, _AT_MAC, b_mac=mac, **where).all()
    else:
        found = run_statement(session, _AT_ADDRESS, b_address=address, **where).all()
    return str(found[0].device_id) if len(found) == 1 else None


def _vif(row: Any, fixed: list[host_networks.FixedIp]) -> host_networks.Vif:
    return host_networks.Vif(
        port_id=row.id,
        mac=row.mac_address,
        network_id=row.network_id,
        network_name=row.name,
        network_type=row.network_type,
        segmentation_id=row.segmentation_id,
        physical_network=row.physical_network,
        mtu=row.mtu,
        fixed_ips=tuple(fixed),
        tag=row.tag,
        vnic_type=row.vnic_type,
        port_security=bool(row.port_security_enabled),
    )


def _subnet(row: Any) -> host_networks.Subnet:
    return host_networks.Subnet(
        id=row.subnet_id,
        cidr=row.cidr,
        ip_version=row.ip_version,
        gateway=row.gateway_ip,
        dns=tuple(row.dns_nameservers or ()),
        host_routes=tuple((route["destination"], route["nexthop"]) for route in row.host_routes or ()),
        dhcp=bool(row.enable_dhcp),
        ipv6_address_mode=row.ipv6_address_mode,
        ipv6_ra_mode=row.ipv6_ra_mode,
    )


def plugged(port: Record) -> bool:
    """Whether a server is plugged into the port. One that only names a server, as its owner may have it do, does not
    count: it need not be the server's."""
    return bool(port["device_owner"].startswith(OWNER) and port["device_index"])


def bind(session: Session, server_id: str, host: str | None) -> None:
    """The server's ports are, or will be, on that host; None: on none."""
    values = {**ports.UNBOUND} if host is None else {"host": host, **PLUGGED_IN}
    session.execute(update(NetworkPort).where(NetworkPort.device_id == server_id, _PLUGGED).values(**values))


def follow(session: Session, server_id: str) -> None:
    """Ports of a guest that runs are ACTIVE, those of one that does not are DOWN. One statement."""
    run_statement(session, _FOLLOW, b_server=server_id)


def with_address(version: int, pattern: str) -> Any:
    """Ids of servers one of whose fixed addresses of that IP version begins as the regular expression says."""
    is_six = IpAllocation.ip_address.contains(":")
    return (
        select(NetworkPort.device_id)
        .join(IpAllocation, IpAllocation.port_id == NetworkPort.id)
        .where(_PLUGGED, is_six if version == 6 else ~is_six)
        .where(IpAllocation.ip_address.regexp_match(f"^({pattern})"))
    )
