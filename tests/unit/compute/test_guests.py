"""What a compute host does when it is asked: once, twice, too late, and when the hypervisor refuses."""

from __future__ import annotations

import threading
import time

import pytest

from novalite.errors import BrokerUnreachable, DriverUnavailable, Forbidden, GuestNotFound
from novalite.states import PowerState
from tests.unit.compute.scripted import A, B, Rig, a_work, until

RUNNING, OFF, NOTHING = PowerState.RUNNING, PowerState.SHUTDOWN, PowerState.NOSTATE


def test_a_spawned_guest_runs_and_the_report_tells_its_steps(rig: Rig) -> None:
    report = rig.ask("spawn")
    assert rig.driver.power_state(A) is RUNNING
    assert (report.error, report.power_state, report.host) == (None, 1, "alpha")
    assert [name for name, _, _ in report.events] == ["disks", "guest_start"]
    assert all(began <= ended for _, began, ended in report.events)


@pytest.mark.parametrize("operation", ["spawn", "disks", "guest_start"])
def test_a_spawn_that_fails_leaves_nothing_and_says_why(rig: Rig, operation: str) -> None:
    rig.driver.fail(operation, "no space left", times=1)
    report = rig.ask("spawn")
    assert report.error_name == "InjectedFailure"
    assert "no space left" in report.error
    assert report.power_state == NOTHING
    assert rig.driver.guests() == []


def test_an_unforeseen_error_is_reported_without_its_text_to_users(rig: Rig) -> None:
    rig.driver.spawn = lambda *a: 1 / 0
    report = rig.ask("spawn")
    assert report.error_name == "BuildFailed"
    assert (
        report.error == f"Build of instance {A} failed on alpha: an unexpected ZeroDivisionError on its host"
    )
    assert "division by zero" in report.details


def test_a_failed_clean_up_does_not_hide_why_the_spawn_failed(rig: Rig) -> None:
    rig.driver.fail("spawn", "first")
    rig.driver.fail("destroy", "second")
    assert "first" in rig.ask("spawn").error


def test_the_same_work_asked_again_is_reported_again_and_not_done_again(rig: Rig) -> None:
    work = a_work("reboot_hard")
    rig.ask("spawn")
    rig.ask("reboot_hard", work)
    console = rig.driver.console_output(A, 10_000)
    rig.ask("reboot_hard", work)
    assert rig.driver.console_output(A, 10_000) == console
    first, second = (r for r in rig.script.reports if r.verb == "reboot_hard")
    assert first == second


def test_a_failure_asked_for_again_is_the_same_failure(rig: Rig) -> None:
    work = a_work("spawn")
    rig.driver.fail("spawn", "once", times=1)
    assert rig.ask("spawn", work).error
    assert rig.ask("spawn", work).error
    assert rig.driver.guests() == []


def test_work_in_hand_that_is_asked_for_again_is_done_once(rig: Rig) -> None:
    rig.driver.delay("spawn", 0.2)
    work = a_work("spawn")
    for _ in range(3):
        rig.ask("spawn", work, settle=False)
    until(lambda: rig.manager.desk.busy() == ((work.task_id, 1),))
    rig.settle()
    assert len(rig.script.reports) == 1


def test_after_a_restart_of_the_daemon_the_same_spawn_finds_its_guest(rig: Rig) -> None:
    work = a_work("spawn")
    rig.ask("spawn", work)
    rig.script.believe(A)
    rig.restart()
    rig.driver.fail("spawn", "must not be called")
    assert rig.ask("spawn", work).error is None
    assert rig.driver.power_state(A) is RUNNING


def test_destroying_what_is_not_there_is_success(rig: Rig) -> None:
    report = rig.ask("destroy")
    assert (report.error, report.power_state) == (None, NOTHING)


def test_a_destroy_that_fails_is_reported_and_may_be_asked_again(rig: Rig) -> None:
    rig.ask("spawn")
    rig.driver.fail("destroy", "busy", times=1)
    assert "busy" in rig.ask("destroy").error
    assert rig.ask("destroy").error is None
    assert rig.driver.guests() == []


def test_a_destroy_ends_a_build_that_is_going_on(rig: Rig) -> None:
    rig.driver.delay("disks", 0.1)
    rig.ask("spawn", settle=False)
    until(lambda: rig.manager.desk.in_hand(A))
    report = rig.ask("destroy")
    assert report.error is None
    assert rig.script.report_of("spawn").error_name == "BuildFailed"
    assert rig.driver.guests() == []


