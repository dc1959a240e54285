"""Every server action on a real guest, asked through the API, with the guest's own console as the witness.

A test takes the fixture `real`, a whole cloud that this file shares (`tests/real/cloud.py` says what it offers),
and boots the guests it needs. A boot costs some ten seconds of a processor, so tests that leave a guest as
they found it share one: the fixture `shared` is an ACTIVE guest that is up, and it must be so afterwards.

    def test_something_about_a_guest(real: RealCloud) -> None:
        guest = real.boot("mine")                     # of real.image and the flavor "small"; said "up" already
        guest.act({"pause": None})                    # as its owner; done when this returns
        assert guest.status() == "PAUSED"
        guest.run("touch /marker")                    # inside it, through the guest agent
        guest.wait_up(2)["rootmib"]                   # what it says of itself at its second boot

Whatever a test leaves is removed at the end; disks, domains and QEMU processes with it.
"""

from __future__ import annotations

import ctypes
import shutil
from collections.abc import Callable, Iterator

import pytest

from deploy.dev.guest import guest_image
from deploy.dev.hosts import Hypervisors
from novalite.compute.virt import load_driver
from tests.real.cloud import HOST, Guest, RealCloud
from tests.rest import sentence

pytest.importorskip("libvirt")
pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(shutil.which("qemu-system-x86_64") is None, reason="QEMU is not installed"),
]


@pytest.fixture(scope="module")
def real(hypervisors: Hypervisors, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealCloud]:
    """One cloud for this file."""
    cloud = RealCloud(tmp_path_factory.mktemp("real"), hypervisors.host(2))
    try:
        yield cloud
    finally:
        cloud.close()


@pytest.fixture(scope="module")
def _shared(real: RealCloud) -> Guest:
    return real.boot("shared")


@pytest.fixture
def shared(_shared: Guest) -> Iterator[Guest]:
    """A guest that several tests use, one after the other: each leaves it ACTIVE and up."""
    assert _shared.status() == "ACTIVE", "a test before this one left the shared guest otherwise"
    yield _shared


# --- power ----------------------------------------------------------------------------------------


def test_a_created_server_boots_its_image_and_its_console_says_so(shared: Guest) -> None:
    said = shared.wait_up(1)
    assert int(said["rootmib"]) > 900, "the root disk has the flavor's size, not the image's"
    assert said["cpus"] == "1"
    assert shared.run("cat /etc/novalite-guest") == "novalite guest 1\n"


def test_a_paused_guest_stands_still_and_goes_on(shared: Guest) -> None:
    shared.run("(while sleep 0.2; do echo tick > /dev/console; done) > /dev/null 2>&1 & echo $! > /run/ticks")
    shared.wait("ticks", lambda: "tick" in shared.console())
    shared.act({"pause": None})
    assert shared.status() == "PAUSED"
    frozen = shared.console().count("tick")
    with pytest.raises(AssertionError, match="not within"):
        shared.wait("one more tick", lambda: shared.console().count("tick") > frozen, 1)
    shared.act({"unpause": None})
    assert shared.status() == "ACTIVE"
    shared.wait("it goes on", lambda: shared.console().count("tick") > frozen)
    shared.run("kill $(cat /run/ticks)")


def test_a_suspended_guest_resumes_where_it_was(shared: Guest) -> None:
    boots = shared.boots()
    shared.run("echo remembered > /run/in-memory")
    shared.act({"suspend": None})
    assert shared.status() == "SUSPENDED"
    shared.act({"resume": None})
    assert shared.status() == "ACTIVE"
    assert shared.run("cat /run/in-memory") == "remembered\n"
    assert shared.boots() == boots


def test_reboot_stop_and_start_are_boots_of_the_same_disk(shared: Guest) -> None:
    boots = shared.boots()
    shared.run("echo kept > /root/on-disk; sync")
    shared.act({"reboot": {"type": "SOFT"}})
    shared.wait_up(boots + 1)
    assert shared.console().count("novalite-guest: going down") == 1, "it was asked"
    shared.act({"reboot": {"type": "HARD"}})
    shared.wait_up(boots + 2)
    assert shared.console().count("novalite-guest: going down") == 1, "it was not asked"
    shared.act({"os-stop": None})
    assert shared.status() == "SHUTOFF"
    assert shared.console().count("novalite-guest: going down") == 2
    shared.act({"os-start": None})
    shared.wait_up(boots + 3)
    assert shared.status() == "ACTIVE"
    assert shared.run("cat /root/on-disk") == "kept\n"


# --- inside the guest ---------------------------------------------------------------------------------


