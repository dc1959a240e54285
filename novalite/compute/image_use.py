"""Which cached images do guests' disks stand on? The disks say so themselves: nothing else is kept.

Reads the name of the backing file from the headers of the qcow2 files in the instances directory
(QEMU's docs/interop/qcow2: bytes 8-15 its offset, 16-19 its length, big-endian).
"""

from __future__ import annotations

import struct
from pathlib import Path

_MAGIC = b"QFI\xfb"
_LONGEST = 1023


def backing_file(disk: Path) -> str | None:
    """The backing file that a qcow2 file names, as written there; None for any other file.

    Raises OSError when the file cannot be read.
    """
    with disk.open("rb") as file:
        header = file.read(20)
        if len(header) < 20 or header[:4] != _MAGIC:
            return None
        offset, length = struct.unpack(">QI", header[8:20])
        if not offset or not length:
            return None
        file.seek(offset)
        return file.read(min(length, _LONGEST)).decode("utf-8", errors="surrogateescape")


def bases_in_use(instances: Path) -> set[str]:
    """Names (without directory) of files that a disk of some guest stands on.

    Raises OSError when that cannot be told for every disk. A disk that goes away meanwhile is no matter.
    """
    used = set()
    for directory in instances.iterdir():
        if not directory.is_dir() or directory.name.startswith("_"):
            continue
        for disk in directory.rglob("*"):
            try:
                if disk.is_file() and (name := backing_file(disk)):
                    used.add(Path(name).name)
            except FileNotFoundError:
                continue
    return used
