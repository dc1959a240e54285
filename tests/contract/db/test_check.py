"""What `db check` finds, and what `db purge` forgets, on every database."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from novalite.db import aggregates, allocations, hosts, server_groups, servers, services
from novalite.db.check import check
from novalite.db.models.base import now
from novalite.db.models.compute import Allocation, Host, Server, Task
from novalite.db.models.network_services import Router
from novalite.db.models.networks import NetworkPort
from novalite.db.purge import BATCH, purge
from novalite.db.session import Database
from novalite.objects.networks import ROUTER_INTERFACE
from tests.contract.db.rows import a_server, an_inventory


@pytest.fixture
def cloud(db: Database) -> Database:
    """Host alpha carries server s-1."""
    with db.begin() as session:
        services.beat(session, "alpha", "nova-compute")
        hosts.record(session, an_inventory())
        servers.create(session, [a_server(id="s-1", host="alpha")])
        allocations.claim(session, "s-1", "alpha", 1, allocations.Amount(1, 512, 1))
    return db


def execute(db: Database, *statements: Any) -> None:
    """Do it behind everybody's back."""
    with db.begin() as session:
        for statement in statements:
            session.execute(statement)


def a_task(server_id: str, **changes: Any) -> Any:
    """An insert of a task."""
    row = {"kind": "create", "action": "create", "server_id": server_id, "request_id": "r", "ctx": {}}
    return insert(Task).values(**{**row, **changes})


def test_a_sound_cloud(cloud: Database) -> None:
    assert check(cloud) == []


@pytest.mark.parametrize("column", ["used_vcpus", "used_ram_mb", "used_disk_gb", "servers"])
def test_use_that_differs_from_claims(cloud: Database, column: str) -> None:
    execute(cloud, update(Host).values({column: 7}))
    (sentence,) = check(cloud)
    assert sentence.startswith("Host alpha counts")


def test_claims_of_nothing(cloud: Database) -> None:
    rows = [
        {"server_id": server, "host": host, "vcpus": 0, "ram_mb": 0, "disk_gb": 0}
        for server, host in (("ghost", "alpha"), ("s-1", "beta"))
    ]
    execute(cloud, insert(Allocation).values(rows))
    found = check(cloud)
    assert "There are claims on host beta, which does not exist." in found
    assert "Host alpha holds a claim of server ghost, which is gone." in found
    execute(cloud, update(Server).values(deleted=True))
    assert "Host alpha holds a claim of server s-1, which is gone." in check(cloud)
    execute(cloud, a_task("s-1"))  # it is being deleted this very moment
    assert "Host alpha holds a claim of server s-1, which is gone." not in check(cloud)


def test_ports_that_went_astray(cloud: Database) -> None:
    port = {"id": "port-1", "network_id": "n", "project_id": "p", "mac_address": "fa:16:3e:00:00:01",
            "device_id": "s-1", "device_owner": "compute:nova", "device_index": 1, "host": "alpha"}  # fmt: skip
    execute(cloud, insert(NetworkPort).values(**port))
    assert check(cloud) == []
    execute(cloud, update(NetworkPort).values(host=""))
    assert check(cloud) == ["Port port-1 is on host none, but its server s-1 is on alpha."]
    execute(cloud, update(NetworkPort).values(device_id="ghost"))
    assert check(cloud) == ["Port port-1 is plugged into server ghost, which is gone."]
    execute(cloud, update(NetworkPort).values(device_index=0))
    assert check(cloud) == [], "it only names a server"


def test_ports_of_routers_that_went_astray(cloud: Database) -> None:
    port = {"id": "leg", "network_id": "n", "project_id": "p", "mac_address": "m", "device_owner": ROUTER_INTERFACE}
    execute(cloud, insert(Router).values(id="r", project_id="p", host="alpha"),
            insert(NetworkPort).values(**port, device_id="r", host="beta"))  # fmt: skip
    assert check(cloud) == ["Port leg is on host beta, but its router r is on alpha."]
    execute(cloud, update(NetworkPort).values(host="alpha"))
    assert check(cloud) == []
    execute(cloud, update(NetworkPort).values(device_id="ghost"))
    assert check(cloud) == ["Port leg is plugged into router ghost, which is gone."]


