"""Is it what it says it is? Inspects bytes as they pass, and judges them against the declared format.

An image that names another file (a qcow2 with a backing file, a VMDK descriptor) could make a
hypervisor read that file; an image declared raw but holding such a header could do so later.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Any

HEAD_BYTES = 4096
"""How much of the beginning `Inspection` keeps for its own look."""

# What the bytes of a declared format may look like. A disk with a partition table shows as "gpt".
_LOOKS = {
    "raw": {"raw", "gpt"},
    "ami": {"raw", "gpt"},
    "aki": {"raw", "gpt"},
    "ari": {"raw", "gpt"},
    "iso": {"iso", "gpt"},
    "ploop": {"raw"},
}
_CONTAINERS = ("bare", "ami", "aki", "ari")
"""Containers whose bytes are the disk itself; the others wrap it and cannot be judged here."""
_UNSAFE = {
    "backing_file": "it refers to a backing file",
    "data_file": "it keeps its data in another file",
    "unknown_features": "it uses features that are not known",
    "descriptor": "it describes files outside of itself",
}


class Unacceptable(Exception):
    """The reason, as the end of a sentence."""


class _Tap:
    """A stream that hands the inspectors the chunk they are to see."""

    def __init__(self) -> None:
        self.chunk = b""

    def read(self, _size: int) -> bytes:
        return self.chunk


class Inspection:
    """Feed it every chunk, then ask for the verdict."""

    def __init__(self) -> None:
        # 70 ms to import; only uploads need it.
        from oslo_utils.imageutils import format_inspector

        self._tap = _Tap()
        self._wrapper: Any = format_inspector.InspectWrapper(self._tap)  # type: ignore[arg-type]
        self._unsafe = format_inspector.SafetyCheckFailed
        self._head = b""
        self.size = 0

    def eat(self, chunk: bytes) -> None:
        """The next bytes."""
        if len(self._head) < HEAD_BYTES:
            self._head += chunk[: HEAD_BYTES - len(self._head)]
        self.size += len(chunk)
        self._tap.chunk = chunk
        self._wrapper.read(len(chunk))

    def verdict(self, disk_format: str, container_format: str) -> int | None:
        """The virtual size in bytes, None when the container hides it. Raises Unacceptable."""
        self._wrapper.close()
        if container_format not in _CONTAINERS or self.size == 0:
            return None
        found = {str(inspector): inspector for inspector in self._wrapper.formats or []}
        if self._head.lower().startswith(b"# disk descriptorfile"):
            found = {"vmdk": found.get("vmdk")}
        _check_looks(disk_format, found)
        if disk_format in _LOOKS:
            return self.size
        self._check_safe(found[disk_format])
        if disk_format == "qcow2":
            _check_qcow2(self._head, self.size)
        virtual: int = found[disk_format].virtual_size
        if virtual <= 0:
            raise Unacceptable(f"its {disk_format} header is damaged")
        return virtual

    def _check_safe(self, inspector: Any) -> None:
        if inspector is None:
            raise Unacceptable(_UNSAFE["descriptor"])
        try:
            inspector.safety_check()
        except self._unsafe as error:
            first = next(iter(error.failures))
            raise Unacceptable(_UNSAFE.get(first, str(error.failures[first]))) from None
        except Exception as error:  # a parser that stumbles has met a damaged file
            raise Unacceptable(f"its {inspector} header is damaged ({error})") from None


def _check_looks(declared: str, found: Iterable[str]) -> None:
    looks, allowed = set(found), _LOOKS.get(declared, {declared})
    if not looks <= allowed or (declared == "iso" and "iso" not in looks):
        raise Unacceptable(f"it is declared {declared}, but its bytes are {' and '.join(sorted(looks))}")


def _check_qcow2(head: bytes, size: int) -> None:
    """The tables that the header names must lie inside the file (QEMU docs/interop/qcow2.txt)."""
    damaged = Unacceptable("its qcow2 header is damaged or bytes are missing at its end")
    if len(head) < 72:
        raise damaged
    version, cluster_bits = struct.unpack_from(">I", head, 4)[0], struct.unpack_from(">I", head, 20)[0]
    entries, table = struct.unpack_from(">IQ", head, 36)
    counts, count_clusters = struct.unpack_from(">QI", head, 48)
    if version not in (2, 3) or not 9 <= cluster_bits <= 21:
        raise damaged
    cluster = 1 << cluster_bits
    if table % cluster or counts % cluster or not counts or not table:
        raise damaged
    if table + 8 * entries > size or counts + count_clusters * cluster > size:
        raise damaged


__all__ = ["Inspection", "Unacceptable"]
