"""network_data.json: the guest's network cards, what is on them, and DNS (Compute user guide, "Metadata service")."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import ip_network
from typing import Any

from novalite.objects.host_networks import FixedIp, Subnet, Vif

DEFAULT_ROUTE = {4: ("0.0.0.0", "0.0.0.0"), 6: ("::", "::")}
TAP_NAME = 14
"""Characters of the name that a card's device has on its host: `tap` and the start of the port's id."""


def network_data(vifs: Sequence[Vif]) -> dict[str, Any]:
    """links, networks and services, of the cards in their order."""
    networks: list[dict[str, Any]] = []
    servers: dict[str, None] = {}
    for vif in vifs:
        for address in _one_per_subnet(vif.fixed_ips):
            networks.append(_network(f"network{len(networks)}", vif, address))
            servers |= dict.fromkeys(address.subnet.dns)
    return {"links": [_link(vif) for vif in vifs], "networks": networks, "services": _dns(servers)}


def _link_id(vif: Vif) -> str:
    return f"tap{vif.port_id}"[:TAP_NAME]


def _link(vif: Vif) -> dict[str, Any]:
    return {
        "id": _link_id(vif),
        "vif_id": vif.port_id,
        "type": "bridge",
        "mtu": vif.mtu,
        "ethernet_mac_address": vif.mac,
    }


def _one_per_subnet(addresses: Iterable[FixedIp]) -> list[FixedIp]:
    """A subnet that the guest asks DHCP about is one network, however many addresses it has there."""
    found: list[FixedIp] = []
    asked: set[str] = set()
    for one in addresses:
        if _kind(one.subnet) == "ipv4_dhcp":
            if one.subnet.id in asked:
                continue
            asked.add(one.subnet.id)
        found.append(one)
    return found


def _kind(subnet: Subnet) -> str:
    if subnet.ip_version == 4:
        return "ipv4_dhcp" if subnet.dhcp else "ipv4"
    if not subnet.dhcp:
        return "ipv6"
    return f"ipv6_{subnet.ipv6_address_mode}" if subnet.ipv6_address_mode else "ipv6_dhcp"


def _network(name: str, vif: Vif, one: FixedIp) -> dict[str, Any]:
    subnet = one.subnet
    found: dict[str, Any] = {
        "id": name,
        "type": _kind(subnet),
        "link": _link_id(vif),
        "network_id": vif.network_id,
    }
    if found["type"] == "ipv4_dhcp":
        return found
    return {
        **found,
        "ip_address": one.address,
        "netmask": str(ip_network(subnet.cidr).netmask),
        "routes": _routes(subnet),
        "services": _dns(subnet.dns),
    }


def _routes(subnet: Subnet) -> list[dict[str, str]]:
    network, mask = DEFAULT_ROUTE[subnet.ip_version]
    routes = [{"network": network, "netmask": mask, "gateway": subnet.gateway}] if subnet.gateway else []
    for destination, hop in subnet.host_routes:
        net = ip_network(destination, strict=False)
        routes.append({"network": str(net.network_address), "netmask": str(net.netmask), "gateway": hop})
    return routes


def _dns(servers: Iterable[str]) -> list[dict[str, str]]:
    return [{"type": "dns", "address": server} for server in servers]
