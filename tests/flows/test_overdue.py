"""What stays in a state for too long is moved on by periodic jobs, once, however many conductors look."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from novalite.conductor.periodic import JOBS
from novalite.conductor.periodic.poll_rebooting import PollRebooting
from novalite.conductor.periodic.poll_rescued import PollRescued
from novalite.context import system
from novalite.db.models.base import now
from novalite.db.models.compute import Server, Task
from novalite.rpc.contracts.servers import InstanceActions
from novalite.states import PowerState
from tests.cloud import Cloud
from tests.flows.harness import check_invariants


@pytest.fixture
def impatient(tmp_path: Path) -> Iterator[Cloud]:
    """Two conductors that wait two minutes for a soft reboot."""
    options = {"conductor.reboot_timeout": 120}
    with Cloud(tmp_path, hosts=("alpha",), conductors=2, overrides=options) as made:
        yield made


def a_reboot_that_hangs(cloud: Cloud, since: float) -> str:
    """Its host has not been heard of; it began `since` seconds ago."""
    server_id = cloud.boot("web")
    with cloud.bus.lose(lambda e: e.name == "guests.power", 1):
        cloud.act(server_id, "reboot")
    with cloud.db.begin() as session:
        session.execute(
            update(Task).where(Task.state == "open").values(created_at=now() - timedelta(seconds=since))
        )
    return server_id


def test_a_soft_reboot_that_hangs_becomes_a_hard_one(impatient: Cloud) -> None:
    cloud = impatient
    server_id = a_reboot_that_hangs(cloud, 121)
    done = PollRebooting(cloud.conductors[0].manager.env).run(system())
    assert (done.found, done.begun) == (1, 1)
    server = cloud.show(server_id)
    assert (server["vm_state"], server["task_state"]) == ("active", None)
    assert cloud.driver("alpha").power_state(server_id) is PowerState.RUNNING
    actions = cloud.client.of(InstanceActions).page(cloud.admin, server_id)
    assert sorted(a["action"] for a in actions) == ["create", "reboot", "reboot"]
    cloud.recover()
    check_invariants(cloud)
    assert PollRebooting(cloud.conductors[0].manager.env).run(system()).found == 0


def test_a_soft_reboot_that_has_time_left_is_left_alone(impatient: Cloud) -> None:
    cloud = impatient
    server_id = a_reboot_that_hangs(cloud, 60)
    assert PollRebooting(cloud.conductors[0].manager.env).run(system()).found == 0
    cloud.recover()
    assert cloud.show(server_id)["vm_state"] == "active"


def test_two_conductors_reboot_once(impatient: Cloud) -> None:
    """Right before one begins, the other has found the same reboot, ended it by a hard one, and that is done."""
    cloud = impatient
    server_id = a_reboot_that_hangs(cloud, 121)
    env = cloud.conductors[0].manager.env
    cloud.databases[0].before(0, lambda: PollRebooting(env).run(system()))
    done = PollRebooting(env).run(system())
    assert (done.found, done.begun) == (1, 0)
    actions = cloud.client.of(InstanceActions).page(cloud.admin, server_id)
    assert sorted(a["action"] for a in actions) == ["create", "reboot", "reboot"]
    check_invariants(cloud)


@pytest.fixture
def forgetful(tmp_path: Path) -> Iterator[Cloud]:
    """Servers are rescued for ten minutes."""
    with Cloud(tmp_path, overrides={"conductor.rescue_timeout": 600}) as made:
        yield made


def a_rescued_server(cloud: Cloud, since: float) -> str:
    """Rescued `since` seconds ago."""
    member = cloud.rest()
    server_id = member.boot("web", imageRef=member.image())
    assert member.act(server_id, {"rescue": None}).status_code == 200
    _rescued(cloud, server_id, since)
    return server_id


def _rescued(cloud: Cloud, server_id: str, since: float) -> None:
    with cloud.db.begin() as session:
        moment = now() - timedelta(seconds=since)
        session.execute(update(Server).where(Server.id == server_id).values(state_since=moment))


def test_a_server_left_in_rescue_goes_back_to_its_own_disks(forgetful: Cloud) -> None:
    cloud = forgetful
    old, young = a_rescued_server(cloud, 601), a_rescued_server(cloud, 300)
    done = PollRescued(cloud.conductors[0].manager.env).run(system())
    assert (done.found, done.begun) == (1, 1)
    assert [cloud.show(one)["vm_state"] for one in (old, young)] == ["active", "rescued"]
    assert cloud.show(old)["rescue"] is None
    actions = cloud.client.of(InstanceActions).page(cloud.admin, old)
    assert actions[0]["action"] == "unrescue"
    check_invariants(cloud)


def test_a_server_rescued_anew_a_moment_ago_has_its_time_before_it(forgetful: Cloud) -> None:
    cloud = forgetful
    server_id = a_rescued_server(cloud, 601)
    cloud.databases[0].before(0, lambda: _rescued(cloud, server_id, 0))
    done = PollRescued(cloud.conductors[0].manager.env).run(system())
    assert (done.found, done.begun) == (1, 0)
    assert cloud.show(server_id)["vm_state"] == "rescued"


def test_a_rescued_server_that_is_deleted_and_restored_is_rescued_still(tmp_path: Path) -> None:
    with Cloud(tmp_path, overrides={"conductor.reclaim_instance_interval": 3600}) as cloud:
        server_id = a_rescued_server(cloud, 0)
        member = cloud.rest()
        assert member.delete(f"/servers/{server_id}").status_code == 204
        assert member.act(server_id, {"restore": None}).status_code == 202
        assert member.show(server_id)["status"] == "RESCUE"
        assert member.act(server_id, {"unrescue": None}).status_code == 202
        assert member.show(server_id)["status"] == "ACTIVE"
        check_invariants(cloud)


def test_jobs_are_off_where_their_option_is_zero(cloud: Cloud) -> None:
    env = cloud.conductors[0].manager.env
    every = {job.name: job.every() for job in (kind(env) for kind in JOBS)}
    for option, job in (
        ("reclaim_instance_interval", "reclaim_deleted"),
        ("rescue_timeout", "poll_rescued"),
        ("reboot_timeout", "poll_rebooting"),
    ):
        assert every[job] == 0
        for seconds, expected in ((30, 30), (3600, 60)):
            cloud.conf.set_override(option, seconds, "conductor")
            assert {j.name: j.every() for j in (kind(env) for kind in JOBS)}[job] == expected
