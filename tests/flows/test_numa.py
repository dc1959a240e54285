"""Cells, CPUs and pages go with their servers: given with the place, other ones on another host, back when it ends;
no CPU is given twice.

`check_invariants` compares what is written with what the hypervisors' guests have, after every test.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select

from novalite.conductor.guest_spec import described
from novalite.conductor.tasks import FLOWS
from novalite.context import Context
from novalite.db import numa
from novalite.db.models.compute import Host
from novalite.errors import BadRequest
from novalite.objects.numa import Placed
from novalite.rpc.contracts.flavors import Flavors
from tests.cloud import Cloud
from tests.flows.harness import broken_step, check_invariants
from tests.served import ServedCloud

OPTIONS: dict[str, Any] = {
    "fake_driver.vcpus": 12,
    "fake_driver.numa_cells": 2,
    "fake_driver.threads_per_core": 2,
    "fake_driver.huge_pages": {"2048": 64},
    "compute.cpu_dedicated_set": "2-5,8-11",
}
"""Two cells: of CPUs 0 to 5 and 6 to 11, whose first two are shared."""
OWN = {"hw:cpu_policy": "dedicated"}
FLAVORS: dict[str, tuple[int, dict[str, str]]] = {
    "own2": (2, OWN),
    "own4": (4, {**OWN, "hw:numa_nodes": "2"}),
    "alone": (2, {**OWN, "hw:cpu_thread_policy": "isolate", "hw:emulator_threads_policy": "isolate"}),
    "mixed": (2, {"hw:cpu_policy": "mixed", "hw:cpu_dedicated_mask": "1"}),
    "pages": (1, {"hw:mem_page_size": "large"}),
    "cells": (4, {"hw:numa_nodes": "2"}),
    "odd": (3, {**OWN, "hw:numa_nodes": "2"}),
    "plain": (2, {}),
}


@pytest.fixture(scope="module")
def _divided(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedCloud]:
    folder = tmp_path_factory.mktemp("divided")
    with ServedCloud(folder, hosts=("alpha", "beta"), conductors=60, overrides=OPTIONS) as made:
        for name, (vcpus, specs) in FLAVORS.items():
            made.make_flavor(name, vcpus=vcpus, ram_mb=64, disk_gb=1)
            if specs:
                made.client.of(Flavors).set_extra_specs(made.admin, name, specs)
        yield made


@pytest.fixture
def cloud(_divided: ServedCloud) -> Iterator[ServedCloud]:
    """Two hosts with two cells each; nothing of them is in use afterwards."""
    _divided.revive()
    yield _divided
    for name in _divided.host_names:
        _divided.driver(name).heal()
    _divided.recover(1)
    check_invariants(_divided)
    _divided.empty()
    assert has(_divided) == {}
    with _divided.db.read() as session:
        used = session.execute(select(Host.used_vcpus, Host.used_pcpus, Host.numa_used)).all()
        assert [tuple(row) for row in used] == [(0, 0, None)] * 2


def has(cloud: Cloud) -> dict[tuple[str, str], Placed]:
    """By (host, holder): its place."""
    with cloud.db.read() as session:
        return {(h, who): place for h in cloud.host_names for who, place in numa.of_host(session, h).items()}


def cpus(cloud: Cloud, server_id: str) -> set[int]:
    """What the guest is pinned to."""
    return set(cloud.driver(str(cloud.show(server_id)["host"])).guest(server_id).pins.values())


def used(cloud: Cloud, host: str) -> tuple[int, int]:
    """vCPUs on shared CPUs, and dedicated CPUs."""
    with cloud.db.read() as session:
        vcpus, pcpus = session.execute(select(Host.used_vcpus, Host.used_pcpus).where(Host.host == host)).one()
    return vcpus, pcpus


def other(cloud: Cloud, host: str) -> str:
    return next(name for name in cloud.host_names if name != host)


GIVEN = [
    # flavor, CPUs it may get of a fresh host, (shared vCPUs, dedicated CPUs) that it counts, cells
    ("own2", {2, 3}, (0, 2), [0]),
    ("own4", {2, 3, 8, 9}, (0, 4), [0, 1]),
    ("mixed", {2}, (1, 1), [0]),
    ("pages", set(), (1, 0), [0]),
    ("cells", set(), (4, 0), [0, 1]),
    ("plain", set(), (2, 0), None),
]


@pytest.mark.parametrize(("flavor", "wanted", "counted", "cells"), GIVEN)
def test_a_server_gets_what_its_flavor_asks_for_and_keeps_it(
    cloud: ServedCloud, flavor: str, wanted: set[int], counted: tuple[int, int], cells: list[int] | None
) -> None:
    server_id = cloud.boot("web", flavor_id=flavor)
    host = str(cloud.show(server_id)["host"])
    assert (cpus(cloud, server_id), used(cloud, host)) == (wanted, counted)
    place = has(cloud).get((host, server_id))
    assert (None if place is None else [cell.host_cell for cell in place.cells]) == cells
    assert (place.page_kb if place else None) == (2048 if flavor == "pages" else None)
    cloud.act(server_id, "reboot", type="HARD")
    cloud.act(server_id, "stop")
    cloud.act(server_id, "start")
    assert cpus(cloud, server_id) == wanted
    own = {"own2": (0, 1), "own4": (0, 1, 2, 3), "mixed": (1,)}.get(flavor, ())
    assert described(cloud.show(server_id)).dedicated_cpus == own, "a guest can read which of its vCPUs are its own"
    check_invariants(cloud)


def test_isolated_vcpus_and_the_rest_of_qemu_have_cores_to_themselves(cloud: ServedCloud) -> None:
    with pytest.raises(AssertionError, match="NUMATopologyFilter"):
        cloud.boot("web", flavor_id="alone")  # three cores in one cell, which have two
    assert [server["vm_state"] for server in cloud.list_all()] == ["error"]


def test_no_cpu_is_given_twice_and_a_refusal_says_why(cloud: ServedCloud) -> None:
    cloud.create("many", flavor_id="own2", min_count=1, max_count=8)
    assert [server["vm_state"] for server in cloud.list_all()] == ["active"] * 8
    taken = [(cell, pin[1]) for (cell, _), place in has(cloud).items() for one in place.cells for pin in one.pins]
    assert len(set(taken)) == 16
    refused = cloud.create("one more", flavor_id="own2")
    fault = cloud.show(refused)["fault"]["message"]
    assert "NUMATopologyFilter: 2 refused" in fault
    cloud.boot("floating", flavor_id="plain")


def test_pages_are_counted_exactly(cloud: ServedCloud) -> None:
    for number in range(8):  # 64 of 128 MB in each of four cells
        cloud.boot(f"pages{number}", flavor_id="pages")
    assert cloud.show(cloud.create("one more", flavor_id="pages"))["vm_state"] == "error"


def test_nonsense_is_refused_before_anything_changes(cloud: ServedCloud) -> None:
    with pytest.raises(BadRequest, match="cannot be evenly distributed"):
        cloud.create("web", flavor_id="odd")
    with pytest.raises(BadRequest, match="vcpuAffinity must be 1"):
        hints = {"vcpuAffinity": ["0"], "hyperThreadAffinity": "sync"}
        cloud.create("web", flavor_id="plain", scheduler_hints=hints)
    assert cloud.list_all() == []
    server_id = cloud.boot("web", flavor_id="own2")
    before = cloud.show(server_id)
    with pytest.raises(BadRequest, match="cannot be evenly distributed"):
        cloud.act(server_id, "resize", flavor_id="odd", disk_config=None)
    assert cloud.show(server_id) == before


def test_hints_ask_for_the_same(cloud: ServedCloud) -> None:
    hints = {"numaOpts": "1", "vcpuAffinity": ["1"], "hyperThreadAffinity": "sync"}
    server_id = cloud.boot("web", flavor_id="plain", scheduler_hints=hints)
    host = str(cloud.show(server_id)["host"])
    assert (cpus(cloud, server_id), used(cloud, host)) == ({2, 3}, (0, 2))
    assert has(cloud)[host, server_id].threads == 2


def test_a_failed_build_gives_its_cpus_back_and_gets_others(cloud: ServedCloud) -> None:
    cloud.driver("alpha").fail("guest_start", "no power", None)
    server_id = cloud.boot("web", flavor_id="own4")
    assert list(has(cloud)) == [("beta", server_id)]


@pytest.mark.parametrize("end", ["confirm_resize", "revert_resize"])
def test_another_host_gives_other_cpus(cloud: ServedCloud, end: str) -> None:
    server_id = cloud.boot("web", flavor_id="own4")
    here = str(cloud.show(server_id)["host"])
    there = other(cloud, here)
    blocked = cloud.boot("first there", flavor_id="own2", requested_host=there)
    cloud.act(server_id, "migrate")
    assert (cloud.show(server_id)["host"], cpus(cloud, server_id)) == (there, {4, 5, 8, 9})
    assert sorted(host for host, _ in has(cloud)) == sorted([here, there, there]), "both places are kept"
    check_invariants(cloud)
    cloud.act(server_id, end)
    lives = there if end == "confirm_resize" else here
    assert set(has(cloud)) == {(lives, server_id), (there, blocked)}
    check_invariants(cloud)


CHANGES = [("own2", "own4"), ("own2", "plain"), ("plain", "own2"), ("cells", "pages")]


@pytest.mark.parametrize("end", ["confirm_resize", "revert_resize"])
@pytest.mark.parametrize(("before", "after"), CHANGES)
def test_a_resize_where_it_is_changes_its_cpus(cloud: ServedCloud, before: str, after: str, end: str) -> None:
    server_id = cloud.boot("web", flavor_id=before)
    old, host = cpus(cloud, server_id), str(cloud.show(server_id)["host"])
    cloud.act(server_id, "resize", flavor_id=after, disk_config=None)
    assert cloud.show(server_id)["vm_state"] == "resized"
    new = cpus(cloud, server_id)
    assert not new & old and len(new) == {"own4": 4, "own2": 2}.get(after, 0)
    check_invariants(cloud)
    cloud.act(server_id, end)
    assert cpus(cloud, server_id) == (new if end == "confirm_resize" else old)
    flavor = after if end == "confirm_resize" else before
    assert set(has(cloud)) == ({(host, server_id)} if flavor != "plain" else set())


def test_a_resize_that_fails_leaves_the_old_cpus(cloud: ServedCloud) -> None:
    server_id = cloud.boot("web", flavor_id="own2")
    old, host = cpus(cloud, server_id), str(cloud.show(server_id)["host"])
    cloud.driver(host).fail("resize_start", "no", 1)
    cloud.act(server_id, "resize", flavor_id="own4", disk_config=None)
    assert (cloud.show(server_id)["vm_state"], cpus(cloud, server_id)) == ("active", old)
    assert list(has(cloud)) == [(host, server_id)]


def test_a_server_whose_host_is_lost_gets_others_and_rebuilds_keep_them(cloud: ServedCloud) -> None:
    member = cloud.rest()
    ours, cloud.ctx = cloud.ctx, Context(user_id=member.user_id, project_id=member.project_id, roles=("member",))
    try:
        image = member.image()
        server_id = cloud.boot("web", flavor_id="own2", image_id=image)
        here, before = str(cloud.show(server_id)["host"]), cpus(cloud, server_id)
        cloud.act(server_id, "rebuild", image_id=image, changes={}, keep_ephemeral=False)
        assert cpus(cloud, server_id) == before
        divided = member.image(hw_numa_nodes="2")
        with pytest.raises(BadRequest, match="NUMA topology cannot be changed"):
            cloud.act(server_id, "rebuild", image_id=divided, changes={}, keep_ephemeral=False)
        cloud.stop_host(here)
        cloud.act(server_id, "evacuate")
        there = str(cloud.show(server_id)["host"])
        assert there != here and list(has(cloud)) == [(there, server_id)]
        cloud.start_host(here)
        check_invariants(cloud)
        cloud.delete(server_id)
    finally:
        cloud.ctx = ours


def test_a_shelved_server_has_none_and_gets_others_where_it_goes(cloud: ServedCloud) -> None:
    server_id = cloud.boot("web", flavor_id="own2")
    there = other(cloud, str(cloud.show(server_id)["host"]))
    cloud.act(server_id, "shelve")
    cloud.act(server_id, "shelveOffload")
    assert cloud.show(server_id)["vm_state"] == "shelved_offloaded" and has(cloud) == {}
    cloud.act(server_id, "unshelve", host=there)
    assert list(has(cloud)) == [(there, server_id)]
    check_invariants(cloud)


OTHER: dict[str, Any] = {"flavor_id": "mixed", "disk_config": None}
BREAKABLE: dict[str, tuple[list[tuple[str, dict[str, Any]]], str, dict[str, Any]]] = {
    # flow: what comes before, the action, its parameters
    "resize": ([], "resize", OTHER),
    "revert_resize": ([("resize", OTHER)], "revert_resize", {}),
    "confirm_resize": ([("resize", OTHER)], "confirm_resize", {}),
    "migrate": ([], "migrate", {}),
    "revert_migration": ([("migrate", {})], "revert_resize", {}),
    "unshelve": ([("shelve", {}), ("shelveOffload", {})], "unshelve", {}),
}


@pytest.mark.parametrize("kind", ["create", *BREAKABLE])
@pytest.mark.parametrize("mode", ["fails", "killed after"])
def test_flows_that_break_keep_no_cpu_too_many(cloud: ServedCloud, kind: str, mode: str) -> None:
    for step in FLOWS[kind].steps:
        if kind == "create":
            with broken_step(cloud.alive, kind, step.name, mode):
                server_id = cloud.create("web", tolerant=True, flavor_id="own2")
                cloud.recover(8)
        else:
            before, verb, params = BREAKABLE[kind]
            server_id = cloud.boot("web", flavor_id="own2")
            for earlier, more in before:
                cloud.act(server_id, earlier, **more)
            with broken_step(cloud.alive, kind, step.name, mode):
                cloud.act(server_id, verb, tolerant=True, **params)
                cloud.recover(8)
        check_invariants(cloud)
        cloud.delete(server_id)
        assert has(cloud) == {}, step.name


def test_cpus_that_a_host_does_not_give_any_more_stay_with_their_server(cloud: ServedCloud) -> None:
    from novalite.db import numa_check

    server_id = cloud.boot("web", flavor_id="own2")
    host = cloud.hosts[str(cloud.show(server_id)["host"])]
    condition = host.manager.resources.condition
    whole, condition.division = condition.division, type(condition.division)(dedicated=frozenset({3, 4, 5}))
    cloud.beat(host)
    with cloud.db.read() as session:
        (said,) = numa_check.pinned_cpus_are_offered(session)
    assert said == f"{server_id} has CPU 2 of host {host.name}, which it does not dedicate any more."
    assert cpus(cloud, server_id) == {2, 3}
    condition.division = whole
    cloud.beat(host)


def test_the_api_tells_cells_and_who_may_see_the_host_its_cpus(cloud: ServedCloud) -> None:
    member, admin = cloud.rest(), cloud.rest("admin")
    server_id = member.boot("web", flavorRef="own4", imageRef=member.image())
    guest = [{"memory_mb": 32, "vcpu_set": [n, n + 1], "siblings": [[n, n + 1]]} for n in (0, 2)]
    assert member.get(f"/servers/{server_id}/topology") == {"nodes": guest, "pagesize_kb": None}
    host = [{"host_node": 0, "cpu_pinning": {"0": 2, "1": 3}}, {"host_node": 1, "cpu_pinning": {"2": 8, "3": 9}}]
    seen = [one | more for one, more in zip(guest, host, strict=True)]
    assert admin.get(f"/servers/{server_id}/topology")["nodes"] == seen
    told = admin.get("/os-hypervisors/detail", version="2.87")["hypervisors"]
    by_name = {one["hypervisor_hostname"]: one for one in told}
    shown = by_name[str(cloud.show(server_id)["node"])]
    assert (shown["vcpus"], shown["vcpus_used"]) == (12, 4)

    refused = member.create("web", flavorRef="own2", imageRef=member.image(hw_cpu_policy="shared"))
    assert refused.status_code == 400 and "hw_cpu_policy is not permitted to override" in refused.text
    refused = member.act(server_id, {"resize": {"flavorRef": "odd"}})
    assert refused.status_code == 400 and "cannot be evenly distributed" in refused.text
    assert member.delete(f"/servers/{server_id}").status_code == 204
