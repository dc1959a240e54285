"""Keep hosts of an aggregate for images whose properties its metadata names."""

from __future__ import annotations

from typing import Any

from novalite.objects.hosts import HostRow
from novalite.objects.scheduling import RequestSpec
from novalite.scheduler.columns import Aggregates, Hosts, Mask, values


class AggregateImagePropertiesIsolation:
    """Hosts whose aggregates do not contradict the image: a key that both have must have a value in common.

    With `aggregate_image_properties_isolation_namespace` only keys that begin with it and the separator count.
    """

    static = True

    def __init__(self, conf: Any) -> None:
        options = conf.scheduler
        space = options.aggregate_image_properties_isolation_namespace
        self.prefix = f"{space}{options.aggregate_image_properties_isolation_separator}" if space else ""

    def passes(self, hosts: Hosts, spec: RequestSpec) -> Mask:
        return not spec.image_properties or hosts.placed(lambda found: not self._against(found, spec))

    def _against(self, aggregates: Aggregates, spec: RequestSpec) -> str:
        for key, wanted in spec.image_properties.items():
            named = values(aggregates, key) if key.startswith(self.prefix) else set()
            if named and str(wanted) not in named:
                return key
        return ""

    def why(self, host: HostRow, spec: RequestSpec) -> str:
        key = self._against(host.aggregates, spec)
        named = ", ".join(sorted(values(host.aggregates, key)))
        return f"is kept for images with {key} {named}, the image has {spec.image_properties[key]}"
