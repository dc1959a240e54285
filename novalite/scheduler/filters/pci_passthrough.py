"""Only hosts that have the PCI devices asked for."""

from __future__ import annotations

from typing import Any

from novalite.objects.hosts import HostRow
from novalite.objects.scheduling import RequestSpec
from novalite.scheduler import pci
from novalite.scheduler.columns import Hosts, Mask


class PciPassthroughFilter:
    """Hosts with enough free devices for all requests of a server together; the claim looks again, also at cells."""

    def __init__(self, conf: Any) -> None:
        pass

    def passes(self, hosts: Hosts, spec: RequestSpec) -> Mask:
        if not spec.pci_requests:
            return True
        given = hosts.given
        width = int(given.max(initial=0)) + 1
        if width == 1:
            return hosts.worded("pci_pools", lambda pools: pci.fit(pools, spec.pci_requests) is not None)
        pools = hosts.store.words["pci_pools"].values

        def enough(pair: int) -> bool:
            servers = pair % width + 1
            return pci.fit(pools[pair // width], pci.times(spec.pci_requests, servers)) is not None

        return hosts.valued(hosts.pci_pools.astype("i8") * width + given, enough)

    def why(self, host: HostRow, spec: RequestSpec) -> str:
        return pci.missing(host.pci_pools, spec.pci_requests)
