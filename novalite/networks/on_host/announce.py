"""Say where addresses are now, so that nobody goes on sending to where they were: gratuitous ARP (RFC 5227, section 3).

Run in the namespace that has them, by itself: `python announce.py DEVICE MAC IP [DEVICE MAC IP ...]`. It says so more
than once, because a port of a switch that was just plugged in may not forward yet.
"""

from __future__ import annotations

import socket
import struct
import sys
import time

PAUSES = (0.0, 0.3, 1.0)


def announcement(mac: str, ip: str) -> bytes:
    """A frame to everybody: the address `ip` is at `mac`."""
    own, address = bytes.fromhex(mac.replace(":", "")), socket.inet_aton(ip)
    head = struct.pack("!HHHBBH", 0x0806, 1, 0x0800, 6, 4, 1)
    return b"\xff" * 6 + own + head + own + address + bytes(6) + address


def main(words: list[str]) -> None:
    """See the module."""
    said = list(zip(words[::3], words[1::3], words[2::3], strict=True))
    for pause in PAUSES:
        time.sleep(pause)
        for device, mac, ip in said:
            with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
                raw.bind((device, 0))
                raw.send(announcement(mac, ip))


if __name__ == "__main__":
    main(sys.argv[1:])
