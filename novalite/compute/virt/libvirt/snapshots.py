"""A guest's root disk as one whole file: copied while it runs, converted when it is off.

Running: QEMU mirrors what the disk has over its base image into an overlay of the same base, the mirror is ended
when it has caught up, for a moment with the guest's file systems frozen, and overlay and base are converted into
one file. The guest never stops. Formats are always given: nothing is guessed from what a guest wrote.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from novalite.compute.virt.libvirt import commands, states
from novalite.compute.virt.libvirt.connection import module
from novalite.compute.virt.libvirt.guest import Domain
from novalite.errors import DriverError, DriverUnsupported, GuestNotFound, NovaliteError
from novalite.objects.servers import GuestSpec

LOG = logging.getLogger(__name__)

FREEZE_SECONDS = 60
"""Seconds the guest agent may take to write out and freeze, or to thaw, its file systems."""
THAWS = 3
"""A guest left frozen stands still, so it is told again."""
LOOK = 0.2
"""Seconds between looks at a mirror."""
YES = ("1", "t", "true", "on", "y", "yes")


@dataclass(frozen=True)
class Shot:
    """One snapshot to be: whose, from which disk (qcow2), into which file and format, by when (monotonic)."""

    guest: Domain
    disk: Path
    to: Path
    format: str
    deadline: float
    compress: bool
    check: Callable[[], None]

    def left(self) -> float:
        """Seconds that are left; DriverError when none are. `check` may raise too."""
        self.check()
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise DriverError(reason="the disk could not be copied in the time given")
        return left


def shot(guest: Domain, disk: Path, to: Path, format: str, settings: Any, check: Callable[[], None]) -> Shot:
    """A snapshot that begins now; `settings` is [libvirt]."""
    deadline = time.monotonic() + settings.snapshot_timeout
    return Shot(guest, disk, to, format, deadline, settings.snapshot_compression, check)


def wants(properties: dict[str, str], key: str) -> bool:
    """Whether an image property says yes."""
    return properties.get(key, "").strip().lower() in YES


def take(spec: GuestSpec, shot: Shot) -> None:
    """Make the file; see driver.Snapshots."""
    if not shot.disk.is_file():
        raise DriverError(reason=f"the root disk {shot.disk} is missing")
    agent = wants(spec.image_properties, "hw_qemu_guest_agent")
    must = wants(spec.image_properties, "os_require_quiesce")
    state, _ = shot.guest.require()
    if state not in states.ACTIVE:
        _convert(shot, shot.disk)
        return
    runs = state in (states.State.RUNNING, states.State.BLOCKED)
    if must and not (agent and runs):
        why = "its image does not have the guest agent" if runs else "it does not run"
        raise DriverUnsupported(what=f"freezing the file systems of a guest, which its image requires: {why}")
    mirror = shot.to.with_name("mirror")
    _mirror(shot, mirror, agent and runs, must)
    _convert(shot, mirror)


def end(guest: Domain, disk: Path) -> None:
    """No mirror of the disk runs; success also when there is none, or no guest."""
    with suppress(GuestNotFound):
        if guest.active() and _job(guest, disk):
            guest.ask("end mirror", lambda domain: domain.blockJobAbort(str(disk), 0))


def _mirror(shot: Shot, mirror: Path, freeze: bool, must: bool) -> None:
    """`mirror` holds what the disk has over its base, as of one moment."""
    libvirt = module()
    backing, backing_format, size = _facts(shot)
    words = ["-b", backing, "-F", backing_format] if backing else []
    commands.run("qemu-img", "create", "-q", "-f", "qcow2", *words, mirror, str(size), seconds=shot.left())
    flags = libvirt.VIR_DOMAIN_BLOCK_COPY_REUSE_EXT | libvirt.VIR_DOMAIN_BLOCK_COPY_TRANSIENT_JOB
    flags |= libvirt.VIR_DOMAIN_BLOCK_COPY_SHALLOW if backing else 0
    end(shot.guest, shot.disk)
    try:
        xml = _destination(mirror)
        shot.guest.ask("mirror", lambda domain: domain.blockCopy(str(shot.disk), xml, None, flags))
        _wait_for_it(shot)
        with _frozen(shot.guest, freeze, must):
            shot.guest.ask("end mirror", lambda domain: domain.blockJobAbort(str(shot.disk), 0))
    except BaseException:
        with suppress(NovaliteError):  # the next snapshot, or start of this daemon, ends it
            end(shot.guest, shot.disk)
        raise


def _wait_for_it(shot: Shot) -> None:
    """Return when the mirror has caught up; from then on it keeps up."""
    while True:
        job = _job(shot.guest, shot.disk)
        if not job:
            raise DriverError(reason="the copy of the disk ended by itself; the guest may have been stopped")
        if job["end"] > 0 and job["cur"] == job["end"]:
            return
        time.sleep(min(LOOK, shot.left()))


def _job(guest: Domain, disk: Path) -> dict[str, int]:
    """libvirt's facts of the job on a disk; empty without one."""
    return guest.ask("block job", lambda domain: dict(domain.blockJobInfo(str(disk), 0) or {}))


