"""Start, stop, reboot, pause, suspend and their opposites: they land where the table says, or change nothing."""

from __future__ import annotations

import pytest

from novalite.conductor.tasks import FLOWS
from novalite.context import system
from novalite.errors import InvalidServerState, ServerLocked
from novalite.rpc.contracts.servers import Servers
from novalite.states import ACTIONS, POWER_VERBS, PowerState
from tests.cloud import Cloud
from tests.flows.harness import broken_step, check_invariants, step_cases

WAY_TO = {"active": (), "stopped": ("stop",), "paused": ("pause",), "suspended": ("suspend",)}
"""Actions that bring an active server into a state."""


def a_server_for(cloud: Cloud, verb: str) -> str:
    """A server in the first state that accepts the verb."""
    server_id = cloud.boot("web")
    for step in WAY_TO[ACTIONS[verb].allowed_from[0]]:
        cloud.act(server_id, step)
    return server_id


@pytest.mark.parametrize("verb", POWER_VERBS)
def test_an_action_lands_where_the_table_says(cloud: Cloud, verb: str) -> None:
    server_id = a_server_for(cloud, verb)
    cloud.act(server_id, verb)
    server = cloud.show(server_id)
    assert (server["vm_state"], server["task_state"]) == (ACTIONS[verb].lands_in, None)
    assert server["power_state"] == ACTIONS[verb].power
    check_invariants(cloud)


@pytest.mark.parametrize("verb", POWER_VERBS)
def test_an_action_the_hypervisor_refuses_changes_nothing(cloud: Cloud, verb: str) -> None:
    server_id = a_server_for(cloud, verb)
    before = cloud.show(server_id)["vm_state"]
    cloud.driver("alpha").fail(verb.removesuffix("_hard"), "monitor timed out")
    cloud.act(server_id, verb)
    server = cloud.show(server_id)
    assert (server["vm_state"], server["task_state"]) == (before, None)
    check_invariants(cloud)


def test_what_the_host_saw_after_a_failure_is_recorded(cloud: Cloud) -> None:
    server_id = cloud.boot("web")
    with cloud.bus.lose(lambda e: e.name == "hosted_servers.power_changed"):
        cloud.driver("alpha").crash(server_id)
        cloud.driver("alpha").fail("reboot", "monitor timed out")
        cloud.act(server_id, "reboot_hard")
        server = cloud.show(server_id)
    assert (server["vm_state"], server["task_state"]) == ("active", None)
    assert server["power_state"] == PowerState.CRASHED
    cloud.hosts["alpha"].manager.sync.run(system())  # and its state follows at the next comparison
    assert cloud.show(server_id)["vm_state"] == "stopped"
    check_invariants(cloud)


@pytest.mark.parametrize("verb", POWER_VERBS)
@pytest.mark.parametrize("case", step_cases(FLOWS["power"]), ids=" ".join)
def test_an_action_survives(two_conductors: Cloud, verb: str, case: tuple[str, str]) -> None:
    cloud, (step, mode) = two_conductors, case
    server_id = a_server_for(cloud, verb)
    before = cloud.show(server_id)["vm_state"]
    with broken_step(cloud.conductors[0], "power", step, mode) as saboteur:
        cloud.act(server_id, verb, tolerant=True)
        cloud.recover()
        assert saboteur.acted
    expected = ACTIONS[verb].lands_in
    if (step, mode) == ("settle", "fails"):
        expected = before
    assert cloud.show(server_id)["vm_state"] == expected
    check_invariants(cloud)


@pytest.mark.parametrize("verb", POWER_VERBS)
def test_an_action_on_a_dead_host_fails_and_frees_the_server(two_hosts: Cloud, verb: str) -> None:
    cloud = two_hosts
    server_id = a_server_for(cloud, verb)
    before = cloud.show(server_id)["vm_state"]
    cloud.stop_host(cloud.show(server_id)["host"])
    cloud.act(server_id, verb)
    cloud.recover()
    server = cloud.show(server_id)
    assert (server["vm_state"], server["task_state"]) == (before, None)


def test_of_two_actions_at_once_one_is_refused(cloud: Cloud) -> None:
    server_id = cloud.boot("web")
    with cloud.bus.lose(lambda e: e.name == "guests.power", 1):
        cloud.act(server_id, "pause")
        with pytest.raises(InvalidServerState, match="task_state pausing"):
            cloud.act(server_id, "stop")
    cloud.recover()
    assert cloud.show(server_id)["vm_state"] == "paused"


def test_a_hard_reboot_takes_over_from_a_soft_one_that_hangs(cloud: Cloud) -> None:
    server_id = cloud.boot("web")
    with cloud.bus.lose(lambda e: e.name == "guests.power", 1):
        cloud.act(server_id, "reboot")
        cloud.act(server_id, "reboot_hard")
    cloud.recover()
    assert cloud.show(server_id)["vm_state"] == "active"
    check_invariants(cloud)


def test_a_wrong_state_is_refused_in_one_sentence(cloud: Cloud) -> None:
    server_id = cloud.boot("web")
    with pytest.raises(InvalidServerState) as caught:
        cloud.act(server_id, "start")
    assert str(caught.value) == f"Cannot 'start' instance {server_id} while it is in vm_state active"


def test_a_locked_server_is_left_alone(cloud: Cloud) -> None:
    server_id = cloud.boot("web")
    cloud.client.of(Servers).lock(cloud.ctx, server_id, "do not touch")
    with pytest.raises(ServerLocked):
        cloud.act(server_id, "stop")
    with pytest.raises(ServerLocked):
        cloud.delete(server_id)
    cloud.client.of(Servers).unlock(cloud.ctx, server_id)
    cloud.act(server_id, "stop")
    assert cloud.show(server_id)["vm_state"] == "stopped"


def test_a_guest_that_stops_by_itself_is_seen(cloud: Cloud) -> None:
    server_id = cloud.boot("web")
    cloud.driver("alpha").crash(server_id)
    cloud.hosts["alpha"].manager.sync.run(cloud.admin)
    assert cloud.show(server_id)["vm_state"] == "stopped"
