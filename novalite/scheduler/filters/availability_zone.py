"""Keep a server in the availability zone its user asked for."""

from __future__ import annotations

from typing import Any

from novalite.objects.hosts import HostRow
from novalite.objects.scheduling import RequestSpec
from novalite.scheduler.columns import Hosts, Mask


class AvailabilityZoneFilter:
    """Hosts of the zone; every host when no zone was asked for."""

    static = True

    def __init__(self, conf: Any) -> None:
        pass

    def passes(self, hosts: Hosts, spec: RequestSpec) -> Mask:
        if not spec.availability_zone:
            return True
        return hosts.zone == hosts.code("zones", spec.availability_zone)

    def why(self, host: HostRow, spec: RequestSpec) -> str:
        return f"needs zone {spec.availability_zone}, is in {host.zone}"
