"""A conductor that accepts servers begins with them itself while it has threads for that; else they wait for a poke."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import Any

from novalite.conductor.runner import BACKLOG, TaskRunner
from novalite.conductor.tasks import FLOWS
from novalite.objects.base import Record
from novalite.objects.servers import CreatedServers, CreateServers
from novalite.rpc.contracts.servers import Servers
from tests.cloud import Cloud
from tests.flows.harness import check_invariants


def ask(cloud: Cloud, number: int = 1) -> CreatedServers:
    body = CreateServers(
        name="web", flavor_id=cloud.flavor_id, networks="none", min_count=number, max_count=number
    )
    return cloud.client.of(Servers).create(cloud.ctx, body)


def all_active(cloud: Cloud, server_ids: Any) -> bool:
    return all(cloud.show(one)["vm_state"] == "active" for one in server_ids)


def test_what_is_accepted_is_begun_without_a_poke(cloud: Cloud) -> None:
    env = cloud.conductors[0].manager.env
    env.tasks = TaskRunner(env, FLOWS, clock=cloud.clock)
    with cloud.bus.recording() as sent:
        accepted = ask(cloud, 3)
        assert accepted.task_ids == ()
        end = time.monotonic() + 60
        while not all_active(cloud, accepted.server_ids):
            assert time.monotonic() < end, [cloud.show(one)["fault"] for one in accepted.server_ids]
            time.sleep(0.01)
    assert "tasks.poke" not in {envelope.name for envelope in sent}
    env.tasks.stop()
    check_invariants(cloud)


class Dies(TaskRunner):
    """Of a conductor that ends when it has committed."""

    def begin(self, rows: list[Record]) -> None:
        """Nothing."""


def test_what_its_conductor_did_not_begin_another_finishes_when_the_lease_is_over(cloud: Cloud) -> None:
    env = cloud.conductors[0].manager.env
    another = replace(env, owner="another")
    survivor = another.tasks = TaskRunner(another, FLOWS, inline=True, clock=cloud.clock)
    env.tasks = Dies(env, FLOWS, clock=cloud.clock)
    accepted = ask(cloud)
    assert accepted.task_ids == ()
    cloud.clock.ahead += cloud.conf.conductor.lease_seconds - 1
    assert survivor.sweep() == 0 and not all_active(cloud, accepted.server_ids)
    cloud.clock.ahead += 2
    assert survivor.sweep() == 1
    assert all_active(cloud, accepted.server_ids)
    check_invariants(cloud)


def test_a_conductor_whose_threads_are_taken_leaves_it_to_a_poke(cloud: Cloud) -> None:
    env = cloud.conductors[0].manager.env
    runner = env.tasks = TaskRunner(env, FLOWS, clock=cloud.clock)
    free = threading.Event()
    for _ in range(BACKLOG * cloud.conf.conductor.workers):
        runner._submit(free.wait, 60)
    accepted = ask(cloud)
    assert len(accepted.task_ids) == 1
    free.set()
    runner.poke(list(accepted.task_ids))
    end = time.monotonic() + 60
    while not all_active(cloud, accepted.server_ids):
        assert time.monotonic() < end
        time.sleep(0.01)
    runner.stop()
