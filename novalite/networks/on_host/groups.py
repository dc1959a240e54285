"""Security groups as rules: a chain per group and direction, a set of addresses per remote group."""

from __future__ import annotations

from novalite.objects.host_networks import GroupRule, SecurityGroup

PROTOCOLS = {
    "icmp": 1, "igmp": 2, "ipip": 4, "tcp": 6, "egp": 8, "udp": 17, "dccp": 33, "ipv6-encap": 41, "ipv6-route": 43,
    "ipv6-frag": 44, "rsvp": 46, "gre": 47, "esp": 50, "ah": 51, "icmpv6": 58, "ipv6-icmp": 58, "ipv6-nonxt": 59,
    "ipv6-opts": 60, "ospf": 89, "vrrp": 112, "pgm": 113, "sctp": 132, "udplite": 136,
}  # fmt: skip
"""IANA's numbers of the names that the public Network API knows."""
WITH_PORTS = (6, 17, 33, 132, 136)
ICMP, ICMPV6 = 1, 58
ANY = ("any", "0")

ALWAYS_IN = [
    "ether type arp accept",
    "icmpv6 type { 130, 131, 132, 134, 135, 136, 143 } accept",
    "ether type ip udp sport 67 udp dport 68 accept",
    "ether type ip6 udp sport 547 udp dport 546 accept",
]
"""Without it nobody has an address or a neighbour; guests cannot send what only routers and DHCP servers may."""
ALWAYS_OUT = [
    "icmpv6 type 134 drop",  # once more, of packets that were put together of fragments meanwhile
    "ether type ip6 udp sport 547 drop",
    "ether type arp accept",
    "ether type 0x8035 accept",
    "icmpv6 type { 131, 132, 133, 135, 136, 143 } accept",
    "ether type ip udp sport 68 udp dport 67 accept",
    "ether type ip6 udp sport 546 udp dport 547 accept",
]


def member_set(group_id: str, version: int) -> str:
    """The set of the addresses of a group's ports."""
    return f"m{version}-{group_id}"


def chain(group_id: str, direction: str) -> str:
    """The chain of a group's rules of one direction."""
    return f"{'gi' if direction == 'ingress' else 'ge'}-{group_id}"


def rules(group: SecurityGroup, direction: str) -> list[str]:
    """What the group lets through, in order; what none of them matches goes on to the next group."""
    return [rule(one) for one in group.rules if one.direction == direction]


def rule(one: GroupRule) -> str:
    """One rule as nft reads it."""
    family = "ip" if one.ip_version == 4 else "ip6"
    side = "saddr" if one.direction == "ingress" else "daddr"
    words = [f"ether type {family}"]
    if one.remote_group_id:
        words.append(f"{family} {side} @{member_set(one.remote_group_id, one.ip_version)}")
    elif one.remote_cidr and not one.remote_cidr.endswith("/0"):
        words.append(f"{family} {side} {one.remote_cidr}")
    return " ".join([*words, *_protocol(one), "accept"])


def _protocol(one: GroupRule) -> list[str]:
    if one.protocol is None or one.protocol in ANY:
        return []
    number = PROTOCOLS[one.protocol] if one.protocol in PROTOCOLS else int(one.protocol)
    if number == ICMP and one.ip_version == 6:
        number = ICMPV6
    words = [f"meta l4proto {number}"]
    low, high = one.port_min, one.port_max
    if number in (ICMP, ICMPV6):
        name = "icmp" if number == ICMP else "icmpv6"
        words += [f"{name} type {low}"] if low is not None else []
        words += [f"{name} code {high}"] if low is not None and high is not None else []
    elif number in WITH_PORTS and (low is not None or high is not None):
        first, last = low if low is not None else high, high if high is not None else low
        words.append(f"th dport {first}" if first == last else f"th dport {first}-{last}")
    return words
