"""Wanted states, with only what a test is about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from novalite.objects.host_networks import (
    FloatingIp,
    GroupRule,
    HostNetwork,
    HostNetworks,
    HostRouter,
    LocalAddress,
    LocalPort,
    Peer,
    RemotePort,
    RouterLeg,
    SecurityGroup,
    Subnet,
)

NET = "b1c0ffee-0000-4000-8000-000000000001"
SUBNET = Subnet(id="sub-1", cidr="10.9.0.0/24", gateway="10.9.0.1", dns=("10.9.0.2",))
OUTSIDE, SECOND = (f"{start}ffee-0000-4000-8000-000000000001" for start in ("e0c0", "c2c0"))
ROUTER = "40070000-0000-4000-8000-000000000003"
OUTER = Subnet(id="sub-out", cidr="203.0.113.0/24", gateway="203.0.113.1", dhcp=False)
OTHER = Subnet(id="sub-2", cidr="10.8.0.0/24", gateway="10.8.0.1")
OUT = (GroupRule(direction="egress"), GroupRule(direction="egress", ip_version=6))
PING = GroupRule(direction="ingress", protocol="icmp")


def a_port(number: int, groups: Sequence[str] = ("web",), **more: Any) -> LocalPort:
    """The port with address 10.9.0.NUMBER."""
    return LocalPort(**{
        "id": f"{number:08x}-0000-4000-8000-000000000002",
        "network_id": NET,
        "mac": mac(number),
        "addresses": (LocalAddress(address=f"10.9.0.{number}", subnet_id="sub-1"),),
        "group_ids": tuple(groups),
        "hostname": f"guest{number}",
    } | more)  # fmt: skip


def mac(number: int) -> str:
    """Of that port."""
    return f"fa:16:3e:00:00:{number:02x}"


def a_network(**more: Any) -> HostNetwork:
    """A VXLAN network with one subnet."""
    return HostNetwork(**{"id": NET, "segmentation_id": 77, "mtu": 1450, "subnets": (SUBNET,)} | more)


def a_group(*rules: GroupRule, id: str = "web", out: bool = True) -> SecurityGroup:
    """A group that lets everything out."""
    return SecurityGroup(id=id, rules=(*(OUT if out else ()), *rules))


def a_peer(address: str, *numbers: int) -> Peer:
    """A host with those ports."""
    ports = tuple(RemotePort(mac=mac(one), addresses=(f"10.9.0.{one}",)) for one in numbers)
    return Peer(host=f"at {address}", address=address, ports=ports)


def wanted(*ports: LocalPort, **more: Any) -> HostNetworks:
    """Those ports on one network; members of groups are the ports given."""
    members: dict[str, tuple[str, ...]] = {}
    for port in ports:
        for group in port.group_ids:
            members[group] = (*members.get(group, ()), *(one.address for one in port.addresses))
    return HostNetworks(**{
        "host": "here", "networks": (a_network(),), "ports": ports, "groups": (a_group(PING),), "members": members,
    } | more)  # fmt: skip


def an_outside(**more: Any) -> HostNetwork:
    """The external network: a wire."""
    return a_network(**{"id": OUTSIDE, "type": "flat", "segmentation_id": None, "physical_network": "office",
                        "mtu": 1500, "subnets": (OUTER,), **more})  # fmt: skip


def a_leg(number: int, network: str = NET, subnet: str = "sub-1", *ips: str) -> RouterLeg:
    """A leg of a router, with the subnet's first address unless others are said."""
    addresses = tuple(LocalAddress(address=ip, subnet_id=subnet) for ip in ips or ("10.9.0.1",))
    return RouterLeg(port_id=f"{number:08x}-0000-4000-8000-000000000004", network_id=network,
                     mac=f"fa:16:3e:00:01:{number:02x}", addresses=addresses)  # fmt: skip


def a_router(*legs: RouterLeg, floating: Sequence[tuple[str, str]] = (), **more: Any) -> HostRouter:
    """A router between one network (unless told others) and the outside, where it is 203.0.113.10."""
    gateway = a_leg(0xE0, OUTSIDE, "sub-out", "203.0.113.10")
    floats = tuple(FloatingIp(id=f"float {outer}", address=outer, fixed=fixed) for outer, fixed in floating)
    return HostRouter(**{
        "id": ROUTER, "legs": (*(legs or (a_leg(1),)), gateway), "gateway": gateway.port_id, "floating": floats,
    } | more)  # fmt: skip


def routed(*ports: LocalPort, router: HostRouter | None = None, **more: Any) -> HostNetworks:
    """Those ports on one network, which a router joins to the outside."""
    given = {"networks": (a_network(), an_outside()), "routers": (router or a_router(),)}
    return wanted(*ports, **given | more)
