"""libvirt's statistics of a guest in our words."""

from __future__ import annotations

from typing import Any

from novalite.api.diagnostics import fixed, flat
from novalite.compute.virt.libvirt import diagnostics
from novalite.objects.diagnostics import CpuUse, DiskUse, NicUse

STATS: dict[str, Any] = {
    "state.state": 1, "cpu.time": 9_000_000_000,
    "balloon.current": 524288, "balloon.maximum": 1048576, "balloon.rss": 90000,
    "vcpu.current": 2, "vcpu.maximum": 2, "vcpu.0.state": 1, "vcpu.0.time": 5_000_000_000, "vcpu.1.time": 4_000_000_000,
    "net.count": 1, "net.0.name": "tap1", "net.0.rx.bytes": 10, "net.0.rx.pkts": 1, "net.0.rx.errs": 0,
    "net.0.rx.drop": 2, "net.0.tx.bytes": 20, "net.0.tx.pkts": 3, "net.0.tx.errs": 0, "net.0.tx.drop": 0,
    "block.count": 2, "block.0.name": "vda", "block.0.rd.reqs": 7, "block.0.rd.bytes": 4096, "block.0.wr.reqs": 8,
    "block.0.wr.bytes": 8192, "block.1.name": "vdb",
}  # fmt: skip
XML = """<domain><devices>
<interface type='bridge'><mac address='fa:16:3e:00:00:01'/><target dev='tap1'/></interface>
<interface type='bridge'><mac address='fa:16:3e:00:00:02'/></interface>
</devices></domain>"""


def test_numbers_are_read_by_name() -> None:
    found = diagnostics.read(STATS, diagnostics.macs(XML), "qemu")
    assert found.cpus == (CpuUse(time_ns=5_000_000_000), CpuUse(time_ns=4_000_000_000))
    assert found.disks == (
        DiskUse(name="vda", read_bytes=4096, read_requests=7, write_bytes=8192, write_requests=8),
        DiskUse(name="vdb"),
    )
    assert found.nics == (
        NicUse(name="tap1", mac="fa:16:3e:00:00:01", rx_octets=10, rx_errors=0, rx_drop=2, rx_packets=1,
               tx_octets=20, tx_errors=0, tx_drop=0, tx_packets=3),
    )  # fmt: skip
    assert (found.memory_mb, found.memory_used_mb, found.hypervisor) == (1024, 512, "qemu")


def test_a_guest_that_tells_what_it_uses_is_believed() -> None:
    told = {**STATS, "balloon.available": 500_000, "balloon.unused": 300_000}
    assert diagnostics.read(told, {}, "kvm").memory_used_mb == 195


def test_a_guest_without_anything_is_no_error() -> None:
    found = diagnostics.read({"state.state": 1}, {}, "qemu")
    assert (found.cpus, found.disks, found.nics, found.memory_used_mb) == ((), (), (), None)


def test_both_shapes_hold_the_same_numbers() -> None:
    found = diagnostics.read(STATS, diagnostics.macs(XML), "qemu")
    old, new = flat(found), fixed(found)
    assert old == {
        "cpu0_time": 5_000_000_000, "cpu1_time": 4_000_000_000, "memory": 1048576,
        "memory-actual": 524288, "memory-rss": 90000,
        "vda_read": 4096, "vda_read_req": 7, "vda_write": 8192, "vda_write_req": 8, "vda_errors": -1,
        "vdb_read": -1, "vdb_read_req": -1, "vdb_write": -1, "vdb_write_req": -1, "vdb_errors": -1,
        "tap1_rx": 10, "tap1_rx_drop": 2, "tap1_rx_errors": 0, "tap1_rx_packets": 1,
        "tap1_tx": 20, "tap1_tx_drop": 0, "tap1_tx_errors": 0, "tap1_tx_packets": 3,
    }  # fmt: skip
    assert new["nic_details"] == [
        {"mac_address": "fa:16:3e:00:00:01", "rx_octets": 10, "rx_errors": 0, "rx_drop": 2, "rx_packets": 1,
         "rx_rate": None, "tx_octets": 20, "tx_errors": 0, "tx_drop": 0, "tx_packets": 3, "tx_rate": None}
    ]  # fmt: skip
    assert new["disk_details"][1] == {
        "read_bytes": None, "read_requests": None, "write_bytes": None, "write_requests": None, "errors_count": None,
    }  # fmt: skip
