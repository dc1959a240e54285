"""Things that happen at the worst moment: a report while it is given up, a lease that ran out under work."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from novalite.context import system
from novalite.db.models.compute import Task
from novalite.errors import DatabaseUnreachable
from novalite.objects.hosts import Heartbeat
from novalite.objects.servers import WorkReport
from novalite.rpc.bus import Envelope
from novalite.rpc.contracts.hosts import Services
from novalite.rpc.contracts.servers import HostedServers
from tests.cloud import Cloud
from tests.flows.harness import check_invariants


def the_task(cloud: Cloud) -> Task:
    """The only open task."""
    with cloud.db.read() as session:
        return session.query(Task).filter(Task.state == "open").one()


def report_of(task: Task) -> WorkReport:
    """The success a host tells of a build."""
    assert task.wait_host is not None
    return WorkReport(task_id=task.id, attempt=task.attempt, server_id=task.server_id, host=task.wait_host,
                      verb="spawn", power_state=1)  # fmt: skip


def test_a_host_that_is_busy_for_ever_is_given_up_at_the_deadline(cloud: Cloud) -> None:
    """The build hangs; the heartbeats of its daemon go on."""
    with cloud.bus.lose(lambda e: e.name == "guests.spawn"):
        server_id = cloud.create("web")
        task = the_task(cloud)
        beat = Heartbeat(binary="nova-compute", host="alpha", busy=((task.id, task.attempt),))
        for _ in range(60):
            cloud.clock.ahead += 29
            cloud.client.of(Services).heartbeat(system(), beat)
            cloud.conductors[0].manager.env.tasks.sweep()
        assert cloud.show(server_id)["vm_state"] == "building"  # 1740 of 1800 seconds
        for _ in range(4):
            cloud.clock.ahead += 29
            cloud.client.of(Services).heartbeat(system(), beat)
            cloud.conductors[0].manager.env.tasks.sweep()
    server = cloud.show(server_id)
    assert server["vm_state"] == "error"
    assert "was not finished within 1800 seconds" in server["fault"]["message"]
    check_invariants(cloud)


@pytest.mark.parametrize("late", [True, False], ids=["given up", "asked again"])
def test_a_report_that_comes_while_its_wait_is_looked_at_is_not_lost(two_hosts: Cloud, late: bool) -> None:
    cloud = two_hosts
    with cloud.bus.lose(lambda e: e.name == "hosted_servers.finished", 1):
        server_id = cloud.create("web")
    report = report_of(the_task(cloud))
    # The sweep has taken the task (transaction 0) and is about to write what it decided (1).
    cloud.databases[0].before(1, lambda: cloud.client.of(HostedServers).finished(system(), report))
    cloud.clock.ahead += 4000 if late else 31
    cloud.conductors[0].manager.env.tasks.sweep()
    cloud.recover()
    assert cloud.show(server_id)["vm_state"] == "active"
    check_invariants(cloud)


def test_a_database_that_goes_away_while_something_is_undone_counts_for_nothing(cloud: Cloud) -> None:
    """However often that happens, what was claimed is given back in the end."""

    def away() -> None:
        raise DatabaseUnreachable(reason="it restarts")

    database, runner = cloud.databases[0], cloud.conductors[0].manager.env.tasks
    with cloud.bus.lose(lambda e: e.name == "guests.spawn"):
        server_id = cloud.create("web")
        cloud.clock.ahead += 4000
        for number in range(12):
            database.before(1 if number else 2, away)  # taken, (given up,) undone
            runner.sweep()
            cloud.clock.ahead += 100
    cloud.recover()
    server = cloud.show(server_id)
    assert (server["vm_state"], server["host"]) == ("error", None)
    check_invariants(cloud)


def test_a_conductor_that_was_held_up_does_not_take_its_own_work_over(cloud: Cloud) -> None:
    """Its lease ran out under a step, as after a pause of the machine, and its sweep wakes up first."""
    runner = cloud.conductors[0].manager.env.tasks
    asked: list[Envelope] = []

    def meanwhile(envelope: Envelope) -> bool:
        if envelope.name == "scheduler.select":
            asked.append(envelope)
            if len(asked) == 1:
                cloud.clock.ahead += 20
                runner.sweep()
        return False

    with cloud.bus.lose(meanwhile):
        server_id = cloud.create("web")
    assert len(asked) == 1
    assert cloud.show(server_id)["vm_state"] == "active"
    check_invariants(cloud)


def test_patience_with_a_daemon_begins_anew_after_it_has_answered(cloud: Cloud) -> None:
    numbers: Iterator[int] = iter(range(100))

    def away(envelope: Envelope) -> bool:
        return envelope.name == "scheduler.select" and next(numbers) not in (3, 7)

    cloud.driver("alpha").fail("spawn", "no space left")
    with cloud.bus.lose(away):
        server_id = cloud.create("web")
        cloud.recover(16)
    server = cloud.show(server_id)
    assert server["vm_state"] == "error"
    assert "no space left" in server["fault"]["message"]  # not that the scheduler was away
    check_invariants(cloud)
