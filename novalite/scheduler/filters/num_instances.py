"""Keep a host from carrying more servers than its operator allows."""

from __future__ import annotations

from typing import Any

from novalite.objects.hosts import HostRow
from novalite.objects.scheduling import RequestSpec
from novalite.scheduler.columns import Hosts, Mask


class NumInstancesFilter:
    """Fewer servers than `max_instances_per_host`, which aggregate metadata of that name overrides."""

    def __init__(self, conf: Any) -> None:
        self.limit = conf.scheduler.max_instances_per_host

    def passes(self, hosts: Hosts, spec: RequestSpec) -> Mask:
        return hosts.servers < hosts.setting("max_instances_per_host", self.limit)

    def why(self, host: HostRow, spec: RequestSpec) -> str:
        return f"carries {host.servers} servers, as many as max_instances_per_host allows"
