"""Arithmetic of addresses that rules are made of."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Address, IPv6Network, collapse_addresses, ip_network

EVERYWHERE = {4: "0.0.0.0/0", 6: "::/0"}


def of_version(addresses: Iterable[str], version: int) -> list[str]:
    """Addresses and CIDRs of one IP version, merged where they overlap, ordered; a single one without its length."""
    if version == 4:
        v4 = [net for one in addresses if isinstance(net := ip_network(one, strict=False), IPv4Network)]
        return [_text(net) for net in collapse_addresses(v4)]
    v6 = [net for one in addresses if isinstance(net := ip_network(one, strict=False), IPv6Network)]
    return [_text(net) for net in collapse_addresses(v6)]


def _text(net: IPv4Network | IPv6Network) -> str:
    return str(net.network_address) if net.prefixlen == net.max_prefixlen else str(net)


def link_local(mac: str) -> str:
    """The IPv6 link-local address that a card makes of its MAC address (RFC 4291, appendix A)."""
    raw = bytes.fromhex(mac.replace(":", ""))
    return str(IPv6Address(b"\xfe\x80" + bytes(6) + bytes([raw[0] ^ 2]) + raw[1:3] + b"\xff\xfe" + raw[3:]))


def leading_bits(network: str) -> tuple[int, int]:
    """(length, value) of the fixed part of an IPv6 address or CIDR."""
    net = IPv6Network(network, strict=False)
    return net.prefixlen, int(net.network_address) >> (128 - net.prefixlen)
