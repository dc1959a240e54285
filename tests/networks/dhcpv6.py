"""A DHCPv6 client that asks once: `python dhcpv6.py DEVICE MAC [stateless]`; prints what it was given as JSON."""

from __future__ import annotations

import json
import socket
import struct
import sys
from ipaddress import IPv6Address

SOLICIT, INFORMATION, REPLY = 1, 11, 7
CLIENT, IA_NA, IA_ADDRESS, WANTED, RAPID, DNS = 1, 3, 5, 6, 14, 23
SERVERS = "ff02::1:2"


def option(code: int, data: bytes = b"") -> bytes:
    """As it is sent."""
    return struct.pack("!HH", code, len(data)) + data


def options(data: bytes) -> dict[int, bytes]:
    """By code."""
    found = {}
    while len(data) >= 4:
        code, length = struct.unpack("!HH", data[:4])
        found[code], data = data[4 : 4 + length], data[4 + length :]
    return found


def main(device: str, mac: str, *mode: str) -> None:
    """See the module."""
    said = option(CLIENT, struct.pack("!HH", 3, 1) + bytes.fromhex(mac.replace(":", ""))) + option(
        WANTED, struct.pack("!H", DNS)
    )
    kind = INFORMATION if mode else SOLICIT
    if kind == SOLICIT:
        said += option(RAPID) + option(IA_NA, bytes(12))
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
        sock.bind(("::", 546, 0, socket.if_nametoindex(device)))
        sock.settimeout(2)
        sock.sendto(bytes([kind]) + b"abc" + said, (SERVERS, 547, 0, socket.if_nametoindex(device)))
        try:
            heard, server = sock.recvfrom(2048)
        except TimeoutError:
            print("{}")
            return
    assert heard[0] == REPLY, heard[0]
    got = options(heard[4:])
    address = options(got.get(IA_NA, b"")[12:]).get(IA_ADDRESS, b"")[:16]
    dns = got.get(DNS, b"")
    print(json.dumps({
        "address": str(IPv6Address(address)) if address else None, "server": server[0].partition("%")[0],
        "dns": [str(IPv6Address(dns[at : at + 16])) for at in range(0, len(dns), 16)],
    }))  # fmt: skip


if __name__ == "__main__":
    main(*sys.argv[1:])
