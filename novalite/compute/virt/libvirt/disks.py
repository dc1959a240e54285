"""A guest's disk files: which there are (pure), making them, removing them, what they may still grow.

    instances_path/<server id>/disk          root: qcow2 overlay on the cached image, or blank qcow2
                              /disk.eph0     ephemeral: raw, with a file system labelled ephemeral0
                              /disk.swap     swap: raw
                              /console.log   serial console

A file is made under another name and renamed when it is whole, so one that is there is whole.
Formats are always written out: qemu-img and QEMU never look into a guest's disk to guess one.
"""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from novalite.compute.virt.driver import BaseImage
from novalite.compute.virt.libvirt import commands
from novalite.compute.virt.libvirt.xml.domain import LocalDisk
from novalite.errors import DriverError, FlavorDiskTooSmall
from novalite.objects.servers import GuestSpec

LOG = logging.getLogger(__name__)

GIB = 1 << 30
MIB = 1 << 20
UNFINISHED = ".part"

QEMU_FORMATS = {"iso": "raw", "vhd": "vpc", "ploop": "parallels"}
"""Image formats that QEMU calls by another name."""


@dataclass(frozen=True)
class Plan:
    """One disk to be: its file name, format, size in bytes (0: that of the image) and content."""

    name: str
    format: str
    size: int
    content: str  # image | blank | filesystem | swap
    cdrom: bool = False


def plan(spec: GuestSpec) -> list[Plan]:
    """The disks a server has, in the order its guest sees them."""
    flavor, disks = spec.flavor, []
    if spec.image is not None:
        cdrom = spec.image.disk_format == "iso"
        disks.append(Plan("disk", "qcow2", 0 if cdrom else flavor.disk_gb * GIB, "image", cdrom))
    elif flavor.disk_gb:
        disks.append(Plan("disk", "qcow2", flavor.disk_gb * GIB, "blank"))
    if flavor.ephemeral_gb:
        disks.append(Plan("disk.eph0", "raw", flavor.ephemeral_gb * GIB, "filesystem"))
    if flavor.swap_mb:
        disks.append(Plan("disk.swap", "raw", flavor.swap_mb * MIB, "swap"))
    return disks


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

    def __init__(self, path: Path, *, filesystem: str, preallocate: bool, timeout: int) -> None:
        self.path = path
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
            for disk in plan(spec):
                self._make(folder / disk.name, disk, base)
        except OSError as error:
            raise DriverError(reason=f"disks cannot be made in {folder}: {error}") from error

    def attached(self, spec: GuestSpec) -> list[LocalDisk]:
        """The disks as the guest gets them; DriverError when a file is missing."""
        folder, found = self.folder(spec.id), []
        for number, disk in enumerate(plan(spec)):
            path = folder / disk.name
            if not path.is_file():
                raise DriverError(reason=f"disk file {path} is missing")
            found.append(LocalDisk(str(path), disk.format, boots=number == 0, cdrom=disk.cdrom))
        return found

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
        names = ("disk", "disk.eph*", "disk.swap")
        for path in (path for name in names for path in self.path.glob(f"*/{name}")):
            try:
                missing += max(0, virtual_size(path) - path.stat().st_blocks * 512)
            except OSError:  # removed meanwhile
                continue
        return -(-missing // GIB)

    def _make(self, path: Path, disk: Plan, base: BaseImage | None) -> None:
        unfinished = path.with_name(path.name + UNFINISHED)
        makers: dict[str, Callable[[], None]] = {
            "image": lambda: self._overlay(unfinished, disk.size, base),
            "blank": lambda: self._blank(unfinished, disk.size),
            "filesystem": lambda: self._filesystem(unfinished, disk.size),
            "swap": lambda: self._swap(unfinished, disk.size),
        }
        makers[disk.content]()
        if self.preallocate:
            size = disk.size or virtual_size(unfinished)
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
        if path.name.removesuffix(UNFINISHED) == "disk" and header[:4] == b"QFI\xfb" and len(header) == 32:
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
