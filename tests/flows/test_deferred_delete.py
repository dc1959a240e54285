"""Deferred delete: a deleted server is kept for a while, brought back or reclaimed; broken in every way once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from novalite.conductor.periodic.reclaim_deleted import ReclaimDeleted
from novalite.conductor.tasks import FLOWS
from novalite.context import system
from novalite.db.models.base import now
from novalite.db.models.compute import Server, Task
from novalite.errors import InvalidServerState, OverQuota, ServerLocked
from novalite.rpc.contracts.servers import Servers, Tasks
from novalite.states import PowerState
from tests.cloud import Cloud
from tests.flows.harness import broken_step, check_invariants, step_cases

KEPT = {"conductor.reclaim_instance_interval": 3600}


@pytest.fixture
def keeping(tmp_path: Path) -> Iterator[Cloud]:
    """Two conductors and two hosts; deleted servers are kept for an hour."""
    with Cloud(tmp_path, hosts=("alpha", "beta"), conductors=2, overrides=KEPT) as made:
        yield made


def a_deleted_server(cloud: Cloud) -> str:
    server_id = cloud.boot("web")
    cloud.delete(server_id)
    assert cloud.show(server_id)["vm_state"] == "soft-delete"
    return server_id


def force_delete(cloud: Cloud, server_id: str) -> None:
    accepted = cloud.client.of(Servers).delete(cloud.ctx, server_id, force=True)
    cloud.client.of(Tasks).poke(cloud.ctx, [accepted.task_id or ""])


def reclaim(cloud: Cloud) -> Any:
    return ReclaimDeleted(cloud.conductors[-1].manager.env).run(system())


def let_time_pass(cloud: Cloud, server_id: str, seconds: float) -> None:
    """As if the server had come into its state that much earlier."""
    with cloud.db.begin() as session:
        session.execute(
            update(Server).where(Server.id == server_id).values(state_since=now() - timedelta(seconds=seconds))
        )


def actions_of(cloud: Cloud, server_id: str) -> list[str]:
    with cloud.db.read() as session:
        query = select(Task.action).where(Task.server_id == server_id).order_by(Task.created_at)
        return list(session.execute(query).scalars())


def test_a_deleted_server_is_stopped_kept_and_brought_back(keeping: Cloud) -> None:
    cloud = keeping
    server_id = a_deleted_server(cloud)
    server = cloud.show(server_id)
    driver = cloud.driver(server["host"])
    assert (server["deleted"], server["task_state"], server["power_state"]) == (False, None, PowerState.SHUTDOWN)
    assert driver.power_state(server_id) is PowerState.SHUTDOWN
    check_invariants(cloud)
    cloud.act(server_id, "restore")
    assert cloud.show(server_id)["vm_state"] == "active"
    assert driver.power_state(server_id) is PowerState.RUNNING
    assert actions_of(cloud, server_id) == ["create", "delete", "restore"]
    check_invariants(cloud)


@pytest.mark.parametrize("case", step_cases(FLOWS["soft_delete"]), ids=" ".join)
def test_soft_delete_survives(keeping: Cloud, case: tuple[str, str]) -> None:
    cloud, (step, mode) = keeping, case
    server_id = cloud.boot("web")
    with broken_step(cloud.conductors[0], "soft_delete", step, mode) as saboteur:
        cloud.delete(server_id, tolerant=True)
        cloud.recover()
        assert saboteur.acted
    expected = "error" if (step, mode) == ("settle", "fails") else "soft-delete"
    assert cloud.show(server_id)["vm_state"] == expected
    check_invariants(cloud)


@pytest.mark.parametrize("case", step_cases(FLOWS["restore"]), ids=" ".join)
def test_restore_survives(keeping: Cloud, case: tuple[str, str]) -> None:
    cloud, (step, mode) = keeping, case
    server_id = a_deleted_server(cloud)
    with broken_step(cloud.conductors[0], "restore", step, mode) as saboteur:
        cloud.act(server_id, "restore", tolerant=True)
        cloud.recover()
        assert saboteur.acted
    server = cloud.show(server_id)
    stays = (step, mode) == ("settle", "fails")
    assert server["vm_state"] == ("soft-delete" if stays else "active")
    running = cloud.driver(server["host"]).power_state(server_id)
    assert running is (PowerState.SHUTDOWN if stays else PowerState.RUNNING)
    check_invariants(cloud)


COMMITS = {"soft_delete": 4, "restore": 4}
"""Transactions of a flow: accept, lease, arm the wait for the host, settle."""


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(("kind", "number"), [(k, n) for k, count in COMMITS.items() for n in range(count)])
def test_a_conductor_killed_at_any_commit_loses_nothing(
    keeping: Cloud, kind: str, number: int, after: bool
) -> None:
    cloud = keeping
    server_id = cloud.boot("web") if kind == "soft_delete" else a_deleted_server(cloud)
    cloud.databases[0].arm(number, after)
    if kind == "soft_delete":
        cloud.delete(server_id, tolerant=True)
    else:
        cloud.act(server_id, "restore", tolerant=True)
    assert not cloud.conductors[0].alive, "the flow has fewer commits than that"
    cloud.recover()
    server = cloud.show(server_id)
    never = number == 0 and not after  # it died before it accepted
    deleted = (kind == "soft_delete") is not never
    assert server["vm_state"] == ("soft-delete" if deleted else "active")
    power = cloud.driver(server["host"]).power_state(server_id)
    assert power is (PowerState.SHUTDOWN if deleted else PowerState.RUNNING)
    check_invariants(cloud)


@pytest.mark.parametrize("method", ["tasks.poke", "guests.power", "hosted_servers.finished"])
@pytest.mark.parametrize("how", ["lost", "repeated", "answer lost"])
def test_a_message_that_is_lost_or_repeated_changes_nothing(keeping: Cloud, method: str, how: str) -> None:
    cloud = keeping
    server_id = cloud.boot("web")
    hook = {"lost": cloud.bus.lose, "repeated": cloud.bus.repeat, "answer lost": cloud.bus.lose_answer}[how]
    for change, state in ((cloud.delete, "soft-delete"), (lambda one: cloud.act(one, "restore"), "active")):
        with hook(lambda envelope: envelope.name == method, 1):
            change(server_id)
            cloud.recover(3)
        assert cloud.show(server_id)["vm_state"] == state
    check_invariants(cloud)


def test_a_host_that_cannot_start_it_leaves_it_deleted(keeping: Cloud) -> None:
    cloud = keeping
    server_id = a_deleted_server(cloud)
    cloud.fail_everywhere("start", "no memory")
    cloud.act(server_id, "restore")
    server = cloud.show(server_id)
    assert (server["vm_state"], server["task_state"]) == ("soft-delete", None)
    cloud.act(server_id, "restore")
    assert cloud.show(server_id)["vm_state"] == "active"


def test_a_host_that_cannot_stop_it_leaves_an_error_that_says_why(keeping: Cloud) -> None:
    cloud = keeping
    server_id = cloud.boot("web")
    cloud.fail_everywhere("stop", "monitor timed out")
    cloud.delete(server_id)
    server = cloud.show(server_id)
    assert server["vm_state"] == "error"
    assert "monitor timed out" in server["fault"]["message"]
    cloud.delete(server_id)
    assert cloud.show(server_id)["vm_state"] == "soft-delete"


def test_the_guest_of_a_dead_host_is_stopped_when_the_host_is_back(keeping: Cloud) -> None:
    cloud = keeping
    server_id = cloud.boot("web")
    host = cloud.show(server_id)["host"]
    cloud.stop_host(host)
    cloud.delete(server_id)
    cloud.recover()
    assert cloud.show(server_id)["vm_state"] == "soft-delete"
    assert cloud.driver(host).power_state(server_id) is PowerState.RUNNING
    cloud.start_host(host)
    assert cloud.driver(host).power_state(server_id) is PowerState.SHUTDOWN
    assert cloud.show(server_id)["power_state"] == PowerState.SHUTDOWN


def test_what_could_not_be_brought_back_is_deleted_at_once(keeping: Cloud) -> None:
    cloud = keeping
    cloud.fail_everywhere("spawn", "no space left", times=None)
    never_ran = cloud.create("web")
    cloud.recover()
    cloud.delete(never_ran)
    assert cloud.show(never_ran)["vm_state"] == "deleted"
    with cloud.bus.lose(lambda e: e.name == "guests.spawn"):
        being_built = cloud.create("web")
        cloud.delete(being_built)
    cloud.recover()
    assert cloud.show(being_built)["vm_state"] == "deleted"
    check_invariants(cloud)


def test_deleting_again_changes_nothing_and_force_deletes(keeping: Cloud) -> None:
    cloud = keeping
    server_id = a_deleted_server(cloud)
    cloud.delete(server_id)
    assert cloud.show(server_id)["vm_state"] == "soft-delete"
    assert actions_of(cloud, server_id) == ["create", "delete"]
    with pytest.raises(InvalidServerState, match="vm_state soft-delete"):
        cloud.act(server_id, "start")
    force_delete(cloud, server_id)
    assert cloud.show(server_id)["vm_state"] == "deleted"
    assert actions_of(cloud, server_id) == ["create", "delete", "delete"]
    check_invariants(cloud)


def test_without_an_interval_deletion_is_for_good_and_there_is_nothing_to_restore(cloud: Cloud) -> None:
    server_id = cloud.boot("web")
    with pytest.raises(InvalidServerState):
        cloud.act(server_id, "restore")
    cloud.delete(server_id)
    assert cloud.show(server_id)["vm_state"] == "deleted"


def test_a_locked_server_is_neither_deleted_nor_forced_to_be(keeping: Cloud) -> None:
    cloud = keeping
    server_id = cloud.boot("web")
    cloud.client.of(Servers).lock(cloud.ctx, server_id)
    for force in (False, True):
        with pytest.raises(ServerLocked):
            cloud.client.of(Servers).delete(cloud.ctx, server_id, force=force)
    assert cloud.show(server_id)["vm_state"] == "active"


# --- quota ----------------------------------------------------------------------------------------


def test_a_soft_deleted_server_counts_no_more_and_counts_again_when_it_is_restored(tmp_path: Path) -> None:
    with Cloud(tmp_path, overrides={**KEPT, "quota.instances": 1}) as cloud:
        first = a_deleted_server(cloud)
        second = cloud.boot("another")
        with pytest.raises(OverQuota):
            cloud.act(first, "restore")
        assert cloud.show(first)["task_state"] is None
        cloud.delete(second)
        with cloud.bus.lose(lambda e: e.name == "guests.power", 1):
            cloud.act(first, "restore")  # accepted, and under way
            with pytest.raises(OverQuota):
                cloud.act(second, "restore")
            with pytest.raises(OverQuota):
                cloud.create("third")
        cloud.recover()
        assert cloud.show(first)["vm_state"] == "active"
        check_invariants(cloud)


# --- races ----------------------------------------------------------------------------------------


def test_delete_wins_over_a_restore_that_is_under_way(keeping: Cloud) -> None:
    cloud = keeping
    server_id = a_deleted_server(cloud)
    with cloud.bus.lose(lambda e: e.name == "guests.power", 1):
        cloud.act(server_id, "restore")
        cloud.delete(server_id)
    cloud.recover()
    server = cloud.show(server_id)
    assert server["vm_state"] == "soft-delete"
    assert cloud.driver(server["host"]).power_state(server_id) is PowerState.SHUTDOWN
    check_invariants(cloud)


def test_a_restore_whose_report_comes_after_the_delete_is_undone_by_it(keeping: Cloud) -> None:
    cloud = keeping
    server_id = a_deleted_server(cloud)
    with cloud.bus.lose(lambda e: e.name == "hosted_servers.finished", 1):
        cloud.act(server_id, "restore")  # the guest runs, the conductor does not know it
        force_delete(cloud, server_id)
    cloud.recover()
    assert cloud.show(server_id)["vm_state"] == "deleted"
    check_invariants(cloud)


def test_a_restore_comes_too_late_for_a_deletion_that_has_begun(keeping: Cloud) -> None:
    cloud = keeping
    server_id = a_deleted_server(cloud)
    with cloud.bus.lose(lambda e: e.name == "guests.destroy", 1):
        force_delete(cloud, server_id)
        with pytest.raises(InvalidServerState, match="task_state deleting"):
            cloud.act(server_id, "restore")
    cloud.recover()
    assert cloud.show(server_id)["vm_state"] == "deleted"
    check_invariants(cloud)


def test_delete_takes_over_from_a_stop(keeping: Cloud) -> None:
    cloud = keeping
    server_id = cloud.boot("web")
    with cloud.bus.lose(lambda e: e.name == "guests.power", 1):
        cloud.act(server_id, "stop")
        cloud.delete(server_id)
    cloud.recover()
    assert cloud.show(server_id)["vm_state"] == "soft-delete"
    check_invariants(cloud)


# --- reclaim --------------------------------------------------------------------------------------


def test_what_was_kept_long_enough_is_reclaimed_once(keeping: Cloud) -> None:
    cloud = keeping
    old, young, alive = a_deleted_server(cloud), a_deleted_server(cloud), cloud.boot("web")
    let_time_pass(cloud, old, 3601)
    let_time_pass(cloud, alive, 3601)
    with cloud.bus.lose(lambda e: e.name == "guests.destroy", 1):
        assert reclaim(cloud).begun == 1
        assert reclaim(cloud).begun == 0  # another conductor, a moment later
    cloud.recover()
    states = [cloud.show(one)["vm_state"] for one in (old, young, alive)]
    assert states == ["deleted", "soft-delete", "active"]
    assert actions_of(cloud, old) == ["create", "delete", "delete"]
    check_invariants(cloud)


def test_two_conductors_that_reclaim_at_once_delete_once(keeping: Cloud) -> None:
    cloud = keeping
    server_id = a_deleted_server(cloud)
    let_time_pass(cloud, server_id, 3601)
    job = ReclaimDeleted(cloud.conductors[0].manager.env)
    # Right before this one begins, the other has found the same server and is first.
    other = ReclaimDeleted(cloud.conductors[0].manager.env)
    cloud.databases[0].before(0, lambda: other.run(system()))
    assert job.run(system()).begun == 0
    assert actions_of(cloud, server_id) == ["create", "delete", "delete"]
    assert cloud.show(server_id)["vm_state"] == "deleted"


def test_a_server_restored_just_before_it_is_reclaimed_lives(keeping: Cloud) -> None:
    cloud = keeping
    server_id = a_deleted_server(cloud)
    let_time_pass(cloud, server_id, 3601)
    job = ReclaimDeleted(cloud.conductors[0].manager.env)
    cloud.databases[0].before(0, lambda: cloud.act(server_id, "restore"))
    assert job.run(system()).begun == 0
    assert cloud.show(server_id)["vm_state"] == "active"


def test_nothing_is_reclaimed_when_servers_are_kept_no_longer(keeping: Cloud) -> None:
    cloud = keeping
    server_id = a_deleted_server(cloud)
    let_time_pass(cloud, server_id, 10_000)
    cloud.conf.set_override("reclaim_instance_interval", 0, "conductor")
    assert ReclaimDeleted(cloud.conductors[0].manager.env).every() == 0
    assert cloud.show(server_id)["vm_state"] == "soft-delete"
    cloud.delete(server_id)  # now for good
    assert cloud.show(server_id)["vm_state"] == "deleted"
