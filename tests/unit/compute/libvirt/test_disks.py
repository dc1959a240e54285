"""Disk files: planned from the flavor, made whole or not at all, never probed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from io import BytesIO
from pathlib import Path
from typing import Any

import pycdlib
import pytest

from novalite.compute.config_drive import ConfigDrives
from novalite.compute.virt.driver import BaseImage
from novalite.compute.virt.libvirt import commands
from novalite.compute.virt.libvirt.disks import CONFIG, GIB, MIB, Disks, check, plan, virtual_size
from novalite.conf import load
from novalite.errors import DriverError, FlavorDiskTooSmall, VendorDataFailed
from novalite.objects.servers import Rescue
from tests.unit.compute.libvirt.guests import SERVER, a_flavor, a_guest, an_image

tools = pytest.mark.skipif(shutil.which("qemu-img") is None, reason="qemu-img is not installed (qemu-utils)")


@pytest.fixture
def disks(tmp_path: Path) -> Disks:
    return Disks(tmp_path / "instances", filesystem="ext4", preallocate=False, timeout=30)


@pytest.fixture
def base(tmp_path: Path) -> BaseImage:
    path = tmp_path / "base"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", path, "80M"], check=True)
    return BaseImage(path, "qcow2", 80 * MIB)


def described(path: Path, kind: str) -> dict[str, Any]:
    argv = ["qemu-img", "info", "-f", kind, "--output=json", str(path)]
    found: dict[str, Any] = json.loads(subprocess.run(argv, capture_output=True, check=True).stdout)
    return found


def test_disks_are_in_the_order_the_guest_sees_them() -> None:
    planned = plan(a_guest(flavor=a_flavor(disk_gb=5, ephemeral_gb=2, swap_mb=64)))
    assert [(d.name, d.format, d.size) for d in planned] == [
        ("disk", "qcow2", 5 * GIB), ("disk.eph0", "raw", 2 * GIB), ("disk.swap", "raw", 64 * MIB)]


def test_guest_without_image_and_disk_has_none() -> None:
    assert plan(a_guest(flavor=a_flavor(disk_gb=0), image=None)) == []


def test_image_larger_than_the_flavor_is_refused_before_anything_is_made(disks: Disks) -> None:
    sentence = "Flavor disk is 1073741824 bytes, image is 2147483648 bytes"
    with pytest.raises(FlavorDiskTooSmall, match=sentence):
        check(a_guest(), BaseImage(Path("/x"), "raw", 2 * GIB))
    assert not disks.path.exists()


def test_image_that_is_not_cached_is_refused() -> None:
    with pytest.raises(DriverError, match="not in the cache"):
        check(a_guest(), None)


@pytest.mark.parametrize("server_id", ["", "../../etc", "7d3b9a52"])
def test_only_a_uuid_becomes_part_of_a_path(disks: Disks, server_id: str) -> None:
    with pytest.raises(ValueError):
        disks.folder(server_id)


@tools
def test_root_is_an_overlay_with_explicit_formats(disks: Disks, base: BaseImage) -> None:
    disks.build(a_guest(), base)
    root = described(disks.folder(SERVER) / "disk", "qcow2")
    assert root["virtual-size"] == GIB
    assert root["backing-filename"] == str(base.path)
    assert root["backing-filename-format"] == "qcow2"


@tools
def test_root_of_a_flavor_without_disk_is_as_large_as_the_image(disks: Disks, base: BaseImage) -> None:
    disks.build(a_guest(flavor=a_flavor(disk_gb=0)), base)
    assert virtual_size(disks.folder(SERVER) / "disk") == 80 * MIB


@tools
def test_raw_base_whose_bytes_look_like_another_format_stays_raw(disks: Disks, tmp_path: Path) -> None:
    liar = tmp_path / "liar"
    backing = ["-u", "-b", "/etc/passwd", "-F", "raw"]
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *backing, str(liar), "1M"], check=True)
    os.truncate(liar, MIB)
    disks.build(a_guest(flavor=a_flavor(disk_gb=0)), BaseImage(liar, "raw", liar.stat().st_size))
    root = described(disks.folder(SERVER) / "disk", "qcow2")
    assert root["backing-filename-format"] == "raw" and root["virtual-size"] == liar.stat().st_size


@tools
def test_ephemeral_disk_has_a_file_system_and_swap_a_signature(disks: Disks, base: BaseImage) -> None:
    disks.build(a_guest(flavor=a_flavor(ephemeral_gb=1, swap_mb=8)), base)
    folder = disks.folder(SERVER)
    with (folder / "disk.eph0").open("rb") as file:
        ephemeral = file.read(2048)
    assert ephemeral[1024 + 56 : 1024 + 58] == b"\x53\xef" and b"ephemeral0" in ephemeral
    assert (folder / "disk.swap").read_bytes()[4086:4096] == b"SWAPSPACE2"
    assert (folder / "disk.eph0").stat().st_blocks * 512 < 100 * MIB, "sparse"
    assert not list(folder.glob("*.part"))


@tools
def test_what_an_interrupted_build_left_is_replaced(disks: Disks, base: BaseImage) -> None:
    folder = disks.folder(SERVER)
    folder.mkdir(parents=True)
    (folder / "disk.part").write_text("half")
    (folder / "disk").write_text("of another try")
    disks.build(a_guest(), base)
    assert sorted(path.name for path in folder.iterdir()) == ["disk"]
    assert virtual_size(folder / "disk") == GIB


@tools
def test_preallocation_takes_the_space_at_once(tmp_path: Path, base: BaseImage) -> None:
    disks = Disks(tmp_path / "instances", filesystem="ext4", preallocate=True, timeout=30)
    disks.build(a_guest(flavor=a_flavor(disk_gb=0, swap_mb=8)), base)
    assert (disks.folder(SERVER) / "disk").stat().st_blocks * 512 >= 80 * MIB
    assert (disks.folder(SERVER) / "disk.swap").stat().st_blocks * 512 >= 8 * MIB


@tools
def test_promised_space_counts_what_sparse_disks_may_grow_by(disks: Disks, base: BaseImage) -> None:
    disks.build(a_guest(flavor=a_flavor(disk_gb=7, swap_mb=1024)), base)
    assert disks.promised_gb() == 8


@tools
def test_missing_base_is_reported_with_what_qemu_said(disks: Disks) -> None:
    with pytest.raises(DriverError, match=r"qemu-img: .*No such file"):
        disks.build(a_guest(), BaseImage(Path("/nowhere/base"), "qcow2", MIB))


@tools
def test_iso_is_attached_as_a_disc(disks: Disks, base: BaseImage) -> None:
    spec = a_guest(image=an_image(disk_format="iso"))
    disks.build(spec, BaseImage(base.path, "iso", base.path.stat().st_size))
    attached = disks.attached(spec)
    assert [(d.device, d.format, d.boots) for d in attached] == [("cdrom", "qcow2", True)]


def test_missing_disk_file_is_named(disks: Disks) -> None:
    with pytest.raises(DriverError, match=f"{SERVER}/disk is missing"):
        disks.attached(a_guest())


def test_removing_what_is_not_there_is_success(disks: Disks) -> None:
    disks.remove(SERVER)


def test_program_that_takes_too_long_is_ended() -> None:
    with pytest.raises(DriverError, match="sleep was not done within 1 seconds"):
        commands.run("sleep", "30", seconds=1)


def test_program_that_is_not_installed_names_its_package() -> None:
    with pytest.raises(DriverError, match=r"mkfs\.nonsense is not installed .*e2fsprogs"):
        commands.run("mkfs.nonsense", seconds=1)


def test_program_may_take_only_so_much_memory() -> None:
    with pytest.raises(DriverError, match="python3"):
        commands.run("python3", "-c", "bytearray(2 << 30)", seconds=10)


# --- disks that change ----------------------------------------------------------------------------


@tools
def test_new_disks_take_their_place_all_at_once(disks: Disks, base: BaseImage) -> None:
    spec = a_guest(flavor=a_flavor(ephemeral_gb=1, swap_mb=8))
    disks.build(spec, base)
    folder = disks.folder(SERVER)
    (folder / "console.log").write_text("said")
    before = {path.name: path.stat().st_ino for path in folder.iterdir()}
    disks.stage(spec, base, keep_ephemeral=False)
    assert {path.name: path.stat().st_ino for path in folder.glob("*.*")} == {
        name: inode for name, inode in before.items() if "." in name}
    assert folder.joinpath("disk").stat().st_ino == before["disk"], "the old ones are still in use"
    disks.adopt(SERVER)
    after = {path.name: path.stat().st_ino for path in folder.iterdir()}
    assert after.keys() == before.keys()
    assert {name for name in after if after[name] == before[name]} == {"console.log"}


@tools
def test_ephemeral_disks_are_kept_when_they_are_to_be(disks: Disks, base: BaseImage) -> None:
    spec = a_guest(flavor=a_flavor(ephemeral_gb=1, swap_mb=8))
    disks.build(spec, base)
    folder = disks.folder(SERVER)
    (folder / "disk.swap").unlink()
    before = {path.name: path.stat().st_ino for path in folder.iterdir()}
    disks.stage(spec, base, keep_ephemeral=True)
    disks.adopt(SERVER)
    after = {path.name: path.stat().st_ino for path in folder.iterdir()}
    assert after["disk"] != before["disk"] and after["disk.eph0"] == before["disk.eph0"]
    assert "disk.swap" in after, "what is missing is made"


@tools
def test_new_disks_that_nobody_adopted_are_replaced_or_removed(disks: Disks, base: BaseImage) -> None:
    spec = a_guest()
    disks.build(spec, base)
    disks.stage(spec, base, keep_ephemeral=False)
    disks.stage(spec, base, keep_ephemeral=False)
    disks.unstage(SERVER)
    disks.unstage(SERVER)
    assert [path.name for path in disks.folder(SERVER).iterdir()] == ["disk"]
    disks.remove(SERVER)
    disks.stage(spec, base, keep_ephemeral=True)  # nothing was left of it: it is made
    disks.adopt(SERVER)
    assert [path.name for path in disks.folder(SERVER).iterdir()] == ["disk"]


@tools
def test_a_rescue_disk_is_first_or_when_stable_one_more(disks: Disks, base: BaseImage) -> None:
    plain = a_guest(flavor=a_flavor(ephemeral_gb=1), rescue=Rescue())
    disks.build(plain, base)
    disks.make_rescue(plain, base)
    disks.make_rescue(plain, base)

    def attached(rescue: Rescue | None) -> list[tuple[str, bool, str]]:
        spec = plain.model_copy(update={"rescue": rescue, "image": None})
        return [(Path(d.path).name, d.boots, d.device) for d in disks.attached(spec)]

    assert attached(Rescue()) == [("disk.rescue", True, "disk"), ("disk", False, "disk")]
    assert attached(Rescue(stable=True, device="cdrom")) == [
        ("disk", False, "disk"), ("disk.eph0", False, "disk"), ("disk.rescue", True, "cdrom")]
    assert virtual_size(disks.folder(SERVER) / "disk.rescue") == 80 * MIB, "as large as its image"
    assert disks.rescued(SERVER)
    disks.remove_rescue(SERVER)
    disks.remove_rescue(SERVER)
    assert attached(None) == [("disk", True, "disk"), ("disk.eph0", False, "disk")]
    with pytest.raises(DriverError, match=r"disk\.rescue is missing"):
        attached(Rescue())


@tools
@pytest.mark.parametrize("kind", ["qcow2", "iso"])
def test_once_it_is_built_the_files_tell_of_the_root_disk(disks: Disks, base: BaseImage, kind: str) -> None:
    """A spec for a hard reboot names no image; a flavor without a root disk says nothing of one either."""
    spec = a_guest(flavor=a_flavor(disk_gb=0, swap_mb=8), image=an_image(disk_format=kind))
    disks.build(spec, base)
    found = disks.attached(spec.model_copy(update={"image": None}))
    assert [(Path(d.path).name, d.boots, d.device) for d in found] == [
        ("disk", True, "cdrom" if kind == "iso" else "disk"), ("disk.swap", False, "disk")]


# --- config drives --------------------------------------------------------------------------------


def read_drive(path: Path) -> dict[str, Any]:
    """meta_data.json of a drive."""
    iso, out = pycdlib.PyCdlib(), BytesIO()
    iso.open(str(path))
    iso.get_file_from_iso_fp(out, rr_path="/openstack/latest/meta_data.json")
    iso.close()
    found: dict[str, Any] = json.loads(out.getvalue())
    return found


@pytest.fixture
def driven(disks: Disks) -> Disks:
    disks.drives = ConfigDrives(load.for_tests())
    return disks


@tools
def test_a_config_drive_is_kept_until_the_disks_are_made_anew(driven: Disks, base: BaseImage) -> None:
    spec = a_guest(config_drive=True, admin_pass="first", flavor=a_flavor(ephemeral_gb=1))
    driven.build(spec, base)
    path = driven.folder(SERVER) / CONFIG
    assert (read_drive(path)["admin_pass"], path.stat().st_mode & 0o777) == ("first", 0o600)
    later = spec.model_copy(update={"admin_pass": None, "image": None})
    *_, last = driven.attached(later)
    assert (last.path, last.format, last.device, last.boots) == (str(path), "raw", "cdrom", False)
    assert read_drive(path)["admin_pass"] == "first", "a start does not touch it"
    # a rebuild makes another, whatever else it keeps; one that is not adopted changes nothing
    driven.stage(spec.model_copy(update={"admin_pass": "second"}), base, keep_ephemeral=True)
    assert read_drive(path)["admin_pass"] == "first"
    driven.adopt(SERVER)
    assert read_drive(path)["admin_pass"] == "second"
    # one that is lost, or of a server from before there were any, is made without a password
    path.unlink()
    driven.attached(later)
    assert "admin_pass" not in read_drive(path)
    driven.remove(SERVER)
    assert not driven.exist(SERVER)


@tools
def test_a_rescue_has_a_config_drive_of_its_own(driven: Disks, base: BaseImage) -> None:
    spec = a_guest(config_drive=True, admin_pass="own")
    driven.build(spec, base)
    rescued = spec.model_copy(update={"rescue": Rescue(image=an_image()), "admin_pass": "rescuers"})
    driven.make_rescue(rescued, base)
    *_, last = driven.attached(rescued)
    assert read_drive(Path(last.path))["admin_pass"] == "rescuers"
    driven.remove_rescue(SERVER)
    *_, last = driven.attached(spec)
    assert read_drive(Path(last.path))["admin_pass"] == "own"
    assert sorted(path.name for path in driven.folder(SERVER).iterdir()) == ["disk", CONFIG]


@tools
def test_a_failed_config_drive_fails_the_build(disks: Disks, base: BaseImage) -> None:
    options = {"vendordata_dynamic_targets": ["gone@http://127.0.0.1:1"], "vendordata_dynamic_failure_fatal": True}
    disks.drives = ConfigDrives(load.for_tests({f"metadata.{name}": value for name, value in options.items()}))
    with pytest.raises(VendorDataFailed, match="gone"):
        disks.build(a_guest(config_drive=True), base)
