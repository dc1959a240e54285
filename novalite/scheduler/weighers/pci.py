"""Hosts with PCI devices are kept for servers that want them, those with many for servers that want many."""

from __future__ import annotations

from typing import Any

from novalite.objects.scheduling import RequestSpec
from novalite.scheduler.columns import Column, Hosts


class PCIWeigher:
    """The fewer devices are free the better; nothing where no host has any."""

    def __init__(self, conf: Any) -> None:
        self.factor = conf.scheduler.pci_weight_multiplier

    def weigh(self, hosts: Hosts, spec: RequestSpec) -> Column | float:
        if not hosts.any("pci_free"):
            return 0.0
        wanted = sum(request.count for request in spec.pci_requests)
        left: Column = hosts.given * wanted - hosts.pci_free if wanted else -hosts.pci_free
        return left

    def multiplier(self, hosts: Hosts) -> Column | float:
        return hosts.setting("pci_weight_multiplier", self.factor)
