"""A host that makes an image of a server: what it tells, what it leaves, and what stops it."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from novalite.compute.virt import fake_images
from novalite.objects.servers import HostWork, WorkReport
from novalite.states import PowerState
from tests.unit.compute.scripted import A, Rig, a_work
from tests.unit.compute.test_image_upload import IMAGE, Service


@pytest.fixture
def service() -> Iterator[Service]:
    """Takes uploads."""
    made = Service()
    yield made
    made.close()


@pytest.fixture
def host(make_rig: Callable[..., Rig]) -> Rig:
    """A daemon that is up, with a guest."""
    rig = make_rig(compute__image_upload_attempts=1, compute__image_min_free_mb=0)
    rig.start()
    rig.ask("spawn")
    return rig


def a_snapshot(service: Service, **changes: Any) -> HostWork:
    """The order for an image."""
    target = {"id": IMAGE, "url": service.url, "token": "t", "disk_format": "qcow2", **changes}
    return a_work("snapshot", params={"image": target, "states": ["image_pending_upload", "image_uploading"]})


def ask(rig: Rig, work: HostWork) -> WorkReport:
    """Its report."""
    report = rig.ask("snapshot", work)
    assert report is not None
    return report


def folders(rig: Rig) -> list[Path]:
    """What is left of snapshots."""
    return list((Path(rig.conf.compute.instances_path) / "_snapshots").glob("*/*"))


def test_it_tells_how_far_it_is_and_what_it_sent(host: Rig, service: Service) -> None:
    report = ask(host, a_snapshot(service))
    ((_, body),) = service.got
    assert (report.error, report.power_state) == (None, PowerState.RUNNING)
    assert report.facts == {
        "size": len(body), "checksum": hashlib.md5(body).hexdigest(),
        "sha512": hashlib.sha512(body).hexdigest(),
    }  # fmt: skip
    assert [name for name, _, _ in report.events] == ["snapshot", "upload"]
    assert host.script.progress == ["image_pending_upload", "image_uploading"]
    assert folders(host) == []


def test_asked_again_it_tells_the_same_and_sends_nothing(host: Rig, service: Service) -> None:
    work = a_snapshot(service)
    assert ask(host, work) == ask(host, work)
    assert len(service.got) == 1


@pytest.mark.parametrize("why", ["driver", "service", "unwanted", "space", "gone"])
def test_a_failure_leaves_no_files_and_says_why(host: Rig, service: Service, why: str) -> None:
    said = {"driver": "was told to fail", "service": "could not be stored", "unwanted": "no longer wanted",
            "space": "MB free", "gone": "does not exist"}[why]  # fmt: skip
    if why == "driver":
        host.driver.fail("snapshot")
    elif why == "service":
        service.answers = [404]
    elif why == "unwanted":
        host.script.wanted = False
    elif why == "space":
        host.conf.set_override("image_min_free_mb", 1 << 40, "compute")
    else:
        host.ask("destroy")
    report = ask(host, a_snapshot(service))
    assert said in (report.error or "")
    assert folders(host) == []
    assert (len(service.got) == 1) == (why == "service")


def test_an_image_that_has_its_bytes_is_told_without_facts(host: Rig, service: Service) -> None:
    service.answers = [409]
    report = ask(host, a_snapshot(service))
    assert (report.error, report.facts) == (None, {})


def test_a_driver_without_the_ability_says_so(host: Rig, service: Service) -> None:
    class Plain:
        """Everything but snapshots."""

        def __getattr__(self, name: str) -> Any:
            if name in ("snapshot", "forget_snapshot"):
                raise AttributeError(name)
            return getattr(host.driver, name)

    host.manager.guests.snapshots.driver = Plain()  # type: ignore[assignment]
    report = ask(host, a_snapshot(service))
    assert report.error_name == "DriverUnsupported"


def test_what_a_killed_daemon_left_is_removed_before_anything_else(host: Rig) -> None:
    left = Path(host.conf.compute.instances_path) / "_snapshots" / "alpha" / A
    left.mkdir(parents=True)
    (left / "mirror").write_bytes(b"half")
    host.restart()
    assert folders(host) == []


def test_a_conductor_that_cannot_be_asked_is_no_reason_to_stop(host: Rig, service: Service) -> None:
    with host.bus.lose(lambda e: e.method == "progressed"):
        assert ask(host, a_snapshot(service)).error is None


@pytest.mark.parametrize("disk_gb", [0, 1, 20, 8192])
def test_the_fake_drivers_disks_are_sound(tmp_path: Path, disk_gb: int) -> None:
    path = tmp_path / "disk"
    path.write_bytes(fake_images.content("qcow2", A, disk_gb))
    if shutil.which("qemu-img"):
        done = subprocess.run(["qemu-img", "check", "-f", "qcow2", path], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    assert A.encode() in path.read_bytes()
    assert A.encode() in fake_images.content("raw", A, disk_gb)