def test_a_discarded_build_is_removed_without_a_report(rig: Rig) -> None:
    rig.driver.delay("disks", 0.1)
    work = a_work("spawn")
    rig.ask("spawn", work, settle=False)
    until(lambda: rig.manager.desk.in_hand(A))
    rig.guests.destroy(rig.ctx, a_work("discard", task=work.task_id))
    rig.settle()
    assert rig.driver.guests() == []
    assert [r.verb for r in rig.script.reports] == ["spawn"]


VERBS = [
    ("stop", [], OFF),
    ("start", ["stop"], RUNNING),
    ("reboot", [], RUNNING),
    ("reboot_hard", ["stop"], RUNNING),
    ("pause", [], PowerState.PAUSED),
    ("unpause", ["pause"], RUNNING),
    ("suspend", [], OFF),
    ("resume", ["suspend"], RUNNING),
]


@pytest.mark.parametrize(("verb", "before", "lands_in"), VERBS)
def test_a_power_action_works_also_when_done_twice(
    rig: Rig, verb: str, before: list[str], lands_in: PowerState
) -> None:
    rig.ask("spawn")
    for earlier in before:
        rig.ask(earlier)
    for _ in range(2):
        report = rig.ask(verb)
        assert (report.error, report.power_state) == (None, lands_in)
        assert [name for name, _, _ in report.events] == [verb]
    assert rig.driver.power_state(A) is lands_in


@pytest.mark.parametrize(("verb", "before", "lands_in"), VERBS)
def test_a_power_action_that_fails_changes_nothing_and_tells_the_state(
    rig: Rig, verb: str, before: list[str], lands_in: PowerState
) -> None:
    rig.ask("spawn")
    for earlier in before:
        rig.ask(earlier)
    state = rig.driver.power_state(A)
    rig.driver.fail(verb.removesuffix("_hard"), "monitor timed out", times=1)
    report = rig.ask(verb)
    assert report.error_name == "InjectedFailure"
    assert report.power_state == state
    assert report.events == ()
    assert report.facts == {"failed_step": verb}


def test_a_power_action_on_no_guest_and_an_unknown_verb_say_so(rig: Rig) -> None:
    assert rig.ask("stop").error_name == "GuestNotFound"
    assert rig.ask("levitate").error_name == "DriverUnsupported"


def test_work_on_one_server_is_done_in_the_order_it_came(rig: Rig) -> None:
    rig.driver.delay("spawn", 0.05)
    for verb in ("spawn", "stop", "start", "pause"):
        rig.guests.spawn(rig.ctx, a_work(verb)) if verb == "spawn" else rig.guests.power(
            rig.ctx, a_work(verb)
        )
        rig.bus.drain()
    rig.settle()
    assert [r.verb for r in rig.script.reports] == ["spawn", "stop", "start", "pause"]
    assert all(r.error is None for r in rig.script.reports)


def test_slow_builds_do_not_hold_up_a_stop(make_rig) -> None:
    rig = make_rig(compute__max_concurrent_builds=1)
    rig.start()
    rig.ask("spawn")
    rig.driver.delay("spawn", 1.0)
    for _ in range(3):
        rig.ask("spawn", a_work("spawn", B), settle=False)
    rig.ask("stop", settle=False)
    until(lambda: [r for r in rig.script.reports if r.verb == "stop"])
    assert len([r for r in rig.script.reports if r.verb == "spawn"]) < 4, "it waited for every build"


def test_no_more_builds_run_at_once_than_allowed(make_rig) -> None:
    rig = make_rig(compute__max_concurrent_builds=2)
    rig.start()
    together, most, lock = 0, 0, threading.Lock()
    real = rig.driver.spawn

    def spawn(*args):
        nonlocal together, most
        with lock:
            together += 1
            most = max(most, together)
        time.sleep(0.02)
        real(*args)
        with lock:
            together -= 1

    rig.driver.spawn = spawn
    for number in range(8):
        rig.ask("spawn", a_work("spawn", f"server-{number}"), settle=False)
    rig.settle()
    assert most == 2
    assert len(rig.driver.guests()) == 8


def test_a_report_waits_for_a_conductor_that_is_away(rig: Rig) -> None:
    rig.script.errors = [BrokerUnreachable(reason="restarting"), RuntimeError("a bug")]
    assert rig.ask("spawn").error is None
    assert len(rig.script.reports) == 1


