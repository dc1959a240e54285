"""Rows for database tests; they take only what a test is about."""

from __future__ import annotations

from typing import Any

from novalite.context import Context
from novalite.db.models.compute import new_id
from novalite.objects.hosts import HostInventory

MEMBER = Context(user_id="u-1", project_id="p-1", roles=("member",))
STRANGER = Context(user_id="u-2", project_id="p-2", roles=("member",))
ADMIN = Context(user_id="u-0", project_id="p-0", roles=("admin",))


def a_flavor(both: str = "tiny", /, **changes: Any) -> dict[str, Any]:
    """Columns of a flavor; `both` is its id and its name."""
    row = {"flavor_id": both, "name": both, "vcpus": 1, "ram_mb": 512, "disk_gb": 1, "extra_specs": {}}
    return {**row, **changes}


def a_server(**changes: Any) -> dict[str, Any]:
    """Columns of a server."""
    row = {
        "id": new_id(), "name": "web", "hostname": "web", "project_id": "p-1", "user_id": "u-1",
        "vm_state": "active", "flavor_id": "tiny", "flavor": {"name": "tiny"}, "vcpus": 1, "ram_mb": 512,
        "disk_gb": 1, "reservation_id": "r-1",
    }  # fmt: skip
    return {**row, **changes}


def an_inventory(host: str = "alpha", **changes: Any) -> HostInventory:
    """What a host reports."""
    facts = {
        "host": host, "node": f"{host}.example", "hypervisor_type": "QEMU", "hypervisor_version": 9002001,
        "host_ip": "192.0.2.1", "vcpus": 4, "ram_mb": 8192, "disk_gb": 100, "cpu_info": {"arch": "x86_64"},
        "traits": ("HW_CPU_X86_AVX",),
    }  # fmt: skip
    return HostInventory.model_validate({**facts, **changes})
