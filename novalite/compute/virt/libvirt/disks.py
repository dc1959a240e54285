"""A guest's disk files: which there are (pure), making them, removing them, what they may still grow.

    instances_path/<server id>/disk          root: qcow2 overlay on the cached image, or blank qcow2
                              /disk.eph0     ephemeral: raw, with a file system labelled ephemeral0
                              /disk.swap     swap: raw
                              /disk.cdrom    empty: the root disk is a disc
                              /disk.rescue   what it is started from while it is rescued
                              /disk.config   config drive; kept until the guest is built anew
                              /disk.config.rescue   the same while it is rescued
                              /new/          disks of a rebuild that are not in use yet
                              /before-resize/, resize.json   see resize.py
                              /console.log   serial console

A file is made under another name and renamed when it is whole, so one that is there is whole.
Formats are always written out: qemu-img and QEMU never look into a guest's disk to guess one.
"""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from novalite.compute.config_drive import ConfigDrives
from novalite.compute.virt.driver import BaseImage
from novalite.compute.virt.libvirt import commands
from novalite.compute.virt.libvirt.xml.domain import LocalDisk
from novalite.errors import DriverError, FlavorDiskTooSmall
from novalite.objects.servers import GuestSpec, Rescue

LOG = logging.getLogger(__name__)

GIB = 1 << 30
MIB = 1 << 20
UNFINISHED = ".part"
ROOT, RESCUE, CDROM, NEW = "disk", "disk.rescue", "disk.cdrom", "new"
CONFIG, RESCUE_CONFIG = "disk.config", "disk.config.rescue"
ASIDE, NOTE = "before-resize", "resize.json"

QEMU_FORMATS = {"iso": "raw", "vhd": "vpc", "ploop": "parallels"}
"""Image formats that QEMU calls by another name."""


@dataclass(frozen=True)
class Plan:
    """One disk to be: its file name, format, size in bytes (0: that of the image) and content."""

    name: str
    format: str
    size: int
    content: str  # image | blank | filesystem | swap
    device: str = "disk"  # disk | cdrom | floppy
    bus: str | None = None


def plan(spec: GuestSpec) -> list[Plan]:
    """The disks a server has, in the order its guest sees them."""
    flavor, disks = spec.flavor, []
    if spec.image is not None:
        cdrom = spec.image.disk_format == "iso"
        size, device = (0, "cdrom") if cdrom else (flavor.disk_gb * GIB, "disk")
        disks.append(Plan(ROOT, "qcow2", size, "image", device))
    elif flavor.disk_gb:
        disks.append(Plan(ROOT, "qcow2", flavor.disk_gb * GIB, "blank"))
    if flavor.ephemeral_gb:
        disks.append(Plan("disk.eph0", "raw", flavor.ephemeral_gb * GIB, "filesystem"))
    if flavor.swap_mb:
        disks.append(Plan("disk.swap", "raw", flavor.swap_mb * MIB, "swap"))
    return disks


def rescue_plan(rescue: Rescue) -> Plan:
    """The disk a guest is rescued with: as large as its image."""
    return Plan(RESCUE, "qcow2", 0, "image", rescue.device, rescue.bus)


def while_rescued(rescue: Rescue, own: Sequence[Plan]) -> list[Plan]:
    """The disks of a guest that is being rescued, of which it has `own`; see objects.servers.Rescue."""
    if rescue.stable:
        return [*own, rescue_plan(rescue)]
    return [rescue_plan(rescue), *(disk for disk in own if disk.name == ROOT)]


def check(spec: GuestSpec, base: BaseImage | None) -> None:
    """Refuse what cannot be built: no image at hand, or one larger than the flavor's disk."""
    if spec.image is None:
        return
    if base is None:
        raise DriverError(reason=f"image {spec.image.id} is not in the cache of this host")
    root = plan(spec)[0]
    if root.size and base.virtual_size > root.size:
        raise FlavorDiskTooSmall(flavor_bytes=root.size, image_bytes=base.virtual_size)


