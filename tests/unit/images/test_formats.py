"""Judging bytes that QEMU itself made, and bytes that lie."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from novalite.images.formats import Inspection, Unacceptable
from tests import disks

needs_qemu = pytest.mark.skipif(shutil.which("qemu-img") is None, reason="qemu-img is not installed")


def judge(data: bytes, disk_format: str, container: str = "bare", step: int = 1 << 20) -> int | None:
    inspection = Inspection()
    for start in range(0, len(data), step):
        inspection.eat(data[start : start + step])
    return inspection.verdict(disk_format, container)


def made(folder: Path, kind: str, *options: str, size: str = "3M") -> bytes:
    path = folder / "disk"
    subprocess.run(["qemu-img", "create", "-q", "-f", kind, *options, path, size], check=True, timeout=60)
    return path.read_bytes()


@needs_qemu
@pytest.mark.parametrize(
    ("declared", "kind", "options"),
    [
        ("raw", "raw", ()),
        ("qcow2", "qcow2", ()),
        ("qcow2", "qcow2", ("-o", "compat=0.10")),
        ("qcow2", "qcow2", ("-o", "preallocation=metadata")),
        ("qcow2", "qcow2", ("-o", "cluster_size=4k")),
        ("vdi", "vdi", ()),
        ("vhdx", "vhdx", ()),
        ("vmdk", "vmdk", ()),
        ("vmdk", "vmdk", ("-o", "subformat=streamOptimized")),
    ],
)
def test_what_qemu_makes_is_taken(tmp_path: Path, declared: str, kind: str, options: tuple[str, ...]) -> None:
    data = made(tmp_path, kind, *options)
    assert judge(data, declared) == 3 * disks.MIB
    assert judge(data, declared, step=1000) == 3 * disks.MIB, "the size of the pieces does not matter"
    if declared != "raw":
        with pytest.raises(Unacceptable, match="declared raw"):
            judge(data, "raw")


@needs_qemu
def test_a_vhd_is_taken_for_what_it_is(tmp_path: Path) -> None:
    virtual = judge(made(tmp_path, "vpc", "-o", "force_size=on"), "vhd")
    assert virtual == 3 * disks.MIB


@needs_qemu
def test_what_qemu_makes_out_of_other_files_is_refused(tmp_path: Path) -> None:
    base = tmp_path / "base"
    base.write_bytes(bytes(disks.MIB))
    backed = made(tmp_path, "qcow2", "-b", str(base), "-F", "raw", size="1M")
    with pytest.raises(Unacceptable, match="backing file"):
        judge(backed, "qcow2")
    outside = made(tmp_path, "qcow2", "-o", f"data_file={tmp_path / 'data'},data_file_raw=on")
    with pytest.raises(Unacceptable, match="another file"):
        judge(outside, "qcow2")
    flat = made(tmp_path, "vmdk", "-o", "subformat=monolithicFlat")
    for declared in ("vmdk", "raw"):
        with pytest.raises(Unacceptable):
            judge(flat, declared)


@pytest.mark.parametrize("cut", [4, 71, 103, 511, 4096, 1 << 16, (3 << 16) - 1])
def test_a_qcow2_cut_short_is_refused(cut: int) -> None:
    with pytest.raises(Unacceptable):
        judge(disks.qcow2()[:cut], "qcow2")


def test_nothing_is_nothing() -> None:
    assert judge(b"", "raw") is None
    assert judge(b"tar", "vmdk", "ova") is None
