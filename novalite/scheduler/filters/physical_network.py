"""Only hosts that are connected to the physical networks of the networks asked for."""

from __future__ import annotations

from typing import Any

from novalite.objects.hosts import HostRow
from novalite.objects.scheduling import RequestSpec
from novalite.scheduler.columns import Hosts, Mask


class PhysicalNetworkFilter:
    """Hosts that report all of them; networks that tunnels carry ask for none."""

    static = True

    def __init__(self, conf: Any) -> None:
        pass

    def passes(self, hosts: Hosts, spec: RequestSpec) -> Mask:
        wanted = set(spec.physical_networks)
        return not wanted or hosts.worded("physical_networks", lambda found: wanted <= set(found))

    def why(self, host: HostRow, spec: RequestSpec) -> str:
        missing = ", ".join(sorted(set(spec.physical_networks) - set(host.physical_networks)))
        return f"is not connected to physical network {missing}"
