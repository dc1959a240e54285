"""Resizes that wait for longer than the window are confirmed, and no others."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from sqlalchemy import update

from novalite.conductor.periodic.confirm_resizes import ConfirmResizes
from novalite.context import system
from novalite.db import servers
from novalite.db.models.migrations import Migration
from tests.cloud import Cloud
from tests.flows.harness import check_invariants


def a_resized_server(cloud: Cloud, name: str) -> str:
    server_id = cloud.boot(name)
    cloud.act(server_id, "resize", flavor_id="big")
    assert cloud.show(server_id)["vm_state"] == "resized"
    return server_id


def long_ago(cloud: Cloud, server_id: str) -> None:
    """Its resize was finished an hour ago."""
    with cloud.db.begin() as session:
        earlier = session.query(Migration.updated_at).filter(Migration.server_id == server_id).scalar()
        values = {"updated_at": earlier - timedelta(hours=1)}
        session.execute(update(Migration).where(Migration.server_id == server_id).values(**values))


def test_what_waits_longer_than_the_window_is_confirmed(tmp_path: Path) -> None:
    with Cloud(tmp_path, overrides={"resize_confirm_window": 600}) as cloud:
        cloud.make_flavor("big", vcpus=2, ram_mb=128, disk_gb=2)
        old, fresh, locked = (a_resized_server(cloud, name) for name in ("old", "fresh", "locked"))
        long_ago(cloud, old)
        long_ago(cloud, locked)
        with cloud.db.begin() as session:
            servers.change(session, locked, locked_by="owner")
        env = cloud.conductors[0].manager.env
        cloud.driver("alpha").fail("resize_confirm", "busy", times=1)
        job = ConfirmResizes(env)
        assert job.every() == 60
        assert job.run(system()) == 2
        states = {name: cloud.show(one)["vm_state"] for name, one in
                  (("old", old), ("fresh", fresh), ("locked", locked))}  # fmt: skip
        assert sorted((states["old"], states["locked"])) == ["active", "resized"], "one was refused by its host"
        assert states["fresh"] == "resized"
        check_invariants(cloud)
        assert job.run(system()) == 0, "what failed waits for another window"
        for one in (old, locked):
            long_ago(cloud, one)
        assert job.run(system()) == 1
        assert [cloud.show(one)["vm_state"] for one in (old, locked)] == ["active", "active"]
        check_invariants(cloud)


def test_without_a_window_nothing_is_confirmed(cloud: Cloud) -> None:
    cloud.make_flavor("big", vcpus=2, ram_mb=128, disk_gb=2)
    server_id = a_resized_server(cloud, "web")
    long_ago(cloud, server_id)
    job = ConfirmResizes(cloud.conductors[0].manager.env)
    assert (job.every(), job.run(system())) == (0.0, 0)
    assert cloud.show(server_id)["vm_state"] == "resized"
