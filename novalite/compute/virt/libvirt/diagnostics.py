"""What libvirt counts for one guest, as GuestDiagnostics. Reading the numbers is pure; asking is one call.

Names of the numbers: libvirt, virConnectGetAllDomainStats.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree

from novalite.compute.virt.libvirt.connection import Connection, module
from novalite.objects.diagnostics import CpuUse, DiskUse, GuestDiagnostics, NicUse

KIB_PER_MB = 1024
_KINDS = ("STATE", "CPU_TOTAL", "BALLOON", "VCPU", "INTERFACE", "BLOCK")
_BALLOON = {"memory-actual": "current", "memory-available": "available", "memory-unused": "unused",
            "memory-rss": "rss", "memory-swap_in": "swap_in", "memory-swap_out": "swap_out",
            "memory-major_fault": "major_fault", "memory-minor_fault": "minor_fault"}  # fmt: skip


def ask(connection: Connection, server_id: str, virt_type: str) -> GuestDiagnostics:
    """Raises what a call to libvirt raises; GuestNotFound when there is no such domain."""

    def look(native: Any) -> tuple[Mapping[str, Any], str]:
        domain = native.lookupByUUIDString(server_id)
        kinds = 0
        for kind in _KINDS:
            kinds |= getattr(module(), f"VIR_DOMAIN_STATS_{kind}")
        ((_, stats),) = native.domainListGetStats([domain], kinds)
        return stats, domain.XMLDesc(0)

    stats, xml = connection.call("statistics", look, server_id=server_id)
    return read(stats, macs(xml), virt_type)


def macs(xml: str) -> dict[str, str]:
    """MAC by host device of the guest's network cards, from its definition as it runs."""
    cards = ElementTree.fromstring(xml).iterfind("./devices/interface")
    found = ((card.find("target"), card.find("mac")) for card in cards)
    return {
        target.get("dev", ""): mac.get("address", "")
        for target, mac in found
        if target is not None and mac is not None
    }


def read(stats: Mapping[str, Any], macs: Mapping[str, str], virt_type: str) -> GuestDiagnostics:
    """The numbers by name, in our words."""
    used = stats.get("balloon.current")  # what the guest was given, unless its driver tells what it uses
    if "balloon.available" in stats and "balloon.unused" in stats:
        used = stats["balloon.available"] - stats["balloon.unused"]
    counters = {
        ours: stats[f"balloon.{theirs}"] for ours, theirs in _BALLOON.items() if f"balloon.{theirs}" in stats
    }
    return GuestDiagnostics(
        hypervisor=virt_type,
        cpus=tuple(CpuUse(time_ns=stats.get(f"vcpu.{n}.time", 0)) for n in _numbers(stats, "vcpu.current")),
        disks=tuple(_disk(stats, f"block.{n}.") for n in _numbers(stats, "block.count")),
        nics=tuple(_nic(stats, f"net.{n}.", macs) for n in _numbers(stats, "net.count")),
        memory_mb=stats.get("balloon.maximum", 0) // KIB_PER_MB,
        memory_used_mb=None if used is None else used // KIB_PER_MB,
        counters=counters,
    )


def _numbers(stats: Mapping[str, Any], count: str) -> range:
    return range(stats.get(count, 0))


def _disk(stats: Mapping[str, Any], at: str) -> DiskUse:
    return DiskUse(
        name=stats.get(at + "name", "?"),
        read_bytes=stats.get(at + "rd.bytes"),
        read_requests=stats.get(at + "rd.reqs"),
        write_bytes=stats.get(at + "wr.bytes"),
        write_requests=stats.get(at + "wr.reqs"),
        errors=stats.get(at + "errors"),
    )


def _nic(stats: Mapping[str, Any], at: str, macs: Mapping[str, str]) -> NicUse:
    name = stats.get(at + "name", "?")
    numbers = {
        f"{way}_{ours}": stats.get(f"{at}{way}.{theirs}")
        for way in ("rx", "tx")
        for ours, theirs in (("octets", "bytes"), ("errors", "errs"), ("drop", "drop"), ("packets", "pkts"))
    }
    return NicUse(name=name, mac=macs.get(name), **numbers)
