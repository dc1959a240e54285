"""SQL of services, hosts and hypervisors on every database."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from novalite.db import hosts, hypervisors, servers, services
from novalite.db.models.compute import Service
from novalite.db.session import Database
from novalite.errors import HostNotFound, MarkerNotFound, NotFound, ServiceNotFound
from tests.contract.db.rows import a_server, an_inventory


@pytest.fixture
def three(db: Database) -> Database:
    """Hosts alpha and beta_x, a conductor."""
    with db.begin() as session:
        services.beat(session, "controller", "nova-conductor")
        for name in ("alpha", "beta_x"):
            services.beat(session, name, "nova-compute")
            hosts.record(session, an_inventory(name))
    return db


def test_the_first_heartbeat_makes_the_record(db: Database) -> None:
    with db.begin() as session:
        uuid, new = services.beat(session, "alpha", "nova-compute")
        assert new
        assert services.beat(session, "alpha", "nova-compute") == (uuid, False)
        assert services.by_name(session, "alpha", "nova-compute")["uuid"] == uuid
        with pytest.raises(HostNotFound):
            services.by_name(session, "alpha", "nova-conductor")


def test_racing_first_heartbeats_make_one_record(db: Database) -> None:
    def beat(_: int) -> str:
        return db.run(lambda session: services.beat(session, "alpha", "nova-compute"))[0]

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(beat, range(16)))) == 1


def test_racing_first_reports_make_one_host(db: Database) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: db.run(lambda session: hosts.record(session, an_inventory())), range(16)))
    with db.read() as session:
        assert len(hosts.rows(session)) == 1


def test_services_with_their_zones(three: Database) -> None:
    with three.read() as session:
        found = {one["host"]: one["zone"] for one in services.listing(session)}
        assert found == {"controller": "internal", "alpha": "nova", "beta_x": "nova"}
        (alpha,) = services.listing(session, Service.host == "alpha")
        assert alpha["binary"] == "nova-compute"


def test_what_the_scheduler_reads(three: Database) -> None:
    with three.read() as session:
        alpha, _ = hosts.rows(session)
        assert (alpha.enabled, alpha.deleted, alpha.traits) == (True, False, ("HW_CPU_X86_AVX",))
        assert time.time() - alpha.last_seen < 60
        uuid = services.by_name(session, "alpha", "nova-compute")["uuid"]
    with three.begin() as session:
        services.change(session, uuid, disabled=True, disabled_reason="fan")
        hosts.touch(session, ["alpha"])
        (row,) = hosts.rows(session, ["alpha"])
        assert (row.enabled, row.version, row.generation) == (False, 2, 2)
        services.remove(session, uuid)
        assert hosts.rows(session, ["alpha"])[0].deleted
        with pytest.raises(ServiceNotFound):
            services.remove(session, uuid)


def test_hypervisors(three: Database) -> None:
    with three.begin() as session:
        servers.create(session, [a_server(id="s-1", host="alpha", task_state="rebooting")])
        servers.create(session, [a_server(id="s-2", host="alpha", deleted=True)])
        alpha, beta = hypervisors.page(session, 60)
        assert (alpha["node"], alpha["state"], alpha["status"]) == ("alpha.example", "up", "enabled")
        assert (alpha["current_workload"], beta["current_workload"]) == (1, 0)
        assert alpha["cpu_info"] == {"arch": "x86_64"}
        assert hypervisors.get(session, 60, alpha["uuid"])["id"] == alpha["id"]
        assert hypervisors.get(session, 60, str(alpha["id"]))["uuid"] == alpha["uuid"]
        assert hypervisors.get(session, -1, alpha["uuid"])["state"] == "down"
        hypervisors.add_servers(session, [alpha, beta])
        assert (alpha["servers"], beta["servers"]) == ([{"uuid": "s-1", "name": "web"}], [])


def test_pages_and_patterns_of_hypervisors(three: Database) -> None:
    with three.read() as session:
        (first,) = hypervisors.page(session, 60, limit=1)
        for marker in (str(first["id"]), first["uuid"]):
            assert [one["host"] for one in hypervisors.page(session, 60, marker=marker)] == ["beta_x"]
        assert [one["host"] for one in hypervisors.page(session, 60, "a_x")] == ["beta_x"]
        assert hypervisors.page(session, 60, "a%x") == []
        with pytest.raises(MarkerNotFound):
            hypervisors.page(session, 60, marker="99")
        for absent in ("99", "99999999999999999999", "x"):
            with pytest.raises(NotFound):
                hypervisors.get(session, 60, absent)
