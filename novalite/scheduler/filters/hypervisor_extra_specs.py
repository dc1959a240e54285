"""Extra specs hypervisor:*, which the hypervisor of a host must meet."""

from __future__ import annotations

from typing import Any

import numpy as np

from novalite.objects.hosts import HostRow
from novalite.objects.scheduling import RequestSpec
from novalite.scheduler.columns import Hosts, Mask
from novalite.scheduler.requirements import requirement, scoped

SCOPE = "hypervisor"


class HypervisorInstanceExtraSpecsFilter:
    """hypervisor:type, hypervisor:version (a number), hypervisor:hostname (the node), hypervisor:traits."""

    static = True

    def __init__(self, conf: Any) -> None:
        pass

    def passes(self, hosts: Hosts, spec: RequestSpec) -> Mask:
        mask: Mask = True
        for key, text in scoped(spec.flavor.extra_specs, SCOPE, bare=False).items():
            mask = mask & _mask(hosts, key, text)
        return mask

    def why(self, host: HostRow, spec: RequestSpec) -> str:
        facts: dict[str, Any] = {
            "type": host.hypervisor_type, "version": host.hypervisor_version,
            "hostname": host.node, "traits": host.traits,
        }  # fmt: skip
        for key, text in scoped(spec.flavor.extra_specs, SCOPE, bare=False).items():
            if not requirement(text)(facts.get(key)):
                return f"needs hypervisor {key} {text}, has {facts.get(key, 'none')}"
        raise AssertionError("it meets every requirement")


def _mask(hosts: Hosts, key: str, text: str) -> Mask:
    test = requirement(text)
    if key == "type":
        return hosts.worded("hypervisor_type", test)
    if key == "version":
        return hosts.valued(hosts.hypervisor_version, test)
    if key == "traits":
        return hosts.worded("traits", test)
    if key == "hostname":
        return np.fromiter((test(hosts.node(i)) for i in range(len(hosts))), bool, len(hosts))
    return np.zeros(len(hosts), dtype=bool)
