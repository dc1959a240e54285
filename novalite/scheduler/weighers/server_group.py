"""Members of a server group attract or repel further ones, where the policy is a wish and not a rule."""

from __future__ import annotations

from typing import Any

from novalite.objects.scheduling import RequestSpec
from novalite.scheduler.columns import Column, Hosts


class ServerGroupSoftAffinityWeigher:
    """The more members, the better."""

    def __init__(self, conf: Any) -> None:
        self.factor = conf.scheduler.soft_affinity_weight_multiplier

    def weigh(self, hosts: Hosts, spec: RequestSpec) -> Column | float:
        return _members(hosts, spec, "soft-affinity")

    def multiplier(self, hosts: Hosts) -> Column | float:
        return hosts.setting("soft_affinity_weight_multiplier", self.factor)


class ServerGroupSoftAntiAffinityWeigher:
    """The fewer members, the better."""

    def __init__(self, conf: Any) -> None:
        self.factor = conf.scheduler.soft_anti_affinity_weight_multiplier

    def weigh(self, hosts: Hosts, spec: RequestSpec) -> Column | float:
        return -_members(hosts, spec, "soft-anti-affinity")

    def multiplier(self, hosts: Hosts) -> Column | float:
        return hosts.setting("soft_anti_affinity_weight_multiplier", self.factor)


def _members(hosts: Hosts, spec: RequestSpec, policy: str) -> Column | float:
    """How many members each host carries; 0.0 for requests without a group of this policy."""
    group = spec.group
    if group is None or group.policy != policy or not group.hosts:
        return 0.0
    return hosts.counted(group.hosts)
