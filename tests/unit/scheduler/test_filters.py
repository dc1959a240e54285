"""Every filter: which hosts it keeps, and the words for those it does not."""

from __future__ import annotations

import json

import numpy as np
import pytest

from novalite.conf.load import for_tests
from novalite.scheduler.columns import Hosts
from novalite.scheduler.filters import FILTERS
from novalite.scheduler.filters.target import ForcedHost, RequestedHost
from novalite.scheduler.store import Store
from tests.unit.scheduler.builders import (
    NOW,
    a_host,
    a_spec,
    cells,
    gpus,
    group,
    hosts,
    wants_cpus,
    wants_gpus,
)

BIG = {"cap_vcpus": 32, "total_vcpus": 2}
WIDE = {"cap_ram_mb": 3000, "total_ram_mb": 2000}

# filter, host, request, None when it passes or else words of the reason
CASES = [
    ("CoreFilter", {"used_vcpus": 15}, {"vcpus": 1}, None),
    ("CoreFilter", {"used_vcpus": 15}, {"vcpus": 2}, "needs 2 vCPUs, 1 of 16 are free"),
    ("CoreFilter", {"used_vcpus": 20}, {"vcpus": 1}, "needs 1 vCPUs, -4 of 16 are free"),
    ("CoreFilter", BIG, {"vcpus": 2}, None),
    ("CoreFilter", BIG, {"vcpus": 3}, "needs 3 vCPUs, the machine has 2"),
    ("RamFilter", {"used_ram_mb": 31744}, {"ram_mb": 1024}, None),
    ("RamFilter", {"used_ram_mb": 31745}, {"ram_mb": 1024}, "needs 1024 MB of memory, 1023 of 32768 MB"),
    ("RamFilter", WIDE, {"ram_mb": 2000}, None),
    ("RamFilter", WIDE, {"ram_mb": 2001}, "needs 2001 MB of memory, the machine has 2000 MB"),
    ("DiskFilter", {"used_disk_gb": 490}, {"disk_gb": 10}, None),
    ("DiskFilter", {"used_disk_gb": 491}, {"disk_gb": 10}, "needs 10 GB of disk, 9 of 500 GB are free"),
    ("DiskFilter", {"used_disk_gb": 489}, {"disk_gb": 10, "swap_mb": 1}, None),
    ("DiskFilter", {"used_disk_gb": 490}, {"disk_gb": 10, "swap_mb": 1}, "needs 11 GB"),
    ("DiskFilter", {"used_disk_gb": 490}, {"disk_gb": 5, "ephemeral_gb": 6}, "needs 11 GB"),
    ("DiskFilter", {"used_disk_gb": 600}, {"disk_gb": 0}, None),
    ("ComputeFilter", {}, {}, None),
    ("ComputeFilter", {"last_seen": NOW - 30}, {}, None),
    (
        "ComputeFilter",
        {"last_seen": NOW - 31},
        {},
        "heard of at 1970-01-12T13:46:09+00:00, more than 30 s",
    ),
    ("ComputeFilter", {"last_seen": NOW + 5}, {}, None),  # a conductor's clock may be ahead of ours
    ("ComputeFilter", {"last_seen": 0.0}, {}, "never heard of"),
    ("ComputeFilter", {"enabled": False}, {}, "is disabled"),
    ("ComputeFilter", {"forced_down": True}, {}, "forced down"),
    ("AvailabilityZoneFilter", {"zone": "east"}, {}, None),
    ("AvailabilityZoneFilter", {"zone": "east"}, {"availability_zone": "east"}, None),
    (
        "AvailabilityZoneFilter",
        {"zone": "east"},
        {"availability_zone": "west"},
        "zone west, is in east",
    ),
    ("RetryFilter", {}, {}, None),
    ("RetryFilter", {}, {"excluded": {"other": "broke", "gone": "broke"}}, None),
    ("RetryFilter", {}, {"excluded": {"node1": "no such disk"}}, "was tried before: no such disk"),
    ("SameHostFilter", {}, {}, None),
    ("SameHostFilter", {}, {"same_host": ("other", "node1")}, None),
    ("SameHostFilter", {}, {"same_host": ("gone",)}, "they are on gone"),
    ("SameHostFilter", {}, {"same_host": ()}, "they are on no host"),
    ("DifferentHostFilter", {}, {}, None),
    ("DifferentHostFilter", {}, {"different_host": ("other",)}, None),
    ("DifferentHostFilter", {}, {"different_host": ("other", "node1")}, "different_host hint"),
    ("ServerGroupAffinityFilter", {}, {}, None),
    ("ServerGroupAffinityFilter", {}, {"group": group("affinity")}, None),
    ("ServerGroupAffinityFilter", {}, {"group": group("affinity", other=2, node1=1)}, None),
    ("ServerGroupAffinityFilter", {}, {"group": group("affinity", gone=1)}, "which is on gone"),
    ("ServerGroupAffinityFilter", {}, {"group": group("anti-affinity", gone=1)}, None),
    ("ServerGroupAntiAffinityFilter", {}, {}, None),
    ("ServerGroupAntiAffinityFilter", {}, {"group": group("anti-affinity", other=1)}, None),
    ("ServerGroupAntiAffinityFilter", {}, {"group": group("anti-affinity", node1=1)}, "carries 1 servers"),
    ("ServerGroupAntiAffinityFilter", {}, {"group": group("anti-affinity", 3, node1=2)}, None),
    ("ServerGroupAntiAffinityFilter", {}, {"group": group("anti-affinity", 3, node1=3)}, "which allows 3"),
    ("ServerGroupAntiAffinityFilter", {}, {"group": group("soft-anti-affinity", node1=1)}, None),
]


