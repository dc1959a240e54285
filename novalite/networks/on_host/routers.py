"""Routers of a host, decided: legs with their addresses, routes, firewall, router advertisements. Pure.

A router is a network namespace of its own, with a cable into the bridge of every network that it is plugged into.
Nothing else is in it, so it can forward nothing into a network that it has no leg in.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_interface, ip_network

from novalite.networks.on_host import names, translation
from novalite.objects.host_networks import CarriedRouter, HostNetwork, HostRouter, RouterLeg, Subnet

INSIDE = "leg"
ALL = {4: "0.0.0.0/0", 6: "::/0"}
RANGES = {"slaac": "ra-only", "dhcpv6-stateless": "ra-stateless", "dhcpv6-stateful": "static"}
"""How dnsmasq is told what to advertise, by ipv6_ra_mode."""


@dataclass(frozen=True)
class Leg:
    """A cable: `inside` is the router's end with `addresses` (with length), `device` the one in the bridge."""

    port_id: str
    network_id: str
    inside: str
    device: str
    bridge: str
    mac: str
    mtu: int
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True)
class Router:
    """A router to be. `routes`: (destination, next hop); `rules` are whole for nft; `advertised` is dnsmasq's file,
    which may name its folder as {folder}, empty: there is nothing to advertise; `let_go_after`: see HostRouter."""

    id: str
    legs: tuple[Leg, ...] = ()
    routes: tuple[tuple[str, str], ...] = ()
    rules: str = field(default="", repr=False)
    advertised: str = field(default="", repr=False)
    let_go_after: int = 0


def router(wanted: HostRouter, networks: Mapping[str, HostNetwork]) -> Router | None:
    """What becomes of a router where these networks are; None when it has nothing to do."""
    legs = tuple(_leg(leg, wanted, networks[leg.network_id])
                 for leg in wanted.legs if leg.admin_up and leg.network_id in networks)  # fmt: skip
    if not legs or not wanted.admin_up:
        return None
    outside = next((leg for leg in legs if leg.port_id == wanted.gateway), None)
    subnets = {one.id: one for net in networks.values() for one in net.subnets}
    gates = [subnets[one.subnet_id] for leg in wanted.legs if outside and leg.port_id == outside.port_id
             for one in leg.addresses if one.subnet_id in subnets]  # fmt: skip
    return Router(
        id=wanted.id,
        legs=legs,
        routes=_routes(wanted, gates),
        rules=translation.rules(
            [leg.inside for leg in legs if leg is not outside],
            outside.inside if outside else None,
            _own(outside) if outside and wanted.snat else None,
            [(one.address, one.fixed) for one in wanted.floating] if outside else [],
            plain=not wanted.snat,
        ),
        advertised=_advertised(wanted, legs, networks),
        let_go_after=int(wanted.let_go_after),
    )


def carried(wanted: HostRouter, made: Router | None, networks: Container[str]) -> CarriedRouter:
    """What can be said of a router that was made so; None: it had nothing to do. Ports of one that is switched off are
    as they are to be, if only their `networks` are here: clients wait for ACTIVE before they take them away."""
    there = {leg.port_id for leg in made.legs} if made else set()
    if not wanted.admin_up:
        there = {leg.port_id for leg in wanted.legs if leg.admin_up and leg.network_id in networks}
    return CarriedRouter(
        id=wanted.id,
        whole=wanted.admin_up and there >= {leg.port_id for leg in wanted.legs if leg.admin_up},
        port_ids=tuple(sorted(there)),
        floating=wanted.floating if wanted.admin_up and wanted.gateway in there else (),
    )


def _leg(leg: RouterLeg, wanted: HostRouter, network: HostNetwork) -> Leg:
    lengths = {one.id: ip_network(one.cidr).prefixlen for one in network.subnets}
    own = [f"{one.address}/{lengths[one.subnet_id]}" for one in leg.addresses if one.subnet_id in lengths]
    if leg.port_id == wanted.gateway:
        own += [f"{one.address}/32" for one in wanted.floating]
    return Leg(
        port_id=leg.port_id,
        network_id=leg.network_id,
        inside=INSIDE + leg.port_id[: names.ID_LENGTH],
        device=names.leg(leg.port_id),
        bridge=names.bridge(network.id),
        mac=leg.mac,
        mtu=network.mtu,
        addresses=tuple(dict.fromkeys(own)),
    )


def _own(leg: Leg) -> str | None:
    """The IPv4 address under which the inside is seen."""
    return next((str(one.ip) for one in map(ip_interface, leg.addresses) if one.version == 4), None)


def _routes(wanted: HostRouter, gates: Iterable[Subnet]) -> tuple[tuple[str, str], ...]:
    routes: dict[str, str] = {}
    for subnet in gates:
        if subnet.gateway:
            routes.setdefault(ALL[subnet.ip_version], subnet.gateway)
    for destination, hop in wanted.routes:
        routes[str(ip_network(destination, strict=False))] = hop
    return tuple(sorted(routes.items()))


def _advertised(wanted: HostRouter, legs: Iterable[Leg], networks: Mapping[str, HostNetwork]) -> str:
    """dnsmasq as one that only says where the router is, on legs with subnets that are to hear it."""
    held = {leg.port_id: {one.subnet_id for one in leg.addresses} for leg in wanted.legs}
    lines: list[str] = []
    for leg in legs:
        heard = [one for one in networks[leg.network_id].subnets
                 if one.id in held[leg.port_id] and one.ipv6_ra_mode in RANGES and one.dhcp]  # fmt: skip
        if leg.port_id == wanted.gateway or not heard:
            continue
        lines.append(f"interface={leg.inside}")
        for subnet in heard:
            net = ip_network(subnet.cidr)
            tag = f"r{len(lines)}"
            kind = RANGES[subnet.ipv6_ra_mode or ""]
            lines.append(f"dhcp-range=set:{tag},{net.network_address},{kind},{net.prefixlen}")
            if subnet.dns:
                servers = ",".join(f"[{one}]" for one in subnet.dns)
                lines.append(f"dhcp-option=tag:{tag},option6:dns-server,{servers}")
    if not lines:
        return ""
    lines += ["port=0", "except-interface=lo", "bind-dynamic", "enable-ra", "leasefile-ro", "quiet-dhcp6", "quiet-ra",
              "log-facility={folder}/log", "pid-file={folder}/advertising"]  # fmt: skip
    return "".join(f"{line}\n" for line in lines)
