"""SQL of services, hosts and hypervisors on every database."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from novalite.db import aggregates, hosts, hypervisors, servers, services
from novalite.db.models.compute import Service, Task
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


def test_what_a_host_says_of_itself_reaches_the_scheduler(db: Database) -> None:
    facts = {
        "supported_instances": (("x86_64", "kvm", "hvm"),), "physical_networks": ("blue", "red"),
        "bandwidth_mbps": 1000, "cached_images": ("image-1",), "metrics": {"cpu.percent": 12.5}, "failed_builds": 2,
        "cpu_info": {"arch": "x86_64", "topology": {"cores": 8}}, "traits": ("CUSTOM_FAST",),
    }  # fmt: skip
    with db.begin() as session:
        services.beat(session, "alpha", "nova-compute")
        hosts.record(session, an_inventory("alpha"))
        (before,) = hosts.rows(session)
        assert (before.supported_instances, before.cached_images, before.metrics) == ((), (), {})
        assert hosts.record(session, an_inventory("alpha", **facts))
        (row,) = hosts.rows(session)
    assert {name: getattr(row, name) for name in facts} == facts
    assert row.generation == before.generation + 1
    with db.begin() as session:  # how it is doing voids no claim
        assert not hosts.record(session, an_inventory("alpha", **{**facts, "failed_builds": 0, "metrics": {}}))
        (again,) = hosts.rows(session, ["alpha"])
    assert (again.failed_builds, again.metrics, again.generation) == (0, {}, row.generation)


def test_work_on_disks_that_is_under_way_is_counted(db: Database) -> None:
    tasks = [
        {"kind": "create", "state": "open", "wait_host": "alpha"},
        {"kind": "snapshot", "state": "open", "wait_host": "alpha"},
        {"kind": "power", "state": "open", "wait_host": "alpha"},
        {"kind": "create", "state": "done", "wait_host": "alpha"},
        {"kind": "create", "state": "open", "wait_host": None},
    ]
    with db.begin() as session:
        for name in ("alpha", "beta"):
            services.beat(session, name, "nova-compute")
            hosts.record(session, an_inventory(name))
        for number, task in enumerate(tasks):
            session.add(Task(id=str(number), action="a", server_id="s", request_id="r", ctx={}, **task))
    with db.read() as session:
        for named in (None, ["alpha", "beta"]):
            assert {row.host: row.io_ops for row in hosts.rows(session, named)} == {"alpha": 2, "beta": 0}


def test_aggregates_override_ratios(db: Database) -> None:
    def caps() -> tuple[int, int, int]:
        with db.read() as session:
            (row,) = hosts.rows(session)
        return row.cap_vcpus, row.cap_ram_mb, row.cap_disk_gb

    plain = {"vcpus": 8, "ram_mb": 1000, "disk_gb": 100, "reserved_ram_mb": 200, "cpu_ratio": 4.0, "ram_ratio": 1.0,
             "disk_ratio": 1.0}  # fmt: skip
    with db.begin() as session:
        services.beat(session, "alpha", "nova-compute")
        hosts.record(session, an_inventory("alpha", **plain))
    assert caps() == (32, 800, 100)
    with db.begin() as session:
        said = {"cpu_allocation_ratio": "2", "ram_allocation_ratio": "1.5", "disk_allocation_ratio": "much"}
        for name, metadata in (("x", said), ("y", {"cpu_allocation_ratio": "3"})):
            number = aggregates.create(session, name, None)
            aggregates.set_metadata(session, aggregates.get(session, number), metadata)
            aggregates.add_host(session, aggregates.get(session, number), "alpha")
        aggregates.settle(session, ["alpha"])
    assert caps() == (16, 1200, 100)
    with db.begin() as session:  # a report keeps to them
        assert hosts.record(session, an_inventory("alpha", **{**plain, "vcpus": 10}))
    assert caps() == (20, 1200, 100)
    with db.begin() as session:
        aggregates.forget_host(session, "alpha")
    assert caps() == (40, 800, 100)
