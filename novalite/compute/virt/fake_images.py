"""The disks of the fake driver's guests, when somebody wants to have one: small, sound, and with nothing on them.

Layout of qcow2: QEMU, docs/interop/qcow2.
"""

from __future__ import annotations

import struct

CLUSTER = 1 << 16
GIB, MIB = 1 << 30, 1 << 20
_OURS = 0x6E6F7661
"""A header extension that QEMU does not know and therefore skips."""


def content(format: str, server_id: str, disk_gb: int) -> bytes:
    """The file of a guest's root disk, qcow2 of its full size or raw of a megabyte. It names the server."""
    said = f"disk of server {server_id}".encode()
    if format == "raw":
        return said.ljust(MIB, b"\0")
    return _qcow2(disk_gb * GIB or MIB, said)


def _qcow2(virtual: int, said: bytes) -> bytes:
    """An empty disk: header, one cluster of the table of counts, the counts, and the first table of places."""
    entries = -(-virtual // (CLUSTER * CLUSTER // 8))
    table = -(-entries * 8 // CLUSTER)
    header = struct.pack(
        ">4sIQIIQIIQQIIQQQQII",
        b"QFI\xfb", 3, 0, 0, 16, virtual, 0, entries, 3 * CLUSTER, CLUSTER, 1, 0, 0, 0, 0, 0, 4, 104,
    )  # fmt: skip
    padded = said.ljust(-(-len(said) // 8) * 8, b"\0")
    extensions = struct.pack(">II", _OURS, len(said)) + padded + struct.pack(">II", 0, 0)
    counts = struct.pack(">H", 1) * (3 + table)
    parts = (header + extensions, struct.pack(">Q", 2 * CLUSTER), counts, b"")
    sizes = (CLUSTER, CLUSTER, CLUSTER, table * CLUSTER)
    return b"".join(part.ljust(size, b"\0") for part, size in zip(parts, sizes, strict=True))