def hashed(password: str, like: str) -> str:
    """crypt(3): the password hashed as `like` was."""
    crypt = ctypes.CDLL("libcrypt.so.1").crypt
    crypt.argtypes, crypt.restype = [ctypes.c_char_p, ctypes.c_char_p], ctypes.c_char_p
    return str(crypt(password.encode(), like.encode()).decode())


def test_a_changed_password_opens_the_guest(shared: Guest) -> None:
    before = shared.run("grep ^root: /etc/shadow")
    shared.act({"changePassword": {"adminPass": "Fresh-Word-7"}})
    after = shared.run("grep ^root: /etc/shadow")
    assert after != before
    kept = after.split(":")[1]
    assert kept.startswith("$") and hashed("Fresh-Word-7", kept) == kept, "the guest's own hash says so"
    assert shared.status() == "ACTIVE"


def test_without_an_agent_nobody_changes_a_password(real: RealCloud) -> None:
    image = real.upload(guest_image(), "without an agent", hw_qemu_guest_agent="no")
    guest = real.boot("deaf", wait=False, imageRef=image)
    reply = real.member.act(guest.id, {"changePassword": {"adminPass": "Fresh-Word-7"}})
    assert (reply.status_code, "Nobody answers inside instance" in sentence(reply)) == (409, True), reply.text
    assert guest.status() == "ACTIVE"
    assert real.member.delete(f"/servers/{guest.id}").status_code == 204
    early = real.boot("early", wait=False)  # it has a channel, but has not come to listen to it
    reply = real.member.act(early.id, {"changePassword": {"adminPass": "Fresh-Word-7"}})
    assert (reply.status_code, "Nobody answers inside instance" in sentence(reply)) == (409, True), reply.text
    assert real.member.delete(f"/servers/{early.id}").status_code == 204


def test_a_crash_dump_is_an_interrupt_that_the_guest_hears(shared: Guest) -> None:
    shared.run("dmesg -n 7")
    before = shared.console().count("NMI")
    shared.act({"trigger_crash_dump": None})
    shared.wait("the interrupt", lambda: shared.console().count("NMI") > before)
    assert shared.status() == "ACTIVE"
    assert shared.run("echo goes on") == "goes on\n"


def test_diagnostics_count_what_the_guest_does(real: RealCloud, shared: Guest) -> None:
    path = f"/servers/{shared.id}/diagnostics"
    before = real.admin.get(path)
    assert [before[key] for key in ("state", "driver", "hypervisor", "num_cpus", "num_disks")] == [
        "running", "libvirt", "qemu", 1, 1,
    ]  # fmt: skip
    assert before["memory_details"]["maximum"] == 128
    shared.run("dd if=/dev/zero of=/root/written bs=1M count=4 && sync && rm /root/written")
    after = real.admin.get(path)
    assert after["disk_details"][0]["write_bytes"] - before["disk_details"][0]["write_bytes"] >= 4 << 20
    assert after["cpu_details"][0]["time"] > before["cpu_details"][0]["time"]
    old = real.admin.get(path, version="2.47")
    assert old["vda_write"] >= after["disk_details"][0]["write_bytes"]
    assert old["memory"] == 128 * 1024


# --- resize -------------------------------------------------------------------------------------------


def test_a_resize_shows_inside_is_taken_back_exactly_and_survives_its_daemon(real: RealCloud) -> None:
    guest = real.boot("grows")
    small = guest.wait_up(1)
    guest.run("echo kept > /root/before; sync")
    guest.act({"resize": {"flavorRef": "large"}})
    assert guest.status() == "VERIFY_RESIZE"
    large = guest.wait_up(2)
    assert (small["cpus"], large["cpus"]) == ("1", "2")
    memory = [int(said["mem"].rstrip("k")) for said in (small, large)]
    assert memory[1] > memory[0] + 40_000, "64 MB more"
    assert int(large["rootmib"]) > int(small["rootmib"]) + 900
    assert guest.run("cat /root/before") == "kept\n"
    guest.run("rm /root/before; echo new > /root/after; sync")

    guest.act({"revertResize": None})
    assert guest.status() == "ACTIVE"
    assert guest.wait_up(3) == small
    assert guest.run("cat /root/before; ls /root/after || true") == "kept\n"
    assert sorted(path.name for path in guest.folder.iterdir() if path.is_dir()) == []

    killed_after_a_piece_of_work(real, lambda: guest.act({"resize": {"flavorRef": "large"}}))
    assert guest.status() == "VERIFY_RESIZE"
    assert guest.wait_up(4)["rootmib"] == large["rootmib"]
    guest.act({"confirmResize": None}, 204)
    assert guest.status() == "ACTIVE"
    assert guest.run("cat /root/before") == "kept\n"
    assert guest.boots() == 4, "confirming does not touch the guest"
    assert [path.name for path in guest.folder.iterdir() if path.is_dir()] == []
    assert real.member.delete(f"/servers/{guest.id}").status_code == 204
    assert guest.traces() == []


