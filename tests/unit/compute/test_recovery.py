"""After restarts, crashes and lost messages: nothing runs that should not, and what is told is true."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from novalite.compute.build import Bench
from novalite.context import system
from novalite.errors import ConfigError, DriverUnavailable
from novalite.states import PowerState
from tests.unit.compute.scripted import A, B, C, Rig, a_spec, a_work, until

D, E = (f"dddddddd-0000-4000-8000-00000000000{n}" for n in (4, 5))
OFF = PowerState.SHUTDOWN


def guests(rig: Rig) -> set[str]:
    return {guest.server_id for guest in rig.driver.guests()}


def spawned(rig: Rig, *server_ids: str) -> None:
    for server_id in server_ids:
        rig.ask("spawn", a_work("spawn", server_id))


def test_a_restart_of_the_daemon_touches_no_guest(rig: Rig) -> None:
    spawned(rig, A, B)
    rig.script.believe(A)
    rig.script.believe(B)
    before = rig.driver.console_output(A, 10_000)
    rig.restart()
    rig.settle()
    assert guests(rig) == {A, B}
    assert rig.driver.console_output(A, 10_000) == before
    assert rig.script.changes == []
    assert len(rig.script.started) == 2


def test_guests_deleted_or_built_elsewhere_meanwhile_are_removed_and_strangers_kept(rig: Rig, caplog) -> None:
    spawned(rig, A, B, C)
    rig.script.believe(A, deleted=True)
    rig.script.records[B] = {"vm_state": "active", "task_state": None, "host": "beta"}
    with caplog.at_level(logging.WARNING):
        rig.restart()
        rig.settle()
    assert guests(rig) == {C}
    assert f"Guest {C} (instance-00000001) is unknown to the conductor; it is left alone" in caplog.text


@pytest.mark.parametrize(
    "record",
    [
        {"vm_state": "active", "task_state": None, "host": "alpha"},
        {"vm_state": "resized", "task_state": None, "host": "beta"},
        {"vm_state": "active", "task_state": "migrating", "host": "beta"},
    ],
)
def test_a_guest_that_may_belong_here_is_kept(rig: Rig, record) -> None:
    spawned(rig, A)
    rig.script.records[A] = record  # not listed for this host (any more)
    rig.restart()
    rig.settle()
    assert guests(rig) == {A}


def test_without_an_answer_nothing_is_removed(rig: Rig) -> None:
    spawned(rig, A)
    with rig.bus.lose(lambda e: e.name in ("servers.show", "hosted_servers.on_host")):
        rig.restart()
        rig.settle()
    with rig.bus.lose(lambda e: e.name == "servers.show"):
        rig.manager.cleanup.run(system())
        rig.settle()
    assert guests(rig) == {A}


@pytest.mark.parametrize(("action", "left"), [("log", {A}), ("noop", {A}), ("reap", set())])
def test_operators_say_what_happens_to_deleted_guests(make_rig, action: str, left: set[str]) -> None:
    rig = make_rig(compute__running_deleted_instance_action=action)
    rig.start()
    spawned(rig, A)
    rig.script.believe(A, deleted=True)
    rig.manager.cleanup.run(system())
    rig.settle()
    assert guests(rig) == left


def test_deleted_guests_may_be_switched_off_and_kept(make_rig) -> None:
    rig = make_rig(compute__running_deleted_instance_action="shutdown")
    rig.start()
    spawned(rig, A)
    rig.script.believe(A, deleted=True)
    for _ in range(2):
        rig.manager.cleanup.run(system())
        rig.settle()
    assert guests(rig) == {A}
    assert rig.driver.power_state(A) is PowerState.SHUTDOWN
    assert rig.driver.console_output(A, 4096).count(b"going down") == 1


def test_a_guest_whose_server_may_still_be_restored_is_switched_off_and_the_conductor_told(rig: Rig) -> None:
    spawned(rig, A)
    rig.script.believe(A, vm_state="soft-delete", task_state="restoring")
    rig.manager.cleanup.run(system())
    rig.settle()
    assert rig.driver.power_state(A) is PowerState.RUNNING, "it is being restored"
    rig.script.believe(A, vm_state="soft-delete")
    rig.manager.cleanup.run(system())
    rig.settle()
    assert rig.driver.power_state(A) is PowerState.SHUTDOWN


def test_a_removal_that_fails_is_tried_again_at_the_next_look(rig: Rig) -> None:
    spawned(rig, A)
    rig.script.believe(A, deleted=True)
    rig.driver.fail("destroy", "stuck", times=1)
    rig.manager.cleanup.run(system())
    rig.settle()
    assert guests(rig) == {A}
    rig.manager.cleanup.run(system())
    rig.settle()
    assert guests(rig) == set()


def test_a_build_that_begins_meanwhile_is_not_taken_for_a_leftover(rig: Rig) -> None:
    rig.driver.delay("guest_start", 0.1)
    rig.ask("spawn", settle=False)
    until(lambda: A in guests(rig))
    rig.manager.cleanup.run(system())
    rig.settle()
    assert guests(rig) == {A}


def test_what_a_killed_build_left_is_removed_when_the_server_is_elsewhere(make_rig) -> None:
    rig = make_rig(fake_driver__needs_images=True)
    note = _killed_build(rig)
    rig.script.records[A] = {"vm_state": "active", "task_state": None, "host": "beta"}
    destroyed = _watch_destroy(rig)
    rig.start()
    rig.settle()
    assert destroyed == [A]
    assert not note.exists()


def test_what_a_killed_build_left_is_kept_while_it_is_to_be_built_here(make_rig) -> None:
    rig = make_rig(fake_driver__needs_images=True)
    note = _killed_build(rig)
    rig.script.believe(A, vm_state="building", power_state=0, task_state="spawning")
    destroyed = _watch_destroy(rig)
    rig.start()
    rig.settle()
    assert destroyed == []
    assert note.exists()
    assert rig.ask("spawn").error is None
    assert not note.exists()


def test_what_a_failed_removal_left_is_removed_later(make_rig) -> None:
    """The hypervisor no longer lists the guest, so only the note tells of its disks."""
    rig = make_rig(fake_driver__needs_images=True)
    rig.start()
    rig.driver.fail("destroy", "the disk cannot be removed", times=1)
    rig.ask("destroy", a_work("destroy", A))
    assert rig.script.report_of("destroy").error is not None
    rig.script.records[A] = {"vm_state": "deleted", "task_state": None, "host": "alpha"}
    destroyed = _watch_destroy(rig)
    rig.manager.pending.run(system())
    rig.settle()
    assert destroyed == [A]
    assert rig.manager.unfinished.specs() == []


def test_what_a_failed_build_left_is_removed_later(make_rig) -> None:
    rig = make_rig(fake_driver__needs_images=True)
    rig.start()
    rig.driver.fail("spawn", "broken", times=1)
    rig.driver.fail("destroy", "the disk cannot be removed", times=1)
    assert rig.ask("spawn").error is not None
    rig.script.records[A] = {"vm_state": "active", "task_state": None, "host": "beta"}
    destroyed = _watch_destroy(rig)
    rig.manager.pending.run(system())
    rig.settle()
    assert destroyed == [A]
    assert rig.manager.unfinished.specs() == []


@pytest.mark.parametrize(
    ("record", "unknown", "removed"),
    [
        ({"vm_state": "deleted", "task_state": None, "host": "alpha"}, "log", True),
        ({"vm_state": "active", "task_state": None, "host": "beta"}, "log", True),
        ({"vm_state": "error", "task_state": None, "host": "alpha"}, "log", False),
        ({"vm_state": "soft-delete", "task_state": None, "host": "alpha"}, "log", False),
        (None, "log", False),
        (None, "reap", True),
    ],
    ids=["deleted", "elsewhere", "here", "may be restored", "unknown", "unknown, and told so"],
)
def test_files_are_removed_when_the_conductor_says_so_whatever_happens_to_guests(
    make_rig, record, unknown: str, removed: bool
) -> None:
    rig = make_rig(
        fake_driver__needs_images=True,
        compute__running_deleted_instance_action="noop",
        compute__unknown_guest_action=unknown,
    )
    rig.start()
    rig.manager.unfinished.note(a_spec())
    if record:
        rig.script.records[A] = record
    destroyed = _watch_destroy(rig)
    rig.manager.pending.run(system())
    rig.settle()
    assert destroyed == ([A] if removed else [])
    assert bool(rig.manager.unfinished.specs()) is not removed


def test_files_that_resist_are_tried_again(make_rig) -> None:
    rig = make_rig(fake_driver__needs_images=True)
    rig.start()
    rig.manager.unfinished.note(a_spec())
    rig.script.records[A] = {"vm_state": "deleted", "task_state": None, "host": "alpha"}
    rig.driver.fail("destroy", "device or resource busy", times=1)
    for left in (1, 0):
        rig.manager.pending.run(system())
        rig.settle()
        assert len(rig.manager.unfinished.specs()) == left


def test_a_host_under_a_new_name_does_not_touch_the_guests_of_the_old_one(make_rig) -> None:
    rig = make_rig(fake_driver__needs_images=True)
    rig.start()
    name = Path(rig.conf.state_path) / "compute_host"
    assert name.read_text() == "alpha\n"
    rig.manager.driver.spawn(a_spec(), None, lambda step: None)
    name.write_text("omega\n")  # as if it had been called so when it built its guests
    with pytest.raises(ConfigError, match=r"1 guests here belong to host omega.*host = omega"):
        rig.manager.start()
    assert guests(rig) == {A}
    rig.driver.destroy(a_spec())
    rig.manager.start()  # nothing is lost any more
    assert name.read_text() == "alpha\n"


def _killed_build(rig: Rig):
    bench: Bench = rig.manager.bench
    with pytest.raises(KeyboardInterrupt), bench.unfinished.building(a_spec(user_data="secret")):
        raise KeyboardInterrupt  # no Exception: as near to SIGKILL as a test gets
    note = bench.unfinished.path / A
    assert "secret" not in note.read_text()
    return note


def _watch_destroy(rig: Rig) -> list[str]:
    seen: list[str] = []
    real = rig.driver.destroy
    rig.driver.destroy = lambda spec: (seen.append(spec.id), real(spec))
    return seen


def test_a_note_that_cannot_be_read_is_dropped(rig: Rig) -> None:
    rig.manager.unfinished.path.mkdir(parents=True)
    (rig.manager.unfinished.path / A).write_text("{")
    assert rig.manager.unfinished.specs() == []
    assert not (rig.manager.unfinished.path / A).exists()


def test_after_a_reboot_of_the_host_stopped_guests_are_reported(rig: Rig) -> None:
    spawned(rig, A)
    rig.script.believe(A)
    rig.driver._move(A, OFF)  # the host went down without anybody looking
    rig.restart()
    rig.settle()
    assert [(c.server_id, c.power_state) for c in rig.script.changes] == [(A, OFF)]


def test_after_a_reboot_of_the_host_guests_are_started_when_told_so(make_rig) -> None:
    rig = make_rig(compute__resume_guests_state_on_host_boot=True)
    rig.start()
    spawned(rig, A, B, C, D, E)
    rig.script.believe(A)
    rig.script.believe(B, vm_state="stopped", power_state=4)
    rig.script.believe(C, task_state="powering-off")
    rig.script.believe(D, vm_state="resized")  # it waits to be confirmed, and ran meanwhile
    rig.script.believe(E, vm_state="resized", power_state=4)
    for server_id in (A, B, C, D, E):
        rig.driver._move(server_id, OFF)
    rig.restart()
    rig.settle()
    states = {g.server_id: g.power_state for g in rig.driver.guests()}
    assert states == {A: PowerState.RUNNING, B: OFF, C: OFF, D: PowerState.RUNNING, E: OFF}


def test_a_guest_that_cannot_be_started_again_is_reported_as_it_is(make_rig) -> None:
    rig = make_rig(compute__resume_guests_state_on_host_boot=True)
    rig.start()
    spawned(rig, A)
    rig.script.believe(A)
    rig.driver._move(A, OFF)
    rig.driver.fail("start", "disk gone")
    rig.restart()
    rig.settle()
    assert rig.script.changes[-1].power_state == OFF


def test_the_daemon_waits_for_a_conductor_that_is_not_there_yet(make_rig) -> None:
    rig = make_rig()
    rig.conductor.stop()
    rig.manager.resources.client = rig.client
    with rig.bus.lose(lambda e: e.method == "started", 2) as lost:
        rig.conductor.start()
        rig.start()
    assert len(lost.hits) == 2
    assert len(rig.script.started) == 1
    inventory = rig.script.started[0]
    assert (inventory.host, inventory.ram_ratio, inventory.reserved_ram_mb) == ("alpha", 1.5, 512)


def test_announcing_gives_up_in_time(make_rig) -> None:
    rig = make_rig()
    rig.manager.start()
    with rig.bus.lose(lambda e: e.method == "started"):
        assert not rig.manager.announce(timeout=0.2)


# --- power states ----------------------------------------------------------------------------


def test_a_guest_that_crashes_is_reported_within_a_second(make_rig) -> None:
    rig = make_rig(compute__lifecycle_event_delay=0.3)
    rig.start()
    spawned(rig, A)
    rig.driver.crash(A)
    until(lambda: [c.power_state for c in rig.script.changes] == [PowerState.CRASHED], seconds=1.0)


def test_a_guest_that_stops_and_starts_in_a_moment_is_not_reported(make_rig) -> None:
    rig = make_rig(compute__lifecycle_event_delay=0.1)
    rig.start()
    spawned(rig, A)
    rig.driver.power_off(A)
    rig.driver._on_its_own(A, PowerState.RUNNING, "b")
    until(lambda: rig.manager.watcher._thread is None)
    assert rig.script.changes == []


def test_events_of_work_in_hand_cost_no_message(rig: Rig) -> None:
    spawned(rig, A)
    real = rig.driver.stop_guest

    def stop(spec, timeout):
        real(spec, timeout)
        rig.driver._watcher(spec.id, OFF)  # as libvirt does, also for what it was asked to do

    rig.driver.stop_guest = stop
    rig.ask("stop")
    until(lambda: rig.manager.watcher._thread is None)
    assert rig.script.changes == []


def test_a_crash_right_after_work_is_not_missed(rig: Rig) -> None:
    spawned(rig, A)
    rig.driver.delay("reboot", 0.2)
    rig.ask("reboot", settle=False)
    until(lambda: rig.manager.desk.in_hand(A))
    rig.driver._watcher(A, PowerState.CRASHED)
    until(lambda: A in rig.manager.watcher._waiting)
    real = rig.driver.power_state
    seen = iter([PowerState.RUNNING, PowerState.RUNNING])
    rig.driver.power_state = lambda one: next(seen, PowerState.CRASHED)  # after the report was made
    rig.settle()
    until(lambda: [c.power_state for c in rig.script.changes] == [PowerState.CRASHED])
    rig.driver.power_state = real


def test_a_crash_while_the_conductor_is_away_is_told_later(rig: Rig) -> None:
    spawned(rig, A)
    with rig.bus.lose(lambda e: e.method == "power_changed", 1):
        rig.driver.crash(A)
        until(lambda: rig.script.changes, seconds=5)


def test_the_comparison_reports_only_idle_servers_that_differ(rig: Rig) -> None:
    spawned(rig, A, B)
    rig.script.believe(A)
    rig.script.believe(B, power_state=4, task_state="powering-on")
    rig.script.believe(C, power_state=1)
    found = rig.manager.sync.run(system())
    assert (found.checked, found.drifted) == (3, 1)
    assert [(c.server_id, c.power_state) for c in rig.script.changes] == [(C, 0)]


# --- heartbeats ------------------------------------------------------------------------------


def test_heartbeats_list_what_is_in_hand(rig: Rig) -> None:
    rig.driver.delay("spawn", 0.2)
    work = a_work("spawn", attempt=3)
    rig.ask("spawn", work, settle=False)
    until(lambda: rig.manager.desk.busy())
    assert rig.manager.heartbeat().busy == ((work.task_id, 3),)
    rig.settle()
    assert rig.manager.heartbeat().busy == ()


def test_heartbeats_carry_the_inventory_when_it_changed_and_until_it_was_heard(rig: Rig) -> None:
    assert rig.manager.heartbeat().inventory is None
    rig.conf.set_override("ram_mb", 1024, "fake_driver")
    with rig.bus.lose(lambda e: e.method == "heartbeat", 1), pytest.raises(Exception, match="No answer"):
        rig.manager.heartbeat()
    assert rig.manager.heartbeat().inventory.ram_mb == 1024
    assert rig.manager.heartbeat().inventory is None
    assert rig.script.beats[-1].service_id == "7"


def test_an_unchanged_inventory_is_told_once_in_a_while(rig: Rig) -> None:
    told = [rig.manager.heartbeat().inventory is not None for _ in range(130)]
    assert told.count(True) == 2


def test_a_host_that_lost_its_hypervisor_still_beats(rig: Rig) -> None:
    real = rig.driver.inventory

    def away():
        raise DriverUnavailable(reason="connection lost")

    rig.driver.inventory = away
    assert rig.manager.heartbeat().inventory is None
    assert rig.manager.health()["problem"] == "the hypervisor does not answer"
    rig.driver.inventory = real
    assert rig.manager.heartbeat().report_count == 2
    assert rig.manager.health() == {"busy": 0, "driver": "fake"}


def test_the_periodic_jobs_are_named_and_can_be_switched_off(make_rig) -> None:
    rig = make_rig(compute__sync_power_state_interval=0)
    jobs = {job.name: job.interval() for job in rig.manager.periodics("@alpha")}
    assert jobs == {
        "heartbeat@alpha": 10.0,
        "sync_power_states@alpha": 0.0,
        "running_deleted@alpha": 600.0,
        "pending_deletes@alpha": 300.0,
        "image_cache@alpha": 2400.0,
        "console_passwords@alpha": 60.0,
    }
    rig.start()
    for job in rig.manager.periodics():
        job.run(system())
