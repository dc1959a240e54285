"""Keep hosts of an aggregate for the projects that its metadata filter_tenant_id names."""

from __future__ import annotations

from typing import Any

from novalite.objects.hosts import HostRow
from novalite.objects.scheduling import RequestSpec
from novalite.scheduler.columns import Aggregates, Hosts, Mask, values

PREFIX = "filter_tenant_id"
"""Also with something after it, as one value of metadata holds few projects."""


class AggregateMultiTenancyIsolation:
    """Hosts whose aggregates name no project, or that of the request."""

    static = True

    def __init__(self, conf: Any) -> None:
        pass

    def passes(self, hosts: Hosts, spec: RequestSpec) -> Mask:
        return hosts.placed(lambda found: not (named := _projects(found)) or spec.project_id in named)

    def why(self, host: HostRow, spec: RequestSpec) -> str:
        return "is kept for other projects"


def _projects(aggregates: Aggregates) -> set[str]:
    keys = {key for metadata in aggregates.values() for key in metadata if key.startswith(PREFIX)}
    return set().union(*(values(aggregates, key) for key in keys))
