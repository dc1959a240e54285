"""What of a host may be given to servers: totals, reserves and ratios, which aggregates may override."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any

RATIOS = {
    "vcpus": ("cpu_ratio", "cpu_allocation_ratio"),
    "ram_mb": ("ram_ratio", "ram_allocation_ratio"),
    "disk_gb": ("disk_ratio", "disk_allocation_ratio"),
}
"""By resource: what the host itself says, and the metadata of aggregates that overrides it."""
FACTS = tuple(
    name for resource, (ratio, _) in RATIOS.items() for name in (resource, f"reserved_{resource}", ratio)
)
"""What `capacity` reads of a host."""


def capacity(facts: Mapping[str, Any], aggregates: Mapping[str, Mapping[str, str]] | None) -> dict[str, int]:
    """(total - reserved) x ratio, rounded down (Placement: inventories). Where several aggregates of the host give a
    ratio the smallest counts; what is no positive number is ignored."""
    return {
        f"cap_{resource}": max(
            0,
            int((facts[resource] - facts[f"reserved_{resource}"]) * ratio_of(aggregates, key, facts[ratio])),
        )
        for resource, (ratio, key) in RATIOS.items()
    }


def ratio_of(aggregates: Mapping[str, Mapping[str, str]] | None, key: str, own: float) -> float:
    """The ratio that counts: what aggregates say under `key`, else the host's `own`."""
    said = []
    for metadata in (aggregates or {}).values():
        try:
            said.append(float(metadata[key]))
        except (KeyError, ValueError):
            continue
    return min((ratio for ratio in said if isfinite(ratio) and ratio > 0), default=own)