def flavor(**specs: str) -> dict:
    """A request for a flavor with these extra specs; __ stands for a colon."""
    return {"extra_specs": {key.replace("__", ":"): value for key, value in specs.items()}}


def within(**metadata: str) -> dict:
    """A host in one aggregate with this metadata, and in another without."""
    return {"aggregates": {"x": metadata, "y": {}}}


CPU = {
    "cpu_info": {"arch": "x86_64", "model": "Skylake", "features": ["avx2", "vmx"], "topology": {"cores": 8}}
}
QEMU = {"hypervisor_type": "QEMU", "hypervisor_version": 6002001}
KINDS = {**QEMU, "supported_instances": (("x86_64", "kvm", "hvm"), ("i686", "qemu", "hvm"))}
NEAR = {"hints": {"build_near_host_ip": "10.0.1.9", "cidr": "/24"}}
FAST = {"bandwidth_mbps": 1000, "metrics": {"network.mbps": 200.0}}


NEAR_GPU = {"pci_pools": tuple(pool.model_copy(update={"numa_node": 1}) for pool in gpus(1)["pci_pools"])}
NEARBY = tuple(one.model_copy(update={"policy": "required"}) for one in wants_gpus(1)["pci_requests"])
NEAR_WANTED = {"pci_requests": NEARBY}


def image(**properties: str) -> dict:
    return {"image_properties": properties}


def query(*parts: object) -> dict:
    return {"hints": {"query": json.dumps(parts)}}


