"""Devices of a host: what is there, read from the kernel, and the steps from there to what a plan wants. Pure.

Our bridges carry their network and its number in their alias, so that whatever else is lost is found there.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from novalite.networks.on_host import names
from novalite.networks.on_host.plan import FLOOD, Bridge, Plan, Tunnel, Vlan
from novalite.networks.on_host.switching import Cable

ALIAS = "novalite"


@dataclass(frozen=True)
class Link:
    """One device. `facts` of a tunnel: id, local, port; of a VLAN: id. `parent` of a VLAN: its interface. `forward` of
    a tunnel: (MAC, address of a host)."""

    name: str
    kind: str = ""
    master: str | None = None
    mtu: int = 1500
    alias: str = ""
    facts: Mapping[str, object] = field(default_factory=dict)
    forward: frozenset[tuple[str, str]] = frozenset()
    parent: str | None = None
    up: bool = True


Links = Mapping[str, Link]


def read(links: str, forwarding: str) -> dict[str, Link]:
    """From `ip -d -j link show` and `bridge -j fdb show`."""
    forward: dict[str, set[tuple[str, str]]] = {}
    for entry in json.loads(forwarding or "[]"):
        if "dst" in entry:
            forward.setdefault(entry["ifname"], set()).add((entry["mac"], entry["dst"]))
    found = {}
    for one in json.loads(links or "[]"):
        info = one.get("linkinfo", {})
        name = one["ifname"]
        found[name] = Link(
            name, info.get("info_kind", ""), one.get("master"), one["mtu"], one.get("ifalias", ""),
            info.get("info_data", {}), frozenset(forward.get(name, ())), one.get("link"),
            "UP" in one.get("flags", ()),
        )  # fmt: skip
    return found


def zones(links: Links) -> dict[str, int]:
    """network id -> number, as our bridges say."""
    found = {}
    for link in links.values():
        word, _, rest = link.alias.partition(":")
        zone, _, network = rest.partition(":")
        if word == ALIAS and zone.isdigit() and network:
            found[network] = int(zone)
    return found


def alias(bridge: Bridge) -> str:
    """What a bridge says of itself."""
    return f"{ALIAS}:{bridge.zone}:{bridge.network_id}"


def steps(plan: Plan, links: Links) -> list[str]:
    """For `ip -batch`, in order. What is as it should be is not touched."""
    lines: list[str] = []
    for bridge in plan.bridges:
        lines += _bridge(bridge, links.get(bridge.name))
    for tunnel in plan.tunnels:
        lines += _tunnel(tunnel, links.get(tunnel.name))
    for vlan in plan.vlans:
        lines += _vlan(vlan, links.get(vlan.name))
    for interface, master in plan.uplinks.items():
        if interface in links and links[interface].master != master:
            lines.append(f"link set dev {interface} master {master} up")
    for cable in plan.cables:
        lines += _cable(cable, links.get(cable.name))
    for interface in {one.uplink for one in plan.switches} & links.keys():
        if (links[interface].master or "").startswith(names.BRIDGE):
            lines.append(f"link set dev {interface} nomaster")
        if not links[interface].up:
            lines.append(f"link set dev {interface} up")
    return lines + _removals(plan, links)


def loose(plan: Plan, links: Links) -> list[Cable]:
    """Cables that are not, or not yet, ports of their bridges: the last thing that is done to one."""
    return [one for one in plan.cables if one.name not in links or links[one.name].master != one.bridge]


def joining(cables: Iterable[Cable]) -> list[str]:
    """For `ip -batch`: to their bridges."""
    return [line for one in cables for line in up(one.name, f"master {one.bridge} ")]


def up(name: str, more: str = "") -> list[str]:
    """Bring a device up and have the host make no address for it, which it would if that were said along with it."""
    return [f"link set dev {name} addrgenmode none", f"link set dev {name} {more}up"]


def _bridge(bridge: Bridge, link: Link | None) -> list[str]:
    lines, name = [], bridge.name
    if link is None:
        lines.append(
            f"link add name {name} type bridge stp_state 0 forward_delay 0 mcast_snooping 0 "
            "nf_call_iptables 1 nf_call_ip6tables 1"
        )
    if link is None or link.alias != alias(bridge):
        lines.append(f"link set dev {name} alias {alias(bridge)}")
    if link is None or link.mtu != bridge.mtu:
        lines.append(f"link set dev {name} mtu {bridge.mtu}")
    if link is None:  # it carries frames; the host itself is not on the network
        lines += up(name, "arp off ")
    return lines


def _tunnel(tunnel: Tunnel, link: Link | None) -> list[str]:
    lines, name = [], tunnel.name
    if link is not None and not _same(tunnel, link):
        lines.append(f"link del dev {name}")
        link = None
    if link is None:
        lines.append(
            f"link add name {name} mtu {tunnel.mtu} type vxlan id {tunnel.vni} local {tunnel.local} "
            f"dstport {tunnel.port} nolearning ttl 64"
        )
        lines += up(name, f"master {tunnel.bridge} ")
    else:
        if link.mtu != tunnel.mtu:
            lines.append(f"link set dev {name} mtu {tunnel.mtu}")
        if link.master != tunnel.bridge:
            lines.append(f"link set dev {name} master {tunnel.bridge} up")
    return lines


def _vlan(vlan: Vlan, link: Link | None) -> list[str]:
    lines, name = [], vlan.name
    if link is not None and not _tagged(vlan, link):
        lines.append(f"link del dev {name}")
        link = None
    if link is None:
        lines.append(f"link set dev {vlan.parent} up")
        lines.append(f"link add link {vlan.parent} name {name} mtu {vlan.mtu} type vlan id {vlan.number}")
    elif link.mtu != vlan.mtu:
        lines.append(f"link set dev {name} mtu {vlan.mtu}")
    if link is None or link.master != vlan.bridge:
        lines += up(name, f"master {vlan.bridge} ")
    return lines


def _cable(cable: Cable, link: Link | None) -> list[str]:
    name, far, mtu = cable.name, cable.far, cable.mtu
    if link is None:
        return [f"link add name {name} mtu {mtu} type veth peer name {far} mtu {mtu}", *up(far)]
    return [f"link set dev {one} mtu {mtu}" for one in (name, far)] if link.mtu != mtu else []


def _tagged(vlan: Vlan, link: Link) -> bool:
    """Whether it is that tag of that interface."""
    return (link.parent, link.facts.get("id")) == (vlan.parent, vlan.number)


def _same(tunnel: Tunnel, link: Link) -> bool:
    """Whether it leads where it should; otherwise it is made anew."""
    facts = {"id": tunnel.vni, "local": tunnel.local, "port": tunnel.port}
    return all(link.facts.get(key) == value for key, value in facts.items())


def missing(plan: Plan, links: Links) -> set[str]:
    """Networks whose bridge, tunnel or VLAN is not there as planned."""
    tunnels = {one.bridge: one for one in plan.tunnels}
    vlans = {one.bridge: one for one in plan.vlans}
    cables = {one.bridge: one.name for one in plan.cables}
    found = set()
    for bridge in plan.bridges:
        link, tunnel = links.get(bridge.name), tunnels.get(bridge.name)
        end = links.get(tunnel.name) if tunnel is not None else None
        whole = tunnel is None or (end is not None and _same(tunnel, end) and end.master == bridge.name)
        if (vlan := vlans.get(bridge.name)) is not None:
            end = links.get(vlan.name)
            whole = end is not None and _tagged(vlan, end) and end.master == bridge.name
        whole = whole and cables.get(bridge.name, bridge.name) in links
        if link is None or link.alias != alias(bridge) or not whole:
            found.add(bridge.network_id)
    return found


def forwarding(plan: Plan, links: Links) -> list[str]:
    """For `bridge -batch`, after `steps`. Only FLOOD leads to several hosts; a MAC that moved is led elsewhere."""
    lines = []
    for tunnel in plan.tunnels:
        link = links.get(tunnel.name)
        had = link.forward if link is not None and _same(tunnel, link) else frozenset()
        there = {mac for mac, _ in tunnel.forward}
        for mac, to in tunnel.forward:
            if (mac, to) not in had:
                lines.append(f"fdb {'append' if mac == FLOOD else 'replace'} {mac} dev {tunnel.name} dst {to}")
        for mac, to in sorted(had - set(tunnel.forward)):
            if mac == FLOOD or mac not in there:
                lines.append(f"fdb del {mac} dev {tunnel.name} dst {to}")
    return lines


def _removals(plan: Plan, links: Links) -> list[str]:
    """Ours that nobody wants. A bridge that still has a guest's tap stays until that guest is gone."""
    wanted = {one.name for one in plan.bridges} | {one.name for one in plan.tunnels}
    wanted |= {one.name for one in plan.vlans} | {one.name for one in plan.cables}
    ours = [link for link in links.values() if _is_ours(link, links) and link.name not in wanted]
    gone = [f"link del dev {link.name}" for link in ours if link.kind in ("vxlan", "vlan", "veth")]
    for link in ours:
        ports = _ports(link.name, links)
        if link.kind != "bridge" or any(port.startswith(names.TAP) for port in ports):
            continue
        gone += [f"link set dev {port} nomaster" for port in ports
                 if not port.startswith((names.TUNNEL, names.VLAN, names.CABLE, names.DHCP, names.ROUTER))]  # fmt: skip
        gone.append(f"link del dev {link.name}")
    return gone


def _is_ours(link: Link, links: Links) -> bool:
    if link.kind in ("vxlan", "vlan"):
        master = links.get(link.master or "")
        free = master is None or master.alias.startswith(f"{ALIAS}:")
        return free and link.name.startswith((names.TUNNEL, names.VLAN))
    if link.kind == "veth":
        return link.name.startswith(names.CABLE)
    return link.kind == "bridge" and link.alias.startswith(f"{ALIAS}:")


def _ports(bridge: str, links: Links) -> Iterable[str]:
    return [link.name for link in links.values() if link.master == bridge]
