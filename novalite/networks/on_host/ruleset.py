"""The firewall of a host as a value, and the transaction that turns one into another.

All frames that guests send or get pass a Linux bridge. The table of family `bridge` judges them there, by the
names of the bridge's ports. Connections are followed in family `inet`, which sees bridged packets by br_netfilter:
it marks those that answer, and the bridge's rules let what is marked pass. Every other packet is judged anew, so
that what a rule no longer allows ends at once, connections too.

The kernel takes a transaction whole or not at all, and packets never meet half of one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from novalite.networks.on_host import groups, names, spoofing
from novalite.networks.on_host.addresses import of_version
from novalite.objects.host_networks import HostNetworks, LocalPort

BRIDGE, INET = "bridge novalite", "inet novalite"
TABLES = (BRIDGE, INET)
MARK = "0x6e6c"
"""On packets of connections that were let begin, while they cross a bridge."""

HOOKS = {
    (BRIDGE, "arrive"): "prerouting priority -300",
    (BRIDGE, "leave"): "forward priority -200",
    (BRIDGE, "reach"): "forward priority -190",
    (INET, "zones"): "prerouting priority -300",
    (INET, "answers"): "prerouting priority -150",
    (INET, "host"): "input priority -10",
    (INET, "routed"): "forward priority -10",
}
"""Chains that the kernel calls. Priorities: before br_netfilter on a bridge, around connection tracking in inet."""

Name = tuple[str, str]
"""(table, name)."""


Elements = tuple[str, list[str]]
"""(how nft is told the type of a set, what is in it)."""


@dataclass(frozen=True)
class Ruleset:
    """Chains with their rules, sets with their elements, maps of the names of ports to chains."""

    chains: Mapping[Name, list[str]] = field(default_factory=dict)
    sets: Mapping[Name, Elements] = field(default_factory=dict)
    maps: Mapping[Name, dict[str, str]] = field(default_factory=dict)


def ruleset(wanted: HostNetworks, zones: Mapping[str, int], uplinks: Iterable[str] = ()) -> Ruleset:
    """The firewall for what is wanted. `zones`: network id -> its number for connection tracking, so that equal
    addresses of two networks are two; `uplinks`: interfaces of the machine that are ports of our bridges."""
    uplinks, taps = sorted(uplinks), [names.tap(port.id) for port in wanted.ports]
    chains = {(BRIDGE, name): list(rules) for name, rules in _bridged(uplinks).items()}
    chains |= {(INET, name): list(rules) for name, rules in _tracked(zones).items()}
    maps: dict[Name, dict[str, str]] = {(BRIDGE, kind): {} for kind in ("sources", "senders", "receivers")}
    known = {group.id for group in wanted.groups}
    for port in sorted(wanted.ports, key=lambda port: port.id):
        device = names.tap(port.id)
        chains[BRIDGE, f"from-{device}"] = list(spoofing.rules(port))
        chains[BRIDGE, f"out-{device}"] = _judged(port, "egress", known)
        chains[BRIDGE, f"in-{device}"] = _judged(port, "ingress", known)
        maps[BRIDGE, "sources"][device] = f"goto from-{device}"
        maps[BRIDGE, "senders"][device] = f"goto out-{device}"
        maps[BRIDGE, "receivers"][device] = f"goto in-{device}"
    for group in wanted.groups:
        for direction in ("ingress", "egress"):
            chains[BRIDGE, groups.chain(group.id, direction)] = groups.rules(group, direction)
    ends = [end(network.id) for network in wanted.networks for end in (names.tunnel, names.dhcp)]
    ends += [names.leg(leg.port_id) for router in wanted.routers for leg in router.legs]
    ports: Elements = ("type ifname;", [f'"{name}"' for name in sorted({*uplinks, *taps, *ends})])
    return Ruleset(chains, {(BRIDGE, "ports"): ports, **_members(wanted)}, maps)


def _bridged(uplinks: list[str]) -> dict[str, list[str]]:
    """What does not depend on ports: those that we know deal with one another only, and a host's DHCP servers
    with its own guests only."""
    dhcp = f'"{names.DHCP}*"'
    outside = [f'"{names.TUNNEL}*"', f'"{names.ROUTER}*"', *(f'"{name}"' for name in uplinks)]
    return {
        "arrive": ["iifname @ports meta mark set 0", "iifname vmap @sources"],
        "leave": [
            # Rules do not see the addresses in a frame with tags, and the kernel takes tags of 0 off for who gets it.
            f"oifname {dhcp} ether type != {{ arp, ip, ip6 }} drop",
            f"oifname {dhcp} accept",
            "iifname vmap @senders",
        ],
        "reach": [
            "iifname @ports oifname != @ports drop",
            "iifname != @ports oifname @ports drop",
            *(f"iifname {dhcp} oifname {one} drop" for one in outside),
            *(f"iifname {one} oifname {dhcp} drop" for one in outside),
            f"iifname {dhcp} accept",
            "oifname vmap @receivers",
        ],
        "always-in": [f"meta mark {MARK} accept", *groups.ALWAYS_IN],
        "always-out": [f"meta mark {MARK} accept", *groups.ALWAYS_OUT],
    }


def _tracked(zones: Mapping[str, int]) -> dict[str, list[str]]:
    """Connections, and that nobody reaches the host itself or is routed by it."""
    ours = f'"{names.BRIDGE}*"'
    return {
        "zones": _zones(zones),
        "answers": [
            f"iifname {ours} ct state related meta mark set {MARK}",
            f"iifname {ours} ct direction reply ct state established meta mark set {MARK}",
        ],
        "host": [f"iifname {ours} drop"],
        "routed": [f"iifname {ours} oifname != {ours} drop", f"iifname != {ours} oifname {ours} drop"],
    }


def _zones(zones: Mapping[str, int]) -> list[str]:
    if not zones:
        return []
    pairs = ", ".join(f'"{names.bridge(network)}" : {zone}' for network, zone in sorted(zones.items()))
    return [f"ct zone set iifname map {{ {pairs} }}"]


def _judged(port: LocalPort, direction: str, known: set[str]) -> list[str]:
    if not port.admin_up:
        return ["drop"]
    if not port.port_security:
        return ["accept"]
    always = "always-in" if direction == "ingress" else "always-out"
    chains = [groups.chain(one, direction) for one in sorted(port.group_ids) if one in known]
    return [f"jump {name}" for name in (always, *chains)] + ["drop"]


def _members(wanted: HostNetworks) -> dict[Name, Elements]:
    remote = {rule.remote_group_id for group in wanted.groups for rule in group.rules if rule.remote_group_id}
    found: dict[Name, Elements] = {}
    for group in sorted(remote):
        for version in (4, 6):
            elements = of_version(wanted.members.get(group, ()), version)
            kind = f"type ipv{version}_addr; flags interval;"
            found[BRIDGE, groups.member_set(group, version)] = (kind, elements)
    return found


# --- from one to another -------------------------------------------------------------------------


def transaction(old: Ruleset | None, new: Ruleset) -> str:
    """What `nft -f` makes of `old` to have `new`; empty when they are the same. None: whatever is there goes."""
    lines: list[str] = []
    if old is None:
        lines += [*removal().splitlines(), *(f"add table {table}" for table in TABLES)]
        old = Ruleset()
    gone = [name for name in old.chains if name not in new.chains]
    changed = [name for name, rules in new.chains.items() if old.chains.get(name) != rules]
    lines += [f"add set {_of(name)} {{ {kind} }}"
              for name, (kind, _) in new.sets.items() if name not in old.sets]  # fmt: skip
    lines += [_new_chain(name) for name in new.chains if name not in old.chains]
    lines += [f"add map {_of(name)} {{ type ifname : verdict; }}" for name in new.maps if name not in old.maps]
    for name in new.maps:
        was = old.maps.get(name, {})
        lines += _elements("delete", name, [f'"{key}"' for key in was if key not in new.maps[name]])
    lines += [f"flush chain {_of(name)}" for name in (*changed, *gone) if name in old.chains]
    for name, (_, elements) in new.sets.items():
        had = old.sets[name][1] if name in old.sets else []
        before, after = set(had), set(elements)
        lines += _elements("delete", name, [one for one in had if one not in after])
        lines += _elements("add", name, [one for one in elements if one not in before])
    lines += [f"add rule {_of(name)} {rule}" for name in changed for rule in new.chains[name]]
    for name, pairs in new.maps.items():
        was = old.maps.get(name, {})
        lines += _elements("add", name, [f'"{key}" : {to}' for key, to in pairs.items() if key not in was])
    lines += [f"delete chain {_of(name)}" for name in gone]
    lines += [f"delete set {_of(name)}" for name in old.sets if name not in new.sets]
    return "".join(f"{line}\n" for line in lines)


def removal() -> str:
    """What `nft -f` makes of whatever there is of ours to have nothing."""
    return "".join(f"add table {table}\ndelete table {table}\n" for table in TABLES)


def _of(name: Name) -> str:
    return f"{name[0]} {name[1]}"


def _new_chain(name: Name) -> str:
    hook = HOOKS.get(name)
    return f"add chain {_of(name)}" + (f" {{ type filter hook {hook}; policy accept; }}" if hook else "")


def _elements(verb: str, name: Name, elements: list[str]) -> list[str]:
    return [f"{verb} element {_of(name)} {{ {', '.join(elements)} }}"] if elements else []
