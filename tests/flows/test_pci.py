"""PCI devices go with their servers: given with the place, other ones on another host, back when it ends; never twice.

`check_invariants` compares what is written with what the hypervisors' guests have, after every test.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from novalite.cmd.pci import lines
from novalite.conductor.tasks import FLOWS
from novalite.context import Context
from novalite.db import hosts, numa, pci
from novalite.db.models.pci import PciDevice
from novalite.errors import BadRequest, MigrationPreCheckError
from novalite.rpc.contracts.flavors import Flavors
from tests.cloud import Cloud
from tests.flows.harness import broken_step, check_invariants
from tests.served import ServedCloud

GPUS = '{"vendor_id": "10de", "product_id": "1eb8", "count": 2, "numa_node": 0}'
GPU_ON = '{{"vendor_id": "10de", "product_id": "1eb8", "numa_node": {}}}'
NICS = '{"vendor_id": "8086", "product_id": "154d", "parts": 2, "part_product_id": "10ed"}'
OPTIONS: dict[str, Any] = {
    "fake_driver.pci_devices": [GPUS, NICS],
    "pci.device_spec": ['{"vendor_id": "10de"}', '{"vendor_id": "8086", "physical_network": "red"}'],
    "pci.alias": [
        '{"name": "gpu", "vendor_id": "10de", "product_id": "1eb8"}',
        '{"name": "nic", "product_id": "10ed", "device_type": "type-VF"}',
        '{"name": "whole", "product_id": "154d", "device_type": "type-PF"}',
    ],
}
FLAVORS = {"gpu1": "gpu:1", "gpu2": "gpu:2", "both": "gpu:1,nic:1", "nic1": "nic:1", "whole": "whole:1",
           "cat": "cat:1", "plain": ""}  # fmt: skip


@pytest.fixture(scope="module")
def _equipped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedCloud]:
    folder = tmp_path_factory.mktemp("equipped")
    with ServedCloud(folder, hosts=("alpha", "beta"), conductors=60, overrides=OPTIONS) as made:
        for name, alias in FLAVORS.items():
            made.make_flavor(name, vcpus=1, ram_mb=64, disk_gb=1)
            if alias:
                made.client.of(Flavors).set_extra_specs(made.admin, name, {"pci_passthrough:alias": alias})
        yield made


@pytest.fixture
def cloud(_equipped: ServedCloud) -> Iterator[ServedCloud]:
    """Two hosts, each with two GPUs and a network card that has two parts; nobody has any of them afterwards."""
    _equipped.revive()
    yield _equipped
    for name in _equipped.host_names:
        _equipped.driver(name).heal()
    _equipped.recover(1)
    check_invariants(_equipped)
    _equipped.empty()
    assert has(_equipped) == {}
    with _equipped.db.read() as session:
        assert [row.pci_free for row in hosts.rows(session)] == [5, 5]


def has(cloud: Cloud) -> dict[tuple[str, str], str]:
    """By (host, address): who has a device."""
    with cloud.db.read() as session:
        query = select(PciDevice.host, PciDevice.address, PciDevice.holder).where(PciDevice.holder.is_not(None))
        return {(host, address): holder for host, address, holder in session.execute(query)}


def devices(cloud: Cloud, server_id: str, host: str | None = None) -> list[str]:
    """Addresses of what its guest has."""
    return cloud.driver(host or str(cloud.show(server_id)["host"])).guest(server_id).devices


def other(cloud: Cloud, host: str) -> str:
    return next(name for name in cloud.host_names if name != host)


def test_a_server_gets_what_its_flavor_asks_for_and_gives_it_back(cloud: ServedCloud) -> None:
    server_id = cloud.boot("web", flavor_id="both")
    host = str(cloud.show(server_id)["host"])
    assert has(cloud) == {(host, address): server_id for address in devices(cloud, server_id)}
    assert [address[5:7] for address in devices(cloud, server_id)] == ["01", "82"]
    cloud.act(server_id, "reboot", type="HARD")
    cloud.act(server_id, "stop")
    cloud.act(server_id, "start")
    check_invariants(cloud)
    cloud.delete(server_id)
    assert has(cloud) == {}


def test_each_device_is_given_once_and_a_refusal_says_why(cloud: ServedCloud) -> None:
    for number in range(2):
        cloud.boot(f"pair{number}", flavor_id="gpu2")
    assert len(has(cloud)) == 4
    refused = cloud.create("third", flavor_id="gpu1")
    fault = cloud.show(refused)["fault"]["message"]
    assert "PciPassthroughFilter: 2 refused" in fault and "if not for PciPassthroughFilter" in fault
    seen = [cloud.boot(f"nic{number}", flavor_id="nic1") for number in range(4)]
    assert len({(cloud.show(one)["host"], *devices(cloud, one)) for one in seen}) == 4
    assert cloud.show(cloud.create("whole", flavor_id="whole"))["vm_state"] == "error", "its parts are given"
    check_invariants(cloud)


def test_a_whole_function_takes_its_parts_along(cloud: ServedCloud) -> None:
    whole = cloud.boot("whole", flavor_id="whole")
    parts = [cloud.boot(f"nic{number}", flavor_id="nic1") for number in range(2)]
    assert {cloud.show(one)["host"] for one in parts} == {other(cloud, str(cloud.show(whole)["host"]))}
    assert cloud.show(cloud.create("third", flavor_id="nic1"))["vm_state"] == "error"


def test_several_servers_of_one_request_share_what_there_is(cloud: ServedCloud) -> None:
    cloud.create("many", flavor_id="gpu1", min_count=1, max_count=4)
    assert [server["vm_state"] for server in cloud.list_all()] == ["active"] * 4
    assert len(has(cloud)) == 4


def test_an_alias_nobody_defined_is_refused_before_anything_changes(cloud: ServedCloud) -> None:
    with pytest.raises(BadRequest, match="PCI alias cat is not defined"):
        cloud.create("web", flavor_id="cat")
    member = cloud.rest()
    answer = member.create("web", flavorRef="cat", imageRef=member.image(), networks="none")
    assert (answer.status_code, answer.json["badRequest"]["message"]) == (400, "PCI alias cat is not defined")
    assert cloud.list_all() == []
    server_id = cloud.boot("web", flavor_id="gpu1")
    before = cloud.show(server_id)
    with pytest.raises(BadRequest, match="PCI alias cat is not defined"):
        cloud.act(server_id, "resize", flavor_id="cat", disk_config=None)
    with pytest.raises(MigrationPreCheckError, match="has PCI devices of its host, which cannot go along"):
        cloud.act(server_id, "live_migrate")
    assert cloud.show(server_id) == before
    cloud.act(server_id, "suspend")
    assert (cloud.show(server_id)["vm_state"], cloud.show(server_id)["task_state"]) == ("active", None)


def test_a_failed_build_gives_its_devices_back_and_gets_others(cloud: ServedCloud) -> None:
    cloud.driver("alpha").fail("guest_start", "no power", None)
    server_id = cloud.boot("web", flavor_id="gpu2")
    assert {host for host, _ in has(cloud)} == {"beta"} and cloud.show(server_id)["host"] == "beta"


@pytest.mark.parametrize("end", ["confirm_resize", "revert_resize"])
def test_another_host_gives_other_devices(cloud: ServedCloud, end: str) -> None:
    server_id = cloud.boot("web", flavor_id="both")
    here = str(cloud.show(server_id)["host"])
    there = other(cloud, here)
    cloud.act(server_id, "migrate")
    assert cloud.show(server_id)["host"] == there
    assert sorted(host for host, _ in has(cloud)) == sorted([here, here, there, there]), "both places are kept"
    kept = [line for line in lines(cloud.db, here) if server_id in line]
    assert len(kept) == 2 and all(f"server {server_id} until its migration is confirmed" in line for line in kept)
    check_invariants(cloud)
    cloud.act(server_id, end)
    lives = there if end == "confirm_resize" else here
    assert {(host, holder) for (host, _), holder in has(cloud).items()} == {(lives, server_id)}
    check_invariants(cloud)


@pytest.mark.parametrize("end", ["confirm_resize", "revert_resize"])
@pytest.mark.parametrize(("before", "after"), [("gpu1", "both"), ("gpu1", "plain"), ("plain", "gpu2")])
def test_a_resize_where_it_is_changes_its_devices(cloud: ServedCloud, before: str, after: str, end: str) -> None:
    server_id = cloud.boot("web", flavor_id=before)
    old = devices(cloud, server_id)
    cloud.act(server_id, "resize", flavor_id=after, disk_config=None)
    assert cloud.show(server_id)["vm_state"] == "resized"
    new = devices(cloud, server_id)
    assert not set(new) & set(old) and len(new) == {"both": 2, "plain": 0, "gpu2": 2}[after]
    check_invariants(cloud)
    cloud.act(server_id, end)
    wanted = new if end == "confirm_resize" else old
    assert devices(cloud, server_id) == wanted
    assert {(address, holder) for (_, address), holder in has(cloud).items()} == {(one, server_id) for one in wanted}


def test_a_resize_that_fails_leaves_the_old_devices(cloud: ServedCloud) -> None:
    server_id = cloud.boot("web", flavor_id="gpu1")
    old, host = devices(cloud, server_id), str(cloud.show(server_id)["host"])
    cloud.driver(host).fail("resize_start", "no", 1)
    cloud.act(server_id, "resize", flavor_id="both", disk_config=None)
    assert (cloud.show(server_id)["vm_state"], devices(cloud, server_id)) == ("active", old)
    assert list(has(cloud).values()) == [server_id]


def test_a_server_whose_host_is_lost_gets_others(cloud: ServedCloud) -> None:
    member = cloud.rest()
    ours, cloud.ctx = cloud.ctx, Context(user_id=member.user_id, project_id=member.project_id, roles=("member",))
    try:
        server_id = cloud.boot("web", flavor_id="gpu2", image_id=member.image())
        here = str(cloud.show(server_id)["host"])
        cloud.stop_host(here)
        cloud.act(server_id, "evacuate")
        there = str(cloud.show(server_id)["host"])
        assert there != here and {(host, holder) for (host, _), holder in has(cloud).items()} == {(there, server_id)}
        cloud.start_host(here)
        check_invariants(cloud)
        cloud.delete(server_id)
    finally:
        cloud.ctx = ours


def test_a_shelved_server_has_none_and_gets_others_where_it_goes(cloud: ServedCloud) -> None:
    server_id = cloud.boot("web", flavor_id="gpu1")
    there = other(cloud, str(cloud.show(server_id)["host"]))
    cloud.act(server_id, "shelve")
    cloud.act(server_id, "shelveOffload")
    assert cloud.show(server_id)["vm_state"] == "shelved_offloaded" and has(cloud) == {}
    cloud.act(server_id, "unshelve", host=there)
    assert {(host, holder) for (host, _), holder in has(cloud).items()} == {(there, server_id)}
    check_invariants(cloud)


BREAKS = [
    ("create", "fails"), ("create", "killed after"), ("migrate", "killed after"), ("revert_migration", "fails"),
    ("resize", "fails"), ("resize", "killed after"), ("revert_resize", "killed before"),
    ("confirm_resize", "runs twice"),
]  # fmt: skip
BEFORE = {"revert_migration": "migrate", "revert_resize": "resize", "confirm_resize": "resize"}
"""What a server has gone through before a flow; each flow in each mode was tried, and these are kept."""


@pytest.mark.parametrize(("kind", "mode"), BREAKS)
def test_flows_that_break_keep_no_device_too_many(cloud: ServedCloud, kind: str, mode: str) -> None:
    more = {"resize": {"flavor_id": "both", "disk_config": None}}
    verb = "revert_resize" if kind == "revert_migration" else kind
    for step in FLOWS[kind].steps:
        if kind != "create":
            server_id = cloud.boot("web", flavor_id="gpu1")
            if before := BEFORE.get(kind):
                cloud.act(server_id, before, **more.get(before, {}))
        with broken_step(cloud.alive, kind, step.name, mode):
            if kind == "create":
                server_id = cloud.create("web", tolerant=True, flavor_id="both")
            else:
                cloud.act(server_id, verb, tolerant=True, **more.get(verb, {}))
            cloud.recover(8)
        check_invariants(cloud)
        cloud.delete(server_id)
        assert has(cloud) == {}, step.name


def test_a_device_that_vanishes_stays_with_its_server(cloud: ServedCloud) -> None:
    server_id = cloud.boot("web", flavor_id="gpu1")
    host = str(cloud.show(server_id)["host"])
    driver, (address,) = cloud.driver(host), devices(cloud, server_id)
    driver.pulled.add(address)
    cloud.beat(cloud.hosts[host])
    assert has(cloud) == {(host, address): server_id}
    with cloud.db.read() as session:
        (row,) = hosts.rows(session, [host])
    assert sum(pool.free for pool in row.pci_pools if pool.vendor_id == "10de") == 1
    cloud.delete(server_id)
    for number in range(3):
        cloud.boot(f"other{number}", flavor_id="gpu1")
    assert (host, address) not in has(cloud)
    driver.pulled.clear()
    cloud.beat(cloud.hosts[host])
    cloud.boot("last", flavor_id="gpu1")
    assert (host, address) in has(cloud)


def test_cells_and_devices_are_near_each_other(tmp_path: Path) -> None:
    """One GPU on each of two cells with two dedicated CPUs each, and one more CPU-hungry server in the way."""
    options = {
        "fake_driver.vcpus": 4,
        "fake_driver.numa_cells": 2,
        "compute.cpu_dedicated_set": "0-3",
        "fake_driver.pci_devices": [GPU_ON.format(0), GPU_ON.format(1)],
        "pci.device_spec": ['{"vendor_id": "10de"}'],
        "pci.alias": [
            '{"name": "gpu", "vendor_id": "10de", "numa_policy": "required"}',
            '{"name": "any", "vendor_id": "10de", "numa_policy": "preferred"}',
        ],
    }
    with Cloud(tmp_path, overrides=options) as cloud:
        for name, alias in (("cpus", {}), ("near", {"pci_passthrough:alias": "gpu:1"})):
            cloud.make_flavor(name, vcpus=2, ram_mb=64, disk_gb=1)
            cloud.client.of(Flavors).set_extra_specs(cloud.admin, name, {"hw:cpu_policy": "dedicated", **alias})
        first = cloud.boot("first", flavor_id="cpus")
        server_id = cloud.boot("near", flavor_id="near")
        with cloud.db.read() as session:
            places = numa.of_host(session, "alpha")
            taken = pci.held(session, "alpha", server_id)
        cells = {who: {cell.host_cell for cell in place.cells} for who, place in places.items()}
        assert cells[first] != cells[server_id] == {one.numa_node for one in taken}
        check_invariants(cloud)
        cloud.make_flavor("hinted", vcpus=1, ram_mb=64, disk_gb=1)
        cloud.client.of(Flavors).set_extra_specs(cloud.admin, "hinted", {"pci_passthrough:alias": "any:1"})
        hints = {"numaOpts": "2", "vcpuAffinity": "0", "hyperThreadAffinity": "any"}
        hinted = cloud.show(cloud.create("hinted", flavor_id="hinted", scheduler_hints=hints))
        assert "NUMATopologyFilter: 1 refused" in hinted["fault"]["message"], "numaOpts=2 wants them near"
        refused = cloud.show(cloud.create("second", flavor_id="near"))
        assert "NUMATopologyFilter: 1 refused" in refused["fault"]["message"], "a device is free, but not its cell"
        cloud.delete(first)
        third = cloud.boot("third", flavor_id="near")
        with cloud.db.read() as session:
            assert {one.numa_node for one in pci.held(session, "alpha", third)} == cells[first]
        check_invariants(cloud)
