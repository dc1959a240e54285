"""Extra specs of a flavor that aggregates of its hosts must offer in their metadata."""

from __future__ import annotations

from typing import Any

from novalite.objects.hosts import HostRow
from novalite.objects.scheduling import RequestSpec
from novalite.scheduler.columns import Aggregates, Hosts, Mask, values
from novalite.scheduler.requirements import requirement, scoped

SCOPE = "aggregate_instance_extra_specs"


class AggregateInstanceExtraSpecsFilter:
    """Hosts whose aggregates have, for each extra spec of our scope or of none, a value that meets it."""

    static = True

    def __init__(self, conf: Any) -> None:
        pass

    def passes(self, hosts: Hosts, spec: RequestSpec) -> Mask:
        wanted = scoped(spec.flavor.extra_specs, SCOPE)
        return not wanted or hosts.placed(lambda found: not _missing(found, wanted))

    def why(self, host: HostRow, spec: RequestSpec) -> str:
        key = _missing(host.aggregates, scoped(spec.flavor.extra_specs, SCOPE))
        found = ", ".join(sorted(values(host.aggregates, key))) or "nothing"
        return (
            f"needs {key} {scoped(spec.flavor.extra_specs, SCOPE)[key]} of its aggregates, which say {found}"
        )


def _missing(aggregates: Aggregates, wanted: dict[str, str]) -> str:
    """The first requirement that no aggregate meets; empty when all are met."""
    for key, text in wanted.items():
        test = requirement(text)
        if not any(test(value) for value in values(aggregates, key)):
            return key
    return ""
