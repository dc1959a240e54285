"""The host as libvirt describes it, and whether KVM works on it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from novalite.compute.virt.libvirt import acceleration
from novalite.compute.virt.libvirt.capabilities import parse
from novalite.compute.virt.uptime import uptime
from novalite.objects.numa import HostCell, HostTopology, Pages

CAPABILITIES = """
<capabilities>
  <host>
    <cpu>
      <arch>x86_64</arch><model>Nehalem</model><vendor>Intel</vendor>
      <topology sockets="1" dies="1" cores="4" threads="2"/>
      <feature name="vmx"/><feature name="ds"/>
    </cpu>
    <topology><cells num="2"/></topology>
  </host>
  <guest><os_type>hvm</os_type>
    <arch name="i686"><emulator>/usr/bin/qemu-system-i386</emulator><domain type="qemu"/></arch></guest>
  <guest><os_type>hvm</os_type>
    <arch name="x86_64"><emulator>/usr/bin/qemu-system-x86_64</emulator>
      <domain type="qemu"/><domain type="kvm"/></arch></guest>
</capabilities>"""


def test_processor_is_in_the_shape_of_the_api() -> None:
    assert parse(CAPABILITIES).cpu_info == {
        "arch": "x86_64", "model": "Nehalem", "vendor": "Intel",
        "topology": {"cells": 2, "sockets": 1, "cores": 4, "threads": 2}, "features": ["ds", "vmx"]}


def test_emulator_is_that_of_the_hosts_own_architecture() -> None:
    found = parse(CAPABILITIES)
    assert (found.emulator, found.domain_types) == ("/usr/bin/qemu-system-x86_64", ("qemu", "kvm"))


def test_every_kind_of_guests_is_told() -> None:
    assert parse(CAPABILITIES).supported == (
        ("i686", "qemu", "hvm"), ("x86_64", "qemu", "hvm"), ("x86_64", "kvm", "hvm"))


def test_host_without_emulator_is_described_too() -> None:
    found = parse("<capabilities><host><cpu><arch>x86_64</arch></cpu></host></capabilities>")
    assert found.emulator is None and found.domain_types == ()


CELLS = """<topology><cells num='2'>
  <cell id='0'><memory unit='KiB'>8388608</memory><pages unit='KiB' size='4'>1966080</pages>
    <pages unit='KiB' size='2048'>256</pages><pages unit='KiB' size='1048576'>0</pages>
    <cpus num='2'><cpu id='0' socket_id='0' core_id='0' siblings='0,4'/>
      <cpu id='4' socket_id='0' core_id='0' siblings='0,4'/><cpu id='5'/></cpus></cell>
  <cell id='1'><memory unit='KiB'>1024</memory>
    <cpus num='1'><cpu id='2' socket_id='1' core_id='0' siblings='2'/></cpus></cell>
</cells></topology>"""


def test_cells_are_told_with_their_cpus_threads_and_pages() -> None:
    found = parse(CAPABILITIES.replace('<topology><cells num="2"/></topology>', CELLS)).numa
    assert found == HostTopology(cells=(
        HostCell(id=0, memory_mb=7680, cpus="0,4", cores=("0,4",), pages=(Pages(size_kb=2048, total=256),)),
        HostCell(id=1, socket=1, memory_mb=1, cpus="2")))
    assert parse(CAPABILITIES).numa is None


@pytest.mark.parametrize("seconds,shown", [
    (59, "up  0:00"), (7325, "up  2:02"), (90061, "up 1 day,  1:01"), (864000, "up 10 days,  0:00")])
def test_uptime_is_as_the_program_prints_it(tmp_path: Path, seconds: int, shown: str) -> None:
    (tmp_path / "uptime").write_text(f"{seconds}.25 1.0\n")
    line = uptime(tmp_path)
    assert re.search(shown + ",", line)
    assert re.fullmatch(r"(.+)\sup\s+(.+),\s+(.+)\susers?,\s+load average:\s(.+)", line)


def test_missing_device_means_emulation(tmp_path: Path) -> None:
    assert not acceleration.kvm("x86_64", None, device=tmp_path / "kvm").works


def test_trial_guest_runs_under_emulation() -> None:
    emulator = shutil.which("qemu-system-x86_64")
    if emulator is None:
        pytest.skip("qemu-system-x86_64 is not installed")
    assert acceleration.run(emulator, "tcg", seconds=20) == acceleration.EXIT_CODE


def test_firmware_ends_with_the_reset_vector() -> None:
    image = acceleration.firmware()
    assert len(image) == 65536 and image[-16:].startswith(acceleration.PROGRAM)
