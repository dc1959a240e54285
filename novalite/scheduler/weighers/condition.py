"""How hosts are: busy, failing, crowded, old. Each counts by a multiplier that aggregates may override."""

from __future__ import annotations

from typing import Any

from novalite.objects.scheduling import RequestSpec
from novalite.scheduler.columns import Column, Hosts


class _Weigher:
    """One column of the hosts; the more the better, unless the multiplier is negative."""

    column = option = ""
    sign = 1
    static = False
    """Whether a server more on a host leaves its number as it is: only then may it say that it weighs nothing."""

    def __init__(self, conf: Any) -> None:
        self.factor = getattr(conf.scheduler, self.option)

    def weigh(self, hosts: Hosts, spec: RequestSpec) -> Column | float:
        if self.static and not hosts.any(self.column):
            return 0.0
        column: Column = getattr(hosts, self.column)
        return column if self.sign > 0 else -column

    def multiplier(self, hosts: Hosts) -> Column | float:
        return hosts.setting(self.option, self.factor)


class IoOpsWeigher(_Weigher):
    """Servers that are being built, copied or imaged; the multiplier is negative, so that busy hosts are left alone."""

    column, option = "io_ops", "io_ops_weight_multiplier"


class NumInstancesWeigher(_Weigher):
    """Servers; a negative multiplier spreads, a positive one packs by number."""

    column, option = "servers", "num_instances_weight_multiplier"


class HypervisorVersionWeigher(_Weigher):
    """Hosts with a newer hypervisor first."""

    column, option, static = "hypervisor_version", "hypervisor_version_weight_multiplier", True


class BuildFailureWeigher(_Weigher):
    """Builds that failed since the last one that did not: the multiplier is so large that a host that fails is taken
    only when no other is left."""

    column, option, sign, static = "failed_builds", "build_failure_weight_multiplier", -1, True
