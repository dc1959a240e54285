"""Arithmetic of addresses: pools of a subnet, what overlaps, the next free one. Pure; nothing is looked up."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from novalite.objects.base import Record

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Span = tuple[int, int]
"""First and last address as numbers, both included."""


def usable(network: Network) -> Span:
    """What hosts of a network may have: v4 without its first and last address, v6 without its first (RFC 4291),
    both with all of them where there are two at most (RFC 3021, RFC 6164)."""
    first, last = int(network.network_address), int(network.broadcast_address)
    if last - first <= 1:
        return first, last
    return first + 1, (last - 1 if network.version == 4 else last)


def default_pools(network: Network, gateway: Address | None) -> list[Record]:
    """Everything usable but the gateway, as pools."""
    first, last = usable(network)
    spans = [(first, last)]
    if gateway is not None and first <= int(gateway) <= last:
        spans = [(first, int(gateway) - 1), (int(gateway) + 1, last)]
    return [
        {"start": text(low, network.version), "end": text(high, network.version)}
        for low, high in spans
        if low <= high
    ]


def text(number: int, version: int) -> str:
    """An address as it is written."""
    return str(IPv4Address(number) if version == 4 else IPv6Address(number))


def spans_of(pools: Iterable[Record]) -> list[Span]:
    """Pools as numbers, lowest first."""
    return sorted((int(ip_address(pool["start"])), int(ip_address(pool["end"]))) for pool in pools)


def holds(cidr: str, address: str) -> bool:
    """Whether an address lies in a range, of the same version."""
    return ip_address(address) in ip_network(cidr)


def whole(prefix: str) -> str:
    """The range that a prefix means, which may have been written with bits of a host in it."""
    return str(ip_network(prefix, strict=False))


def overlap(one: str, other: str) -> bool:
    """Whether two ranges have an address in common."""
    a, b = ip_network(one), ip_network(other)
    return a.version == b.version and a.overlaps(b)


def walk(spans: Sequence[Span], begin: int | None) -> Iterator[int]:
    """Every number of the spans once, from `begin` on and then from the start."""
    start = begin if begin is not None else (spans[0][0] if spans else 0)
    for low, high in spans:
        yield from range(max(low, start), high + 1)
    for low, high in spans:
        yield from range(low, min(high, start - 1) + 1)


def first_free(spans: Sequence[Span], begin: int | None, taken: Callable[[int], bool]) -> int | None:
    """The first number that is not taken; None when all are."""
    return next((number for number in walk(spans, begin) if not taken(number)), None)


def eui64(cidr: str, mac: str) -> str:
    """The address that a guest with this MAC address gives itself on a /64 (RFC 4291, appendix A)."""
    octets = bytes.fromhex(mac.replace(":", ""))
    low = bytes([octets[0] ^ 2, *octets[1:3], 0xFF, 0xFE, *octets[3:6]])
    return str(IPv6Address(int(ip_network(cidr).network_address) | int.from_bytes(low, "big")))


def gives_itself(subnet: Record) -> bool:
    """Whether guests make their addresses of the subnet themselves."""
    return subnet["ip_version"] == 6 and subnet["ipv6_address_mode"] in ("slaac", "dhcpv6-stateless")


def first_gap(prefixes: Iterable[str], used: Iterable[str], length: int) -> str | None:
    """The first range of a prefix length within the prefixes that overlaps none in use; None when there is none."""
    taken = sorted(_span_of(cidr) for cidr in used)
    for prefix in map(ip_network, prefixes):
        if prefix.prefixlen > length:
            continue
        size = 1 << (prefix.max_prefixlen - length)
        start, last = int(prefix.network_address), int(prefix.broadcast_address)
        for low, high in taken:
            if high < start or low > start + size - 1:
                continue
            start = (high // size + 1) * size
        if start + size - 1 <= last:
            return f"{text(start, prefix.version)}/{length}"
    return None


def _span_of(cidr: str) -> Span:
    network = ip_network(cidr)
    return int(network.network_address), int(network.broadcast_address)


def mac_of(address: str) -> str | None:
    """The MAC address that an IPv6 link-local address was made of (RFC 4291, appendix A); None for any other."""
    ip = ip_address(address)
    raw = ip.packed
    if ip.version != 6 or raw[:8] != b"\xfe\x80" + bytes(6) or raw[11:13] != b"\xff\xfe":
        return None
    return (bytes([raw[8] ^ 2]) + raw[9:11] + raw[13:]).hex(":")
