"""Copies of guests' disks with a real qemu-img and a guest that is played: order, deadlines, and what is refused."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from novalite.compute.virt.libvirt import snapshots
from novalite.compute.virt.libvirt.snapshots import Shot, shot, take
from novalite.compute.virt.libvirt.states import State
from novalite.errors import BuildFailed, DriverError, DriverUnsupported, GuestNotFound, NovaliteError
from tests.disks import qcow2
from tests.unit.compute.libvirt.guests import SERVER, a_guest

pytest.importorskip("libvirt")
pytestmark = pytest.mark.skipif(shutil.which("qemu-img") is None, reason="qemu-img is not installed")

MIB = 1 << 20
AGENT = {"hw_qemu_guest_agent": "yes"}


def qemu_img(*words: str | Path) -> str:
    """What it prints."""
    return subprocess.run(["qemu-img", *map(str, words)], check=True, capture_output=True, text=True).stdout


class Played:
    """A guest and libvirt's object of it. `said` is what it was told; `fails` are the orders it refuses."""

    def __init__(self, state: State = State.RUNNING, fails: tuple[str, ...] = ()) -> None:
        self.server_id, self.now, self.fails = SERVER, state, fails
        self.said: list[str] = []
        self.jobs = [{"cur": 0, "end": 0}, {"cur": 5, "end": 10}, {"cur": 10, "end": 10}]
        self.running = False

    def require(self) -> tuple[int, int]:
        return self.now, 0

    def active(self) -> bool:
        return self.now is not State.SHUTOFF

    def ask(self, what: str, work: Callable[[Any], Any], seconds: float | None = None) -> Any:
        return work(self)

    def _told(self, what: str) -> None:
        self.said.append(what)
        if what in self.fails:
            raise DriverError(reason=f"{what} refused")

    def blockJobInfo(self, disk: str, flags: int) -> dict[str, int]:
        if not self.running:
            return {}
        return self.jobs.pop(0) if len(self.jobs) > 1 else self.jobs[0]

    def blockCopy(self, disk: str, xml: str, params: None, flags: int) -> None:
        self._told("copy")
        self.xml, self.flags, self.running = xml, flags, True

    def blockJobAbort(self, disk: str, flags: int) -> None:
        self.running = False
        self._told("abort")

    def agentSetResponseTimeout(self, seconds: int, flags: int) -> None: ...

    def fsFreeze(self, mounts: None, flags: int) -> int:
        self._told("freeze")
        return 1

    def fsThaw(self, mounts: None, flags: int) -> int:
        self._told("thaw")
        return 1


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """A guest's disk: an overlay that has one more word than its base."""
    base, path = tmp_path / "base", tmp_path / "disk"
    base.write_bytes(b"of the base".ljust(MIB, b"\0"))
    qemu_img("create", "-f", "qcow2", "-b", base, "-F", "raw", path, str(2 * MIB))
    return path


def a_shot(guest: Played, disk: Path, format: str = "raw", **more: Any) -> Shot:
    """A snapshot into `image` beside the disk."""
    settings = SimpleNamespace(snapshot_timeout=60, snapshot_compression=False, **more)
    folder = disk.parent / "shots"
    folder.mkdir(exist_ok=True)
    return shot(guest, disk, folder / "image", format, settings, lambda: None)  # type: ignore[arg-type]


@pytest.mark.parametrize("state", [State.SHUTOFF, State.RUNNING, State.PAUSED])
@pytest.mark.parametrize("format", ["raw", "qcow2"])
def test_the_file_is_whole_and_stands_alone(disk: Path, state: State, format: str) -> None:
    guest = Played(state)
    one = a_shot(guest, disk, format)
    take(a_guest(), one)
    said = json.loads(qemu_img("info", "-f", format, "--output=json", one.to))
    assert said["virtual-size"] == 2 * MIB
    assert "backing-filename" not in said
    plain = disk.parent / "plain"
    qemu_img("convert", "-f", format, "-O", "raw", one.to, plain)
    assert plain.read_bytes().startswith(b"of the base")
    assert guest.said == ([] if state is State.SHUTOFF else ["copy", "abort"])


def test_the_mirror_is_of_the_same_base_and_its_format_is_told(disk: Path) -> None:
    import libvirt

    guest = Played()
    take(a_guest(), a_shot(guest, disk))
    assert '<driver type="qcow2" />' in guest.xml and "/shots/mirror" in guest.xml
    wanted = libvirt.VIR_DOMAIN_BLOCK_COPY_SHALLOW | libvirt.VIR_DOMAIN_BLOCK_COPY_REUSE_EXT
    assert guest.flags == wanted | libvirt.VIR_DOMAIN_BLOCK_COPY_TRANSIENT_JOB
    said = json.loads(qemu_img("info", "-f", "qcow2", "--output=json", disk.parent / "shots" / "mirror"))
    assert (Path(said["backing-filename"]).name, said["backing-filename-format"]) == ("base", "raw")