def killed_after_a_piece_of_work(real: RealCloud, act: Callable[[], object]) -> None:
    """The compute daemon dies when it has done the second order of an action and told nobody; another starts."""
    reports = iter(range(100))
    host = real.cloud.hosts[HOST]
    with real.cloud.bus.lose(lambda e: e.name == "hosted_servers.finished" and next(reports) == 1):
        act()
        host.stop()
        host.driver.close()
        host.driver = load_driver(host.conf)
        host.start()
    real.cloud.bus.drain()


# --- deferred delete ----------------------------------------------------------------------------------


def test_a_server_that_was_deleted_comes_back_with_its_disk(real: RealCloud, shared: Guest) -> None:
    boots, downs = shared.boots(), shared.console().count("novalite-guest: going down")
    shared.run("echo kept > /root/before-the-delete; sync")
    real.cloud.conf.set_override("reclaim_instance_interval", 3600, "conductor")
    try:
        assert real.member.delete(f"/servers/{shared.id}").status_code == 204
    finally:
        real.cloud.conf.clear_override("reclaim_instance_interval", "conductor")
    assert shared.status() == "SOFT_DELETED"
    assert shared.console().count("novalite-guest: going down") == downs + 1, "it was asked to go down"
    shared.act({"restore": None})
    shared.wait_up(boots + 1)
    assert shared.status() == "ACTIVE"
    assert shared.run("cat /root/before-the-delete") == "kept\n"


def test_a_deleted_server_leaves_nothing(real: RealCloud) -> None:
    guest = real.boot("gone", wait=False)
    assert guest.traces()
    assert real.member.delete(f"/servers/{guest.id}").status_code == 204
    assert guest.traces() == []


# --- other disks ----------------------------------------------------------------------------------


def test_a_rebuilt_server_has_the_root_disk_of_the_new_image_and_what_it_was_to_keep(real: RealCloud) -> None:
    guest = real.boot("rebuilt", flavorRef="ephemeral")
    guest.run("echo old > /root/marker; echo kept | dd of=/dev/vdb bs=512 seek=99 2>/dev/null; sync")
    blue, green = real.marked_image("blue"), real.marked_image("green", hw_rescue_bus="virtio")
    guest.act({"rebuild": {"imageRef": blue, "preserve_ephemeral": True, "name": "renewed"}})
    guest.wait_up(2)
    assert guest.starts_of("blue") == 1
    assert guest.run("ls /root") == ""
    assert guest.run("dd if=/dev/vdb bs=512 skip=99 count=1 2>/dev/null | head -c5") == "kept\n"
    shown = guest.show()
    assert (shown["status"], shown["name"], shown["image"]["id"]) == ("ACTIVE", "renewed", blue)

    # A stable rescue: all disks stay where they are, and the machine starts from one more.
    guest.run("echo still here > /root/marker; sync")
    guest.act({"rescue": {"rescue_image_ref": green}}, 200)
    assert guest.status() == "RESCUE"
    guest.wait_up(3)
    assert guest.starts_of("green") == 1, "its kernel is that of the rescue disk"
    assert guest.starts_of("blue") == 1
    assert guest.run("ls /dev/vd?").split() == ["/dev/vda", "/dev/vdb", "/dev/vdc"]
    assert guest.run("cat /root/marker") == "still here\n", "the first disk is its own, and Linux found it there"
    assert real.member.delete(f"/servers/{guest.id}").status_code == 204
    assert guest.traces() == []


def test_a_stopped_server_is_rebuilt_and_stays_off(real: RealCloud) -> None:
    hasty = real.marked_image("green", os_shutdown_timeout="1")  # it does not hear the button yet
    guest = real.boot("off", wait=False, imageRef=hasty)
    guest.act({"os-stop": None})
    guest.act({"rebuild": {"imageRef": real.marked_image("blue")}})
    assert guest.status() == "SHUTOFF"
    assert guest.starts_of("blue") == 0
    guest.act({"os-start": None})
    guest.wait("its new kernel", lambda: guest.starts_of("blue") == 1, 60)
    assert real.member.delete(f"/servers/{guest.id}").status_code == 204


