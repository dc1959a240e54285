"""Resize, confirm and revert, broken in every way once: no disk is lost, no room is kept, nobody is stuck."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from novalite.conductor.tasks import FLOWS
from novalite.db import allocations
from novalite.db.check import CHECKS
from novalite.db.models.migrations import Migration
from novalite.errors import BadRequest, InvalidServerState, NovaliteError, OverQuota
from novalite.states import PowerState
from tests.cloud import Cloud
from tests.flows.harness import broken_step, check_invariants, step_cases

VERBS = {"resize": "resize", "confirm": "confirm_resize", "revert": "revert_resize"}
Sizes = tuple[int, int, int]
SMALL: Sizes = (1, 64, 1024)
BIG: Sizes = (2, 128, 2048)
"""vCPUs, MB of RAM and MB of root disk of the guest."""


def sizes(cloud: Cloud, server_id: str) -> Sizes:
    """What the guest has, on its hypervisor."""
    guest = cloud.driver(cloud.show(server_id)["host"])._guests[server_id]
    return guest.vcpus, guest.ram_mb, guest.root_mb


def power(cloud: Cloud, server_id: str) -> PowerState:
    return cloud.driver(cloud.show(server_id)["host"]).power_state(server_id)


def a_server(cloud: Cloud, stopped: bool = False) -> str:
    """A small server; and there is a flavor `big`."""
    cloud.make_flavor("big", vcpus=2, ram_mb=128, disk_gb=2)
    server_id = cloud.boot("web")
    if stopped:
        cloud.act(server_id, "stop")
    return server_id


def a_resized_server(cloud: Cloud, stopped: bool = False) -> str:
    server_id = a_server(cloud, stopped)
    cloud.act(server_id, "resize", flavor_id="big")
    assert cloud.show(server_id)["vm_state"] == "resized"
    return server_id


def migration(cloud: Cloud) -> Migration:
    """The only one."""
    with cloud.db.read() as session:
        found = session.query(Migration).one()
        session.expunge(found)
        return found


def held(cloud: Cloud, host: str = "alpha") -> allocations.Amount | None:
    with cloud.db.read() as session:
        return allocations.totals(session).get(host)


def sound(cloud: Cloud) -> None:
    """Nothing is going on, and what must hold holds; `novalite-manage db check` says the same."""
    check_invariants(cloud)
    with cloud.db.read() as session:
        assert [sentence for look in CHECKS for sentence in look(session)] == []


# --- how it goes ---------------------------------------------------------------------------------


@pytest.mark.parametrize("stopped", [False, True], ids=["active", "stopped"])
@pytest.mark.parametrize("end", ["confirm", "revert"])
def test_a_resize_is_confirmed_or_taken_back(cloud: Cloud, stopped: bool, end: str) -> None:
    before = PowerState.SHUTDOWN if stopped else PowerState.RUNNING
    server_id = a_resized_server(cloud, stopped)
    server = cloud.show(server_id)
    assert (server["flavor_id"], server["old_flavor"]["flavor_id"]) == ("big", "tiny")
    assert (sizes(cloud, server_id), power(cloud, server_id)) == (BIG, before)
    assert held(cloud) == allocations.Amount(3, 192, 3), "room for both, until it is settled"
    assert migration(cloud).status == "finished"
    sound(cloud)

    cloud.act(server_id, VERBS[end])
    server = cloud.show(server_id)
    kept, flavor = (BIG, "big") if end == "confirm" else (SMALL, "tiny")
    assert (server["vm_state"], server["flavor_id"]) == ("stopped" if stopped else "active", flavor)
    assert (sizes(cloud, server_id), power(cloud, server_id)) == (kept, before)
    assert held(cloud) == allocations.Amount(kept[0], kept[1], kept[2] // 1024)
    assert migration(cloud).status == ("confirmed" if end == "confirm" else "reverted")
    sound(cloud)


def test_the_steps_are_seen_as_task_states_and_statuses(cloud: Cloud) -> None:
    server_id = a_server(cloud)
    seen: list[tuple[str | None, str]] = []

    def look(envelope: Any) -> bool:
        if envelope.name in ("scheduler.select", "guests.resize"):
            seen.append((cloud.show(server_id)["task_state"], migration(cloud).status))
        return False

    with cloud.bus.lose(look):
        cloud.act(server_id, "resize", flavor_id="big")
        cloud.act(server_id, "revert_resize")
    assert seen == [
        ("resize_prep", "pre-migrating"), ("resize_migrating", "migrating"),
        ("resize_migrated", "post-migrating"), ("resize_finish", "post-migrating"),
        ("resize_reverting", "reverting"), ("resize_reverting", "reverting"),
    ]  # fmt: skip


def test_a_server_can_be_resized_time_and_again(cloud: Cloud) -> None:
    server_id = a_server(cloud)
    cloud.make_flavor("bigger", vcpus=1, ram_mb=64, disk_gb=3)
    for flavor, end in (("big", "revert"), ("big", "confirm"), ("bigger", "revert"), ("bigger", "confirm")):
        cloud.act(server_id, "resize", flavor_id=flavor)
        cloud.act(server_id, VERBS[end])
        assert cloud.show(server_id)["vm_state"] == "active"
        sound(cloud)
    assert sizes(cloud, server_id) == (1, 64, 3072)


# --- what is refused -----------------------------------------------------------------------------


def refused(cloud: Cloud, server_id: str, flavor: str, kind: type[NovaliteError], words: str) -> None:
    before = cloud.show(server_id)
    with pytest.raises(kind, match=words):
        cloud.act(server_id, "resize", flavor_id=flavor)
    assert cloud.show(server_id) == before
    sound(cloud)


def test_what_cannot_be_done_is_refused_before_anything_changes(cloud: Cloud) -> None:
    server_id = a_resized_server(cloud)
    refused(cloud, server_id, "tiny", InvalidServerState, "while it is in vm_state resized")
    cloud.act(server_id, "confirm_resize")
    for verb in ("confirm_resize", "revert_resize"):
        with pytest.raises(InvalidServerState, match="while it is in vm_state active"):
            cloud.act(server_id, verb)
    refused(cloud, server_id, "big", BadRequest, "same flavor")
    refused(cloud, server_id, "nothing", BadRequest, "Flavor nothing could not be found")
    refused(cloud, server_id, "tiny", BadRequest, r"disk of the new flavor \(1 GB\) is smaller than .* \(2 GB\)")
    cloud.make_flavor("huge", vcpus=100, ram_mb=64, disk_gb=2)
    refused(cloud, server_id, "huge", OverQuota, "cores: Requested 98, but already used 2 of 20")


def test_both_ends_of_a_resize_have_their_quota(cloud: Cloud) -> None:
    """A smaller flavor frees quota when it is there, and going back needs it again."""
    server_id = a_resized_server(cloud)
    cloud.act(server_id, "confirm_resize")
    cloud.make_flavor("slim", vcpus=1, ram_mb=64, disk_gb=2)
    cloud.make_flavor("rest", vcpus=19, ram_mb=64, disk_gb=1)
    cloud.act(server_id, "resize", flavor_id="slim")
    cloud.flavor_id = "rest"
    cloud.boot("other")
    with pytest.raises(OverQuota, match="cores: Requested 1, but already used 20 of 20"):
        cloud.act(server_id, "revert_resize")
    assert cloud.show(server_id)["vm_state"] == "resized"
    cloud.act(server_id, "confirm_resize")
    sound(cloud)


def test_a_host_without_room_for_both_leaves_the_server_as_it_was(cloud: Cloud) -> None:
    server_id = a_server(cloud)
    cloud.make_flavor("vast", vcpus=1, ram_mb=64, disk_gb=10240)
    cloud.act(server_id, "resize", flavor_id="vast")
    server = cloud.show(server_id)
    assert (server["vm_state"], server["flavor_id"], sizes(cloud, server_id)) == ("active", "tiny", SMALL)
    assert migration(cloud).status == "error"
    sound(cloud)


# --- broken in every way -------------------------------------------------------------------------


@pytest.mark.parametrize("case", step_cases(FLOWS["resize"]), ids=" ".join)
def test_a_resize_survives(two_conductors: Cloud, case: tuple[str, str]) -> None:
    cloud, (step, mode) = two_conductors, case
    server_id = a_server(cloud)
    if step == "put_back":
        cloud.fail_everywhere("resize_start", "no", times=1)
    with broken_step(cloud.conductors[0], "resize", step, mode) as saboteur:
        cloud.act(server_id, "resize", tolerant=True, flavor_id="big")
        cloud.recover()
        assert saboteur.acted
    server = cloud.show(server_id)
    commits = [s.name for s in FLOWS["resize"].steps if not hasattr(s, "ask")]
    if step == "put_back" or (mode == "fails" and step in commits):
        assert (server["vm_state"], server["flavor_id"], sizes(cloud, server_id)) == ("active", "tiny", SMALL)
        assert power(cloud, server_id) is PowerState.RUNNING
        assert migration(cloud).status == "error"
    else:
        assert (server["vm_state"], server["flavor_id"], sizes(cloud, server_id)) == ("resized", "big", BIG)
    sound(cloud)


@pytest.mark.parametrize("kind", ["confirm", "revert"])
@pytest.mark.parametrize("mode", ["fails", "runs twice", "killed before", "killed after"])
def test_confirming_and_reverting_survive(two_conductors: Cloud, kind: str, mode: str) -> None:
    cloud, verb = two_conductors, VERBS[kind]
    server_id = a_resized_server(cloud)
    for step in FLOWS[verb].steps:
        with broken_step(cloud.conductors[-1], verb, step.name, mode) as saboteur:
            cloud.act(server_id, verb, tolerant=True)
            cloud.recover()
            assert saboteur.acted
        if mode == "fails" and step.name == "settle":
            assert cloud.show(server_id)["vm_state"] == "resized", "may be asked for again"
            sound(cloud)
            cloud.act(server_id, verb)
        assert cloud.show(server_id)["vm_state"] == "active"
        assert sizes(cloud, server_id) == (BIG if kind == "confirm" else SMALL)
        sound(cloud)
        if mode.startswith("killed"):
            break  # one conductor is left; each step is killed by the test of commits
        flavor = "big"
        if kind == "confirm":
            flavor = cloud.make_flavor(f"after-{step.name}", vcpus=2, ram_mb=128, disk_gb=2)
        cloud.act(server_id, "resize", flavor_id=flavor)


COMMITS = {"resize": range(6), "confirm": range(4), "revert": range(5), "turned round": range(5, 19)}
"""Transactions of a flow: accept, lease, one to arm each order to a host, and the last. One that is turned round
is a plain one up to the fifth, then forgets its steps one by one, turns, and does the same at its end."""


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(("kind", "number"), [(k, n) for k, numbers in COMMITS.items() for n in numbers])
def test_a_conductor_killed_at_any_commit_loses_nothing(
    two_conductors: Cloud, kind: str, number: int, after: bool
) -> None:
    cloud = two_conductors
    server_id = a_resized_server(cloud) if kind in ("confirm", "revert") else a_server(cloud)
    if kind == "turned round":
        cloud.fail_everywhere("resize_start", "no", times=1)
    cloud.conductors[0].db.arm(number, after)  # type: ignore[attr-defined]
    cloud.act(server_id, VERBS.get(kind, "resize"), tolerant=True, flavor_id="big")
    assert not cloud.conductors[0].alive, "the flow has fewer commits than that"
    cloud.recover()
    began = not cloud.refused or after
    states = {"resize": ("active", "resized"), "turned round": ("active", "active")}
    assert cloud.show(server_id)["vm_state"] == states.get(kind, ("resized", "active"))[began]
    sound(cloud)


@pytest.mark.parametrize("method", ["guests.resize", "hosted_servers.finished"])
@pytest.mark.parametrize("how", ["lost", "repeated", "answer lost"])
def test_a_message_that_is_lost_or_repeated_changes_nothing(cloud: Cloud, method: str, how: str) -> None:
    hook: Callable[..., Any] = {
        "lost": cloud.bus.lose, "repeated": cloud.bus.repeat, "answer lost": cloud.bus.lose_answer,
    }[how]  # fmt: skip
    server_id = a_server(cloud)
    for verb, ending in (("resize", BIG), ("revert_resize", SMALL), ("resize", BIG), ("confirm_resize", BIG)):
        with hook(lambda envelope: envelope.name == method, 1):
            cloud.act(server_id, verb, flavor_id="big")
            cloud.recover()
        assert sizes(cloud, server_id) == ending
        sound(cloud)


# --- hosts that refuse, or die -------------------------------------------------------------------


@pytest.mark.parametrize("stopped", [False, True], ids=["active", "stopped"])
@pytest.mark.parametrize("operation", ["stop", "resize_disks", "resize_start"])
def test_what_a_host_refuses_is_put_back(cloud: Cloud, operation: str, stopped: bool) -> None:
    server_id = a_server(cloud, stopped)
    cloud.driver("alpha").fail(operation, "no space left", times=1)
    cloud.act(server_id, "resize", flavor_id="big")
    server = cloud.show(server_id)
    assert (server["vm_state"], server["flavor_id"]) == ("stopped" if stopped else "active", "tiny")
    assert sizes(cloud, server_id) == SMALL
    assert power(cloud, server_id) is (PowerState.SHUTDOWN if stopped else PowerState.RUNNING)
    assert migration(cloud).status == "error"
    sound(cloud)


def test_a_server_that_cannot_be_put_back_says_why_and_a_hard_reboot_brings_it_back(cloud: Cloud) -> None:
    server_id = a_server(cloud)
    driver = cloud.driver("alpha")
    driver.fail("resize_start", "no memory", times=1)
    driver.fail("resize_put_back", "the disk is gone", times=1)
    cloud.act(server_id, "resize", flavor_id="big")
    server = cloud.show(server_id)
    assert (server["vm_state"], server["flavor_id"]) == ("error", "tiny")
    assert "no memory" in server["fault"]["message"] and "the disk is gone" in server["fault"]["message"]
    assert sizes(cloud, server_id) != SMALL
    sound(cloud)
    cloud.act(server_id, "reboot_hard")
    assert (cloud.show(server_id)["vm_state"], sizes(cloud, server_id)) == ("active", SMALL)
    cloud.act(server_id, "resize", flavor_id="big")
    assert (cloud.show(server_id)["vm_state"], sizes(cloud, server_id)) == ("resized", BIG)
    sound(cloud)


@pytest.mark.parametrize("kind", ["confirm", "revert"])
def test_a_host_that_refuses_to_settle_a_resize_may_be_asked_again(cloud: Cloud, kind: str) -> None:
    server_id = a_resized_server(cloud)
    cloud.driver("alpha").fail("resize_confirm" if kind == "confirm" else "resize_put_back", "busy", times=1)
    cloud.act(server_id, VERBS[kind])
    assert cloud.show(server_id)["vm_state"] == "resized"
    sound(cloud)
    cloud.act(server_id, VERBS[kind])
    assert cloud.show(server_id)["vm_state"] == "active"
    assert sizes(cloud, server_id) == (BIG if kind == "confirm" else SMALL)
    sound(cloud)


@pytest.mark.parametrize("nth", range(3))
def test_a_daemon_killed_in_the_middle_goes_on_when_it_is_back(cloud: Cloud, nth: int) -> None:
    """It dies with its n-th piece of work done and not reported, and forgets all it knew."""
    server_id = a_server(cloud)
    reports = 0

    def lost(envelope: Any) -> bool:
        nonlocal reports
        if envelope.name == "hosted_servers.finished":
            reports += 1
            return reports == nth + 1
        return False

    with cloud.bus.lose(lost):
        cloud.act(server_id, "resize", flavor_id="big")
        assert cloud.show(server_id)["task_state"] is not None
        cloud.hosts["alpha"].stop()
        cloud.hosts["alpha"].start()
    cloud.recover()
    assert (cloud.show(server_id)["vm_state"], sizes(cloud, server_id)) == ("resized", BIG)
    sound(cloud)


def test_a_host_that_stays_dead_ends_the_resize_with_an_error(cloud: Cloud) -> None:
    server_id = a_server(cloud)
    with cloud.bus.lose(lambda e: e.name == "guests.resize"):
        cloud.act(server_id, "resize", flavor_id="big")
        cloud.stop_host("alpha")
        cloud.recover()
    server = cloud.show(server_id)
    assert (server["vm_state"], server["flavor_id"]) == ("error", "tiny")
    assert "alpha is unavailable" in server["fault"]["message"]
    cloud.start_host("alpha")
    cloud.recover()
    cloud.act(server_id, "reboot_hard")
    assert (cloud.show(server_id)["vm_state"], sizes(cloud, server_id)) == ("active", SMALL)
    sound(cloud)


# --- racing pairs --------------------------------------------------------------------------------


@pytest.mark.parametrize("nth", range(5))
def test_deleting_in_any_moment_of_a_resize_leaves_nothing(cloud: Cloud, nth: int) -> None:
    """The deletion comes with the n-th message of the resize; the last has no message any more."""
    server_id = a_server(cloud)
    messages: list[str] = []

    def meanwhile(envelope: Any) -> bool:
        if envelope.name in ("scheduler.select", "guests.resize"):
            messages.append(envelope.name)
            if len(messages) == nth + 1:
                cloud.delete(server_id)
        return False

    with cloud.bus.lose(meanwhile):
        cloud.act(server_id, "resize", flavor_id="big")
    if nth == 4:
        assert cloud.show(server_id)["vm_state"] == "resized"
        cloud.delete(server_id)
    cloud.recover()
    assert cloud.show(server_id)["deleted"] is True
    assert held(cloud) is None
    assert migration(cloud).status == ("confirmed" if nth == 4 else "error")
    sound(cloud)


@pytest.mark.parametrize("verb", ["confirm_resize", "revert_resize"])
def test_deleting_while_a_resize_is_settled_leaves_nothing(cloud: Cloud, verb: str) -> None:
    server_id = a_resized_server(cloud)
    with cloud.bus.lose(lambda e: e.name == "hosted_servers.finished", 1):
        cloud.act(server_id, verb)
    cloud.delete(server_id)
    cloud.recover()
    assert (cloud.show(server_id)["deleted"], held(cloud)) == (True, None)
    assert migration(cloud).status in ("confirmed", "error")
    sound(cloud)


@pytest.mark.parametrize("first", ["confirm_resize", "revert_resize"])
def test_of_confirm_and_revert_exactly_one_wins(cloud: Cloud, first: str) -> None:
    server_id = a_resized_server(cloud)
    second = "revert_resize" if first == "confirm_resize" else "confirm_resize"
    with cloud.bus.lose(lambda e: e.name == "tasks.poke", 1):
        cloud.act(server_id, first)
        with pytest.raises(InvalidServerState, match="while it is in task_state resize_"):
            cloud.act(server_id, second)
    cloud.recover()
    assert sizes(cloud, server_id) == (BIG if first == "confirm_resize" else SMALL)
    sound(cloud)
