"""Small disks in the formats that image tests need, built byte by byte from the published layouts."""

from __future__ import annotations

import struct

KIB, MIB = 1 << 10, 1 << 20


def qcow2(virtual: int = MIB, backing: bytes = b"", incompatible: int = 0, l1_offset: int = 3 << 16) -> bytes:
    """An empty qcow2, version 3, 64 KiB clusters (QEMU docs/interop/qcow2.txt)."""
    where = 0x200 if backing else 0
    header = struct.pack(
        ">4sIQIIQIIQQIIQQQQII",
        b"QFI\xfb", 3, where, len(backing), 16, virtual, 0, 1, l1_offset, 1 << 16, 1, 0, 0,
        incompatible, 0, 0, 4, 104,
    )  # fmt: skip
    head = bytearray(1 << 16)
    head[: len(header)] = header
    head[where : where + len(backing)] = backing or head[where:where]
    counts = struct.pack(">Q", 2 << 16).ljust(1 << 16, b"\0")
    return bytes(head) + counts + bytes(2 << 16)


def vmdk_descriptor(path: str = "/etc/shadow") -> bytes:
    """A VMDK that is nothing but a description of another file."""
    return (
        "# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\n"
        f'createType="monolithicFlat"\n\n# Extent description\nRW 2048 FLAT "{path}" 0\n'
    ).encode()


def gpt(size: int = MIB) -> bytes:
    """A raw disk with a protective partition table."""
    sector = bytearray(512)
    sector[446:462] = struct.pack("<BBBBBBBBII", 0, 0, 2, 0, 0xEE, 0xFF, 0xFF, 0xFF, 1, size // 512 - 1)
    sector[510:512] = b"\x55\xaa"
    return bytes(sector) + b"EFI PART".ljust(512, b"\0") + bytes(size - 1024)
