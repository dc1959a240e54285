"""Leave room on the network interfaces of hosts for what a flavor promises its servers."""

from __future__ import annotations

from typing import Any

import numpy as np

from novalite.objects.hosts import HostRow
from novalite.objects.scheduling import RequestSpec
from novalite.scheduler.columns import Hosts, Mask

PROMISES = ("quota:vif_outbound_average", "quota:vif_inbound_average")
"""Extra specs in kilobytes a second for each direction; the larger one counts."""
METRIC = "network.mbps"
"""What a host's interfaces carry at the moment (its monitor `network`)."""


class BandwidthFilter:
    """Hosts whose interfaces carry `bandwidth_allocation_ratio` times what they can, minus what they do now."""

    static = True

    def __init__(self, conf: Any) -> None:
        self.ratio = conf.scheduler.bandwidth_allocation_ratio

    def passes(self, hosts: Hosts, spec: RequestSpec) -> Mask:
        wanted = promised_mbps(spec)
        if not wanted:
            return True
        room = hosts.bandwidth_mbps * hosts.setting("bandwidth_allocation_ratio", self.ratio)
        return room - np.nan_to_num(hosts.metric(METRIC)) >= wanted

    def why(self, host: HostRow, spec: RequestSpec) -> str:
        carried = host.metrics.get(METRIC, 0.0)
        return f"needs {promised_mbps(spec):g} Mbit/s, its interfaces have {host.bandwidth_mbps} and carry {carried:g}"


def promised_mbps(spec: RequestSpec) -> float:
    """Mbit/s that a server of the flavor is promised; 0 without promise, or for one that is no number."""
    found = [spec.flavor.extra_specs.get(key, "") for key in PROMISES]
    return max((int(text) * 8 / 1000 for text in found if text.isdecimal()), default=0.0)
