"""What a request asks of a host, in the numbers that columns are compared with."""

from __future__ import annotations

from typing import NamedTuple

from novalite.errors import BadRequest
from novalite.objects.scheduling import RequestSpec

MAX_COUNT = 10_000
"""Servers one decision may place: far above any API limit, so that a mistyped count cannot hold the table."""


class Need(NamedTuple):
    """What one server takes: vCPUs of shared CPUs, MB of RAM, GB of local disk."""

    vcpus: int
    ram_mb: int
    disk_gb: int


def need(spec: RequestSpec) -> Need:
    """What one server of this request takes."""
    return Need(spec.vcpus, spec.flavor.ram_mb, spec.disk_gb)


def check(spec: RequestSpec) -> None:
    """Refuse a request that no host can answer sensibly; raises BadRequest."""
    if not 1 <= spec.count <= MAX_COUNT:
        raise BadRequest(f"The number of servers must be between 1 and {MAX_COUNT}, not {spec.count}.")
    if min(need(spec)) < 0:
        raise BadRequest(f"Flavor {spec.flavor.name} has a negative size.")