CASES += [
    ("AllHostsFilter", {"enabled": False}, {"vcpus": 1000}, None),
    ("NumInstancesFilter", {"servers": 49}, {}, None),
    ("NumInstancesFilter", {"servers": 50}, {}, "carries 50 servers"),
    (
        "AggregateNumInstancesFilter",
        {"servers": 2, **within(max_instances_per_host="2")},
        {},
        "carries 2 servers",
    ),
    ("AggregateNumInstancesFilter", {"servers": 90, **within(max_instances_per_host="91")}, {}, None),
    ("IoOpsFilter", {"io_ops": 7}, {}, None),
    ("IoOpsFilter", {"io_ops": 8}, {}, "is busy with 8 servers"),
    ("AggregateIoOpsFilter", {"io_ops": 1, **within(max_io_ops_per_host="1")}, {}, "is busy with 1 servers"),
    ("AggregateCoreFilter", {"used_vcpus": 15}, {"vcpus": 2}, "1 of 16 are free"),
    ("AggregateRamFilter", {"used_ram_mb": 32000}, {"ram_mb": 1024}, "768 of 32768 MB are free"),
    ("AggregateDiskFilter", {"used_disk_gb": 495}, {"disk_gb": 10}, "5 of 500 GB are free"),
    ("TypeAffinityFilter", within(instance_type="large"), {}, "is kept for flavors large"),
    ("AggregateTypeAffinityFilter", {}, {}, None),
    ("AggregateTypeAffinityFilter", within(instance_type="large, small"), {}, None),
    (
        "AggregateTypeAffinityFilter",
        within(instance_type="large,huge"),
        {},
        "is kept for flavors huge, large",
    ),
    ("AggregateMultiTenancyIsolation", {}, {"project_id": "p"}, None),
    ("AggregateMultiTenancyIsolation", within(filter_tenant_id="o,p"), {"project_id": "p"}, None),
    (
        "AggregateMultiTenancyIsolation",
        within(filter_tenant_id="o"),
        {"project_id": "p"},
        "kept for other projects",
    ),
    (
        "AggregateMultiTenancyIsolation",
        within(filter_tenant_id="o", filter_tenant_id2="p"),
        {"project_id": "p"},
        None,
    ),
    ("AggregateInstanceExtraSpecsFilter", {}, flavor(hw__cpu_policy="dedicated"), None),
    ("AggregateInstanceExtraSpecsFilter", within(ssd="true"), flavor(ssd="true"), None),
    (
        "AggregateInstanceExtraSpecsFilter",
        within(ssd="no"),
        flavor(ssd="true"),
        "needs ssd true of its aggregates, which say no",
    ),
    (
        "AggregateInstanceExtraSpecsFilter",
        {},
        flavor(aggregate_instance_extra_specs__ssd="true"),
        "which say nothing",
    ),
    (
        "AggregateInstanceExtraSpecsFilter",
        within(gpus="4"),
        flavor(aggregate_instance_extra_specs__gpus=">= 4"),
        None,
    ),
    (
        "AggregateInstanceExtraSpecsFilter",
        within(gpus="3"),
        flavor(aggregate_instance_extra_specs__gpus=">= 4"),
        "say 3",
    ),
    ("AggregateImagePropertiesIsolation", within(os="windows"), {}, None),
    ("AggregateImagePropertiesIsolation", within(os="windows"), image(disk="x"), None),
    ("AggregateImagePropertiesIsolation", within(os="windows, linux"), image(os="linux"), None),
    (
        "AggregateImagePropertiesIsolation",
        within(os="windows"),
        image(os="linux"),
        "with os windows, the image has linux",
    ),
    ("ComputeCapabilitiesFilter", {}, {}, None),
    ("ComputeCapabilitiesFilter", {}, flavor(quota__cpu_shares="10"), None),
    ("ComputeCapabilitiesFilter", CPU, flavor(capabilities__cpu_info__features="<in> avx2"), None),
    (
        "ComputeCapabilitiesFilter",
        CPU,
        flavor(capabilities__cpu_info__features="<in> avx512"),
        "has ['avx2', 'vmx']",
    ),
    ("ComputeCapabilitiesFilter", CPU, flavor(capabilities__cpu_info__features="<all-in> vmx avx2"), None),
    ("ComputeCapabilitiesFilter", CPU, flavor(capabilities__cpu_info__topology__cores=">= 8"), None),
    (
        "ComputeCapabilitiesFilter",
        CPU,
        flavor(capabilities__cpu_info__topology__cores=">= 9"),
        "needs cpu_info:topology:cores >= 9, has 8",
    ),
    ("ComputeCapabilitiesFilter", {}, flavor(capabilities__cpu_info__arch="x86_64"), "has none"),
    ("ComputeCapabilitiesFilter", {"used_ram_mb": 30720}, flavor(capabilities__free_ram_mb=">= 2048"), None),
    (
        "ComputeCapabilitiesFilter",
        {"used_ram_mb": 30721},
        flavor(capabilities__free_ram_mb=">= 2048"),
        "has 2047",
    ),
    ("ComputeCapabilitiesFilter", QEMU, flavor(capabilities__hypervisor_type="<or> KVM <or> QEMU"), None),
    ("ComputeCapabilitiesFilter", QEMU, flavor(capabilities__hypervisor_type="s!= QEMU"), "has QEMU"),
    ("ComputeCapabilitiesFilter", {}, flavor(colour="red"), "needs colour red, has none"),
    ("TraitsFilter", {}, {}, None),
    ("TraitsFilter", {"traits": ("A", "B")}, flavor(trait__A="required", trait__C="forbidden"), None),
    ("TraitsFilter", {"traits": ("A", "B")}, flavor(trait__A="required", trait__C="required"), "needs trait C"),
    ("TraitsFilter", {"traits": ("A", "B")}, flavor(trait__B="forbidden"), "must not have trait B"),
    ("TraitsFilter", {}, {"image_properties": {"trait:A": "required"}}, "needs trait A"),
    ("HypervisorInstanceExtraSpecsFilter", QEMU, flavor(capabilities__x="1"), None),
    (
        "HypervisorInstanceExtraSpecsFilter",
        QEMU,
        flavor(hypervisor__type="QEMU", hypervisor__version=">= 6000000"),
        None,
    ),
    ("HypervisorInstanceExtraSpecsFilter", QEMU, flavor(hypervisor__version=">= 7000000"), "has 6002001"),
    ("HypervisorInstanceExtraSpecsFilter", {}, flavor(hypervisor__hostname="node1"), None),
    (
        "HypervisorInstanceExtraSpecsFilter",
        {},
        flavor(hypervisor__mood="good"),
        "needs hypervisor mood good, has none",
    ),
    ("ImagePropertiesFilter", {}, image(os_distro="debian"), None),
    (
        "ImagePropertiesFilter",
        KINDS,
        image(hw_architecture="amd64", img_hv_type="kvm", hw_vm_mode="hvm"),
        None,
    ),
    (
        "ImagePropertiesFilter",
        KINDS,
        image(hw_architecture="x86_64", img_hv_type="qemu"),
        "needs x86_64 qemu guests, supports x86_64 kvm hvm; i686",
    ),
    ("ImagePropertiesFilter", KINDS, image(img_hv_requested_version=">=6.2, <7"), None),
    (
        "ImagePropertiesFilter",
        KINDS,
        image(img_hv_requested_version="<6.2.1"),
        "needs hypervisor version <6.2.1, has 6.2.1",
    ),
    ("ImagePropertiesFilter", KINDS, image(img_hv_requested_version="new"), "needs hypervisor version new"),
    ("ImagePropertiesFilter", {**CPU, **QEMU}, image(hw_architecture="x86_64", img_hv_type="qemu"), None),
    ("ImagePropertiesFilter", CPU, image(hw_architecture="aarch64"), "needs aarch64 guests, supports x86_64"),
    ("IsolatedHostsFilter", {}, {"image_id": "secret"}, None),
    ("PhysicalNetworkFilter", {}, {}, None),
    ("PhysicalNetworkFilter", {"physical_networks": ("blue", "red")}, {"physical_networks": ("red",)}, None),
    (
        "PhysicalNetworkFilter",
        {"physical_networks": ("blue",)},
        {"physical_networks": ("red", "blue")},
        "physical network red",
    ),
    ("PciPassthroughFilter", {}, {}, None),
    ("PciPassthroughFilter", gpus(2), wants_gpus(2), None),
    ("PciPassthroughFilter", gpus(2), wants_gpus(3), "needs 3 PCI devices of alias gpu, 2 are free"),
    ("PciPassthroughFilter", gpus(2), wants_gpus(1, "nic"), "needs 1 PCI devices of alias nic, 0 are free"),
    ("PciPassthroughFilter", {}, wants_gpus(1), "0 are free"),
    ("NUMATopologyFilter", {}, {}, None),
    ("NUMATopologyFilter", cells("0-3"), wants_cpus(4), None),
    ("NUMATopologyFilter", cells("0-1", "2-3"), wants_cpus(2, 2), None),
    ("NUMATopologyFilter", {}, wants_cpus(1), "needs 1 dedicated CPUs, 100 MB in 1 cell; it tells of no cells"),
    (
        "NUMATopologyFilter",
        cells("0-1", "2-3", used="1"),
        wants_cpus(2, 2),
        "in 2 cells; cell 0 has left 1 of 2 dedicated CPUs, 1000 of 1000 MB; cell 1 has left 2 of 2",
    ),
    ("NUMATopologyFilter", {**cells("0-1", "2-3"), **NEAR_GPU}, {**wants_cpus(2), **NEAR_WANTED}, None),
    ("NUMATopologyFilter", {**cells("0-1", "2-3", used="2"), **NEAR_GPU}, {**wants_cpus(2), **NEAR_WANTED},
     "has no room for 2 dedicated CPUs, 100 MB in 1 cell that is near enough"),
    ("NUMATopologyFilter", cells("0-1", "2-3"), {**wants_cpus(2), **NEAR_WANTED}, "alias gpu, 0 are free"),
    ("CpuBindFilter", cells("0-3", used="0"), wants_cpus(4), "3 of 4 dedicated CPUs"),
    ("CoreFilter", {"used_vcpus": 16}, wants_cpus(4), None),
    ("BandwidthFilter", {}, {}, None),
    ("BandwidthFilter", FAST, flavor(quota__vif_outbound_average="100000"), None),
    (
        "BandwidthFilter",
        FAST,
        flavor(quota__vif_inbound_average="100001"),
        "needs 800.008 Mbit/s, its interfaces have 1000 and carry 200",
    ),
    ("SimpleCIDRAffinityFilter", {"host_ip": "10.0.1.1"}, NEAR, None),
    (
        "SimpleCIDRAffinityFilter",
        {"host_ip": "10.0.2.1"},
        NEAR,
        "needs an address in 10.0.1.0/24, has 10.0.2.1",
    ),
    ("SimpleCIDRAffinityFilter", {}, NEAR, "has none"),
    (
        "SimpleCIDRAffinityFilter",
        {"host_ip": "10.0.1.1"},
        {"hints": {"build_near_host_ip": "here"}},
        "name no network",
    ),
    ("SimpleCIDRAffinityFilter", {}, {}, None),
    ("JsonFilter", {}, {}, None),
    ("JsonFilter", {}, query("and", [">=", "$free_ram_mb", 1024], ["=", "$zone", "nova"]), None),
    ("JsonFilter", {"used_ram_mb": 32000}, query("and", [">=", "$free_ram_mb", 1024], True), "does not meet"),
    ("JsonFilter", {}, query("not", ["in", "$host", "other", "node2"]), None),
    ("JsonFilter", {}, query("or", ["<", "$servers", 0], ["=", "$vcpus_total", 4]), "does not meet"),
    ("JsonFilter", {}, {"hints": {"query": '["=", '}}, "cannot be read: it is not JSON"),
    ("JsonFilter", {}, query("between", 1, 2), "there is no operator between"),
    ("JsonFilter", {}, query("=", "$mood", "good"), "hosts have no property mood"),
    ("JsonFilter", {}, query("<", "$zone", 3), "a text is compared with a number"),
]


