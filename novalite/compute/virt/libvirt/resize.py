"""The disks of a guest that is given another flavor, and the way back.

The old files go into `before-resize/` in the guest's folder and are not written to again; copies of them, grown,
take their places. `resize.json` says how far that is, so that every order may be repeated after a kill, and no
order of one resize is taken for that of another. An old file is in its place or in `before-resize/`, never
nowhere, until `drop` notes that it may go.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from oslo_config import cfg

from novalite.compute.virt.libvirt import commands
from novalite.compute.virt.libvirt.disks import (
    ASIDE,
    CDROM,
    GIB,
    NOTE,
    ROOT,
    UNFINISHED,
    Disks,
    Plan,
    plan,
    virtual_size,
)
from novalite.compute.virt.libvirt.guest import Domain
from novalite.errors import DriverError, FlavorDiskTooSmall, GuestNotFound
from novalite.objects.base import Message
from novalite.objects.flavors import Flavor
from novalite.objects.servers import GuestSpec

if TYPE_CHECKING:
    from novalite.compute.virt.libvirt.driver import LibvirtDriver


class Note(Message):
    """How far a resize is: `making` new disks, old ones `kept`, `returning`, `back`, or `gone`. `files`: the names
    of the old disks; `old`, `new`: ids of the flavors."""

    migration: str
    state: Literal["making", "kept", "returning", "back", "gone"]
    files: tuple[str, ...] = ()
    old: str = ""
    new: str = ""


def read(folder: Path) -> Note | None:
    """The note of the last resize, if any."""
    try:
        return Note.model_validate_json((folder / NOTE).read_bytes())
    except FileNotFoundError:
        return None


def _write(folder: Path, note: Note) -> Note:
    fresh = folder / f"{NOTE}{UNFINISHED}"
    with fresh.open("w") as file:
        file.write(note.model_dump_json())
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(folder / NOTE)
    return note


def _state(folder: Path, note: Note, state: str) -> Note:
    return _write(folder, note.model_copy(update={"state": state}))


@contextmanager
def _said(what: str, folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DriverError(reason=f"{what} in {folder}: {error}") from error


def _own(folder: Path) -> list[str]:
    """Names of the guest's own disks that lie in the folder."""
    names = [ROOT, "disk.swap", *(path.name for path in folder.glob("disk.eph*") if path.suffix != UNFINISHED)]
    return [name for name in names if (folder / name).is_file()]


# --- there ---------------------------------------------------------------------------------------


def grow(disks: Disks, spec: GuestSpec, old: Flavor, migration: str, copy_seconds: int) -> None:
    """See driver.Resizes.grow_disks."""
    folder = disks.folder(spec.id)
    if not folder.is_dir():
        raise GuestNotFound(server_id=spec.id)
    with _said("disks cannot be grown", folder):
        note = read(folder)
        if note is not None and note.migration != migration:
            settle(disks, spec.id, old)
            note = None
        if note is None:
            note = Note(migration=migration, state="making", files=tuple(_own(folder)),
                        old=old.flavor_id, new=spec.flavor.flavor_id)  # fmt: skip
            _fits(folder, spec)
            _write(folder, note)
        if note.state == "kept":
            return
        if note.state != "making":
            raise DriverError(reason=f"the resize of guest {spec.id} is over")
        _set_aside(folder, note)
        for disk in _wanted(folder, spec, note):
            if not (folder / disk.name).is_file():
                _make(disks, folder, disk, note, copy_seconds)
        _state(folder, note, "kept")


def _fits(folder: Path, spec: GuestSpec) -> None:
    """Raises FlavorDiskTooSmall when the root disk is larger than the flavor's (0 GB: stays as it is)."""
    root, room = folder / ROOT, spec.flavor.disk_gb * GIB
    if room and root.is_file() and not (folder / CDROM).exists() and (size := virtual_size(root)) > room:
        raise FlavorDiskTooSmall(flavor_bytes=room, image_bytes=size)


def _set_aside(folder: Path, note: Note) -> None:
    aside = folder / ASIDE
    aside.mkdir(exist_ok=True)
    for name in note.files:
        if not (aside / name).exists():
            (folder / name).rename(aside / name)


def _wanted(folder: Path, spec: GuestSpec, note: Note) -> list[Plan]:
    """The disks of the new flavor; a root disk that was made of an image has its size or more."""
    disks = plan(spec.model_copy(update={"image": None}))
    if ROOT in note.files and (not spec.flavor.disk_gb or (folder / CDROM).exists()):
        return [Plan(ROOT, "qcow2", 0, "image"), *(disk for disk in disks if disk.name != ROOT)]
    return disks


