"""The libvirt driver on real QEMU: with a private libvirtd, and inside this process without one."""

from __future__ import annotations

import os
import select
import shutil
import signal
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from deploy.dev.guest import guest_image
from deploy.dev.hosts import Hypervisors
from novalite.api.console_proxy import rfb
from novalite.compute.virt.driver import REPLACE_ROOT, BaseImage, Driver, Rebuilds, Rescues
from novalite.compute.virt.libvirt import embedded
from novalite.compute.virt.libvirt.driver import LibvirtDriver
from novalite.conf import load
from novalite.errors import DriverError, GuestNotFound, ImageUnacceptable
from novalite.objects.flavors import Flavor
from novalite.objects.images import ImageSource
from novalite.objects.servers import GuestSpec, Rescue
from novalite.pump import End
from novalite.states import PowerState

pytest.importorskip("libvirt")
pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(shutil.which("qemu-system-x86_64") is None, reason="QEMU is not installed"),
]

UP = b"novalite-guest: up"
BOOT_SECONDS = 90  # emulated, on a machine busy with other tests
MIB = 1 << 20


@dataclass
class Host:
    """A started driver with what it told its watcher, and how to find its QEMU processes."""

    driver: LibvirtDriver
    run: Path
    instances: Path
    restart: Callable[[], None] | None = None
    told: list[tuple[float, str, PowerState]] = field(default_factory=list)

    def qemu(self, spec: GuestSpec) -> int:
        """The pid of the guest's QEMU."""
        paths = (self.run / "qemu" / f"{spec.instance_name}.pid",)
        return int(next(path for path in paths if path.exists()).read_text())

    def wait(self, what: str, check: Callable[[], Any], seconds: float) -> float:
        """Seconds until `check()` is true."""
        began = time.monotonic()
        while not check():
            assert time.monotonic() - began < seconds, f"{what}: not within {seconds} s"
            time.sleep(0.02)
        return time.monotonic() - began

    def boots(self, spec: GuestSpec) -> int:
        """How often the guest has said that it is up."""
        return self.driver.console_output(spec.id, MIB).count(UP)

    def wait_up(self, spec: GuestSpec, times: int) -> float:
        """Seconds until the guest has said so `times` times."""
        return self.wait(f"boot {times}", lambda: self.boots(spec) >= times, BOOT_SECONDS)

    def traces(self, spec: GuestSpec) -> list[str]:
        """Everything on this host that still names the guest."""
        found = [str(path) for root in (self.run, self.instances) for path in root.rglob("*")
                 if spec.instance_name in path.name or spec.id in path.name]
        found += [guest.name for guest in self.driver.guests() if guest.server_id == spec.id]
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):
                if f"guest={spec.instance_name},".encode() in path.read_bytes():
                    found.append(str(path))
        return found


@pytest.fixture(scope="session", name="guest_image")
def guest_image_fixture() -> BaseImage:
    """The small guest, as the image cache would hand it over."""
    return BaseImage(Path(guest_image()), "qcow2", 80 * MIB)


def started(uri: str, instances: Path, run: Path, **settings: Any) -> Host:
    """A driver on `uri`. Processes that libvirt leaves behind are collected here, as init would."""
    embedded.collect_orphans()
    conf = load.for_tests({
        "libvirt.connection_uri": uri, "libvirt.virt_type": "qemu", "compute.instances_path": str(instances),
        **{f"libvirt.{key}": value for key, value in settings.items()}})
    host = Host(LibvirtDriver(conf), run, instances)
    host.driver.start(lambda server_id, state: host.told.append((time.monotonic(), server_id, state)))
    return host