@pytest.mark.parametrize(("name", "facts", "asked", "reason"), CASES)
def test_filter_keeps_or_refuses_with_a_reason(name, facts, asked, reason):
    one = FILTERS[name](for_tests())
    row, spec = a_host(**facts), a_spec(**asked)
    # A second host must not change the answer about the first, whole table or part of it.
    for seen in (hosts(row), hosts(a_host("other", zone="west"), row).take(np.array([1]))):
        passed = bool(np.all(one.passes(seen, spec)))
        assert passed is (reason is None)
        if reason is not None:
            assert reason in one.why(seen.row(0), spec)


def test_what_is_known_of_cells_is_forgotten_when_a_row_changes_or_moves():
    store = Store([a_host(name, **cells("0-1")) for name in "abc"])
    one, spec = FILTERS["NUMATopologyFilter"](for_tests()), a_spec(**wants_cpus(2))

    def kept():
        seen = Hosts(store, NOW)
        return [name for name, passed in zip(seen.names, one.passes(seen, spec).tolist(), strict=True) if passed]

    assert kept() == kept() == ["a", "b", "c"]
    store.put(a_host("a", version=2, **cells("0-1", used="0")))
    assert kept() == ["b", "c"]
    store.remove("b")
    assert kept() == ["c"]
    store.put(a_host("a", version=3, **cells("0-1")))
    store.owe([store.index["c"]], 0, 0, 0)  # somebody is on the way there, perhaps for the same CPUs
    assert kept() == ["a"]