@contextmanager
def _frozen(guest: Domain, freeze: bool, must: bool) -> Iterator[None]:
    """The guest's file systems stand still inside the block where that is possible. DriverError when it `must` be
    and is not."""
    if not freeze:
        yield
        return
    try:
        try:
            guest.ask("freeze", _freeze, FREEZE_SECONDS + 5)
        except NovaliteError as error:
            if must:
                raise DriverError(
                    reason=f"the file systems could not be frozen, which the image requires: {error}"
                ) from error
            LOG.info("Guest %s is copied without freezing its file systems: %s", guest.server_id, error)
        yield
    finally:
        _thaw(guest)  # also when nobody knows whether it froze


def _freeze(domain: object) -> int:
    with suppress(module().libvirtError):  # older libvirts wait as they like; our own deadline stands
        domain.agentSetResponseTimeout(FREEZE_SECONDS, 0)  # type: ignore[attr-defined]
    frozen: int = domain.fsFreeze(None, 0)  # type: ignore[attr-defined]
    return frozen


def _thaw(guest: Domain) -> None:
    for attempt in range(1, THAWS + 1):
        try:
            guest.ask("thaw", lambda domain: domain.fsThaw(None, 0), FREEZE_SECONDS + 5)
            return
        except NovaliteError as error:
            level = logging.ERROR if attempt == THAWS else logging.INFO
            LOG.log(level, "Guest %s was not told to thaw its file systems: %s", guest.server_id, error)


def _facts(shot: Shot) -> tuple[str, str, int]:
    """(backing file or "", its format, size in bytes) of the guest's disk. Its header is out of a guest's reach."""
    words = ("info", "-U", "-f", "qcow2", "--output=json", shot.disk)
    said = json.loads(commands.run("qemu-img", *words, seconds=shot.left()))
    backing = str(said.get("full-backing-filename") or said.get("backing-filename") or "")
    return backing, str(said.get("backing-filename-format") or "raw"), int(said["virtual-size"])


def _destination(mirror: Path) -> str:
    disk = ET.Element("disk", type="file")
    ET.SubElement(disk, "source", file=str(mirror))
    ET.SubElement(disk, "driver", type="qcow2")
    return ET.tostring(disk, encoding="unicode")


def _convert(shot: Shot, source: Path) -> None:
    """One whole file of a disk and everything beneath it."""
    compress = ["-c"] if shot.compress and shot.format == "qcow2" else []
    words: list[str | Path] = ["-f", "qcow2", "-O", shot.format, *compress, source, shot.to]
    commands.run("qemu-img", "convert", "-q", *words, seconds=shot.left(), check=shot.check)
