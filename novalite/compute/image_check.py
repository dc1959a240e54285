"""Is an image what it says it is, and safe to be the base of a disk? Looks at bytes as they arrive.

QEMU follows what an image's header points to, so a header written by a user could name any file of
the host. Nothing here opens an image with QEMU's tools: only the header is read, and an image whose
format is not the declared one, or which refers to another file, is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from oslo_utils.imageutils import format_inspector

from novalite.errors import ImageUnacceptable


@dataclass(frozen=True)
class Declared:
    """What may be found in an image of a declared format, and what QEMU calls it.

    `found` are names of oslo.utils' inspectors: "gpt" is any disk with a partition table.
    """

    found: frozenset[str]
    qemu: str
    structured: bool = True


FORMATS = {
    "raw": Declared(frozenset({"raw", "gpt"}), "raw", structured=False),
    "iso": Declared(frozenset({"iso", "gpt"}), "raw", structured=False),
    "qcow2": Declared(frozenset({"qcow2"}), "qcow2"),
    "vmdk": Declared(frozenset({"vmdk"}), "vmdk"),
    "vdi": Declared(frozenset({"vdi"}), "vdi"),
    "vhd": Declared(frozenset({"vhd"}), "vpc"),
    "vhdx": Declared(frozenset({"vhdx"}), "vhdx"),
}
"""By disk_format (Image API reference). `structured` ones have a header with rules to check."""

FAILURES = {
    "backing_file": "it has a backing file",
    "data_file": "it keeps its data in another file",
    "unknown_features": "it uses features of its format that are not known here",
}
"""Sentences for the inspectors' checks."""

_DESCRIPTOR = b"# disk descriptorfile"
_HEAD = 4096


class Inspection:
    """Fed with an image's bytes in order; then says what it is."""

    def __init__(self, image_id: str, disk_format: str, accepted: Sequence[str]) -> None:
        """Raises ImageUnacceptable for a format this host does not take."""
        self.image_id, self.disk_format = image_id, disk_format
        if disk_format not in accepted or disk_format not in FORMATS:
            known = ", ".join(name for name in accepted if name in FORMATS)
            raise self._refused(f"its disk format is {disk_format}, this host takes {known}")
        self._declared = FORMATS[disk_format]
        self._source = _Feed()
        self._wrapper = format_inspector.InspectWrapper(self._source)
        self._head = b""
        self._size = 0

    def feed(self, chunk: bytes) -> None:
        """The next bytes."""
        if len(self._head) < _HEAD:
            self._head += chunk[: _HEAD - len(self._head)]
        self._size += len(chunk)
        self._source.chunk = chunk
        self._wrapper.read(len(chunk))

    def result(self) -> tuple[str, int]:
        """(QEMU's name of the format, size of the disk in bytes). Raises ImageUnacceptable."""
        self._wrapper.close()
        found = self._wrapper.formats or []
        names = {str(inspector) for inspector in found}
        if self._head.lstrip().lower().startswith(_DESCRIPTOR):
            names = {"vmdk"}  # a text file that names the files its data is in
            if self.disk_format == "vmdk":
                raise self._refused("it is a VMDK descriptor, which keeps its data in other files")
        if not names <= self._declared.found:
            raise self._refused(f"it is declared {self.disk_format}, but its content is {_listed(names)}")
        if not self._declared.structured:
            return self._declared.qemu, self._size
        inspector = found[0]
        self._check(inspector)
        return self._declared.qemu, int(inspector.virtual_size)

    def _check(self, inspector: Any) -> None:
        try:
            inspector.safety_check()
        except format_inspector.SafetyCheckFailed as error:
            failures = {name: failure for name, failure in error.failures.items()
                        if not (name == "data_file" and _is_version_2(inspector))}
            if failures:
                said = [FAILURES.get(name, f"{name}: {failure}") for name, failure in failures.items()]
                raise self._refused(" and ".join(said)) from error
        except format_inspector.ImageFormatError as error:
            raise self._refused(f"its header is not that of a sound {self.disk_format} image") from error

    def _refused(self, reason: str) -> ImageUnacceptable:
        return ImageUnacceptable(image_id=self.image_id, reason=reason)


class _Feed(BytesIO):
    """What the inspectors read from: the chunk at hand."""

    chunk = b""

    def read(self, size: int | None = -1, /) -> bytes:
        return self.chunk


def _is_version_2(inspector: Any) -> bool:
    """qcow2 version 2 has no feature bits: what is read there as one is something else."""
    header = getattr(inspector, "qemu_header_info", None) or {}
    return bool(header.get("version") == 2)


def _listed(names: set[str]) -> str:
    return " and ".join(sorted(names)) or "unknown"
