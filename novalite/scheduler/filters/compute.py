"""Keep servers off hosts that an operator took out of use, or that are no longer heard of."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from novalite.objects.hosts import HostRow
from novalite.objects.scheduling import RequestSpec
from novalite.scheduler.columns import Hosts, Mask


class ComputeFilter:
    """Enabled, not forced down, and heard of within `service_down_time` seconds.

    Silence needs no message: a dead host leaves because time goes on.
    """

    static = True

    def __init__(self, conf: Any) -> None:
        self.down_after = float(conf.service_down_time)

    def passes(self, hosts: Hosts, spec: RequestSpec) -> Mask:
        return hosts.enabled & ~hosts.forced_down & (hosts.last_seen >= hosts.now - self.down_after)

    def why(self, host: HostRow, spec: RequestSpec) -> str:
        if not host.enabled:
            return "its compute service is disabled"
        if host.forced_down:
            return "its compute service is forced down"
        if not host.last_seen:
            return "its compute service was never heard of"
        at = datetime.fromtimestamp(host.last_seen, UTC).isoformat(timespec="seconds")
        return f"its compute service was last heard of at {at}, more than {self.down_after:g} s ago"
