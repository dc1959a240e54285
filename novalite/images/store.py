"""The bytes of images, as files in one directory.

`<image>.<upload>.part` while they arrive, `<image>.<upload>` when all are there: each upload has a
file of its own, so that two can never write into one.
"""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Protocol

from novalite.errors import BadRequest, ImageUnacceptable, TooLarge, Unavailable
from novalite.images.formats import Inspection, Unacceptable
from novalite.objects.images import StoredBytes

LOG = logging.getLogger(__name__)
CHUNK = 1 << 20
_RENEW_SECONDS = 30.0
"""How often an upload says that it lives."""
_NAME = re.compile(r"[0-9a-fA-F-]{36}\.[0-9a-f-]{36}\Z")


class Readable(Protocol):
    """A request body."""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; b"" at the end."""


class Store:
    """One directory. Sizes in bytes."""

    def __init__(self, path: str, size_cap: int, min_free: int, fsync: bool = True) -> None:
        self.path, self._cap, self._min_free, self._fsync = Path(path), size_cap, min_free, fsync

    def take(
        self,
        stream: Readable,
        image_id: str,
        upload_id: str,
        formats: tuple[str, str],
        length: int | None = None,
        alive: Callable[[], None] = lambda: None,
    ) -> StoredBytes:
        """Write all of `stream`; answers what it was. Whatever goes wrong, nothing is left on disk.

        `formats`: disk and container format as declared; `length`: bytes announced; `alive` is called
        every half a minute. Raises TooLarge, BadRequest for a body cut short, ImageUnacceptable for
        bytes that are not what was declared, Unavailable when the disk fails.
        """
        location = f"{image_id}.{upload_id}"
        part, whole = self.path / f"{location}.part", self.path / location
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._check_room(length or 0)
            with open(part, "xb", opener=_private) as file:
                found, inspection = self._copy(stream, file, length, alive)
                virtual = _judge(inspection, image_id, formats)
                if self._fsync:
                    os.fsync(file.fileno())
            os.rename(part, whole)
            if self._fsync:
                self._sync_folder()
        except BaseException as error:
            for left in (part, whole):
                _unlink(left)
            if isinstance(error, OSError):
                raise self._told(error) from None
            raise
        return found.model_copy(update={"location": location, "virtual_size": virtual})

    def _copy(
        self, stream: Readable, file: BinaryIO, length: int | None, alive: Callable[[], None]
    ) -> tuple[StoredBytes, Inspection]:
        md5, sha512 = hashlib.md5(usedforsecurity=False), hashlib.sha512()
        inspection, seen = Inspection(), time.monotonic()
        while chunk := stream.read(CHUNK):
            if inspection.size + len(chunk) > self._cap:
                raise TooLarge(f"An image may have at most {self._cap} bytes.")
            file.write(chunk)
            inspection.eat(chunk)
            md5.update(chunk)
            sha512.update(chunk)
            if time.monotonic() - seen > _RENEW_SECONDS:
                seen = time.monotonic()
                self._check_room(0)
                alive()
        file.flush()
        if length is not None and inspection.size != length:
            raise BadRequest(f"The body ended after {inspection.size} of {length} bytes.")
        stored = StoredBytes(
            location="", size=inspection.size, checksum=md5.hexdigest(), os_hash_value=sha512.hexdigest()
        )
        return stored, inspection

    def _check_room(self, coming: int) -> None:
        """Refuse what would not fit, before and while it arrives."""
        if coming > self._cap:
            raise TooLarge(f"An image may have at most {self._cap} bytes.")
        disk = os.statvfs(self.path)
        free = disk.f_bavail * disk.f_frsize
        if coming + self._min_free > free:
            raise TooLarge(f"The image store has {max(0, free - self._min_free)} bytes left.")

    def _told(self, error: OSError) -> TooLarge | Unavailable:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return TooLarge("The image store is full.")
        LOG.error("The image store at %s failed: %s", self.path, error)
        return Unavailable(f"The image store failed: {error.strerror}.")

    def _sync_folder(self) -> None:
        folder = os.open(self.path, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def open(self, location: str) -> BinaryIO:
        """The bytes, for reading; they can be read to the end even when they are removed meanwhile."""
        try:
            return open(self._file(location), "rb")
        except OSError as error:
            LOG.error("Bytes of image %s cannot be read: %s", location, error)
            raise Unavailable("The bytes of this image cannot be read; the operator must look.") from None

    def remove(self, location: str) -> None:
        """Remove the bytes; nothing happens when they are gone. A failure is logged: `sweep` tries again."""
        _unlink(self._file(location))

    def _file(self, location: str) -> Path:
        if not _NAME.match(location):
            raise ValueError(f"not a location: {location}")
        return self.path / location

    def sweep(self, known: Callable[[list[str]], list[str]], older_than: float) -> int:
        """Remove files that no image has, left by workers that died; answers how many.

        `known` answers which of some locations belong to an image. Only files untouched for `older_than`
        seconds count.
        """
        limit = time.time() - older_than
        old = [name for name, touched in _entries(self.path) if touched < limit]
        dead = [name for name in old if name.endswith(".part") and _NAME.match(name[: -len(".part")])]
        whole = [name for name in old if _NAME.match(name)]
        for start in range(0, len(whole), 500):
            some = whole[start : start + 500]
            dead += sorted(set(some) - set(known(some)))
        for name in dead:
            LOG.warning("Removing %s from the image store: no image has it", name)
            _unlink(self.path / name)
        return len(dead)


def _private(path: str, flags: int) -> int:
    """Images are their projects', not every local user's; the group is that of the API and conductor."""
    return os.open(path, flags, 0o640)


def _judge(inspection: Inspection, image_id: str, formats: tuple[str, str]) -> int | None:
    try:
        return inspection.verdict(*formats)
    except Unacceptable as error:
        raise ImageUnacceptable(image_id=image_id, reason=str(error)) from None


def _entries(path: Path) -> Iterator[tuple[str, float]]:
    """Name and time of last change of every file."""
    try:
        found = list(os.scandir(path))
    except FileNotFoundError:
        return
    for entry in found:
        with suppress(FileNotFoundError):  # a finished upload renames its file
            yield entry.name, entry.stat().st_mtime


def _unlink(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        LOG.error("%s cannot be removed: %s", path, error)
