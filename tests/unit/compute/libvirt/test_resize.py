"""The disks of a resize: old ones kept byte for byte, new ones grown, whatever moment the daemon is killed at."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from novalite.compute.virt.driver import BaseImage
from novalite.compute.virt.libvirt import resize
from novalite.compute.virt.libvirt.disks import GIB, MIB, Disks, virtual_size
from novalite.errors import DriverError, FlavorDiskTooSmall, GuestNotFound
from novalite.objects.flavors import Flavor
from tests.unit.compute.libvirt.guests import SERVER, a_flavor, a_guest

pytestmark = pytest.mark.skipif(shutil.which("qemu-img") is None, reason="qemu-img is not installed")

OLD = a_flavor(ephemeral_gb=1, swap_mb=16)
NEW = a_flavor(flavor_id="2", disk_gb=2, ephemeral_gb=2, swap_mb=32)
FIRST, SECOND = "11111111-0000-4000-8000-000000000000", "22222222-0000-4000-8000-000000000000"
Files = dict[str, bytes]


@pytest.fixture
def disks(tmp_path: Path) -> Disks:
    """The disks of a guest of the flavor OLD, which has written to its root disk."""
    found = Disks(tmp_path / "instances", filesystem="ext4", preallocate=False, timeout=30)
    base = tmp_path / "base"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", base, "80M"], check=True)
    found.build(a_guest(flavor=OLD), BaseImage(base, "qcow2", 80 * MIB))
    write = ["qemu-io", "-f", "qcow2", "-c", "write -P 42 0 64k", found.folder(SERVER) / "disk"]
    subprocess.run(write, check=True, capture_output=True)
    with (found.folder(SERVER) / "disk.eph0").open("r+b") as file:
        file.seek(MIB)
        file.write(b"precious")
    return found


def summary(disks: Disks, of: str = "") -> dict[str, tuple[int, int]]:
    """Every disk file by name: its size to the guest, and a checksum of the beginning, where things are."""
    folder = disks.folder(SERVER) / of
    return {path.name: (virtual_size(path), hash(beginning(path))) for path in sorted(folder.glob("disk*"))}


def beginning(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(2 * MIB)


def sizes(disks: Disks) -> dict[str, int]:
    return {name: size for name, (size, _) in summary(disks).items()}


def grow(disks: Disks, flavor: Flavor = NEW, old: Flavor = OLD, migration: str = FIRST) -> None:
    resize.grow(disks, a_guest(flavor=flavor, image=None), old, migration, 30)


BIG = {"disk": 2 * GIB, "disk.eph0": 2 * GIB, "disk.swap": 32 * MIB}


def test_disks_grow_with_what_is_in_them_and_the_old_ones_are_kept(disks: Disks) -> None:
    before = summary(disks)
    grow(disks)
    assert sizes(disks) == BIG
    assert summary(disks, "before-resize") == before
    read = ["qemu-io", "-f", "qcow2", "-c", "read -P 42 0 64k", str(disks.folder(SERVER) / "disk")]
    assert "verification failed" not in subprocess.run(read, capture_output=True, text=True, check=True).stdout
    with (disks.folder(SERVER) / "disk.eph0").open("rb") as file:
        file.seek(MIB)
        assert file.read(8) == b"precious"
    assert [oct(path.stat().st_mode)[-3:] for path in disks.folder(SERVER).glob("disk*")] == ["600"] * 3


def test_reverting_gives_the_old_disks_back_exactly(disks: Disks) -> None:
    before = summary(disks)
    grow(disks)
    (disks.folder(SERVER) / "disk").write_bytes(b"the new guest writes here")
    for _ in range(2):
        resize.put_back(disks, SERVER, FIRST)
        assert summary(disks) == before
    assert not (disks.folder(SERVER) / "before-resize").exists()
    with pytest.raises(DriverError, match="have been put back"):
        resize.drop(disks, SERVER, FIRST)
    assert summary(disks) == before


def test_confirming_keeps_the_new_disks_only(disks: Disks) -> None:
    grow(disks)
    after = summary(disks)
    for _ in range(2):
        resize.drop(disks, SERVER, FIRST)
        assert summary(disks) == after
    assert not (disks.folder(SERVER) / "before-resize").exists()
    with pytest.raises(DriverError, match="was confirmed"):
        resize.put_back(disks, SERVER, FIRST)
    assert summary(disks) == after


def test_disks_that_only_one_of_the_flavors_has(disks: Disks) -> None:
    before = summary(disks)
    grow(disks, a_flavor(flavor_id="3", disk_gb=0))
    assert sizes(disks) == {"disk": GIB}
    resize.put_back(disks, SERVER, FIRST)
    assert summary(disks) == before
    grow(disks, a_flavor(flavor_id="3"), migration=SECOND)
    resize.drop(disks, SERVER, SECOND)
    third = "33333333-0000-4000-8000-000000000000"
    grow(disks, a_flavor(flavor_id="4", ephemeral_gb=1, swap_mb=8), a_flavor(flavor_id="3"), third)
    assert sizes(disks) == {"disk": GIB, "disk.eph0": GIB, "disk.swap": 8 * MIB}
    resize.put_back(disks, SERVER, third)
    assert sizes(disks) == {"disk": GIB}


def test_a_disk_that_would_shrink_is_refused_untouched(disks: Disks) -> None:
    grow(disks)
    resize.drop(disks, SERVER, FIRST)
    before = summary(disks)
    with pytest.raises(FlavorDiskTooSmall):
        grow(disks, OLD, NEW, SECOND)
    assert summary(disks) == before
    resize.put_back(disks, SERVER, SECOND)
    assert summary(disks) == before


def test_a_guest_without_files_is_told_apart(tmp_path: Path) -> None:
    empty = Disks(tmp_path, filesystem="ext4", preallocate=False, timeout=30)
    with pytest.raises(GuestNotFound):
        grow(empty)
    with pytest.raises(GuestNotFound):
        resize.put_back(empty, SERVER, FIRST)


def test_what_nobody_goes_on_with_is_settled_by_the_flavor(disks: Disks) -> None:
    before = summary(disks)
    grow(disks)
    assert resize.is_half_done(disks, a_guest(flavor=OLD))
    assert not resize.is_half_done(disks, a_guest(flavor=NEW)), "it may still be reverted"
    resize.restore_half_done(disks, a_guest(flavor=NEW))
    assert sizes(disks) == BIG
    resize.restore_half_done(disks, a_guest(flavor=OLD))
    assert summary(disks) == before
    grow(disks, migration=SECOND)
    larger = a_flavor(flavor_id="5", disk_gb=3)
    grow(disks, larger, NEW, FIRST)  # the server's state was reset meanwhile: NEW is what it has
    resize.put_back(disks, SERVER, FIRST)
    assert sizes(disks) == BIG


class Killed(BaseException):
    """The daemon is gone."""


@contextmanager
def killed_at(monkeypatch: pytest.MonkeyPatch, number: int) -> Iterator[Callable[[], bool]]:
    """The process ends instead of its `number`-th change of a directory; answers whether it came to that."""
    count = 0

    def counting(real: Any) -> Any:
        def instead(*args: Any, **more: Any) -> Any:
            nonlocal count
            count += 1
            if count == number:
                raise Killed
            return real(*args, **more)

        return instead

    with monkeypatch.context() as patch:
        for name in ("rename", "replace", "mkdir", "unlink", "rmdir"):
            patch.setattr(os, name, counting(getattr(os, name)))
        yield lambda: count >= number


def test_a_kill_at_any_moment_loses_no_disk(disks: Disks, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each order, killed at each change it makes: repeating it ends as it should, and so does going back."""
    before = summary(disks)
    migrations = iter(f"{n:08d}-0000-4000-8000-000000000000" for n in range(1000))
    for order, again in (("grow", True), ("grow", False), ("back", True)):
        for number in range(1, 100):
            migration = next(migrations)
            if order == "back":
                grow(disks, migration=migration)
            with killed_at(monkeypatch, number) as came:
                with suppress(Killed):
                    if order == "grow":
                        grow(disks, migration=migration)
                    else:
                        resize.put_back(disks, SERVER, migration)
                if not came():
                    break
            if order == "grow" and again:
                grow(disks, migration=migration)
                assert sizes(disks) == BIG
                assert summary(disks, "before-resize") == before
            resize.put_back(disks, SERVER, migration)
            assert summary(disks) == before, (order, number)
        assert number > 5
        resize.put_back(disks, SERVER, migration)


def test_a_kill_while_confirming_keeps_the_new_disks(disks: Disks, monkeypatch: pytest.MonkeyPatch) -> None:
    grow(disks)
    after = summary(disks)
    for number in range(1, 100):
        with killed_at(monkeypatch, number) as came:
            with suppress(Killed):
                resize.drop(disks, SERVER, FIRST)
            if not came():
                break
        assert summary(disks) == after
    assert not (disks.folder(SERVER) / "before-resize").exists()