def test_isolated_hosts_and_images_keep_to_each_other():
    seen = hosts(a_host("a"), a_host("kept"))
    options = {"isolated_images": "secret", "isolated_hosts": "kept"}

    def kept(image_id, **more):
        conf = for_tests({f"scheduler.{key}": value for key, value in {**options, **more}.items()})
        one = FILTERS["IsolatedHostsFilter"](conf)
        mask = np.broadcast_to(one.passes(seen, a_spec(image_id=image_id)), 2)
        for at in np.flatnonzero(~mask):
            assert "kept for" in one.why(seen.row(at), a_spec(image_id=image_id))
        return mask.tolist()

    assert kept("secret") == [False, True]
    assert kept("other") == [True, False]
    assert kept("other", restrict_isolated_hosts_to_isolated_images=False) == [True, True]


def test_namespace_limits_what_images_must_agree_with():
    options = {"scheduler.aggregate_image_properties_isolation_namespace": "iso"}
    one = FILTERS["AggregateImagePropertiesIsolation"](for_tests(options))
    seen = hosts(a_host("a", **within(**{"iso.os": "windows", "os": "windows"})))
    assert np.all(one.passes(seen, a_spec(**image(os="linux"))))
    assert not np.any(one.passes(seen, a_spec(**image(**{"iso.os": "linux"}))))


