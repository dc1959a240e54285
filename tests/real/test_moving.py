"""Servers that move between two real hosts: what is on the disk is the witness."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.dev.hosts import Hypervisors
from tests.real.cloud import HOST, OTHER, Guest, RealCloud

pytest.importorskip("libvirt")
pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(shutil.which("qemu-system-x86_64") is None, reason="QEMU is not installed"),
]


@pytest.fixture
def real(hypervisors: Hypervisors, tmp_path: Path) -> Iterator[RealCloud]:
    """Two hosts, each with a libvirtd and disks of its own."""
    cloud = RealCloud(tmp_path, hypervisors.host(1), hypervisors.host(2))
    try:
        yield cloud
    finally:
        cloud.close()


def left_on(real: RealCloud, host: str, guest: Guest) -> list[str]:
    """Files and guests of that server on that host."""
    at = real.cloud.hosts[host]
    files = [str(path) for path in Path(at.conf.compute.instances_path).rglob(f"*{guest.id}*")]
    return files + [one.name for one in at.driver.guests() if one.server_id == guest.id]


def test_a_disk_goes_along_comes_back_and_is_new_after_an_evacuation(real: RealCloud) -> None:
    guest = real.boot("moves")
    here = guest.host
    there = OTHER if here == HOST else HOST
    guest.run("echo kept > /root/before; sync")

    assert real.admin.act(guest.id, {"migrate": {"host": there}}).status_code == 202
    assert (guest.status(), guest.host) == ("VERIFY_RESIZE", there)
    guest.wait_up(1)  # the console of its new host
    assert guest.run("cat /root/before") == "kept\n"
    guest.run("rm /root/before; echo new > /root/after; sync")
    guest.act({"revertResize": None})
    assert (guest.status(), guest.host) == ("ACTIVE", here)
    guest.wait_up(2)
    assert guest.run("cat /root/before; ls /root/after || true") == "kept\n"
    assert left_on(real, there, guest) == []

    images = [image["name"] for image in real.admin.get("/image/v2/images")["images"]]
    assert images == ["small guest"], "what carried the disk is gone"

    real.cloud.stop_host(here)  # its daemon; the guest there does not know
    assert real.admin.act(guest.id, {"evacuate": {}}, version="2.94").status_code == 200
    assert (guest.status(), guest.host) == ("ACTIVE", there)
    guest.wait_up(1)
    assert guest.run("ls /root/before || true") == ""
    real.cloud.start_host(here)
    assert left_on(real, here, guest) == []
    assert real.member.delete(f"/servers/{guest.id}").status_code == 204
    assert left_on(real, there, guest) == []
