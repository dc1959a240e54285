"""Extra specs of a flavor that a host itself must have: its processor, its hypervisor, its room."""

from __future__ import annotations

from typing import Any

import numpy as np

from novalite.objects.hosts import HostRow
from novalite.objects.scheduling import RequestSpec
from novalite.scheduler.columns import Hosts, Mask
from novalite.scheduler.requirements import Test, dig, requirement, scoped

SCOPE = "capabilities"
NUMBERS = {
    "free_ram_mb": "free_ram_mb",
    "total_usable_ram_mb": "total_ram_mb",
    "memory_mb": "total_ram_mb",
    "free_disk_gb": "free_disk_gb",
    "local_gb": "total_disk_gb",
    "vcpus_total": "total_vcpus",
    "vcpus": "total_vcpus",
    "vcpus_used": "used_vcpus",
    "hypervisor_version": "hypervisor_version",
    "num_instances": "servers",
    "num_io_ops": "io_ops",
    "failed_builds": "failed_builds",
    "bandwidth_mbps": "bandwidth_mbps",
}
"""Names of numbers, and our columns for them."""


class ComputeCapabilitiesFilter:
    """Hosts that have, for each extra spec of our scope or of none, a property that meets it."""

    def __init__(self, conf: Any) -> None:
        pass

    def passes(self, hosts: Hosts, spec: RequestSpec) -> Mask:
        mask: Mask = True
        for key, text in scoped(spec.flavor.extra_specs, SCOPE).items():
            mask = mask & _mask(hosts, key, requirement(text))
        return mask

    def why(self, host: HostRow, spec: RequestSpec) -> str:
        for key, text in scoped(spec.flavor.extra_specs, SCOPE).items():
            if not requirement(text)(found := _found(host, key)):
                return f"needs {key} {text}, has {'none' if found is None else found}"
        raise AssertionError("it meets every requirement")


def _mask(hosts: Hosts, key: str, test: Test) -> Mask:
    name, *path = key.split(":")
    if name in NUMBERS and not path:
        return hosts.valued(getattr(hosts, NUMBERS[name]), test)
    if name == "cpu_info" and path:
        return hosts.worded("cpu_info", lambda word: test(dig(word, path)))
    if key in ("hypervisor_type", "availability_zone"):
        return hosts.worded("zone" if key == "availability_zone" else key, test)
    if key == "traits":
        return hosts.worded("traits", test)
    return np.zeros(len(hosts), dtype=bool)


def _found(host: HostRow, key: str) -> Any:
    name, *path = key.split(":")
    if name in NUMBERS and not path:
        column = NUMBERS[name]
        if column.startswith("free_"):
            of = column.removeprefix("free_")
            return getattr(host, f"cap_{of}") - getattr(host, f"used_{of}")
        return getattr(host, column)
    if name == "cpu_info" and path:
        return dig(host.cpu_info, path)
    return {
        "hypervisor_type": host.hypervisor_type,
        "availability_zone": host.zone,
        "traits": host.traits,
    }.get(key)
