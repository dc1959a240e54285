"""Keep a server off hosts without room for it: vCPUs, memory, disk.

Room is capacity after ratios and reserves minus what servers take. A single server may also not be
larger than the whole machine: ratios let servers share, they do not let one share with itself.
"""

from __future__ import annotations

from typing import Any

from novalite.objects.hosts import HostRow
from novalite.objects.scheduling import RequestSpec
from novalite.scheduler.columns import Hosts, Mask


class CoreFilter:
    """Room for the flavor's vCPUs, but for those that have CPUs of their own (NUMATopologyFilter)."""

    def __init__(self, conf: Any) -> None:
        pass

    def passes(self, hosts: Hosts, spec: RequestSpec) -> Mask:
        wanted = spec.vcpus
        return wanted == 0 or (hosts.free_vcpus >= wanted) & (hosts.total_vcpus >= wanted)

    def why(self, host: HostRow, spec: RequestSpec) -> str:
        if 0 < host.total_vcpus < spec.vcpus:
            return f"needs {spec.vcpus} vCPUs, the machine has {host.total_vcpus}"
        free = host.cap_vcpus - host.used_vcpus
        return f"needs {spec.vcpus} vCPUs, {free} of {host.cap_vcpus} are free"


class RamFilter:
    """Room for the flavor's memory."""

    def __init__(self, conf: Any) -> None:
        pass

    def passes(self, hosts: Hosts, spec: RequestSpec) -> Mask:
        wanted = spec.flavor.ram_mb
        return (hosts.free_ram_mb >= wanted) & (hosts.total_ram_mb >= wanted)

    def why(self, host: HostRow, spec: RequestSpec) -> str:
        if 0 < host.total_ram_mb < spec.flavor.ram_mb:
            return f"needs {spec.flavor.ram_mb} MB of memory, the machine has {host.total_ram_mb} MB"
        free = host.cap_ram_mb - host.used_ram_mb
        return f"needs {spec.flavor.ram_mb} MB of memory, {free} of {host.cap_ram_mb} MB are free"


class DiskFilter:
    """Room for root, ephemeral and swap disk.

    A server that wants no local disk fits everywhere, also where images have overfilled the disk; the
    claim follows the same rule.
    """

    def __init__(self, conf: Any) -> None:
        pass

    def passes(self, hosts: Hosts, spec: RequestSpec) -> Mask:
        wanted = spec.disk_gb
        return wanted == 0 or hosts.free_disk_gb >= wanted

    def why(self, host: HostRow, spec: RequestSpec) -> str:
        free = host.cap_disk_gb - host.used_disk_gb
        return f"needs {spec.disk_gb} GB of disk, {free} of {host.cap_disk_gb} GB are free"
