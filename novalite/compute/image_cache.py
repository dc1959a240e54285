"""Images kept on this host as bases of guests' disks: `_base/<hash>`, verified once, then read-only.

One download per image and host: others that want it wait for it. The file gets its name only when it
is whole and checked; a note beside it (`<hash>.json`) says what it is, and its age says when it was
last used. Hosts that share the directory share the cache.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import re
import threading
import time
from collections import Counter as Tally
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import orjson
from oslo_config import cfg

from novalite import metrics
from novalite.compute.image_use import bases_in_use
from novalite.compute.virt.driver import BaseImage
from novalite.errors import ImageDownloadFailed
from novalite.objects.images import ImageSource

LOG = logging.getLogger(__name__)
FOUND = metrics.Counter("novalite_image_cache_total", "Images asked of the cache.", "result")
_POLL = 0.05
_NAME = re.compile(r"[0-9a-f]{64}")


def base_name(source: ImageSource) -> str:
    """The name in the cache: of the image, and of its content should an id ever come back with another."""
    return hashlib.sha256(f"{source.id} {source.os_hash_value or ''}".encode()).hexdigest()


class ImageCache:
    """The images of one host. Thread-safe, also against other processes on the same directory."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self.conf = conf.compute
        self.instances = Path(self.conf.instances_path)
        self.base = self.instances / "_base"
        self._pinned: Tally[str] = Tally()
        self._lock = threading.Lock()
        self._ids: tuple[int, tuple[str, ...]] = (0, ())

    @contextmanager
    def using(self, source: ImageSource, check: Callable[[], None] = lambda: None) -> Iterator[BaseImage]:
        """The image, which stays while the block runs, and afterwards while a disk stands on it.

        `check` is called while waiting and may raise. Raises ImageNotFound, ImageUnacceptable,
        ImageDownloadFailed.
        """
        name = base_name(source)
        with self._lock:
            self._pinned[name] += 1
        try:
            yield self._get(name, source, check)
        finally:
            with self._lock:
                self._pinned[name] -= 1
                self._pinned += Tally()  # drops those at zero

    def remove_unused(self, now: float | None = None) -> list[str]:
        """Remove images that no disk stands on and nobody asked for in a while; answers their ids."""
        oldest = (time.time() if now is None else now) - self.conf.remove_unused_original_minimum_age_seconds
        names = {path.name.partition(".")[0] for path in self.base.glob("*") if path.suffix != ".lock"}
        idle = [name for name in sorted(names) if _NAME.fullmatch(name) and self._used_at(name) < oldest]
        if not idle:
            return []
        try:
            used = bases_in_use(self.instances)
        except OSError as error:
            LOG.warning("No cached image is removed, because it cannot be told which are in use: %s", error)
            return []
        return [gone for name in idle if name not in used and (gone := self._remove(name, oldest))]

    def ids(self) -> tuple[str, ...]:
        """Ids of the images that are here whole. Notes are read only when the folder changed."""
        try:
            changed = self.base.stat().st_mtime_ns
        except OSError:
            return ()
        if changed != self._ids[0]:
            notes = self.base.glob("*.json")
            found = {_image_id(note) for note in notes if _NAME.fullmatch(note.stem)}
            self._ids = (changed, tuple(sorted(found)))
        return self._ids[1]

    # --- getting -----------------------------------------------------------------------------

    def _get(self, name: str, source: ImageSource, check: Callable[[], None]) -> BaseImage:
        if (ready := self._ready(name)) is not None:
            FOUND.add("hit")
            return ready
        self.base.mkdir(parents=True, exist_ok=True)
        with self._locked(name, source.id, check):
            if (ready := self._ready(name)) is not None:
                FOUND.add("waited")
                return ready
            FOUND.add("download")
            return self._fetch(name, source, check)

    def _ready(self, name: str) -> BaseImage | None:
        """The cached image, now marked as used; None when it is not there or not whole."""
        path, note = self.base / name, self.base / f"{name}.json"
        try:
            facts = orjson.loads(note.read_bytes())
            if path.stat().st_size != facts["size"]:
                LOG.warning("%s has not the size that was noted and is fetched again", path)
                return None
            os.utime(note)
            return BaseImage(path, facts["format"], facts["virtual_size"])
        except FileNotFoundError:
            return None
        except (ValueError, KeyError) as error:
            LOG.warning("%s is unreadable, the image is fetched again: %s", note, error)
            return None

    def _fetch(self, name: str, source: ImageSource, check: Callable[[], None]) -> BaseImage:
        # imported here: the format inspectors cost 0.1 s, and most builds find their image cached
        from novalite.compute.image_check import Inspection
        from novalite.compute.image_download import Limits, download

        options = self.conf
        limits = Limits(options.image_download_timeout, options.image_read_timeout,
                        options.image_download_attempts, options.image_min_free_mb << 20,
                        options.image_ca_file)  # fmt: skip
        part, path = self.base / f"{name}.part", self.base / name
        began = time.monotonic()
        inspect = partial(Inspection, source.id, source.disk_format, options.image_formats)
        found, virtual_size = download(source, part, limits, inspect, check)
        part.chmod(0o444)
        size = part.stat().st_size
        os.replace(part, path)
        facts = {"image_id": source.id, "format": found, "virtual_size": virtual_size, "size": size}
        self._note(name, facts)
        took = time.monotonic() - began
        LOG.info("Image %s (%s, %.1f MB) fetched in %.1f s", source.id, found, size / 1e6, took)
        return BaseImage(path, found, virtual_size)

    def _note(self, name: str, facts: dict[str, object]) -> None:
        fresh = self.base / f"{name}.json.new"
        fresh.write_bytes(orjson.dumps(facts))
        os.replace(fresh, self.base / f"{name}.json")

    @contextmanager
    def _locked(self, name: str, image_id: str, check: Callable[[], None]) -> Iterator[None]:
        """Only one at a time fetches this image; the kernel lets go of the lock of a killed process."""
        deadline = time.monotonic() + self.conf.image_download_timeout
        with (self.base / f"{name}.lock").open("ab") as file:
            while not _try_lock(file.fileno()):
                check()
                if time.monotonic() > deadline:
                    raise ImageDownloadFailed(image_id=image_id, reason="another build still fetches it")
                time.sleep(_POLL)
            yield

    # --- ageing ------------------------------------------------------------------------------

    def _used_at(self, name: str) -> float:
        """When the image was last used, or written without being finished, in seconds since the epoch."""
        times = []
        for path in self._files(name):
            with suppress(FileNotFoundError):
                times.append(path.stat().st_mtime)
        return max(times, default=float("inf"))

    def _files(self, name: str) -> list[Path]:
        """Its note first: a file without a note is never taken for whole. Its lock stays: a process that
        has it open must not lock a file that others no longer see."""
        return [self.base / f"{name}{suffix}" for suffix in (".json", ".json.new", ".part", "")]

    def _remove(self, name: str, oldest: float) -> str | None:
        """Remove one image unless somebody wants it after all."""
        with (self.base / f"{name}.lock").open("ab") as file, self._lock:
            if self._pinned[name] or not _try_lock(file.fileno()) or self._used_at(name) >= oldest:
                return None
            image_id = _image_id(self.base / f"{name}.json")
            for path in self._files(name):
                path.unlink(missing_ok=True)
        LOG.info("Image %s is no longer cached: nothing used it", image_id)
        return image_id


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _image_id(note: Path) -> str:
    try:
        return str(orjson.loads(note.read_bytes())["image_id"])
    except (OSError, ValueError, KeyError):
        return note.stem
