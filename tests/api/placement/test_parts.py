"""NUMA cells and PCI devices of hosts are providers below them, and what servers have of them are allocations."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from novalite.rpc.contracts.flavors import Flavors
from tests.api.placement.conftest import Placement
from tests.cloud import Cloud

OPTIONS: dict[str, Any] = {
    "fake_driver.pci_devices": [
        '{"vendor_id": "10de", "product_id": "1eb8", "count": 2, "numa_node": 0}',
        '{"vendor_id": "8086", "product_id": "154d", "parts": 2, "part_product_id": "10ed"}',
    ],
    "pci.device_spec": ['{"vendor_id": "10de"}', '{"vendor_id": "8086"}'],
    "pci.alias": ['{"name": "nic", "product_id": "10ed", "device_type": "type-VF"}'],
    "fake_driver.numa_cells": 2,
    "compute.cpu_dedicated_set": "0-3,32-35",
}
WANTS = {"pci_passthrough:alias": "nic:1", "hw:cpu_policy": "dedicated", "hw:numa_nodes": "2"}


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    """A host with two cells, dedicated CPUs in both, two GPUs and a card that has two parts."""
    with Cloud(tmp_path, overrides=OPTIONS) as made:
        made.make_flavor("wants", vcpus=2, ram_mb=128, disk_gb=1)
        made.client.of(Flavors).set_extra_specs(made.admin, "wants", WANTS)
        yield made


def _tree(admin: Placement) -> dict[str, dict[str, Any]]:
    """Providers of the host's tree by what comes after the host's name."""
    root = admin.host()
    found = admin.ok("GET", f"/resource_providers?in_tree={root['uuid']}")["resource_providers"]
    return {one["name"].removeprefix(root["name"]).lstrip("_"): one for one in found}


def _inventories(admin: Placement, provider: dict[str, Any]) -> dict[str, tuple[int, int]]:
    """(total, used) by class."""
    path = f"/resource_providers/{provider['uuid']}"
    usages = admin.ok("GET", f"{path}/usages")["usages"]
    totals = admin.ok("GET", f"{path}/inventories")["inventories"]
    return {name: (one["total"], usages[name]) for name, one in totals.items()}


def test_parts_of_a_host_are_below_it_and_servers_hold_them(cloud: Cloud, admin: Placement) -> None:
    tree = _tree(admin)
    root, cells = tree[""], [tree["NUMA0"], tree["NUMA1"]]
    devices = [one for name, one in tree.items() if ":" in name]
    assert len(tree) == 6 and len(devices) == 3, sorted(tree)
    assert all(cell["parent_provider_uuid"] == root["uuid"] for cell in cells)
    near = [one for one in devices if one["parent_provider_uuid"] == cells[0]["uuid"]]
    (card,) = (one for one in devices if one not in near)
    assert len(near) == 2 and card["parent_provider_uuid"] == root["uuid"]
    assert _inventories(admin, card) == {"CUSTOM_PCI_8086_10ED": (2, 0), "CUSTOM_PCI_8086_154D": (1, 0)}
    assert _inventories(admin, root)["PCPU"] == (8, 0)
    server = cloud.boot("web", flavor_id="wants")
    held = {uuid: one["resources"] for uuid, one in admin.ok("GET", f"/allocations/{server}")["allocations"].items()}
    assert held[card["uuid"]] == {"CUSTOM_PCI_8086_10ED": 1}
    assert held[root["uuid"]] == {"MEMORY_MB": 128, "DISK_GB": 1, "PCPU": 2}
    for cell in cells:
        assert held[cell["uuid"]] == {"NUMA_THREAD": 1, "NUMA_MEMORY_MB": 64}
        assert _inventories(admin, cell)["NUMA_THREAD"] == (4, 1)
        told = admin.ok("GET", f"/resource_providers/{cell['uuid']}/allocations")["allocations"]
        assert told[server]["resources"] == held[cell["uuid"]]
    whole = admin.ok("GET", f"/resource_providers/{card['uuid']}/inventories/CUSTOM_PCI_8086_154D")
    assert whole["reserved"] == 1, "a card of which a part is given is not given whole"
    usages = admin.ok("GET", f"/usages?project_id={cloud.ctx.project_id}")["usages"]["INSTANCE"]
    assert usages == {"consumer_count": 1, "MEMORY_MB": 128, "DISK_GB": 1, "PCPU": 2, "CUSTOM_PCI_8086_10ED": 1}
    assert "CUSTOM_PCI_10DE_1EB8" in str(admin.ok("GET", "/resource_classes"))
    query = "/resource_providers?resources=CUSTOM_PCI_8086_10ED:1"
    assert [one["uuid"] for one in admin.ok("GET", query)["resource_providers"]] == [card["uuid"]]
    cloud.delete(server)
    assert _inventories(admin, card)["CUSTOM_PCI_8086_10ED"] == (2, 0)


def test_parts_are_the_hosts_to_change(cloud: Cloud, admin: Placement) -> None:
    tree = _tree(admin)
    part = f"/resource_providers/{tree['NUMA0']['uuid']}"
    assert "which reports it" in admin.refused(409, "PUT", part, {"name": "mine"})
    assert "which reports it" in admin.refused(409, "DELETE", part)
    child = {"name": "child", "parent_provider_uuid": tree["NUMA0"]["uuid"]}
    assert "which reports it" in admin.refused(409, "POST", "/resource_providers", child)
    traits = {"traits": [], "resource_provider_generation": tree["NUMA0"]["generation"]}
    admin.refused(409, "PUT", f"{part}/traits", traits)
    server = cloud.boot("web", flavor_id="wants")
    path = f"/allocations/{server}"
    now = admin.ok("GET", path)
    assert admin("PUT", path, now).status_code == 204, "what it has already it may have"
    now = admin.ok("GET", path)
    for uuid in now["allocations"]:
        less = {**now, "allocations": {one: held for one, held in now["allocations"].items() if one != uuid}}
        admin.refused(409, "PUT", path, less)
    admin.refused(409, "DELETE", path)
    assert admin.ok("GET", path)["allocations"] == now["allocations"]
    taken = {"allocations": {tree["NUMA1"]["uuid"]: {"resources": {"NUMA_THREAD": 1}}}, "project_id": "p",
             "user_id": "u", "consumer_generation": None, "consumer_type": "X"}  # fmt: skip
    assert "with the place of a server" in admin.refused(409, "PUT", "/allocations/" + "1" * 32, taken)
