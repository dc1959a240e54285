"""Frames as a guest might forge them; run in its namespace: `python frames.py DEVICE send HEX...`, or `listen
SECONDS`, which prints "ready" and then every frame that came, in hex."""

from __future__ import annotations

import socket
import struct
import sys
import time
from ipaddress import IPv4Address

ALL = "ff:ff:ff:ff:ff:ff"


def ethernet(to: str, sender: str, kind: int, rest: bytes) -> bytes:
    """A frame, without padding."""
    return bytes.fromhex(to.replace(":", "") + sender.replace(":", "")) + struct.pack("!H", kind) + rest


def arp(sender: str, mac: str, ip: str, wanted: str) -> bytes:
    """An ARP request in a frame from `sender` that says `ip` is at `mac`."""
    said = bytes.fromhex(mac.replace(":", "")) + IPv4Address(ip).packed
    body = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + said + bytes(6) + IPv4Address(wanted).packed
    return ethernet(ALL, sender, 0x0806, body)


def udp(to: str, sender: str, source: str, target: str, ports: tuple[int, int], text: bytes) -> bytes:
    """A UDP datagram over IPv4, without a checksum of its own."""
    body = struct.pack("!HHHH", *ports, 8 + len(text), 0) + text
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), 1, 0, 64, 17, 0)
    head += IPv4Address(source).packed + IPv4Address(target).packed
    return ethernet(to, sender, 0x0800, head[:10] + struct.pack("!H", _checksum(head)) + head[12:] + body)


def _checksum(data: bytes) -> int:
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def main() -> None:
    """See the module."""
    device, verb, *words = sys.argv[1:]
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) as raw:
        raw.bind((device, 0))
        if verb == "send":
            for word in words:
                raw.send(bytes.fromhex(word))
            return
        print("ready", flush=True)
        deadline = time.monotonic() + float(words[0])
        while (left := deadline - time.monotonic()) > 0:
            raw.settimeout(left)
            try:
                print(raw.recv(2048).hex(), flush=True)
            except TimeoutError:
                return


if __name__ == "__main__":
    main()