class Disks:
    """The folder of all guests' disks on this host."""

    def __init__(
        self, path: Path, *, filesystem: str, preallocate: bool, timeout: int, drives: ConfigDrives | None = None
    ) -> None:
        self.path, self.drives = path, drives
        self.filesystem = filesystem
        self.preallocate = preallocate
        self.timeout = timeout

    def folder(self, server_id: str) -> Path:
        """The server's own folder. ValueError unless the id is a UUID: it becomes part of a path."""
        return self.path / str(UUID(server_id))

    def build(self, spec: GuestSpec, base: BaseImage | None) -> None:
        """Make every disk of `spec` anew; what an interrupted build left is replaced."""
        self.remove(spec.id)
        folder = self.folder(spec.id)
        try:
            # QEMU may run as another user: it must be able to pass through, others not to list.
            folder.mkdir(parents=True)
            folder.chmod(0o711)
            self._make_all(folder, plan(spec), base)
            self._make_drive(folder / CONFIG, spec)
        except OSError as error:
            raise DriverError(reason=f"disks cannot be made in {folder}: {error}") from error

    def _make_all(self, folder: Path, disks: Sequence[Plan], base: BaseImage | None) -> None:
        for disk in disks:
            self.make(folder / disk.name, disk, base)
            if disk.name == ROOT and disk.device == "cdrom":
                (folder / CDROM).touch()

    def _make_drive(self, path: Path, spec: GuestSpec) -> None:
        if spec.config_drive and self.drives is not None:
            self.drives.write(path, spec)

    def stage(self, spec: GuestSpec, base: BaseImage | None, keep_ephemeral: bool) -> None:
        """Make new disks of `spec` beside those in use; `adopt` puts them in their place. With
        `keep_ephemeral` only those that are not there, and the root disk."""
        folder = self.folder(spec.id)
        kept = {path.name for path in folder.glob("disk.*")} if keep_ephemeral else set()
        try:
            self.unstage(spec.id)
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o711)
            (folder / NEW).mkdir()
            self._make_all(folder / NEW, [disk for disk in plan(spec) if disk.name not in kept], base)
            self._make_drive(folder / NEW / CONFIG, spec)
        except OSError as error:
            raise DriverError(reason=f"disks cannot be made in {folder / NEW}: {error}") from error

    def adopt(self, server_id: str) -> None:
        """The new disks take the place of the old ones, the root disk last."""
        folder = self.folder(server_id)
        try:
            for name in (CDROM, RESCUE_CONFIG, RESCUE, NOTE):
                (folder / name).unlink(missing_ok=True)
            shutil.rmtree(folder / ASIDE, ignore_errors=True)
            for path in sorted((folder / NEW).iterdir(), reverse=True):
                path.rename(folder / path.name)
            (folder / NEW).rmdir()
        except OSError as error:
            raise DriverError(reason=f"new disks cannot be put into {folder}: {error}") from error

    def unstage(self, server_id: str) -> None:
        """New disks that nobody adopted are gone."""
        shutil.rmtree(self.folder(server_id) / NEW, ignore_errors=True)

    def make_rescue(self, spec: GuestSpec, base: BaseImage | None) -> None:
        """A fresh rescue disk, also where there is one."""
        assert spec.rescue is not None
        folder = self.folder(spec.id)
        try:
            self.make(folder / RESCUE, rescue_plan(spec.rescue), base)
            self._make_drive(folder / RESCUE_CONFIG, spec)
        except OSError as error:
            raise DriverError(reason=f"a rescue disk cannot be made in {folder}: {error}") from error

    def rescued(self, server_id: str) -> bool:
        """True when there is a rescue disk."""
        return (self.folder(server_id) / RESCUE).exists()

    def remove_rescue(self, server_id: str) -> None:
        """Remove what there is for a rescue, the rescue disk last; absence is success."""
        for path in (self.folder(server_id) / name for name in (RESCUE_CONFIG, RESCUE)):
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                raise DriverError(reason=f"{path} cannot be removed: {error}") from error

    def present(self, spec: GuestSpec) -> list[Plan]:
        """The guest's own disks. Once it is built its spec names no image any more; the files tell of it."""
        folder, disks = self.folder(spec.id), plan(spec)
        if spec.image is None and (folder / ROOT).is_file():
            device = "cdrom" if (folder / CDROM).exists() else "disk"
            root = Plan(ROOT, "qcow2", 0, "image", device)
            disks = [root, *(disk for disk in disks if disk.name != ROOT)]
        return disks

    def attached(self, spec: GuestSpec) -> list[LocalDisk]:
        """The disks as the guest gets them; DriverError when a file is missing."""
        folder, found = self.folder(spec.id), []
        disks = self.present(spec)
        first = disks[0].name if disks else None
        if spec.rescue is not None:
            disks, first = while_rescued(spec.rescue, disks), RESCUE
        for disk in disks:
            path = folder / disk.name
            if not path.is_file():
                raise DriverError(reason=f"disk file {path} is missing")
            boots = disk.name == first
            found.append(LocalDisk(str(path), disk.format, boots, disk.device, disk.bus))
        return found + self._drive(spec)

    def _drive(self, spec: GuestSpec) -> list[LocalDisk]:
        """The config drive, the last of the disks. One that is not there is made, without a password."""
        if not spec.config_drive or self.drives is None:
            return []
        folder = self.folder(spec.id)
        path = folder / RESCUE_CONFIG
        if spec.rescue is None or not path.is_file():
            path = folder / CONFIG
            if not path.is_file():
                self._make_drive(path, spec)
        return [LocalDisk(str(path), "raw", device=self.drives.device)]

    def exist(self, server_id: str) -> bool:
        """True when the server has a folder here."""
        return self.folder(server_id).is_dir()

    def remove(self, server_id: str) -> None:
        """Remove the server's folder with everything in it; absence is success."""
        folder = self.folder(server_id)
        try:
            shutil.rmtree(folder)
        except FileNotFoundError:
            return
        except OSError as error:
            raise DriverError(reason=f"{folder} cannot be removed: {error}") from error

    def size_gb(self) -> tuple[int, int]:
        """GB in all and free on the file system of the guests' disks."""
        facts = os.statvfs(self.path)
        return facts.f_blocks * facts.f_frsize // GIB, facts.f_bavail * facts.f_frsize // GIB

    def promised_gb(self) -> int:
        """GB that the disks here may still grow by, because they are sparse."""
        missing = 0
        names = (ROOT, RESCUE, "disk.eph*", "disk.swap")
        for path in (path for name in names for path in self.path.glob(f"*/{name}")):
            try:
                missing += max(0, virtual_size(path) - path.stat().st_blocks * 512)
            except OSError:  # removed meanwhile
                continue
        return -(-missing // GIB)

    def make(self, path: Path, disk: Plan, base: BaseImage | None = None) -> None:
        """Make one disk; only one with the content `image` needs a base."""
        unfinished = path.with_name(path.name + UNFINISHED)
        makers: dict[str, Callable[[], None]] = {
            "image": lambda: self._overlay(unfinished, disk.size, base),
            "blank": lambda: self._blank(unfinished, disk.size),
            "filesystem": lambda: self._filesystem(unfinished, disk.size),
            "swap": lambda: self._swap(unfinished, disk.size),
        }
        makers[disk.content]()
        self.finish(unfinished, path)

    def finish(self, unfinished: Path, path: Path) -> None:
        """A disk under another name is whole and takes its place."""
        if self.preallocate:
            size = virtual_size(unfinished)
            self._run("fallocate", "--keep-size", "--length", str(size), unfinished)
        unfinished.chmod(0o600)
        unfinished.rename(path)

    def _overlay(self, path: Path, size: int, base: BaseImage | None) -> None:
        assert base is not None  # check() came first
        backing = QEMU_FORMATS.get(base.format, base.format)
        sizes = [str(max(size, base.virtual_size))] if size else []
        self._run("qemu-img", "create", "-q", "-f", "qcow2", "-b", base.path, "-F", backing, path, *sizes)

    def _blank(self, path: Path, size: int) -> None:
        self._run("qemu-img", "create", "-q", "-f", "qcow2", path, str(size))

    def _filesystem(self, path: Path, size: int) -> None:
        _sparse(path, size)
        self._run(*_mkfs(self.filesystem, "ephemeral0"), path)

    def _swap(self, path: Path, size: int) -> None:
        _sparse(path, size)
        self._run("mkswap", path)

    def _run(self, program: str, *words: str | Path) -> None:
        commands.run(program, *words, seconds=self.timeout)


def _sparse(path: Path, size: int) -> None:
    with path.open("wb") as file:
        os.fchmod(file.fileno(), 0o600)
        file.truncate(size)


def _mkfs(kind: str, label: str) -> list[str]:
    """The command that makes a file system in a plain file. Tables are zeroed later, by the guest."""
    lazy = "lazy_itable_init=1" + ("" if kind == "ext2" else ",lazy_journal_init=1")
    return {
        "ext2": ["mke2fs", "-q", "-F", "-t", "ext2", "-L", label, "-E", lazy],
        "ext3": ["mke2fs", "-q", "-F", "-t", "ext3", "-L", label, "-E", lazy],
        "ext4": ["mke2fs", "-q", "-F", "-t", "ext4", "-L", label, "-E", lazy],
        "xfs": ["mkfs.xfs", "-q", "-f", "-L", label],
        "vfat": ["mkfs.vfat", "-n", label.upper()],
    }[kind]


def virtual_size(path: Path) -> int:
    """Bytes the guest sees. The header of a qcow2 file is out of a guest's reach, so it is trusted.

    Source: QEMU, "qcow2 image format": magic at 0, big-endian size at 24.
    """
    with path.open("rb") as file:
        header = file.read(32)
        if path.name.removesuffix(UNFINISHED) in (ROOT, RESCUE) and header[:4] == b"QFI\xfb" and len(header) == 32:
            return int.from_bytes(header[24:32], "big")
        return os.fstat(file.fileno()).st_size


def direct_io(folder: Path) -> bool:
    """True when files in `folder` can be opened past the page cache."""
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".direct-io-") as file:
            os.close(os.open(file.name, os.O_RDWR | os.O_DIRECT))
    except OSError:
        return False
    return True
