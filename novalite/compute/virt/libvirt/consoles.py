"""The serial console's log: read from the end, kept from filling the disk.

With a libvirt daemon virtlogd writes the file and rotates it to `console.log.0`, `.1`, …; with
qemu:///embed QEMU writes it itself, always at its end, so it can be copied away and cut to nothing.
Both leave files of the same names.
"""

from __future__ import annotations

import logging
import os
import shutil
import threading
from pathlib import Path

from novalite.errors import DriverError

LOG = logging.getLogger(__name__)

NAME = "console.log"
_MOST_BACKUPS = 100


def tail(path: Path, max_bytes: int) -> bytes:
    """The last `max_bytes` of the log, reaching back into rotated files. b"" when there is none yet."""
    parts: list[bytes] = []
    left = max_bytes
    for file in [path, *_backups(path)]:
        if left <= 0:
            break
        part = _end(file, left)
        parts.insert(0, part)
        left -= len(part)
    return b"".join(parts)


def rotate(path: Path, keep: int) -> None:
    """Move what is in the log to `.0` (older ones one up, at most `keep`) while QEMU has it open.

    Bytes written between copying and cutting are lost: a few, once in megabytes.
    """
    for number in range(_MOST_BACKUPS if keep == 0 else keep - 1, -1, -1):
        old = _numbered(path, number)
        if not old.exists():
            continue
        if number + 1 >= max(keep, 1):
            old.unlink()
        else:
            old.rename(_numbered(path, number + 1))
    if keep:
        shutil.copy2(path, _numbered(path, 0), follow_symlinks=False)
    os.truncate(path, 0)


class Rotation:
    """A thread that rotates logs in `folder`/<guest>/ which have grown beyond `limit` bytes."""

    def __init__(self, folder: Path, limit: int, keep: int, interval: float) -> None:
        self.folder = folder
        self.limit = limit
        self.keep = keep
        self.interval = interval
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin looking."""
        if self._thread is None:
            self._stop.clear()
            self._thread = threading.Thread(target=self._run, name="console-logs", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End looking."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(5)
            self._thread = None

    def look(self) -> int:
        """Rotate what is too long; returns how many logs that were."""
        count = 0
        for path in self.folder.glob(f"*/{NAME}"):
            try:
                if path.lstat().st_size > self.limit:
                    rotate(path, self.keep)
                    count += 1
            except OSError as error:  # its guest may just be removed
                if path.exists():
                    LOG.warning("%s cannot be rotated: %s", path, error)
        return count

    def _run(self) -> None:
        while not self._stop.wait(self.interval):
            self.look()


def _numbered(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}")


def _backups(path: Path) -> list[Path]:
    """Rotated files, newest first."""
    found = []
    for number in range(_MOST_BACKUPS):
        if not _numbered(path, number).exists():
            break
        found.append(_numbered(path, number))
    return found


def _end(path: Path, most: int) -> bytes:
    try:
        # The folder is ours, but a symbolic link in it would make us read anything.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise DriverError(reason=f"the console log {path} cannot be read: {error.strerror}") from error
    with os.fdopen(descriptor, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        file.seek(max(0, size - most))
        return file.read(most)
