"""The password of a new server reaches its config drive whatever dies on the way, and is in no row afterwards."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import select

from novalite.conductor.tasks import FLOWS
from novalite.db.models.compute import Task
from novalite.rpc.contracts.servers import Servers
from tests.cloud import Cloud
from tests.flows.harness import broken_step, check_invariants, step_cases

PASSWORD = "Sesame-0pen"


def secrets(cloud: Cloud) -> set[str | None]:
    with cloud.db.read() as session:
        return set(session.scalars(select(Task.secret)))


def on_drive(cloud: Cloud, server_id: str) -> str | None:
    drive = cloud.driver(cloud.show(server_id)["host"]).guest(server_id).drive
    found: str | None = json.loads(drive["openstack/latest/meta_data.json"]).get("admin_pass")
    return found


@pytest.mark.parametrize("case", step_cases(FLOWS["create"]), ids=" ".join)
def test_it_survives_what_a_build_survives(two_conductors: Cloud, case: tuple[str, str]) -> None:
    cloud = two_conductors
    with broken_step(cloud.conductors[0], "create", *case):
        server_id = cloud.create("web", tolerant=True, config_drive=True, admin_pass=PASSWORD)
        cloud.recover()
    if cloud.show(server_id)["vm_state"] == "active":
        assert on_drive(cloud, server_id) == PASSWORD
    assert secrets(cloud) == {None}
    check_invariants(cloud)


def test_a_build_that_goes_to_another_host_takes_it_along(two_hosts: Cloud) -> None:
    cloud = two_hosts
    cloud.driver("alpha").fail("spawn", "no room")
    with cloud.bus.recording() as sent:
        servers = [cloud.boot(name, config_drive=True, admin_pass=PASSWORD) for name in ("first", "second")]
    assert {one.host for one in sent if one.name == "guests.spawn"} == {"alpha", "beta"}
    assert {on_drive(cloud, one) for one in servers} == {PASSWORD}
    assert secrets(cloud) == {None}


@pytest.mark.parametrize("how", ["deleted", "reset"])
def test_who_ends_a_build_ends_what_it_knows(cloud: Cloud, how: str) -> None:
    with cloud.bus.lose(lambda envelope: envelope.name == "guests.spawn"):
        server_id = cloud.create("web", config_drive=True, admin_pass=PASSWORD)
        assert secrets(cloud) == {PASSWORD}, "it waits for the host"
        if how == "deleted":
            cloud.delete(server_id)
        else:
            cloud.client.of(Servers).reset_state(cloud.admin, server_id, "error")
    assert PASSWORD not in secrets(cloud)