def _make(disks: Disks, folder: Path, disk: Plan, note: Note, copy_seconds: int) -> None:
    """A grown copy of the old disk; a new one where there was none, and for swap."""
    old, path = folder / ASIDE / disk.name, folder / disk.name
    if disk.name not in note.files or disk.content == "swap":
        disks.make(path, disk)
        return
    unfinished = path.with_name(path.name + UNFINISHED)
    commands.run("cp", "--reflink=auto", "--sparse=always", old, unfinished, seconds=copy_seconds)
    if disk.size > virtual_size(unfinished):
        if disk.format == "raw":
            os.truncate(unfinished, disk.size)
        else:
            words = ("-q", "-f", disk.format, unfinished, str(disk.size))
            commands.run("qemu-img", "resize", *words, seconds=disks.timeout)
    disks.finish(unfinished, path)


# --- and back ------------------------------------------------------------------------------------


def put_back(disks: Disks, server_id: str, migration: str) -> None:
    """See driver.Resizes.put_disks_back."""
    folder = disks.folder(server_id)
    if not folder.is_dir():
        raise GuestNotFound(server_id=server_id)
    with _said("old disks cannot be put back", folder):
        note = read(folder)
        if note is None or note.migration != migration:
            if note is None or note.state in ("back", "gone"):
                _write(folder, Note(migration=migration, state="back"))
            return
        if note.state == "gone":
            raise DriverError(reason="the old disks are gone, because the resize was confirmed")
        if note.state != "back":
            _return(folder, note)


def _return(folder: Path, note: Note) -> None:
    note, aside = _state(folder, note, "returning"), folder / ASIDE
    if aside.is_dir():
        for name in note.files:
            if (aside / name).is_file():
                (aside / name).replace(folder / name)
    for name in _own(folder):
        if name not in note.files:
            (folder / name).unlink()
    for path in folder.glob(f"disk*{UNFINISHED}"):
        path.unlink()
    if aside.is_dir():
        aside.rmdir()
    _state(folder, note, "back")


def drop(disks: Disks, server_id: str, migration: str) -> None:
    """See driver.Resizes.drop_old_disks."""
    folder = disks.folder(server_id)
    with _said("old disks cannot be removed", folder):
        note = read(folder)
        if note is None or note.migration != migration:
            return
        if note.state in ("back", "returning"):
            raise DriverError(reason="the old disks have been put back; revert the resize again")
        if note.state == "making":
            raise DriverError(reason="the new disks are not whole")
        _drop(folder, note)


def _drop(folder: Path, note: Note) -> None:
    _state(folder, note, "gone")
    if (folder / ASIDE).is_dir():
        shutil.rmtree(folder / ASIDE)


def settle(disks: Disks, server_id: str, flavor: Flavor) -> None:
    """What is left of a resize that nobody goes on with: old disks return, unless the server has its new flavor
    by now, so that the new ones are its disks."""
    folder = disks.folder(server_id)
    note = read(folder)
    if note is None or note.state == "back":
        return
    if note.state == "gone" or (note.state == "kept" and flavor.flavor_id == note.new):
        _drop(folder, note)
    else:
        _return(folder, note)


def is_half_done(disks: Disks, spec: GuestSpec) -> bool:
    """Whether a server has the flavor of before a resize, but not its disks: putting it back has failed."""
    note = read(disks.folder(spec.id))
    return note is not None and note.state not in ("back", "gone") and spec.flavor.flavor_id == note.old


def restore_half_done(disks: Disks, spec: GuestSpec) -> None:
    """Its old disks return; the guest is off."""
    if is_half_done(disks, spec):
        with _said("old disks cannot be put back", disks.folder(spec.id)):
            settle(disks, spec.id, spec.flavor)


# --- the machine ---------------------------------------------------------------------------------


class Resizing:
    """The part of the driver that fulfils `driver.Resizes`; see there."""

    conf: cfg.ConfigOpts
    disks: Disks

    def grow_disks(self, spec: GuestSpec, old: Flavor, migration: str) -> None:
        """Copies take the places of the old files."""
        grow(self.disks, spec, old, migration, self.conf.libvirt.disk_copy_timeout)

    def redefine_guest(self: LibvirtDriver, spec: GuestSpec, start: bool) -> None:  # type: ignore[misc]
        """A guest that is on was redefined before."""
        guest = Domain(self.connection, spec.id)
        if guest.active():
            return
        hardware = self.machine(spec)
        if guest.state() is not None:
            guest.forget_saved_memory()
        self.define(guest, spec, hardware)
        if start:
            guest.start()

    def put_disks_back(self, spec: GuestSpec, migration: str) -> None:
        """The old files return to their places."""
        put_back(self.disks, spec.id, migration)

    def drop_old_disks(self, spec: GuestSpec, migration: str) -> None:
        """The old files go."""
        drop(self.disks, spec.id, migration)