@pytest.fixture(scope="module")
def daemon(hypervisors: Hypervisors, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """A driver on a libvirt daemon in namespaces of its own."""
    one = hypervisors.host(1)
    # The transport is named, because libvirt tries its embedded driver first once that is in use.
    uri = one.uri.replace("qemu:///", "qemu+unix:///")
    host = started(uri, tmp_path_factory.mktemp("instances"), one.run)
    host.restart = one.restart
    yield host
    host.driver.close()


@pytest.fixture(scope="module")
def inside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """A driver without a daemon. libvirt allows one such folder per process."""
    root = Path(f"/tmp/novalite-embed-{uuid.uuid4().hex[:8]}")  # short: sockets have paths in it
    host = started(f"qemu:///embed?root={root}", tmp_path_factory.mktemp("instances"), root / "run",
                   console_log_check_interval=0.2, console_log_max_bytes=64 * 1024)
    yield host
    host.driver.close()
    shutil.rmtree(root, ignore_errors=True)


@pytest.fixture(params=["daemon", "inside"])
def host(request: pytest.FixtureRequest) -> Host:
    """Both kinds."""
    found: Host = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def make(request: pytest.FixtureRequest) -> Iterator[Callable[..., GuestSpec]]:
    """Specs of guests; whatever became of them is removed afterwards."""
    made: list[tuple[Host, GuestSpec]] = []

    def spec(host: Host, properties: dict[str, str] | None = None, **flavor: Any) -> GuestSpec:
        sizes = {"flavor_id": "1", "name": "tiny", "vcpus": 1, "ram_mb": 128, "disk_gb": 1, **flavor}
        server_id = str(uuid.uuid4())
        made.append((host, GuestSpec(
            id=server_id, name="web", hostname="web", instance_name=f"instance-{server_id[:8]}",
            project_id="p", user_id="u", flavor=Flavor(**sizes), image_properties=properties or {},
            image=ImageSource(id="i", url="http://127.0.0.1/", disk_format="qcow2"))))
        return made[-1][1]

    yield spec
    for host, one in made:
        host.driver.destroy(one)


def nothing(step: str) -> None:
    """Progress nobody looks at."""


def test_driver_fulfils_the_protocol() -> None:
    driver = LibvirtDriver(load.for_tests({"libvirt.connection_uri": "test:///default"}))
    assert isinstance(driver, Driver)
    assert isinstance(driver, Rebuilds) and isinstance(driver, Rescues)


def test_life_of_a_guest(host: Host, make: Callable[..., GuestSpec], guest_image: BaseImage,
                         record_property: Callable[[str, object], None]) -> None:
    driver = host.driver
    spec = make(host, {"hw_qemu_guest_agent": "yes", "hw_rng_model": "virtio"}, ephemeral_gb=1, swap_mb=64)
    steps: list[str] = []
    began = time.monotonic()
    driver.spawn(spec, guest_image, steps.append)
    spawned = time.monotonic() - began
    record_property("spawn_seconds", round(spawned, 3))
    assert steps == ["create-disks", "define-guest", "start-guest"]
    assert spawned < 3, "on an idle machine 0.25 s"
    record_property("boot_seconds", round(host.wait_up(spec, 1), 1))
    assert driver.power_state(spec.id) is PowerState.RUNNING
    assert [(g.server_id, g.name) for g in driver.guests() if g.server_id == spec.id] == [
        (spec.id, spec.instance_name)]

    driver.spawn(spec, guest_image, nothing)  # asked twice: still the same guest
    assert host.boots(spec) == 1

    driver.pause_guest(spec)
    driver.pause_guest(spec)
    assert driver.power_state(spec.id) is PowerState.PAUSED
    driver.unpause_guest(spec)
    driver.unpause_guest(spec)
    assert driver.power_state(spec.id) is PowerState.RUNNING

    driver.suspend_guest(spec)
    driver.suspend_guest(spec)
    assert driver.power_state(spec.id) is PowerState.SHUTDOWN
    driver.resume_guest(spec)
    driver.resume_guest(spec)
    assert driver.power_state(spec.id) is PowerState.RUNNING and host.boots(spec) == 1

    qemu = host.qemu(spec)
    driver.reboot_guest(spec, hard=False, timeout=60)
    assert host.qemu(spec) == qemu, "a soft reboot stays in the same QEMU"
    host.wait_up(spec, 2)

    driver.stop_guest(spec, timeout=60)
    driver.stop_guest(spec, timeout=60)
    assert driver.power_state(spec.id) is PowerState.SHUTDOWN
    assert b"novalite-guest: going down" in driver.console_output(spec.id, MIB)
    driver.start_guest(spec)
    driver.start_guest(spec)
    host.wait_up(spec, 3)

    driver.destroy(spec)
    driver.destroy(spec)
    assert driver.power_state(spec.id) is PowerState.NOSTATE
    assert host.traces(spec) == []
    with pytest.raises(GuestNotFound):
        driver.console_output(spec.id, 1)
    with pytest.raises(GuestNotFound):
        driver.start_guest(spec)


def test_hard_reboot_works_from_any_state(host: Host, make: Callable[..., GuestSpec],
                                          guest_image: BaseImage) -> None:
    driver, spec = host.driver, make(host)
    driver.spawn(spec, guest_image, nothing)
    marker = host.instances / spec.id / "disk"
    before = marker.stat().st_ino

    def undefine(native: Any) -> None:
        domain = native.lookupByUUIDString(spec.id)
        domain.destroy()
        domain.undefine()

    for bring_about in (
        lambda: None,
        lambda: driver.pause_guest(spec),
        lambda: driver.suspend_guest(spec),
        lambda: driver.stop_guest(spec, timeout=0),
        lambda: os.kill(host.qemu(spec), signal.SIGKILL),
        lambda: driver.connection.call("undefine", undefine),
    ):
        bring_about()
        driver.reboot_guest(spec, hard=True, timeout=0)
        assert driver.power_state(spec.id) is PowerState.RUNNING
        assert not driver._domain(spec.id).has_saved_memory()
    assert marker.stat().st_ino == before, "disks are kept"


def test_deaf_guest_is_forced(host: Host, make: Callable[..., GuestSpec], guest_image: BaseImage) -> None:
    driver, spec = host.driver, make(host)
    driver.spawn(spec, guest_image, nothing)  # still in its firmware: it does not hear the button
    qemu = host.qemu(spec)
    driver.reboot_guest(spec, hard=False, timeout=0.5)
    assert driver.power_state(spec.id) is PowerState.RUNNING and host.qemu(spec) != qemu
    began = time.monotonic()
    driver.stop_guest(spec, timeout=0.5)
    assert driver.power_state(spec.id) is PowerState.SHUTDOWN
    assert time.monotonic() - began < 30


def test_killed_qemu_is_told_within_a_second(host: Host, make: Callable[..., GuestSpec],
                                             guest_image: BaseImage,
                                             record_property: Callable[[str, object], None]) -> None:
    spec = make(host)
    host.driver.spawn(spec, guest_image, nothing)
    host.told.clear()
    killed = time.monotonic()
    os.kill(host.qemu(spec), signal.SIGKILL)

    def crash() -> list[float]:
        return [when for when, server_id, state in host.told
                if server_id == spec.id and state is PowerState.CRASHED]

    host.wait("the event", crash, 5)
    record_property("event_seconds", round(crash()[0] - killed, 3))
    assert crash()[0] - killed < 1
    host.driver.start_guest(spec)
    assert host.driver.power_state(spec.id) is PowerState.RUNNING


def test_failed_build_leaves_nothing(host: Host, make: Callable[..., GuestSpec],
                                     guest_image: BaseImage) -> None:
    def cancelled(step: str) -> None:
        if step == "start-guest":
            raise DriverError("no longer wanted")

    for properties, error in ({}, DriverError), ({"hw_machine_type": "abacus"}, DriverError), (
            {"hw_disk_bus": "tape"}, ImageUnacceptable):
        spec = make(host, properties)
        with pytest.raises(error):
            host.driver.spawn(spec, guest_image, cancelled)
        assert host.traces(spec) == []


def test_leftovers_of_an_interrupted_build_are_replaced(host: Host, make: Callable[..., GuestSpec],
                                                        guest_image: BaseImage) -> None:
    driver, spec = host.driver, make(host)
    driver.spawn(spec, guest_image, nothing)
    driver.stop_guest(spec, timeout=0)
    (host.instances / spec.id / "disk").write_text("broken")
    driver.spawn(spec, guest_image, nothing)
    assert driver.power_state(spec.id) is PowerState.RUNNING


def test_a_rescue_that_cannot_start_puts_the_guest_back(inside: Host, make: Callable[..., GuestSpec],
                                                        guest_image: BaseImage) -> None:
    driver, spec = inside.driver, make(inside)
    driver.spawn(spec, guest_image, nothing)
    image = ImageSource(id="r", url="http://127.0.0.1/", disk_format="qcow2")
    good, bad = Rescue(image=image), Rescue(image=image, properties={"hw_machine_type": "abacus"})
    own = list((inside.instances / spec.id).glob("disk*"))

    def disks() -> list[str]:
        text = driver.connection.call("xml", lambda native: native.lookupByUUIDString(spec.id).XMLDesc(0))
        return [Path(one.get("file", "")).name for one in ET.fromstring(text).iterfind("devices/disk/source")]

    for running in (True, False):
        with pytest.raises(DriverError):
            driver.rescue_guest(spec.model_copy(update={"rescue": bad}), guest_image, 0, nothing)
        expected = PowerState.RUNNING if running else PowerState.SHUTDOWN
        assert (driver.power_state(spec.id), disks()) == (expected, ["disk"])
        assert list((inside.instances / spec.id).glob("disk*")) == own
        driver.stop_guest(spec, timeout=0)

    rescued = spec.model_copy(update={"rescue": good})
    for _ in range(2):  # asked twice: rescued all the same
        driver.rescue_guest(rescued, guest_image, 0, nothing)
        assert (driver.power_state(spec.id), disks()) == (PowerState.RUNNING, ["disk.rescue", "disk"])
    driver.reboot_guest(rescued, hard=True, timeout=0)
    assert disks() == ["disk.rescue", "disk"], "a hard reboot of a rescued guest keeps it rescued"
    for _ in range(2):
        driver.unrescue_guest(rescued)
        assert (driver.power_state(spec.id), disks()) == (PowerState.RUNNING, ["disk"])
    driver.rescue_guest(rescued, guest_image, 0, nothing)
    driver.reboot_guest(spec, hard=True, timeout=0)
    assert disks() == ["disk"], "and one that should not be rescued any more is started from its own disk"
    assert list((inside.instances / spec.id).glob("disk*")) == own


def test_a_rebuild_fails_before_the_old_disk_is_touched_or_works_from_any_state(
    inside: Host, make: Callable[..., GuestSpec], guest_image: BaseImage
) -> None:
    driver, spec = inside.driver, make(inside)
    driver.spawn(spec, guest_image, nothing)
    root = inside.instances / spec.id / "disk"
    qemu, inode = inside.qemu(spec), root.stat().st_ino

    def cancelled(step: str) -> None:
        if step == REPLACE_ROOT:
            raise DriverError("no longer wanted")

    wrong = spec.model_copy(update={"image_properties": {"hw_disk_bus": "tape"}})
    nowhere = BaseImage(Path("/nowhere/base"), "qcow2", MIB)
    for one, base, progress in ((wrong, guest_image, nothing), (spec, nowhere, nothing),
                                (spec, guest_image, cancelled)):
        with pytest.raises((DriverError, ImageUnacceptable)):
            driver.rebuild_guest(one, base, False, True, progress)
        assert (inside.qemu(spec), root.stat().st_ino) == (qemu, inode), "it runs on as if nothing had happened"
        assert not (root.parent / "new").exists()

    def vanish() -> None:
        driver.destroy(spec)

    for bring_about in (lambda: None, lambda: driver.suspend_guest(spec),
                        lambda: driver.stop_guest(spec, timeout=0), vanish):
        with root.open("rb") as old:  # while it is open, no other file can be given its inode
            bring_about()
            driver.rebuild_guest(spec, guest_image, False, True, nothing)
            assert driver.power_state(spec.id) is PowerState.RUNNING
            assert root.stat().st_ino != os.fstat(old.fileno()).st_ino and not (root.parent / "new").exists()
    driver.rebuild_guest(spec, guest_image, False, False, nothing)
    assert driver.power_state(spec.id) is PowerState.SHUTDOWN


def test_guests_of_others_are_not_ours(host: Host) -> None:
    other = str(uuid.uuid4())
    xml = (f"<domain type='qemu'><name>other-{other[:8]}</name><uuid>{other}</uuid>"
           "<memory unit='MiB'>32</memory><os><type>hvm</type></os></domain>")
    domain = host.driver.connection.call("define", lambda native: native.defineXML(xml))
    try:
        host.told.clear()
        domain.create()
        domain.destroy()
        time.sleep(0.3)
        assert other not in {guest.server_id for guest in host.driver.guests()}
        assert other not in {server_id for _, server_id, _ in host.told}
    finally:
        domain.undefine()


def test_uefi_guest_leaves_no_variables_behind(host: Host, make: Callable[..., GuestSpec],
                                               guest_image: BaseImage) -> None:
    if not Path("/usr/share/OVMF").is_dir():
        pytest.skip("UEFI firmware is not installed (ovmf)")
    spec = make(host, {"hw_firmware_type": "uefi", "hw_machine_type": "q35"})
    host.driver.spawn(spec, guest_image, nothing)
    host.driver.reboot_guest(spec, hard=True, timeout=0)
    assert host.driver.power_state(spec.id) is PowerState.RUNNING
    text = host.driver.connection.call("xml", lambda native: native.lookupByUUIDString(spec.id).XMLDesc(0))
    variables = ET.fromstring(text).findtext("os/nvram")
    host.driver.destroy(spec)
    assert variables and spec.instance_name in variables and not Path(variables).exists()


def test_unusual_hardware_starts(host: Host, make: Callable[..., GuestSpec], guest_image: BaseImage) -> None:
    for properties, extra in (
        ({"hw_disk_bus": "scsi", "hw_scsi_model": "virtio-scsi", "hw_watchdog_action": "reset"}, {}),
        ({"hw_disk_bus": "ide", "hw_video_model": "cirrus"}, {"quota:disk_total_iops_sec": "1000"}),
        ({"hw_machine_type": "q35", "hw_disk_bus": "sata", "hw_cpu_cores": "2"}, {}),
    ):
        spec = make(host, properties, vcpus=2, extra_specs=extra)
        host.driver.spawn(spec, guest_image, nothing)
        assert host.driver.power_state(spec.id) is PowerState.RUNNING
        host.driver.destroy(spec)


def test_screen_answers_on_loopback(inside: Host, make: Callable[..., GuestSpec],
                                    guest_image: BaseImage) -> None:
    spec = make(inside)
    inside.driver.spawn(spec, guest_image, nothing)
    text = inside.driver.connection.call("xml", lambda native: native.lookupByUUIDString(spec.id).XMLDesc(0))
    screen = ET.fromstring(text).find("devices/graphics")
    assert screen is not None and screen.get("listen") == "127.0.0.1"
    where = inside.driver.screen(spec.id)
    assert where == ("127.0.0.1", int(screen.get("port", "0")))
    assert inside.driver.set_screen_password(spec.id, "right", 30)
    for password, comes_in in (("wrong", False), ("right", True)):
        with socket.create_connection(where, timeout=5) as client:
            try:
                rfb.enter(client, password, ["vnc"], None)
            except rfb.RfbError:
                assert not comes_in
            else:
                assert comes_in


def test_long_console_log_is_cut_while_qemu_writes_on(inside: Host, make: Callable[..., GuestSpec],
                                                      guest_image: BaseImage) -> None:
    spec = make(inside)
    inside.driver.spawn(spec, guest_image, nothing)
    log = inside.instances / spec.id / "console.log"
    with log.open("ab") as file:
        file.write(b"x" * (100 * 1024))
    inside.wait("rotation", lambda: log.stat().st_size < 64 * 1024, 5)
    inside.wait_up(spec, 1)
    assert log.stat().st_size < 64 * 1024, "QEMU writes at the end, not at its old offset"
    assert len(inside.driver.console_output(spec.id, MIB)) > 100 * 1024
    with closing(inside.driver.open_serial(spec.id)) as end:
        assert end.write(b"\r") == 1
        inside.wait("a login", lambda: b"login: " in said(end), 30)


def said(end: End, seconds: float = 5) -> bytes:
    """What comes from a console until it is silent."""
    found = b""
    while end.holds() or select.select([end], [], [], seconds)[0]:
        seconds, found = 0.2, found + (end.read() or b"")
    return found


def test_restart_of_libvirtd_is_survived(daemon: Host, make: Callable[..., GuestSpec], guest_image: BaseImage,
                                         record_property: Callable[[str, object], None]) -> None:
    spec = make(daemon)
    daemon.driver.spawn(spec, guest_image, nothing)
    qemu = daemon.qemu(spec)
    daemon.told.clear()
    assert daemon.restart is not None
    daemon.restart()
    began = time.monotonic()
    assert daemon.driver.power_state(spec.id) is PowerState.RUNNING
    record_property("back_after_seconds", round(time.monotonic() - began, 3))
    assert daemon.qemu(spec) == qemu
    daemon.wait("every guest's state", lambda: spec.id in {server_id for _, server_id, _ in daemon.told}, 5)
    daemon.told.clear()
    os.kill(qemu, signal.SIGKILL)
    # libvirtd is still finding its guests: its silence about this one is made up for.
    daemon.wait("the crash", lambda: PowerState.CRASHED in {state for _, _, state in daemon.told}, 10)


def test_what_the_host_has(host: Host) -> None:
    found = host.driver.inventory()
    assert found.hypervisor_type == "QEMU" and found.hypervisor_version > 2_000_000
    assert found.vcpus == len(os.sched_getaffinity(0)) or found.vcpus > 0
    total = int(Path("/proc/meminfo").read_text().split()[1]) // 1024
    assert abs(found.ram_mb - total) < 64
    assert found.cpu_info["arch"] == "x86_64" and found.cpu_info["topology"]["cells"] >= 1
    assert found.disk_gb > 0 and found.uptime


def test_second_driver_finds_the_guests_of_the_first(daemon: Host, make: Callable[..., GuestSpec],
                                                     guest_image: BaseImage) -> None:
    spec = make(daemon)
    daemon.driver.spawn(spec, guest_image, nothing)
    other = started(daemon.driver.connection.uri, daemon.instances, daemon.run)
    try:
        assert spec.id in {guest.server_id for guest in other.driver.guests()}
    finally:
        other.driver.close()
    assert daemon.driver.power_state(spec.id) is PowerState.RUNNING, "closing touches no guest"
