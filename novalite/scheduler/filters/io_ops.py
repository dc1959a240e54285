"""Leave hosts alone that are busy with building, copying and imaging servers."""

from __future__ import annotations

from typing import Any

from novalite.objects.hosts import HostRow
from novalite.objects.scheduling import RequestSpec
from novalite.scheduler.columns import Hosts, Mask


class IoOpsFilter:
    """Fewer such operations than `max_io_ops_per_host`, which aggregate metadata of that name overrides."""

    def __init__(self, conf: Any) -> None:
        self.limit = conf.scheduler.max_io_ops_per_host

    def passes(self, hosts: Hosts, spec: RequestSpec) -> Mask:
        return hosts.io_ops < hosts.setting("max_io_ops_per_host", self.limit)

    def why(self, host: HostRow, spec: RequestSpec) -> str:
        return f"is busy with {host.io_ops} servers, as many as max_io_ops_per_host allows"
