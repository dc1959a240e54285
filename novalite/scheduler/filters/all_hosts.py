"""Every host will do: for clouds that leave the choice to weighers and claims."""

from __future__ import annotations

from typing import Any

from novalite.objects.hosts import HostRow
from novalite.objects.scheduling import RequestSpec
from novalite.scheduler.columns import Hosts, Mask


class AllHostsFilter:
    """Refuses nothing."""

    static = True

    def __init__(self, conf: Any) -> None:
        pass

    def passes(self, hosts: Hosts, spec: RequestSpec) -> Mask:
        return True

    def why(self, host: HostRow, spec: RequestSpec) -> str:
        raise AssertionError("it refuses nothing")
