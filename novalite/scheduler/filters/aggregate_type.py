"""Only flavors that an aggregate names by its metadata instance_type, on hosts of such aggregates."""

from __future__ import annotations

from typing import Any

from novalite.objects.hosts import HostRow
from novalite.objects.scheduling import RequestSpec
from novalite.scheduler.columns import Hosts, Mask, values


class AggregateTypeAffinityFilter:
    """Hosts whose aggregates name no flavor, or this one (a list separated by commas)."""

    static = True

    def __init__(self, conf: Any) -> None:
        pass

    def passes(self, hosts: Hosts, spec: RequestSpec) -> Mask:
        return hosts.placed(lambda found: not (named := values(found, "instance_type")) or spec.flavor.name in named)

    def why(self, host: HostRow, spec: RequestSpec) -> str:
        return f"is kept for flavors {', '.join(sorted(values(host.aggregates, 'instance_type')))}"
