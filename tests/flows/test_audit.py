"""What a hand in the database or a defect left of the books of hosts is found and put right, and nothing else is."""

from __future__ import annotations

import pytest
from sqlalchemy import delete, insert, update

from novalite.conductor.periodic.audit_placement import Audited, AuditPlacement
from novalite.context import system
from novalite.db import tasks
from novalite.db.models.compute import Allocation, Host, Server
from tests.cloud import Cloud
from tests.flows.harness import check_invariants


def audit(cloud: Cloud) -> Audited:
    return AuditPlacement(cloud.conductors[0].manager.env).run(system())


def test_sound_books_are_left_alone(two_hosts: Cloud) -> None:
    two_hosts.make_flavor("big", vcpus=2, ram_mb=128, disk_gb=2)
    two_hosts.boot("lives")
    moved = two_hosts.boot("resized")
    two_hosts.act(moved, "resize", flavor_id="big")
    gone = two_hosts.boot("gone")
    two_hosts.delete(gone)
    assert audit(two_hosts) == Audited(0, 0, 0)
    check_invariants(two_hosts)


def test_what_should_not_be_is_put_right(two_hosts: Cloud) -> None:
    cloud = two_hosts
    lives, lost = cloud.boot("lives"), cloud.boot("lost")
    place = {"vcpus": 1, "ram_mb": 64, "disk_gb": 1}
    other = "beta" if cloud.show(lives)["host"] == "alpha" else "alpha"
    with cloud.db.begin() as session:
        session.execute(insert(Allocation).values(server_id="nobody", host="alpha", **place))
        session.execute(insert(Allocation).values(server_id=lives, host=other, **place))
        session.execute(delete(Allocation).where(Allocation.server_id == lost))
        session.execute(update(Host).values(used_vcpus=99, version=Host.version + 1))
    found = audit(cloud)
    assert (found.orphans, found.healed) == (2, 1) and found.recounted == 2
    check_invariants(cloud)
    assert audit(cloud) == Audited(0, 0, 0)
    assert cloud.boot("another"), "schedulers know that there is room"


@pytest.mark.parametrize("state", ["busy", "idle"])
def test_a_server_that_something_is_being_done_to_keeps_its_places(two_hosts: Cloud, state: str) -> None:
    cloud = two_hosts
    server = cloud.boot("web")
    with cloud.db.begin() as session:
        if state == "busy":
            tasks.open_task(session, cloud.ctx, "power", "stop", server, cloud.ctx.project_id, 0.0, {})
        session.execute(update(Server).where(Server.id == server).values(host=None))
    assert audit(cloud).orphans == (0 if state == "busy" else 1)
