"""Shelve, offload and unshelve, whatever happens on the way: a server's disk is always somewhere, and once."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import update

from novalite.conductor.periodic.offload_shelved import OffloadShelved
from novalite.conductor.tasks import FLOWS
from novalite.context import system
from novalite.db.models.base import now
from novalite.db.models.compute import Server
from novalite.errors import Conflict, InvalidServerState
from novalite.rpc.bus import Envelope
from tests.cloud import Conductor
from tests.flows.harness import broken_step, check_invariants, step_cases
from tests.served import ServedCloud

KEPT = [("web-shelved", "active")]


def state(cloud: ServedCloud, server_id: str) -> tuple[str, str | None]:
    """(vm_state, task_state)"""
    server = cloud.show(server_id)
    return server["vm_state"], server["task_state"]


def a_server(cloud: ServedCloud, vm_state: str) -> str:
    """One that is active, shelved or shelved_offloaded."""
    server_id = cloud.boot("web")
    if vm_state != "active":
        cloud.act(server_id, "shelve")
    if vm_state == "shelved_offloaded":
        cloud.act(server_id, "shelveOffload")
    assert state(cloud, server_id) == (vm_state, None)
    return server_id


def test_shelve_offload_and_unshelve(served: ServedCloud) -> None:
    server_id = a_server(served, "shelved")
    server = served.show(server_id)
    host = server["host"]
    assert served.driver(host).power_state(server_id).name == "SHUTDOWN"
    assert (server["power_state"], server["shelved"]["host"]) == (4, host)
    assert served.images() == KEPT
    served.act(server_id, "shelveOffload")
    server = served.show(server_id)
    assert (server["vm_state"], server["host"], server["node"]) == ("shelved_offloaded", None, None)
    assert all(served.driver(name).guests() == [] for name in served.host_names)
    check_invariants(served)
    served.act(server_id, "unshelve")
    server = served.show(server_id)
    assert (server["vm_state"], server["power_state"], server["shelved"]) == ("active", 1, None)
    assert served.images() == []
    assert served.files() == []


def test_a_server_that_never_left_its_host_is_only_started(served: ServedCloud) -> None:
    server_id = a_server(served, "shelved")
    host = served.show(server_id)["host"]
    with served.bus.recording() as sent:
        served.act(server_id, "unshelve")
    assert "guests.power" in [e.name for e in sent] and "guests.spawn" not in [e.name for e in sent]
    assert state(served, server_id) == ("active", None)
    assert served.show(server_id)["host"] == host
    assert served.images() == []


def test_how_far_it_is_can_be_seen(served: ServedCloud) -> None:
    served.conf.set_override("shelved_offload_time", 0)
    server_id = served.boot("web")
    seen: list[str | None] = []

    def look(envelope: Envelope) -> bool:
        found = served.show(server_id)["task_state"]
        if not seen or seen[-1] != found:
            seen.append(found)
        return False

    try:
        with served.bus.lose(look):
            served.act(server_id, "shelve")
            assert state(served, server_id) == ("shelved_offloaded", None)
            served.act(server_id, "unshelve")
    finally:
        served.conf.set_override("shelved_offload_time", -1)
    assert seen == [
        None, "shelving", "shelving_image_pending_upload", "shelving_image_uploading", "shelving_offloading", None,
        "unshelving", "spawning", None,
    ]  # fmt: skip


@pytest.mark.parametrize("case", step_cases(FLOWS["shelve"]), ids=" ".join)
def test_shelving_ends_shelved_or_as_before(served: ServedCloud, case: tuple[str, str]) -> None:
    step, mode = case
    server_id = served.boot("web")
    served.conf.set_override("shelved_offload_time", 0)
    try:
        with broken_step(served.alive, "shelve", step, mode) as saboteur:
            served.act(server_id, "shelve", tolerant=True)
            served.recover(5)
            assert saboteur.acted
    finally:
        served.conf.set_override("shelved_offload_time", -1)
    found = state(served, server_id)
    if (mode == "fails" and step in ("verify", "shelved")) or case == ("snapshot", "killed after"):
        assert found == ("active", None)
        assert served.images() == []
        host = served.show(server_id)["host"]
        assert served.driver(host).power_state(server_id).name == "RUNNING", "it was started again"
    else:
        assert found == (("shelved" if mode == "fails" and step == "settle" else "shelved_offloaded"), None)
        assert served.images() == KEPT
    if found[0] == "shelved":
        served.act(server_id, "shelveOffload")
        assert state(served, server_id) == ("shelved_offloaded", None)


@pytest.mark.parametrize("case", step_cases(FLOWS["offload"]), ids=" ".join)
def test_offloading_ends_in_one_of_two_states(served: ServedCloud, case: tuple[str, str]) -> None:
    server_id = a_server(served, "shelved")
    with broken_step(served.alive, "offload", *case) as saboteur:
        served.act(server_id, "shelveOffload", tolerant=True)
        served.recover(5)
        assert saboteur.acted
    failed = case == ("settle", "fails")
    assert state(served, server_id) == ("shelved" if failed else "shelved_offloaded", None)
    assert served.images() == KEPT
    if failed:  # the guest is gone already, and asking again is all it takes
        served.act(server_id, "shelveOffload")
        assert state(served, server_id) == ("shelved_offloaded", None)


@pytest.mark.parametrize("before", ["shelved", "shelved_offloaded"])
@pytest.mark.parametrize("case", step_cases(FLOWS["unshelve"]), ids=" ".join)
def test_unshelving_ends_active_or_as_before(served: ServedCloud, before: str, case: tuple[str, str]) -> None:
    step, mode = case
    server_id = a_server(served, before)
    with broken_step(served.alive, "unshelve", step, mode) as saboteur:
        served.act(server_id, "unshelve", tolerant=True)
        served.recover(5)
        assert saboteur.acted
    found = state(served, server_id)
    if found != ("active", None):
        assert mode == "fails" and step != "build"
        assert found == (before, None)
        assert "Broken on purpose" in served.show(server_id)["fault"]["message"]
        assert served.images() == KEPT
        check_invariants(served)
        served.act(server_id, "unshelve")
        assert state(served, server_id) == ("active", None)
    assert served.images() == []


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(
    ("verb", "number"), [("shelve", n) for n in (0, 2, 4, 6, 8)] + [("unshelve", n) for n in range(4)]
)
def test_a_conductor_killed_at_any_commit(served: ServedCloud, verb: str, number: int, after: bool) -> None:
    """The first kills the request itself before it is accepted: then nothing has changed."""
    before = "active" if verb == "shelve" else "shelved_offloaded"
    server_id = a_server(served, before)
    served.refused = None
    dying: Conductor = served.alive
    dying.db.arm(number, after)  # type: ignore[attr-defined]
    served.act(server_id, verb, tolerant=True)
    assert not dying.alive, "the flow has fewer commits than that"
    served.recover(5)
    vm_state, busy = state(served, server_id)
    assert busy is None
    kept = [] if vm_state == "active" else KEPT
    assert (vm_state in ("active", "shelved", "shelved_offloaded"), served.images()) == (True, kept)
    assert len(served.files()) == len(kept)


@pytest.mark.parametrize("method", ["tasks.poke", "guests.power", "guests.snapshot", "hosted_servers.finished"])
@pytest.mark.parametrize("how", ["lost", "repeated", "answer lost"])
def test_a_message_that_is_lost_or_repeated(served: ServedCloud, method: str, how: str) -> None:
    bus = served.bus
    hook = {"lost": bus.lose, "repeated": bus.repeat, "answer lost": bus.lose_answer}[how]
    server_id = served.boot("web")
    with hook(lambda envelope: envelope.name == method, 1):
        served.act(server_id, "shelve")
        served.recover(5)
    assert state(served, server_id) == ("shelved", None)
    assert served.images() == KEPT
    with hook(lambda envelope: envelope.name == method, 1):
        served.act(server_id, "unshelve")
        served.recover(5)
    assert state(served, server_id) == ("active", None)
    assert served.images() == []


# --- hosts that refuse ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after"), [("active", "active"), ("stopped", "stopped"), ("paused", "stopped"), ("suspended",) * 2]
)
def test_a_host_that_cannot_make_the_image(served: ServedCloud, before: str, after: str) -> None:
    server_id = served.boot("web")
    if before != "active":
        served.act(server_id, {"stopped": "stop", "paused": "pause", "suspended": "suspend"}[before])
    driver = served.driver(served.show(server_id)["host"])
    driver.fail("snapshot", "no space left")
    served.act(server_id, "shelve")
    assert state(served, server_id) == (after, None)
    assert served.images() == []
    power = driver.power_state(server_id)
    assert served.show(server_id)["power_state"] == power
    assert power.name == ("RUNNING" if after == "active" else "SHUTDOWN")


def test_a_host_that_cannot_build_is_replaced_by_another(served: ServedCloud) -> None:
    server_id = a_server(served, "shelved_offloaded")
    with served.bus.recording() as sent:
        served.fail_everywhere("spawn", "no space left", times=1)
        served.act(server_id, "unshelve")
        served.recover(2)
    tried = [e.host for e in sent if e.name == "guests.spawn"]
    assert sorted(set(tried)) == ["alpha", "beta"]
    assert state(served, server_id) == ("shelved_offloaded", None)
    assert "no space left" in served.show(server_id)["fault"]["message"]
    assert served.images() == KEPT
    check_invariants(served)
    served.act(server_id, "unshelve")
    assert state(served, server_id) == ("active", None)


def test_no_room_anywhere_leaves_it_shelved_with_the_reason(served: ServedCloud) -> None:
    server_id = a_server(served, "shelved_offloaded")
    for name in served.host_names:
        served.stop_host(name)
    served.act(server_id, "unshelve")
    served.recover(3)
    assert state(served, server_id) == ("shelved_offloaded", None)
    assert "No valid host" in served.show(server_id)["fault"]["message"]
    for name in served.host_names:
        served.start_host(name)


def test_a_dead_host_is_left_and_tidies_up_when_it_is_back(served: ServedCloud) -> None:
    server_id = a_server(served, "shelved")
    host = served.show(server_id)["host"]
    served.stop_host(host)
    served.act(server_id, "shelveOffload")
    served.recover()
    assert state(served, server_id) == ("shelved_offloaded", None)
    served.start_host(host)
    served.recover(2)
    assert served.driver(host).guests() == []
    served.act(server_id, "unshelve")
    assert state(served, server_id) == ("active", None)


def test_without_its_image_it_cannot_come_back(served: ServedCloud) -> None:
    server_id = a_server(served, "shelved_offloaded")
    admin = served.rest("admin")
    image = admin.get("/image/v2/images")["images"][0]["id"]
    assert admin.delete(f"/image/v2/images/{image}").status_code == 204
    with pytest.raises(Conflict, match="could not be found"):
        served.act(server_id, "unshelve")
    assert state(served, server_id) == ("shelved_offloaded", None)


# --- races ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second", "before"),
    [
        ("shelve", "stop", "active"),
        ("stop", "shelve", "active"),
        ("shelve", "createImage", "active"),
        ("unshelve", "unshelve", "shelved_offloaded"),
        ("unshelve", "unshelve", "shelved"),
        ("unshelve", "shelveOffload", "shelved"),
    ],
)
def test_of_two_actions_one_is_refused(served: ServedCloud, first: str, second: str, before: str) -> None:
    server_id = a_server(served, before)
    with served.bus.lose(lambda e: e.name == "tasks.poke"):
        served.act(server_id, first)
        with pytest.raises(InvalidServerState):
            served.act(server_id, second, **({"name": "x"} if second == "createImage" else {}))
        served.recover(3)
    landed = {"shelve": "shelved", "stop": "stopped", "unshelve": "active"}
    assert state(served, server_id) == (landed[first], None)


@pytest.mark.parametrize("before", ["active", "shelved", "shelved_offloaded"])
@pytest.mark.parametrize(
    "moment", ["tasks.poke", "guests.power", "guests.snapshot", "guests.spawn", "hosted_servers.finished"]
)
def test_a_server_deleted_on_the_way_leaves_nothing(served: ServedCloud, before: str, moment: str) -> None:
    server_id = a_server(served, before)
    asked: list[str] = []

    def delete(envelope: Envelope) -> bool:
        if envelope.name == moment and not asked:
            asked.append(moment)
            served.delete(server_id)
        return False

    with served.bus.lose(delete):
        served.act(server_id, "shelve" if before == "active" else "unshelve")
        served.recover(5)
    if not asked:  # a flow that sends no such message
        served.delete(server_id)
    assert served.show(server_id)["vm_state"] == "deleted"
    assert (served.images(), served.files()) == ([], [])


@pytest.mark.parametrize("before", ["shelved", "shelved_offloaded"])
def test_deleting_a_shelved_server_removes_its_image(served: ServedCloud, before: str) -> None:
    server_id = a_server(served, before)
    served.delete(server_id)
    assert served.show(server_id)["vm_state"] == "deleted"
    assert (served.images(), served.files()) == ([], [])


# --- the periodic job -----------------------------------------------------------------------------


def test_shelved_servers_are_offloaded_when_their_time_is_over(served: ServedCloud) -> None:
    old, young, active = a_server(served, "shelved"), a_server(served, "shelved"), served.boot("web")
    with served.db.begin() as session:
        long_ago = now() - timedelta(seconds=100)
        session.execute(update(Server).where(Server.id.in_((old, active))).values(state_since=long_ago))
    job = OffloadShelved(served.alive.manager.env)
    assert job.run(system()) == 0, "-1: never"
    served.alive.manager.env.conf.set_override("shelved_offload_time", 60)
    try:
        assert job.run(system()) == 1
        assert job.run(system()) == 0
    finally:
        served.alive.manager.env.conf.set_override("shelved_offload_time", -1)
    assert [served.show(one)["vm_state"] for one in (old, young, active)] == [
        "shelved_offloaded", "shelved", "active",
    ]  # fmt: skip
    assert job.every() == 3600.0
