"""Free room attracts; a negative multiplier packs hosts instead of spreading over them."""

from __future__ import annotations

from typing import Any

from novalite.objects.scheduling import RequestSpec
from novalite.scheduler.columns import Column, Hosts


class RAMWeigher:
    """Free memory."""

    def __init__(self, conf: Any) -> None:
        self.factor = conf.scheduler.ram_weight_multiplier

    def weigh(self, hosts: Hosts, spec: RequestSpec) -> Column:
        return hosts.free_ram_mb

    def multiplier(self, hosts: Hosts) -> Column | float:
        return hosts.setting("ram_weight_multiplier", self.factor)


class CPUWeigher:
    """Free vCPUs."""

    def __init__(self, conf: Any) -> None:
        self.factor = conf.scheduler.cpu_weight_multiplier

    def weigh(self, hosts: Hosts, spec: RequestSpec) -> Column:
        return hosts.free_vcpus

    def multiplier(self, hosts: Hosts) -> Column | float:
        return hosts.setting("cpu_weight_multiplier", self.factor)


class DiskWeigher:
    """Free local disk."""

    def __init__(self, conf: Any) -> None:
        self.factor = conf.scheduler.disk_weight_multiplier

    def weigh(self, hosts: Hosts, spec: RequestSpec) -> Column:
        return hosts.free_disk_gb

    def multiplier(self, hosts: Hosts) -> Column | float:
        return hosts.setting("disk_weight_multiplier", self.factor)
