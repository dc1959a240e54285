"""A real guest that has two cells, CPUs of its own and large pages: its own kernel and its host's are the witnesses."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.dev.libvirtd import Libvirtd
from tests.real.cloud import RealCloud

pytest.importorskip("libvirt")
pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(shutil.which("qemu-system-x86_64") is None, reason="QEMU is not installed"),
    pytest.mark.skipif(os.geteuid() != 0, reason="large pages and cells of the host are root's"),
    pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="two CPUs are to be told apart"),
]
POOL = Path("/proc/sys/vm/nr_hugepages")
PAGES, PAGE_KB = 96, 2048
"""As many as the guest's memory takes."""
CELLS = {
    "hw:cpu_policy": "dedicated",
    "hw:numa_nodes": "2",
    "novalite:numa_together": "yes",  # this host may have one cell only
    "hw:mem_page_size": str(PAGE_KB),
}


@pytest.fixture
def pages() -> Iterator[int]:
    """Large pages of the kernel for the time of a test; what was taken is given back."""
    before = int(POOL.read_text())
    try:
        POOL.write_text(str(before + PAGES))
        got = int(POOL.read_text()) - before
        if got < PAGES:
            pytest.skip(f"the kernel gives {got} pages of {PAGE_KB} kB instead of {PAGES}")
        yield got
    finally:
        POOL.write_text(str(before))


@pytest.fixture
def real(pages: int, tmp_path: Path) -> Iterator[RealCloud]:
    """A host with a libvirtd that knows of the pages, and gives two CPUs to those who want their own."""
    libvirtd = Libvirtd(name="celled").start()
    try:
        for words in (("mkdir", "-p", "/dev/hugepages"), ("mount", "-t", "hugetlbfs", "none", "/dev/hugepages")):
            done = libvirtd.exec(*words)
            assert done.returncode == 0, done.stderr
        libvirtd.restart()  # it looks for them when it starts
        cpus = sorted(os.sched_getaffinity(0))[:2]
        cloud = RealCloud(tmp_path, libvirtd, options={"compute.cpu_dedicated_set": f"{cpus[0]},{cpus[1]}"})
        try:
            yield cloud
        finally:
            cloud.close()
    finally:
        libvirtd.stop()


def threads(pid: int) -> dict[str, str]:
    """Of a QEMU: thread -> the CPUs it may run on, as the kernel spells them."""
    found = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        lines = dict(line.split(":\t", 1) for line in (task / "status").read_text().splitlines() if ":\t" in line)
        found[(task / "comm").read_text().strip()] = lines["Cpus_allowed_list"]
    return found


def test_a_guest_sees_its_cells_and_its_host_keeps_to_what_was_given(real: RealCloud) -> None:
    real.admin.flavor("celled", vcpus=2, ram=192, disk=1)
    assert real.admin.post("/flavors/celled/os-extra_specs", {"extra_specs": CELLS}).status_code == 200
    free = free_pages()
    guest = real.boot("celled", flavorRef="celled")

    assert guest.run("cat /sys/devices/system/node/online") == "0-1\n"
    assert guest.run("cat /sys/devices/system/node/node[01]/cpulist") == "0\n1\n"
    sizes = guest.run("awk '/MemTotal/ {print $4}' /sys/devices/system/node/node[01]/meminfo").split()
    assert all(60_000 < int(size) < 98_305 for size in sizes) and len(sizes) == 2

    qemu = int(next(path for path in real.libvirtd.guests()).read_text())
    first, second = sorted(os.sched_getaffinity(0))[:2]
    allowed = threads(qemu)
    assert (allowed["CPU 0/TCG"], allowed["CPU 1/TCG"]) == (str(first), str(second)), allowed
    assert free - free_pages() == PAGES, "its memory is made of large pages"

    shown = real.admin.get(f"/servers/{guest.id}/topology")
    assert shown["pagesize_kb"] == PAGE_KB
    assert [(node["vcpu_set"], node["memory_mb"], node["cpu_pinning"]) for node in shown["nodes"]] == [
        ([0], 96, {"0": first}), ([1], 96, {"1": second})]  # fmt: skip

    guest.act({"reboot": {"type": "HARD"}})
    guest.wait_up(1)
    assert threads(int(next(path for path in real.libvirtd.guests()).read_text()))["CPU 1/TCG"] == str(second)
    refused = real.member.create("one more", flavorRef="celled", imageRef=real.image).get_json()["server"]["id"]
    assert "NUMATopologyFilter" in real.admin.show(refused)["fault"]["message"]


def free_pages() -> int:
    """What is left in the kernel's pool."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("HugePages_Free")))