def test_servers_without_claims(cloud: Database) -> None:
    with cloud.begin() as session:
        allocations.release(session, "s-1")
    assert check(cloud) == ["Server s-1 is on host alpha without a claim."]


def test_servers_that_are_busy_for_no_reason(cloud: Database) -> None:
    execute(cloud, update(Server).values(task_state="rebooting"))
    assert check(cloud) == ["Server s-1 is busy (rebooting), but no task is open for it."]
    execute(cloud, a_task("s-1", state="done"))
    assert len(check(cloud)) == 1
    execute(cloud, a_task("s-1"))
    assert check(cloud) == []


def test_many_findings_are_counted(cloud: Database) -> None:
    rows = [a_server(task_state="rebooting") for _ in range(25)]
    with cloud.begin() as session:
        for row in rows:
            servers.create(session, [row])
    found = check(cloud)
    assert (len(found), found[-1]) == (21, "… and 5 more of the same kind.")


def test_purge(cloud: Database) -> None:
    long_ago, lately = now() - timedelta(days=100), now() - timedelta(days=1)
    gone = {"deleted": True, "terminated_at": long_ago}
    with cloud.begin() as session:
        for row in (
            a_server(id="old", **gone),
            a_server(id="working", **gone),
            a_server(id="lately", deleted=True, terminated_at=lately),
        ):
            servers.create(session, [row])
        servers.create(session, [a_server(**gone) for _ in range(BATCH)])
        hosts.record(session, an_inventory("beta"))
    execute(
        cloud,
        a_task("old", state="done"),
        a_task("working"),
        a_task("s-1", state="done"),
        update(Host).values(updated_at=long_ago),
    )
    assert purge(cloud, now() - timedelta(days=90)) == {"servers": BATCH + 1, "tasks": 1, "hosts": 1}
    with cloud.read() as session:
        assert set(session.scalars(select(Server.id))) == {"s-1", "working", "lately"}
        assert set(session.scalars(select(Task.server_id))) == {"working", "s-1"}
        assert set(session.scalars(select(Host.host))) == {"alpha"}
    assert purge(cloud, now() - timedelta(days=90)) == {"servers": 0, "tasks": 0, "hosts": 0}


def test_hosts_that_are_told_other_aggregates(cloud: Database) -> None:
    with cloud.begin() as session:
        number = aggregates.create(session, "a", "east")
        aggregates.add_host(session, aggregates.get(session, number), "alpha")
        aggregates.settle(session, ["alpha"])
    assert check(cloud) == []
    execute(cloud, update(Host).values(zone="west"))
    assert check(cloud) == ["Host alpha is told to be in zone west, but its aggregates say ['east']."]
    execute(cloud, update(Host).values(zone="east", aggregates={"a": {}}))
    (sentence,) = check(cloud)
    assert sentence.startswith("Host alpha is told to be in aggregates {'a': {}}, but is in {'a': {'avail")
    with cloud.begin() as session:
        aggregates.settle(session, ["alpha"])
        aggregates.add_host(session, aggregates.get(session, number), "ghost")
    assert check(cloud) == ["Host ghost, which does not exist, is in aggregates ['a']."]


def test_members_that_are_gone(cloud: Database) -> None:
    values = {"name": "g", "policy": "affinity", "project_id": "p-1", "user_id": "u-1"}
    with cloud.begin() as session:
        group = server_groups.create(session, values)
        server_groups.join(session, group, ["s-1"])
    assert check(cloud) == []
    with cloud.begin() as session:
        server_groups.join(session, group, ["ghost"])
        server_groups.join(session, "nothing", ["s-1"])
    assert len(check(cloud)) == 2