def test_default_architecture_of_images_that_name_none():
    one = FILTERS["ImagePropertiesFilter"](
        for_tests({"scheduler.image_properties_default_architecture": "aarch64"})
    )
    seen = hosts(a_host("a", **CPU), a_host("b", cpu_info={"arch": "aarch64"}))
    assert one.passes(seen, a_spec()).tolist() == [False, True]


def test_a_query_that_goes_on_for_ever_is_refused():
    spec = a_spec(**query("and", *[[">", "$servers", -1]] * 200))
    one = FILTERS["JsonFilter"](for_tests())
    assert not np.any(one.passes(hosts(a_host()), spec))
    assert "more than 100 parts" in one.why(a_host(), spec)


def test_every_filter_has_a_case():
    assert {case[0] for case in CASES} == set(FILTERS)


@pytest.mark.parametrize(
    ("asked", "kept"),
    [
        ({"forced_host": "b"}, ["b"]),
        ({"forced_node": "c-node"}, ["c"]),
        ({"forced_host": "b", "forced_node": "c-node"}, []),
        ({"forced_host": "nobody"}, []),
    ],
)
def test_named_host_or_node_is_the_only_one_left(asked, kept):
    seen = hosts(*(a_host(n, node=f"{n}-node") for n in "abc"))
    spec = a_spec(**asked)
    assert [n for n, ok in zip(seen.names, ForcedHost().passes(seen, spec), strict=True) if ok] == kept
    again = a_spec(**{k.replace("forced", "requested"): v for k, v in asked.items()})
    assert [n for n, ok in zip(seen.names, RequestedHost().passes(seen, again), strict=True) if ok] == kept
    assert "which the request forces" in ForcedHost().why(seen.row(0), spec)
    assert "which the request asks for" in RequestedHost().why(seen.row(0), again)
