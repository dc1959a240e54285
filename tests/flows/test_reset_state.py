"""An administrator resets a server's state: what was under way ends, and never goes on."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from novalite.context import system
from novalite.db.models.compute import Task
from novalite.errors import BadRequest, ServerNotFound
from novalite.objects.servers import WorkReport
from novalite.rpc.contracts.servers import HostedServers, InstanceActions, Servers
from novalite.states import PowerState
from tests.cloud import Cloud
from tests.flows.harness import check_invariants


def reset(cloud: Cloud, server_id: str, state: str) -> None:
    cloud.client.of(Servers).reset_state(cloud.admin, server_id, state)


def the_task(cloud: Cloud) -> Task:
    with cloud.db.read() as session:
        return session.execute(select(Task).where(Task.state == "open")).scalar_one()


@pytest.mark.parametrize("state", ["active", "error"])
def test_what_hangs_ends_and_a_late_report_changes_nothing(cloud: Cloud, state: str) -> None:
    server_id = cloud.boot("web")
    with cloud.bus.lose(lambda e: e.name == "guests.power", 1):
        cloud.act(server_id, "stop")
        task = the_task(cloud)
        reset(cloud, server_id, state)
    server = cloud.show(server_id)
    assert (server["vm_state"], server["task_state"], server["task_id"]) == (state, None, None)
    report = WorkReport(task_id=task.id, attempt=task.attempt, server_id=server_id, host="alpha", verb="stop",
                        power_state=int(PowerState.SHUTDOWN))  # fmt: skip
    assert cloud.client.of(HostedServers).finished(system(), report).keep
    cloud.recover()
    assert cloud.show(server_id)["vm_state"] == state
    check_invariants(cloud)
    actions = cloud.client.of(InstanceActions).page(cloud.ctx, server_id)
    assert [(a["action"], a["message"]) for a in actions][:2] == [("resetState", None), ("stop", "Error")]
    ended = cloud.client.of(InstanceActions).show(cloud.ctx, server_id, task.request_id)
    assert {e["result"] for e in ended["events"]} == {"Error"}
    assert "An administrator set the state" in ended["events"][-1]["details"]
    cloud.delete(server_id)
    check_invariants(cloud)


def test_a_conductor_at_work_on_the_task_notices_at_its_next_write(two_conductors: Cloud) -> None:
    cloud = two_conductors
    server_id = cloud.boot("web")
    # Transactions of a stop: accept 0, lease 1, arm 2. Right before arming the host, the state is reset.
    cloud.databases[0].before(2, lambda: reset(cloud, server_id, "active"))
    with cloud.bus.recording() as sent:
        cloud.act(server_id, "stop")
    assert "guests.power" not in [e.name for e in sent]
    cloud.recover()
    server = cloud.show(server_id)
    assert (server["vm_state"], cloud.driver(server["host"]).power_state(server_id)) == ("active", PowerState.RUNNING)
    check_invariants(cloud)


def test_a_build_that_is_reset_keeps_what_it_had_claimed_until_it_is_deleted(cloud: Cloud) -> None:
    with cloud.bus.lose(lambda e: e.name == "guests.spawn"):
        server_id = cloud.create("web")
        reset(cloud, server_id, "error")
    cloud.recover()
    server = cloud.show(server_id)
    assert (server["vm_state"], server["host"]) == ("error", "alpha")
    assert "An administrator" in server["fault"]["message"]
    cloud.delete(server_id)
    assert cloud.show(server_id)["vm_state"] == "deleted"
    check_invariants(cloud)


@pytest.mark.parametrize("finished", [False, True], ids=["under way", "waiting to be confirmed"])
def test_a_resize_that_is_reset_gives_back_the_room_it_kept(cloud: Cloud, finished: bool) -> None:
    cloud.make_flavor("big", vcpus=2, ram_mb=128, disk_gb=2)
    server_id = cloud.boot("web")
    with cloud.bus.lose(lambda e: not finished and e.name == "guests.resize"):
        cloud.act(server_id, "resize", flavor_id="big")
        reset(cloud, server_id, "active")
    cloud.recover()
    server = cloud.show(server_id)
    assert (server["vm_state"], server["task_state"], server["migration_id"]) == ("active", None, None)
    assert server["ram_mb"] == (128 if finished else 64)
    check_invariants(cloud)
    cloud.act(server_id, "reboot_hard")
    assert cloud.show(server_id)["vm_state"] == "active"
    cloud.delete(server_id)
    assert cloud.show(server_id)["vm_state"] == "deleted"
    check_invariants(cloud)


def test_even_a_deletion_ends_and_can_be_asked_for_again(cloud: Cloud) -> None:
    server_id = cloud.boot("web")
    with cloud.bus.lose(lambda e: e.name == "guests.destroy", 1):
        cloud.delete(server_id)
        reset(cloud, server_id, "active")
    cloud.recover()
    assert cloud.show(server_id)["vm_state"] == "active"
    cloud.delete(server_id)
    assert cloud.show(server_id)["vm_state"] == "deleted"
    check_invariants(cloud)


def test_only_two_states_and_only_servers_that_are_there(cloud: Cloud) -> None:
    server_id = cloud.boot("web")
    with pytest.raises(BadRequest, match="active or error only"):
        reset(cloud, server_id, "stopped")
    cloud.delete(server_id)
    with pytest.raises(ServerNotFound):
        reset(cloud, server_id, "active")