def test_an_undelivered_report_is_given_when_asked_for_again(make_rig) -> None:
    rig = make_rig(compute__report_retry_seconds=0.1)
    rig.start()
    work = a_work("spawn")
    with rig.bus.lose(lambda e: e.method == "finished"):
        rig.guests.spawn(rig.ctx, work)
        rig.settle()
    assert rig.script.reports == []
    assert rig.manager.desk.busy() == ()
    rig.ask("spawn", work)
    assert rig.script.report_of("spawn").error is None


def test_a_report_whose_answer_was_lost_is_told_twice(rig: Rig) -> None:
    with rig.bus.lose_answer(lambda e: e.method == "finished", 1):
        rig.ask("spawn")
    first, second = rig.script.reports
    assert first == second
    assert rig.driver.power_state(A) is RUNNING


def test_a_report_that_is_refused_is_not_offered_for_ever(rig: Rig) -> None:
    rig.script.errors = [Forbidden("not your server")]
    rig.guests.spawn(rig.ctx, a_work("spawn"))
    rig.settle()
    assert rig.script.reports == []


def test_a_guest_that_nobody_wants_any_more_is_removed(rig: Rig) -> None:
    rig.script.keep = False
    rig.ask("spawn")
    assert rig.driver.guests() == []


def test_a_stale_verdict_on_a_removal_removes_nothing_twice(rig: Rig) -> None:
    rig.script.keep = False
    rig.ask("destroy")
    rig.driver.fail("destroy", "must not be called again")
    assert len(rig.script.reports) == 1


def test_an_unwanted_guest_that_cannot_be_removed_does_not_break_the_daemon(rig: Rig) -> None:
    rig.script.keep = False
    rig.driver.fail("destroy", "stuck", times=1)
    rig.ask("spawn")
    rig.script.keep = True
    assert rig.ask("stop").error is None


def test_console_output_gives_the_last_lines(rig: Rig) -> None:
    rig.ask("spawn")
    text = rig.guests.console_output(rig.ctx, A)
    assert text.splitlines()[-1].startswith("novalite-guest: up source=none host=web")
    assert rig.guests.console_output(rig.ctx, A, 2) == text.splitlines(keepends=True)[-1]
    assert rig.guests.console_output(rig.ctx, A, 0) == ""
    assert rig.guests.console_output(rig.ctx, A, 10_000) == text
    with pytest.raises(GuestNotFound):
        rig.guests.console_output(rig.ctx, B)


def test_console_output_is_bounded(make_rig) -> None:
    rig = make_rig(compute__console_max_bytes=1024)
    rig.start()
    rig.ask("spawn")
    for _ in range(5):
        rig.ask("reboot_hard")
    assert len(rig.guests.console_output(rig.ctx, A)) == 1024


def test_stopping_finishes_what_has_begun_and_leaves_guests_running(rig: Rig) -> None:
    rig.driver.delay("spawn", 0.2)
    rig.ask("spawn", settle=False)
    until(lambda: rig.manager.desk.in_hand(A))
    rig.server.stop(1)
    assert rig.manager.stop(grace=5)
    assert rig.script.report_of("spawn").error is None
    assert rig.driver.power_state(A) is RUNNING


def test_stopping_cuts_off_what_takes_too_long_and_cleans_up(rig: Rig) -> None:
    rig.driver.delay("disks", 0.3)
    rig.ask("spawn", settle=False)
    until(lambda: rig.manager.desk.in_hand(A))
    rig.server.stop(0.1)
    began = time.monotonic()
    rig.manager.stop(grace=0.1)
    assert time.monotonic() - began < 5
    until(lambda: rig.driver.guests() == [])


def test_a_daemon_waits_for_its_hypervisor_or_gives_up_as_told(make_rig) -> None:
    patient = make_rig()
    patient.driver.faults.meet = _absent(times=2)
    patient.start()
    hasty = make_rig(compute__driver_start_timeout=0.15)
    hasty.driver.faults.meet = _absent(times=1000)
    with pytest.raises(DriverUnavailable):
        hasty.manager.start()


def _absent(times: int):
    def meet(operation: str) -> None:
        nonlocal times
        if operation == "connect" and times:
            times -= 1
            raise DriverUnavailable(reason="not running")

    return meet
