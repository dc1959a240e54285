"""Extra specs of flavors are checked from 2.86 on: names of known namespaces, and values."""

from __future__ import annotations

import pytest

from novalite.api.extra_specs import PATTERNS, SPECS, kind_of, problems
from tests.api.nouns import NounsUnderTest
from tests.api.nouns import empty_database as empty_database
from tests.api.nouns import nouns as nouns
from tests.api.support import message

RIGHT = {
    "hw:cpu_policy": "dedicated", "hw:cpu_cores": "2", "hw:mem_page_size": "2MB", "hw:numa_nodes": "2",
    "hw:numa_cpus.0": "0-1,^1", "hw:numa_mem.11": "512", "hw:cpu_realtime_mask": "^0-1", "hw:pmu": "yes",
    "hw_rng:allowed": "True", "hw_video:ram_max_mb": "0", "quota:disk_read_bytes_sec": "1048576",
    "quota:vif_outbound_burst": "1", "quota:cpu_shares_level": "custom", "resources:VCPU": "0",
    "resources1:CUSTOM_GOLD": "3", "resources_COMPUTE-1:PCPU": "1", "trait:HW_CPU_X86_AVX2": "required",
    "trait9:CUSTOM_A": "forbidden", "pci_passthrough:alias": "gpu:1, nic-a:2", "os:secure_boot": "optional",
    "capabilities:hypervisor_type": "s== QEMU", "capabilities:cpu_info:features": "<in> sse",
    "aggregate_instance_extra_specs:ssd": "true", "accel:device_profile": "fpga-1", "group_policy": "isolate",
    "vmware:storage_policy": "gold", "hide_hypervisor_id": "true", "powervm:min_mem": "256",
    "hw:tpm_version": "2.0", "hw:viommu_model": "auto", "hw:redirected_usb_ports": "15",
    "mine:whatever": "x", "plain": "x", "hwx:cpu_policy": "x",
}  # fmt: skip
WRONG = {
    "hw:cpu_policy": "dedicate", "hw:cpu_cores": "0", "hw:cpu_sockets": "two", "hw:mem_page_size": "huge",
    "hw:numa_nodes": "-1", "hw:numa_cpus.x": "0", "hw:numa_cpus.0": "a", "hw:pmu": "maybe", "hw:": "x",
    "hw:nonsense": "1", "hw_rng:rate_bytes": "-5", "quota:cpu_sharez": "1", "quota:cpu_shares": "1.5",
    "resources:VCPUS": "1", "resources:VCPU": "many", "resources1:CUSTOM_gold": "3", "trait:HW_X": "wanted",
    "trait:lower": "required", "pci_passthrough:alias": "gpu", "os:secure_boot": "yes", "vmware:x": "1",
    "capabilities:colour": "x", "accel:other": "x", "group_policy": "both", "hide_hypervisor_id": "2",
    "traits:A": "x", "hw:redirected_usb_ports": "16", "powervm:max_mem": "255", "hw:numa_mem.0": "99999999999999999999",
}  # fmt: skip


def test_right_ones_pass() -> None:
    assert list(problems(RIGHT)) == []


def test_each_wrong_one_is_told() -> None:
    for name, value in WRONG.items():
        (sentence,) = problems({name: value})
        assert sentence.startswith(f"Validation failed; extra spec '{name}' "), name


def test_the_table_is_sound() -> None:
    assert all(name and kind.says for name, kind in SPECS.items())
    assert all(kind_of(name) is kind for name, kind in SPECS.items())
    assert not [name for name in SPECS if any(pattern.fullmatch(name) for pattern, _ in PATTERNS)]
    assert kind_of("hw:cpu_policy\n") is None and not SPECS["hw:cpu_cores"].takes("1\n")


@pytest.mark.parametrize("version, status", [("2.85", 200), ("2.86", 400), ("latest", 400)])
def test_before_2_86_anything_goes(nouns: NounsUnderTest, version: str, status: int) -> None:
    flavor = {"flavor": {"name": "f", "id": "f", "ram": 1, "vcpus": 1, "disk": 0}}
    assert nouns.post("/flavors", flavor, token="admin").status_code == 200
    path = "/flavors/f/os-extra_specs"
    for method, where, body in (
        ("POST", path, {"extra_specs": {"hw:cpu_policy": "shared", "hw:nonsense": "1"}}),
        ("PUT", path + "/hw:nonsense", {"hw:nonsense": "1"}),
    ):
        reply = nouns.request(method, where, json=body, token="admin", version=version)
        assert reply.status_code == status, reply.text
        if status == 400:
            assert "hw:nonsense" in message(reply)
    kept = nouns.get(path, token="admin").get_json()["extra_specs"]
    assert kept == ({} if status == 400 else {"hw:cpu_policy": "shared", "hw:nonsense": "1"})
    assert nouns.put(path + "/hw:pmu", {"hw:pmu": "no"}, token="admin", version=version).status_code == 200
