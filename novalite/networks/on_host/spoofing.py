"""What a guest may claim to be: the rules through which everything passes that comes from its port.

They look at single frames only, before the host remembers anything of them.
"""

from __future__ import annotations

from functools import lru_cache

from novalite.networks.on_host.addresses import leading_bits, link_local, of_version
from novalite.objects.host_networks import LocalPort

Rules = list[str]

UNSPECIFIED_V6 = "ip6 saddr :: icmpv6 type { 131, 132, 133, 135, 143 } accept"
"""Before a guest has an address: MLD, router and neighbour solicitation (duplicate address detection)."""


METADATA_V4, METADATA_V6 = "169.254.169.254", "fe80::a9fe:a9fe"
"""Where guests read about themselves."""


@lru_cache(maxsize=4096)
def rules(port: LocalPort) -> tuple[str, ...]:
    """In order; the last one decides. Remembered, because of all ports of a host few are ever new."""
    if not port.admin_up:
        return ("drop",)
    if not port.port_security:
        return (*_metadata(port), "accept")
    own = sources(port)
    macs = ", ".join(own)
    found = [f"ether saddr != {{ {macs} }} drop"]
    for mac, addresses in own.items():
        found += _arp(mac, of_version(addresses, 4))
    found += [
        "ether type arp drop",
        "ip saddr 0.0.0.0 ip daddr 255.255.255.255 udp sport 68 udp dport 67 accept",
        "ether type ip udp sport 67 drop",
        *_metadata(port),
    ]
    for mac, addresses in own.items():
        if v4 := of_version(addresses, 4):
            found.append(f"ether saddr {mac} ip saddr {{ {', '.join(v4)} }} accept")
    return (*found, *_ipv6(own), "drop")


def _metadata(port: LocalPort) -> Rules:
    """Guests are known to the metadata service by their addresses: nobody asks it from another one, whatever else the
    port may send from."""
    v4 = of_version([one.address for one in port.addresses], 4)
    return [
        f"ip daddr {METADATA_V4} ip saddr != {{ {', '.join(['0.0.0.0', *v4])} }} drop",
        f"ip6 daddr {METADATA_V6} ip6 saddr != {link_local(port.mac)} meta l4proto != ipv6-icmp drop",
    ]


def sources(port: LocalPort) -> dict[str, list[str]]:
    """MAC address -> what may be sent from it, addresses and CIDRs."""
    own = {port.mac: [one.address for one in port.addresses]}
    for pair in port.allowed_pairs:
        own.setdefault(pair.mac or port.mac, []).append(pair.ip)
    return own


def _arp(mac: str, v4: list[str]) -> Rules:
    """ARP from its own addresses, probes for them (RFC 5227), and the announcement of a guest that moved (RARP)."""
    said = ", ".join(["0.0.0.0", *v4])
    return [
        f"ether type arp ether saddr {mac} arp saddr ether {mac} arp saddr ip {{ {said} }} accept",
        f"ether type 0x8035 ether saddr {mac} accept",
    ]


def _ipv6(own: dict[str, list[str]]) -> Rules:
    found = [
        UNSPECIFIED_V6,
        "icmpv6 type 134 drop",  # router advertisements
        "ether type ip6 udp sport 547 drop",  # a DHCP server
    ]
    mine: list[str] = []
    for mac, addresses in own.items():
        v6 = of_version([*addresses, link_local(mac)], 6)
        mine += v6
        found.append(f"ether saddr {mac} ip6 saddr != {{ {', '.join(v6)} }} drop")
    for one in of_version(mine, 6):  # neighbour advertisements: the target is 8 bytes into them (RFC 4861)
        length, value = leading_bits(one)
        what = f"@th,64,{length} {value:#x} " if length else ""
        found.append(f"icmpv6 type 136 {what}accept")
    return [*found, "icmpv6 type 136 drop", "ether type ip6 accept"]
