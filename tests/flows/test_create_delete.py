"""Create and delete, broken in every way once: whatever happens, what must hold holds."""

from __future__ import annotations

import pytest

from novalite.conductor.tasks import FLOWS
from tests.cloud import Cloud
from tests.flows.harness import BrokenOnPurpose, broken_step, check_invariants, step_cases

MESSAGES = ("tasks.poke", "scheduler.select", "guests.spawn", "guests.destroy", "hosted_servers.finished")

COMMITS = {"create": 4, "delete": 4}
"""Transactions of a flow: accept, lease, arm the wait for a host (create: with the claim), settle."""


def id_of(case: tuple[str, str]) -> str:
    return " ".join(case)


@pytest.mark.parametrize("case", step_cases(FLOWS["create"]), ids=id_of)
def test_create_survives(two_conductors: Cloud, case: tuple[str, str]) -> None:
    cloud, (step, mode) = two_conductors, case
    with broken_step(cloud.conductors[0], "create", step, mode) as saboteur:
        server_id = cloud.create("web", tolerant=True)
        cloud.recover()
        assert saboteur.acted
    server = cloud.show(server_id)
    if mode == "fails" and step in ("select", "claim", "ports"):
        assert server["vm_state"] == "error"
        assert BrokenOnPurpose.message in server["fault"]["message"]
    else:
        assert server["vm_state"] == "active"
    check_invariants(cloud)


@pytest.mark.parametrize("case", step_cases(FLOWS["delete"]), ids=id_of)
def test_delete_survives(two_conductors: Cloud, case: tuple[str, str]) -> None:
    cloud, (step, mode) = two_conductors, case
    server_id = cloud.boot("web")
    with broken_step(cloud.conductors[0], "delete", step, mode):
        cloud.delete(server_id, tolerant=True)
        cloud.recover()
    if mode == "fails" and step == "settle":
        assert cloud.show(server_id)["vm_state"] == "error"
        cloud.delete(server_id)
    assert cloud.show(server_id, deleted=True)["vm_state"] == "deleted"
    check_invariants(cloud)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(
    ("kind", "number"), [(kind, n) for kind, count in COMMITS.items() for n in range(count)]
)
def test_a_conductor_killed_at_any_commit_loses_nothing(
    two_conductors: Cloud, kind: str, number: int, after: bool
) -> None:
    cloud = two_conductors
    server_id = cloud.boot("first") if kind == "delete" else None
    database = cloud.conductors[0].db
    database.arm(number, after)
    if server_id is None:
        server_id = cloud.create("web", tolerant=True)
    else:
        cloud.delete(server_id, tolerant=True)
    assert not cloud.conductors[0].alive, "the flow has fewer commits than that"
    cloud.recover()
    if server_id is None:  # the very request died before its commit: the caller was told, nothing is left
        assert cloud.list_all() == []
    elif kind == "create":
        assert cloud.show(server_id)["vm_state"] == "active"
    else:
        state = cloud.show(server_id, deleted=True)["vm_state"]
        assert state == ("active" if cloud.refused and not after else "deleted")
    check_invariants(cloud)


@pytest.mark.parametrize("method", MESSAGES)
@pytest.mark.parametrize("how", ["lost", "repeated", "answer lost"])
def test_a_message_that_is_lost_or_repeated_changes_nothing(
    two_conductors: Cloud, method: str, how: str
) -> None:
    cloud = two_conductors
    hook = {"lost": cloud.bus.lose, "repeated": cloud.bus.repeat, "answer lost": cloud.bus.lose_answer}[how]
    with hook(lambda envelope: envelope.name == method, 1):
        server_id = cloud.create("web")
        cloud.recover()
        first = cloud.show(server_id)
        cloud.delete(server_id)
        cloud.recover()
    assert first["vm_state"] == "active"
    assert cloud.show(server_id, deleted=True)["vm_state"] == "deleted"
    check_invariants(cloud)


def test_a_scheduler_that_never_answers_leaves_an_error_that_says_so(cloud: Cloud) -> None:
    with cloud.bus.lose(lambda envelope: envelope.name == "scheduler.select") as lost:
        server_id = cloud.create("web")
        cloud.recover()
    assert len(lost.hits) == 6  # once, and five times more
    server = cloud.show(server_id)
    assert server["vm_state"] == "error"
    assert "scheduler" in server["fault"]["message"]
    check_invariants(cloud)


def test_a_host_that_fails_to_build_is_replaced_by_another(two_hosts: Cloud) -> None:
    cloud = two_hosts
    cloud.fail_everywhere("spawn", "no space left", times=1)
    server_id = cloud.create("web")
    cloud.recover()
    assert cloud.show(server_id)["vm_state"] in ("active", "error")
    check_invariants(cloud)


def test_hosts_that_all_fail_leave_an_error_that_says_why(two_hosts: Cloud) -> None:
    cloud = two_hosts
    cloud.fail_everywhere("spawn", "no space left", times=None)
    server_id = cloud.create("web")
    cloud.recover()
    server = cloud.show(server_id)
    assert server["vm_state"] == "error"
    assert "no space left" in server["fault"]["message"]
    check_invariants(cloud)


def test_a_server_deleted_while_its_host_builds_it_is_gone(two_hosts: Cloud) -> None:
    cloud = two_hosts
    with cloud.bus.lose(lambda e: e.name == "hosted_servers.finished", 1):
        server_id = cloud.create("web")
        cloud.delete(server_id)
    cloud.recover()
    assert cloud.show(server_id, deleted=True)["vm_state"] == "deleted"
    check_invariants(cloud)


def test_deleting_on_a_dead_host_does_not_wait_for_it(two_hosts: Cloud) -> None:
    cloud = two_hosts
    server_id = cloud.boot("web")
    host = cloud.show(server_id)["host"]
    cloud.stop_host(host)
    cloud.delete(server_id)
    cloud.recover()
    assert cloud.show(server_id, deleted=True)["vm_state"] == "deleted"
    cloud.start_host(host)
    cloud.recover()
    assert cloud.driver(host).guests() == []
    check_invariants(cloud)


def test_a_host_that_dies_while_building_is_given_up_for_another(two_hosts: Cloud) -> None:
    cloud = two_hosts
    with cloud.bus.lose(lambda e: e.name == "guests.spawn", None) as lost:
        server_id = cloud.create("web")
        dead = lost.hits[0].host
        cloud.stop_host(dead)
        lost.stop()
        cloud.recover()
    server = cloud.show(server_id)
    assert (server["vm_state"], server["host"]) == ("active", next(h for h in cloud.host_names if h != dead))
    cloud.start_host(dead)
    cloud.recover()
    check_invariants(cloud)
