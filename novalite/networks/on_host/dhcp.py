"""The DHCP server of a network on one host, as files for dnsmasq and as settings of its namespace.

Every host serves its own guests, from the same address everywhere: 169.254.169.254, which no subnet has to spare
and where guests will look for their metadata too. Nothing of it crosses a tunnel. For IPv6 it gives out addresses
(dhcpv6-stateful) or only what else there is to know (dhcpv6-stateless); that there is a router, routers say.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network

from novalite.networks.on_host import names
from novalite.objects.host_networks import HostNetwork, LocalPort, Subnet

ADDRESS = "169.254.169.254"
INSIDE = "dhcp0"
"""Its network card, in its namespace."""
BY_DHCP = ("dhcpv6-stateful", "dhcpv6-stateless")
"""Values of ipv6_address_mode for which there is a server."""
MOST_V6 = 65536
"""IPv6 leases at a time, more than one network has guests on one host."""
ON_LINK = "0.0.0.0"
"""As a next hop: not behind any router (RFC 3442)."""

NAME = re.compile("[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
"""What a machine may be called (RFC 1123)."""


@dataclass(frozen=True)
class Server:
    """A DHCP server to be. `ranges`: subnets it serves. `config` may name its folder as {folder}; `hosts` has a
    line per port."""

    network_id: str
    device: str
    bridge: str
    mac: str
    mtu: int
    ranges: tuple[str, ...] = ()
    config: str = field(default="", repr=False)
    hosts: str = field(default="", repr=False)


def server(network: HostNetwork, ports: Iterable[LocalPort], lease: int) -> Server | None:
    """The server of a network; None when no subnet of it wants one. `lease`: seconds an address is given for."""
    served = [subnet for subnet in network.subnets if subnet.dhcp and subnet.ip_version == 4]
    served6 = [subnet for subnet in network.subnets
               if subnet.dhcp and subnet.ip_version == 6 and subnet.ipv6_address_mode in BY_DHCP]  # fmt: skip
    if not served and not served6:
        return None
    stateful = [subnet for subnet in served6 if subnet.ipv6_address_mode == "dhcpv6-stateful"]
    return Server(
        network_id=network.id,
        device=names.dhcp(network.id),
        bridge=names.bridge(network.id),
        mac=mac(network.id),
        mtu=network.mtu,
        ranges=tuple(subnet.cidr for subnet in (*served, *served6)),
        config=_config(network, served, lease, MOST_V6 if served6 else 0) + _config6(served6, lease),
        hosts=_hosts(ports, {subnet.id: subnet for subnet in (*served, *stateful)}),
    )


def mac(network_id: str) -> str:
    """The same on every host, so that a guest that moves finds the server where it was."""
    raw = bytes([0x02]) + hashlib.sha256(network_id.encode()).digest()[:5]
    return raw.hex(":")


def _config(network: HostNetwork, served: list[Subnet], lease: int, more: int) -> str:
    lines = [
        "port=0",
        f"interface={INSIDE}",
        "except-interface=lo",
        "bind-dynamic",
        "dhcp-authoritative",
        "leasefile-ro",
        "no-ping",
        "quiet-dhcp",
        "log-facility={folder}/log",
        "pid-file={folder}/pid",
        "dhcp-hostsfile={folder}/hosts",
        f"dhcp-lease-max={sum(IPv4Network(subnet.cidr).num_addresses for subnet in served) + more}",
        f"dhcp-option-force=option:mtu,{network.mtu}",
    ]
    for number, subnet in enumerate(served):
        net, tag = IPv4Network(subnet.cidr), f"tag:s{number}"
        lines += [
            f"shared-network={INSIDE},{net.network_address}",
            f"dhcp-range=set:s{number},{net.network_address},static,{net.netmask},{lease}s",
            f"dhcp-option={tag},option:router{_given(subnet.gateway)}",
            f"dhcp-option={tag},option:dns-server{_given(*subnet.dns)}",
            f"dhcp-option={tag},option:classless-static-route{_given(*_routes(subnet))}",
        ]
    return "".join(f"{line}\n" for line in lines)


def _config6(served: list[Subnet], lease: int) -> str:
    lines = ["quiet-dhcp6"] if served else []
    for number, subnet in enumerate(served):
        net, tag = IPv6Network(subnet.cidr), f"v{number}"
        lines += [
            f"dhcp-range=set:{tag},{net.network_address},static,{net.prefixlen},{lease}s",
            f"dhcp-option=tag:{tag},option6:dns-server{_given(*(f'[{one}]' for one in subnet.dns))}",
        ]
    return "".join(f"{line}\n" for line in lines)


def _given(*values: str | None) -> str:
    """Without a value an option is not sent, not even dnsmasq's own idea of it."""
    return "".join(f",{value}" for value in values if value)


def _routes(subnet: Subnet) -> list[str]:
    """Destination, next hop, ... (RFC 3442: who reads these looks at no router option)."""
    routes = {ADDRESS + "/32": ON_LINK}
    if subnet.gateway:
        routes["0.0.0.0/0"] = subnet.gateway
    routes |= dict(subnet.host_routes)
    return [word for pair in routes.items() for word in pair]


def _hosts(ports: Iterable[LocalPort], served: Mapping[str, Subnet]) -> str:
    lines = []
    for port in sorted(ports, key=lambda port: port.id):
        mine = [one.address for one in port.addresses if one.subnet_id in served]
        v4, v6 = ([one for one in mine if (":" in one) is version6][:1] for version6 in (False, True))
        if mine:
            name = port.hostname if NAME.fullmatch(port.hostname) else "host-" + re.sub("[.:]+", "-", mine[0])
            lines.append(",".join([port.mac, "id:*", *v4, *(f"[{one}]" for one in v6), f"{name}\n"]))
    return "".join(lines)
