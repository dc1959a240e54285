"""What hypervisors count for a server: /servers/{id}/diagnostics. One shape from 2.48 on, before it the old one of
the libvirt driver: a flat object of counters whose names hold those of the devices."""

from __future__ import annotations

from typing import Any

from novalite.api.routing import Call, Result, Routes
from novalite.api.runtime import runtime
from novalite.api.servers.access import guard
from novalite.api.shapes import Reply
from novalite.objects.diagnostics import DiskUse, GuestDiagnostics, NicUse
from novalite.rpc.contracts.diagnostics import Diagnostics

ROUTES = Routes()
RULE = "os_compute_api:os-server-diagnostics"
ONE_SHAPE_SINCE = 48
KB_PER_MB = 1024


@ROUTES.get("/servers/<server_id>/diagnostics", policy=RULE, answer=(Reply(200, dict[str, Any]),))
def show(call: Call, server_id: str) -> Result:
    """Counters of a server that runs; 409 for one that does not."""
    guard(call, server_id, RULE)
    found = runtime().peer(Diagnostics).show(call.ctx, server_id)
    return fixed(found) if call.minor >= ONE_SHAPE_SINCE else flat(found)


def fixed(found: GuestDiagnostics) -> dict[str, Any]:
    """The shape that every driver has."""
    return {
        "state": found.state,
        "driver": found.driver,
        "hypervisor": found.hypervisor,
        "hypervisor_os": found.hypervisor_os,
        "uptime": found.uptime,
        "config_drive": found.config_drive,
        "num_cpus": len(found.cpus),
        "num_nics": len(found.nics),
        "num_disks": len(found.disks),
        "cpu_details": [
            {"id": number, "time": cpu.time_ns, "utilisation": cpu.utilisation}
            for number, cpu in enumerate(found.cpus)
        ],
        "nic_details": [_nic(nic) for nic in found.nics],
        "disk_details": [_disk(disk) for disk in found.disks],
        "memory_details": {"maximum": found.memory_mb, "used": found.memory_used_mb},
    }


def _nic(nic: NicUse) -> dict[str, Any]:
    ways = {
        f"{way}_{what}": getattr(nic, f"{way}_{what}", None)
        for way in ("rx", "tx")
        for what in ("octets", "errors", "drop", "packets", "rate")
    }
    return {"mac_address": nic.mac, **ways}


def _disk(disk: DiskUse) -> dict[str, Any]:
    return {
        "read_bytes": disk.read_bytes,
        "read_requests": disk.read_requests,
        "write_bytes": disk.write_bytes,
        "write_requests": disk.write_requests,
        "errors_count": disk.errors,
    }


def flat(found: GuestDiagnostics) -> dict[str, Any]:
    """The old shape; -1 is what a hypervisor does not count."""
    shown: dict[str, Any] = {f"cpu{n}_time": cpu.time_ns for n, cpu in enumerate(found.cpus)}
    shown["memory"] = found.memory_mb * KB_PER_MB
    shown |= found.counters
    for disk in found.disks:
        shown |= {
            f"{disk.name}_read": disk.read_bytes,
            f"{disk.name}_read_req": disk.read_requests,
            f"{disk.name}_write": disk.write_bytes,
            f"{disk.name}_write_req": disk.write_requests,
            f"{disk.name}_errors": disk.errors,
        }
    for nic in found.nics:
        for way in ("rx", "tx"):
            octets = getattr(nic, f"{way}_octets")
            rest = {
                f"{nic.name}_{way}_{what}": getattr(nic, f"{way}_{what}")
                for what in ("drop", "errors", "packets")
            }
            shown |= {f"{nic.name}_{way}": octets, **rest}
    return {name: -1 if value is None else value for name, value in shown.items()}
