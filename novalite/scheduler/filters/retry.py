"""Do not try a host again that failed this very server."""

from __future__ import annotations

from typing import Any

from novalite.objects.hosts import HostRow
from novalite.objects.scheduling import RequestSpec
from novalite.scheduler.columns import Hosts, Mask


class RetryFilter:
    """Every host that is not in `spec.excluded`."""

    static = True

    def __init__(self, conf: Any) -> None:
        pass

    def passes(self, hosts: Hosts, spec: RequestSpec) -> Mask:
        return not spec.excluded or ~hosts.named(spec.excluded)

    def why(self, host: HostRow, spec: RequestSpec) -> str:
        return f"was tried before: {spec.excluded.get(host.host, 'no reason was kept')}"
