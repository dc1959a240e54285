"""A host dies at the worst moment: with the options as they come, nothing is busy a minute later."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from novalite.conf import load
from novalite.context import system
from novalite.db.models.compute import Task
from novalite.objects.hosts import Heartbeat
from novalite.rpc.contracts.hosts import Services
from tests.cloud import Cloud
from tests.flows.harness import check_invariants

SHIPPED = load.for_tests({})
AS_SHIPPED = {
    "service_down_time": SHIPPED.service_down_time,
    "conductor.lease_seconds": SHIPPED.conductor.lease_seconds,
}
"""What the inline cloud has otherwise."""
LAST_BEAT_BEFORE_DEATH = [0.0, 15.0, SHIPPED.service_down_time - 0.5]
"""Seconds from a host's last heartbeat to the moment it is asked for something: it still looks alive."""


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    """Three hosts; every option of conductor and heartbeats as it comes."""
    with Cloud(tmp_path, hosts=("alpha", "beta", "gamma"), overrides=AS_SHIPPED) as made:
        yield made


def pass_time(cloud: Cloud, seconds: float) -> None:
    """Second by second: hosts that live send their heartbeats, the conductor sweeps as seldom as it ever does,
    and did so just now, when there was nothing to see yet."""
    slowest_sweep = int(SHIPPED.conductor.sweep_interval * 1.2)
    for second in range(int(seconds)):
        cloud.clock.ahead += 1
        if second % int(SHIPPED.report_interval) == 0:
            for host in cloud.hosts.values():
                cloud.beat(host)
        if second % slowest_sweep == 0:
            cloud.conductors[0].manager.env.tasks.sweep()
    cloud.clock.ahead += seconds % 1


def die(cloud: Cloud, *names: str) -> None:
    """These hosts have just sent a heartbeat and are dead; what they are asked for waits in their queues."""
    for name in names:
        cloud.beat(cloud.hosts[name])
        cloud.hosts[name].stop()


def test_the_options_are_those_that_come_with_it(cloud: Cloud) -> None:
    defaults = {"report_interval": 10, "service_down_time": 30}
    assert {name: cloud.conf[name] for name in defaults} == defaults
    assert dict(cloud.conf.conductor) == dict(SHIPPED.conductor)


@pytest.mark.parametrize("since", LAST_BEAT_BEFORE_DEATH)
def test_a_build_goes_elsewhere_within_a_minute_of_the_last_heartbeat(cloud: Cloud, since: float) -> None:
    """Also when two of three hosts died, both were proposed, and both look alive."""
    die(cloud, "alpha", "beta")
    pass_time(cloud, since)
    server_id = cloud.create("web")
    pass_time(cloud, 60 - since)
    server = cloud.show(server_id)
    assert (server["vm_state"], server["host"]) == ("active", "gamma"), server["fault"]
    check_invariants(cloud)


def stopping(cloud: Cloud, server_id: str) -> None:
    cloud.act(server_id, "stop")


def deleting(cloud: Cloud, server_id: str) -> None:
    cloud.delete(server_id)


@pytest.mark.parametrize("since", LAST_BEAT_BEFORE_DEATH)
@pytest.mark.parametrize("begin", [stopping, deleting])
def test_an_action_ends_within_a_minute_of_the_last_heartbeat(
    cloud: Cloud, begin: Callable[[Cloud, str], None], since: float
) -> None:
    server_id = cloud.boot("web")
    die(cloud, host := cloud.show(server_id)["host"])
    pass_time(cloud, since)
    begin(cloud, server_id)
    pass_time(cloud, 60 - since)
    with cloud.db.read() as session:
        assert session.query(Task).filter(Task.state == "open").all() == []
    assert cloud.show(server_id)["task_state"] is None
    cloud.hosts[host].start()
    cloud.recover()
    check_invariants(cloud)


def test_a_request_that_was_lost_is_sent_again_after_a_heartbeat_that_knows_nothing_of_it(cloud: Cloud) -> None:
    with cloud.bus.lose(lambda e: e.name == "guests.spawn", 1):
        server_id = cloud.create("web")
    pass_time(cloud, 20)
    assert cloud.show(server_id)["vm_state"] == "active"
    check_invariants(cloud)


def test_a_host_that_does_what_it_was_asked_is_not_asked_again(cloud: Cloud) -> None:
    """Its heartbeats list the task; the last one before the deadline shortens the wait."""
    with cloud.bus.lose(lambda e: e.name == "guests.spawn"), cloud.bus.recording() as sent:
        cloud.create("web")
        with cloud.db.read() as session:
            task = session.query(Task).filter(Task.state == "open").one()
        for _ in range(178):
            cloud.clock.ahead += 10
            beat = Heartbeat(binary="nova-compute", host=str(task.wait_host), busy=((task.id, task.attempt),))
            cloud.client.of(Services).heartbeat(system(), beat)
            cloud.conductors[0].manager.env.tasks.sweep()
        assert [e.name for e in sent if e.topic == "compute"] == ["guests.spawn"]


def test_a_host_that_has_just_been_asked_is_given_time_to_come_up(cloud: Cloud) -> None:
    """It was down long ago; somebody acts on its server while its daemon starts."""
    server_id = cloud.boot("web")
    die(cloud, host := cloud.show(server_id)["host"])
    pass_time(cloud, 300)
    cloud.act(server_id, "stop")
    cloud.conductors[0].manager.env.tasks.sweep()
    cloud.clock.ahead += 4
    cloud.conductors[0].manager.env.tasks.sweep()
    cloud.hosts[host].start()
    assert cloud.show(server_id)["vm_state"] == "stopped"
    check_invariants(cloud)