def test_a_blank_disk_is_mirrored_whole(tmp_path: Path) -> None:
    import libvirt

    path, guest = tmp_path / "disk", Played()
    qemu_img("create", "-f", "qcow2", path, str(MIB))
    take(a_guest(), a_shot(guest, path))
    assert not guest.flags & libvirt.VIR_DOMAIN_BLOCK_COPY_SHALLOW


def test_file_systems_stand_still_while_the_mirror_ends(disk: Path) -> None:
    guest = Played()
    take(a_guest(AGENT), a_shot(guest, disk))
    assert guest.said == ["copy", "freeze", "abort", "thaw"]


def test_an_agent_that_does_not_answer_is_done_without(disk: Path) -> None:
    guest = Played(fails=("freeze",))
    take(a_guest(AGENT), a_shot(guest, disk))
    assert guest.said == ["copy", "freeze", "abort", "thaw"]


@pytest.mark.parametrize("state", [State.RUNNING, State.PAUSED])
def test_what_the_image_requires_is_refused_before_anything_is_done(disk: Path, state: State) -> None:
    properties = {"os_require_quiesce": "yes", **(AGENT if state is State.PAUSED else {})}
    guest = Played(state)
    with pytest.raises(DriverUnsupported, match="which its image requires"):
        take(a_guest(properties), a_shot(guest, disk))
    assert guest.said == []


def test_what_is_required_and_fails_leaves_nothing_running_and_nothing_frozen(disk: Path) -> None:
    guest = Played(fails=("freeze",))
    one = a_shot(guest, disk)
    with pytest.raises(DriverError, match="could not be frozen"):
        take(a_guest({**AGENT, "os_require_quiesce": "true"}), one)
    assert guest.said == ["copy", "freeze", "thaw", "abort"]
    assert not guest.running and not one.to.exists()


def test_a_guest_that_does_not_thaw_is_told_again(disk: Path) -> None:
    guest = Played(fails=("thaw",))
    take(a_guest(AGENT), a_shot(guest, disk))
    assert guest.said.count("thaw") == snapshots.THAWS


def test_a_mirror_that_ends_by_itself_is_an_error(disk: Path) -> None:
    guest = Played()
    guest.jobs = [{"cur": 1, "end": 2}, {}]
    with pytest.raises(DriverError, match="ended by itself"):
        take(a_guest(), a_shot(guest, disk))


def test_a_mirror_that_never_catches_up_ends_at_the_deadline(disk: Path) -> None:
    guest = Played()
    guest.jobs = [{"cur": 1, "end": 2}]
    one = a_shot(guest, disk)
    hurried = Shot(one.guest, one.disk, one.to, one.format, one.deadline - 59.3, False, one.check)
    with pytest.raises(DriverError, match="in the time given"):
        take(a_guest(), hurried)
    assert not guest.running


@pytest.mark.parametrize("state", [State.SHUTOFF, State.RUNNING])
def test_it_can_be_given_up(disk: Path, state: State) -> None:
    guest, calls = Played(state), iter(range(100))

    def check() -> None:
        if next(calls) == (1 if state is State.SHUTOFF else 4):
            raise BuildFailed("It is to be removed.")

    one = a_shot(guest, disk)
    with pytest.raises(BuildFailed):
        take(a_guest(), Shot(one.guest, one.disk, one.to, one.format, one.deadline, False, check))
    assert not guest.running


def test_a_job_left_by_a_killed_daemon_is_ended_first(disk: Path) -> None:
    guest = Played()
    guest.running = True
    guest.jobs = [{"cur": 1, "end": 2}, {"cur": 3, "end": 3}]
    take(a_guest(), a_shot(guest, disk))
    assert guest.said == ["abort", "copy", "abort"]


@pytest.mark.parametrize("guest", [Played(State.SHUTOFF), Played()])
def test_ending_nothing_is_success(disk: Path, guest: Played) -> None:
    snapshots.end(guest, disk)  # type: ignore[arg-type]
    assert guest.said == []


def test_ending_the_job_of_a_guest_that_is_gone_is_success(disk: Path) -> None:
    class Gone(Played):
        def active(self) -> bool:
            raise GuestNotFound(server_id=SERVER)

    snapshots.end(Gone(), disk)  # type: ignore[arg-type]


def test_a_disk_that_is_missing_is_said_to_be(tmp_path: Path) -> None:
    with pytest.raises(NovaliteError, match="is missing"):
        take(a_guest(), a_shot(Played(), tmp_path / "disk"))


def test_what_a_guest_wrote_is_never_taken_for_a_format(disk: Path) -> None:
    """The guest writes the header of a disk that stands on a file of the host: it stays a guest's bytes."""
    evil = qcow2(backing=b"/etc/passwd")
    raw = disk.parent / "raw"
    raw.write_bytes(evil.ljust(2 * MIB, b"\0"))
    qemu_img("convert", "-f", "raw", "-O", "qcow2", raw, disk)
    one = a_shot(Played(State.SHUTOFF), disk, "qcow2")
    take(a_guest(), one)
    plain = disk.parent / "plain"
    qemu_img("convert", "-f", "qcow2", "-O", "raw", one.to, plain)
    assert plain.read_bytes().startswith(evil)
