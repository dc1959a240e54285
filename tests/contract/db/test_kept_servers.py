"""Deferred delete and tags on every kind of database: what may be raced for is given exactly once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from novalite.conductor.periodic.reclaim_deleted import ReclaimDeleted
from novalite.context import system
from novalite.db.models.base import now
from novalite.db.models.compute import Server
from novalite.objects.servers import ServerAction
from novalite.rpc.contracts.servers import Servers
from novalite.rpc.contracts.tags import Tags
from tests.cloud import Cloud
from tests.contract.db.test_flows_on_every_database import at_once
from tests.flows.harness import check_invariants

OPTIONS = {"conductor.reclaim_instance_interval": 3600, "quota.instances": 3}


@pytest.fixture
def cloud(cloud_url: str | None, tmp_path: Path) -> Iterator[Cloud]:
    """Deleted servers are kept; a project may have three that are not."""
    with Cloud(tmp_path, hosts=("alpha",), url=cloud_url, overrides=OPTIONS) as made:
        yield made


def kept(cloud: Cloud, count: int) -> list[str]:
    """Servers that were deleted and are kept."""
    made = []
    for _ in range(count):
        made.append(cloud.boot("web"))
        cloud.delete(made[-1])
        assert cloud.show(made[-1])["vm_state"] == "soft-delete"
    return made


def test_racing_restores_fill_a_quota_exactly(cloud: Cloud) -> None:
    servers = kept(cloud, 6)

    def restore(number: int) -> str:
        asked = ServerAction(server_id=servers[number], verb="restore")
        cloud.client.of(Servers).act(cloud.ctx, asked)
        return "accepted"

    answers = at_once(restore, len(servers))
    assert sorted(answers) == ["OverQuota"] * 3 + ["accepted"] * 3
    cloud.recover()
    states = sorted(cloud.show(one)["vm_state"] for one in servers)
    assert states == ["active"] * 3 + ["soft-delete"] * 3
    check_invariants(cloud)


def test_racing_reclaims_begin_one_deletion_each(cloud: Cloud) -> None:
    servers = kept(cloud, 4)
    with cloud.db.begin() as session:
        session.execute(update(Server).values(state_since=now() - timedelta(seconds=3601)))
    env = cloud.conductors[0].manager.env
    begun = at_once(lambda _: ReclaimDeleted(env).run(system()).begun, 4)
    assert sum(begun) == len(servers)
    cloud.recover()
    assert {cloud.show(one)["vm_state"] for one in servers} == {"deleted"}
    check_invariants(cloud)


def test_tags_that_are_added_at_once_are_all_kept(cloud: Cloud) -> None:
    server = cloud.boot("web")
    answers = at_once(lambda n: cloud.client.of(Tags).add(cloud.ctx, server, f"t{n % 4}"), 8)
    assert sorted(map(str, answers)) == ["False"] * 4 + ["True"] * 4
    assert sorted(cloud.show(server)["tags"]) == ["t0", "t1", "t2", "t3"]