def test_a_rescued_server_runs_from_the_rescue_image_and_sees_its_own_disk_second(
    real: RealCloud, shared: Guest
) -> None:
    boots = shared.boots()
    shared.run("echo mend me > /root/broken; sync")
    reply = shared.act({"rescue": {"rescue_image_ref": real.marked_image("red"), "adminPass": "hush"}}, 200)
    assert reply == {"adminPass": "hush"}
    assert shared.status() == "RESCUE"
    said = shared.wait_up(boots + 1)
    assert shared.starts_of("red") == 1
    assert int(said["rootmib"]) < 100, "the root file system is that of the rescue image, as large as it is"
    shared.run("mount /dev/vdb2 /mnt && mv /mnt/root/broken /mnt/root/mended && umount /mnt && sync")
    shared.act({"unrescue": None})
    assert shared.status() == "ACTIVE"
    said = shared.wait_up(boots + 2)
    assert int(said["rootmib"]) > 900
    assert shared.starts_of("red") == 1
    assert shared.run("cat /root/mended; rm /root/mended") == "mend me\n"
    assert [path.name for path in shared.folder.glob("disk*")] == ["disk"]
# --- images and shelves ---------------------------------------------------------------------------


def leftovers(real: RealCloud) -> list[str]:
    """Working files of snapshots."""
    return [str(path) for path in (real.folder / "instances").glob("_snapshots/*/*")]


def test_an_image_of_a_running_guest_boots_as_another(real: RealCloud, shared: Guest) -> None:
    """The guest never stops, and what it had written a moment before is there, because it was frozen for one."""
    boots = shared.boots()
    shared.run("echo written > /root/a-moment-before")
    image = shared.act({"createImage": {"name": "of a running guest"}})["image_id"]
    assert (shared.status(), shared.boots()) == ("ACTIVE", boots)
    shared.run("echo later > /root/a-moment-after; sync")  # thawed, and no job of libvirt's holds its disk
    assert shared.xml().find("devices/disk/mirror") is None
    assert leftovers(real) == []
    copy = real.boot("copy", imageRef=image)
    assert copy.run("cat /root/a-moment-before; ls /root/a-moment-after 2>/dev/null; true") == "written\n"
    assert real.member.delete(f"/servers/{copy.id}").status_code == 204


def test_a_copy_that_a_killed_daemon_left_running_ends_when_it_starts(real: RealCloud, shared: Guest) -> None:
    """As QEMU goes on with it: it would write to a file that nobody wants, and stand in the way of the next."""
    snapshots = real.cloud.hosts[HOST].manager.guests.snapshots
    left = snapshots.path / shared.id
    left.mkdir(parents=True)
    xml = f"<disk type='file'><source file='{left / 'mirror'}'/><driver type='qcow2'/></disk>"
    connection = real.cloud.hosts[HOST].driver.connection
    transient = 4  # VIR_DOMAIN_BLOCK_COPY_TRANSIENT_JOB
    connection.call("copy", lambda native: native.lookupByUUIDString(shared.id).blockCopy(
        str(shared.folder / "disk"), xml, None, transient))  # fmt: skip
    assert shared.xml().find("devices/disk/mirror") is not None
    snapshots.clean_up()
    assert shared.xml().find("devices/disk/mirror") is None
    assert leftovers(real) == []
    assert shared.run("echo goes on") == "goes on\n"


def test_a_paused_guest_stays_paused_while_its_image_is_made(real: RealCloud, shared: Guest) -> None:
    shared.act({"pause": None})
    body = {"name": "of a paused guest", "backup_type": "daily", "rotation": 1}
    image = shared.act({"createBackup": body})["image_id"]
    assert shared.status() == "PAUSED"
    said = real.member.get(f"/image/v2/images/{image}")
    assert (said["status"], said["virtual_size"], said["backup_type"]) == ("active", 1 << 30, "daily")
    shared.act({"unpause": None})
    assert shared.run("echo goes on") == "goes on\n"
    assert leftovers(real) == []


def test_a_shelved_guest_comes_back_with_what_it_had_written(real: RealCloud) -> None:
    guest = real.boot("shelf")
    guest.run("echo kept > /root/on-disk; sync")
    guest.act({"shelve": None})
    assert guest.status() == "SHELVED_OFFLOADED"
    assert guest.traces() == [], "nothing of it is on the host"
    assert [i["status"] for i in real.member.get("/image/v2/images?name=shelf-shelved")["images"]] == ["active"]
    guest.act({"unshelve": None})
    guest.wait_up(1)
    assert guest.status() == "ACTIVE"
    assert guest.run("cat /root/on-disk") == "kept\n"
    assert real.member.get("/image/v2/images?name=shelf-shelved")["images"] == []
    assert real.member.delete(f"/servers/{guest.id}").status_code == 204
    assert guest.traces() == []
