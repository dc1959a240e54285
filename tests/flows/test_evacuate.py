"""Evacuate: a host is lost, its servers live on elsewhere, and nobody lives twice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from novalite.conductor.tasks import FLOWS
from novalite.context import Context
from novalite.db.models.compute import Task
from novalite.db.models.migrations import Migration
from novalite.errors import BadRequest, ComputeServiceInUse, InvalidServerState, NotFound, ServerNotMovable
from novalite.rpc.contracts.servers import Servers
from novalite.states import PowerState
from tests.cloud import Cloud
from tests.flows.harness import broken_step, check_invariants, step_cases
from tests.networked import a_network, check_ports, networked, on


@pytest.fixture
def three(tmp_path: Path) -> Iterator[Cloud]:
    """Three hosts and a second conductor."""
    with Cloud(tmp_path, hosts=("alpha", "beta", "gamma"), conductors=2) as made:
        yield made


def a_server(cloud: Cloud, name: str = "web") -> str:
    """One of an image."""
    member = cloud.rest()
    cloud.ctx = Context(user_id=member.user_id, project_id=member.project_id, roles=("member", "reader"))
    return cloud.boot(name, image_id=member.image())


def lose(cloud: Cloud, server_id: str) -> str:
    """The host of the server is down, and known to be; answers its name."""
    host = str(cloud.show(server_id)["host"])
    cloud.stop_host(host)
    return host


def reset(cloud: Cloud, server_id: str) -> None:
    """An administrator says that it is active."""
    cloud.client.of(Servers).reset_state(cloud.admin, server_id, "active")


def migrations(cloud: Cloud) -> list[Migration]:
    with cloud.db.read() as session:
        return list(session.query(Migration).order_by(Migration.id))


def power(cloud: Cloud, host: str, server_id: str) -> PowerState:
    return cloud.driver(host).power_state(server_id)


def test_a_server_lives_on_elsewhere_and_its_old_guest_goes_when_the_host_is_back(three: Cloud) -> None:
    server_id = a_server(three)
    lost = lose(three, server_id)
    three.act(server_id, "evacuate")
    server = three.show(server_id)
    assert (server["vm_state"], server["task_state"], server["power_state"]) == ("active", None, 1)
    assert server["host"] not in (lost, None)
    assert power(three, server["host"], server_id) is PowerState.RUNNING
    (migration,) = migrations(three)
    assert (migration.migration_type, migration.status) == ("evacuation", "done")
    assert (migration.source_host, migration.dest_host) == (lost, server["host"])
    assert power(three, lost, server_id) is PowerState.RUNNING, "nobody could tell that host"
    three.start_host(lost)
    assert three.driver(lost).guests() == []
    check_invariants(three)


def test_a_server_that_was_off_and_one_that_is_to_be_are_off(three: Cloud) -> None:
    stopped, told = a_server(three, "stopped"), a_server(three, "told")
    three.act(stopped, "stop")
    for server_id, params in ((stopped, {}), (told, {"stop": True})):
        lost = lose(three, server_id)
        three.act(server_id, "evacuate", **params)
        server = three.show(server_id)
        assert (server["vm_state"], server["power_state"]) == ("stopped", 4)
        assert power(three, server["host"], server_id) is PowerState.SHUTDOWN
        three.start_host(lost)
    check_invariants(three)


def test_ports_go_along_and_come_back_when_it_failed(tmp_path: Path) -> None:
    with networked(tmp_path) as cloud:
        member = cloud.rest()
        cloud.ctx = Context(user_id=member.user_id, project_id=member.project_id, roles=("member", "reader"))
        network = a_network(cloud, project=member.project_id)
        server_id = cloud.create("web", networks=(on(network),), image_id=member.image())
        lost = lose(cloud, server_id)
        cloud.fail_everywhere("spawn", "no space left", times=1)
        for _ in range(2):
            cloud.act(server_id, "evacuate")
            check_ports(cloud)
        assert cloud.show(server_id)["vm_state"] == "active"
        cloud.start_host(lost)
        check_invariants(cloud)
        check_ports(cloud)


def test_one_that_cannot_be_switched_off_runs(three: Cloud) -> None:
    server_id = a_server(three)
    lost = lose(three, server_id)
    three.fail_everywhere("stop", "it does not listen", times=None)
    three.act(server_id, "evacuate", stop=True)
    server = three.show(server_id)
    assert (server["vm_state"], server["power_state"], server["host"] != lost) == ("active", 1, True)
    three.start_host(lost)
    check_invariants(three)


def test_what_is_refused_changes_nothing(three: Cloud) -> None:
    server_id = a_server(three)
    host = three.show(server_id)["host"]
    before = three.show(server_id)
    for error, words, params in (
        (ComputeServiceInUse, f"Compute service of {host} is still in use.", {}),
        (NotFound, "Compute host nowhere not found.", {"host": "nowhere"}),
        (BadRequest, "can't be the same one", {"host": host}),
    ):
        with pytest.raises(error, match=words):
            three.act(server_id, "evacuate", **params)
    three.act(server_id, "pause")
    lose(three, server_id)
    with pytest.raises(InvalidServerState):
        three.act(server_id, "evacuate")
    three.start_host(host)
    three.act(server_id, "unpause")
    after = three.show(server_id)
    assert {k: v for k, v in before.items() if k not in ("updated_at", "state_since")}.items() <= after.items()
    assert migrations(three) == []


def test_without_its_image_it_cannot_be_built(three: Cloud) -> None:
    server_id = three.boot("bare")
    lost = lose(three, server_id)
    with pytest.raises(ServerNotMovable, match="made of no image"):
        three.act(server_id, "evacuate")
    assert three.show(server_id)["task_state"] is None
    three.start_host(lost)


@pytest.mark.parametrize("force", [False, True])
def test_the_host_that_was_named(three: Cloud, force: bool) -> None:
    server_id = a_server(three)
    lost = lose(three, server_id)
    there = next(name for name in ("gamma", "beta") if name != lost)
    three.act(server_id, "evacuate", host=there, force=force)
    assert three.show(server_id)["host"] == there
    three.start_host(lost)
    check_invariants(three)


def test_another_host_is_tried(three: Cloud) -> None:
    server_id = a_server(three)
    lost = lose(three, server_id)
    bad, good = (name for name in three.host_names if name != lost)
    three.driver(bad).fail("spawn", "no space left")
    three.act(server_id, "evacuate")
    assert (three.show(server_id)["vm_state"], three.show(server_id)["host"]) == ("active", good)
    three.start_host(lost)
    check_invariants(three)


def test_when_no_host_will_do_it_is_in_error_where_it_was_and_can_be_tried_again(three: Cloud) -> None:
    server_id = a_server(three)
    lost = lose(three, server_id)
    for name in three.host_names:
        three.driver(name).fail("spawn", "no space left")
    three.act(server_id, "evacuate")
    server = three.show(server_id)
    assert (server["vm_state"], server["host"], server["task_state"]) == ("error", lost, None)
    assert "no space left" in server["fault"]["message"]
    assert [one.status for one in migrations(three)] == ["error"]
    check_invariants(three)  # the guest on the lost host is its guest
    for name in three.host_names:
        three.driver(name).heal()
    three.act(server_id, "evacuate")
    assert three.show(server_id)["vm_state"] == "active"
    three.start_host(lost)
    check_invariants(three)


def test_a_host_that_comes_back_too_soon_keeps_its_guest(three: Cloud) -> None:
    """Until the server has arrived it may be needed; afterwards the host removes it."""
    server_id = a_server(three)
    lost = lose(three, server_id)
    with three.bus.lose(lambda e: e.name == "guests.spawn"):
        three.act(server_id, "evacuate")
        assert three.show(server_id)["task_state"] == "rebuild_spawning"
        three.start_host(lost)
        assert [g.server_id for g in three.driver(lost).guests()] == [server_id]
    three.recover()
    assert three.show(server_id)["host"] != lost
    three.hosts[lost].stop()
    three.hosts[lost].start()
    check_invariants(three)


def test_a_guest_that_runs_there_already_is_not_taken_for_the_server(three: Cloud) -> None:
    """The lost host is back, and its guest, which ran on, is still there when the server comes again."""
    server_id = a_server(three)
    first = lose(three, server_id)
    three.act(server_id, "evacuate")
    with three.bus.lose(lambda e: e.name == "servers.show"):  # so it does not hear that its guest is to go
        three.start_host(first)
    assert power(three, first, server_id) is PowerState.RUNNING
    second = lose(three, server_id)
    three.act(server_id, "evacuate", host=first)
    server = three.show(server_id)
    assert (server["vm_state"], server["host"]) == ("error", second)
    assert "runs here already" in server["fault"]["message"]
    three.act(server_id, "evacuate", host=first)
    assert (three.show(server_id)["vm_state"], three.show(server_id)["host"]) == ("active", first)
    three.start_host(second)
    check_invariants(three)


def test_deleting_and_resetting_end_it(three: Cloud) -> None:
    for end in (Cloud.delete, reset):
        server_id = a_server(three)
        lost = lose(three, server_id)
        with three.bus.lose(lambda e: e.name == "hosted_servers.finished"):
            three.act(server_id, "evacuate")
            end(three, server_id)
        three.start_host(lost)
        for host in three.hosts.values():
            host.stop()
            host.start()
        three.recover()
        with three.db.read() as session:
            assert session.query(Task).filter(Task.state == "open").all() == []
        check_invariants(three)
        three.delete(server_id, tolerant=True)


@pytest.mark.parametrize("case", step_cases(FLOWS["evacuate"]), ids=" ".join)
def test_an_evacuation_survives(three: Cloud, case: tuple[str, str]) -> None:
    step, mode = case
    server_id = a_server(three)
    lost = lose(three, server_id)
    with broken_step(three.conductors[0], "evacuate", step, mode) as saboteur:
        three.act(server_id, "evacuate", stop=True, tolerant=True)
        three.recover()
        assert saboteur.acted
    server = three.show(server_id)
    if mode == "fails" and step in ("select", "claim"):  # once it has a host, a failure means another one
        assert (server["vm_state"], server["host"]) == ("error", lost)
        three.act(server_id, "evacuate", stop=True)
        server = three.show(server_id)
    assert (server["vm_state"], server["power_state"]) == ("stopped", 4)
    assert power(three, server["host"], server_id) is PowerState.SHUTDOWN
    three.start_host(lost)
    check_invariants(three)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("number", range(5))
def test_a_conductor_killed_at_any_commit_loses_nothing(three: Cloud, number: int, after: bool) -> None:
    server_id = a_server(three)
    lost = lose(three, server_id)
    three.conductors[0].db.arm(number, after)  # type: ignore[attr-defined]
    three.act(server_id, "evacuate", stop=True, tolerant=True)
    assert not three.conductors[0].alive, "the flow has fewer commits than that"
    three.recover()
    began = not three.refused or after
    assert (three.show(server_id)["host"] != lost) == began
    three.start_host(lost)
    check_invariants(three)
