"""What this host has to offer: what the hypervisor says, with the operator's reserves and ratios."""

from __future__ import annotations

import threading
from typing import Any

from oslo_config import cfg

from novalite.compute import device_spec
from novalite.compute.build import Bench
from novalite.compute.host_cells import Division, counts
from novalite.compute.monitors import Monitors, link_mbps
from novalite.compute.virt.driver import Driver
from novalite.objects.hosts import HostInventory

BEATS_BETWEEN_FULL_REPORTS = 60
"""An unchanged inventory is told again after this many heartbeats, for its up time."""


class Condition:
    """How the host is doing: what is not the hypervisor's to say. `bench` is what it builds with."""

    def __init__(self, conf: cfg.ConfigOpts, bench: Bench) -> None:
        self.bench = bench
        self.interfaces = conf.host_networks.physical_interfaces
        self.division = Division.of(conf.compute)
        self.devices = device_spec.Offer(conf.pci.device_spec)
        self.monitors = Monitors(conf.compute.monitors, self.interfaces.values())

    def now(self) -> dict[str, Any]:
        """Fields of HostInventory."""
        return {
            "physical_networks": tuple(sorted(self.interfaces)),
            "bandwidth_mbps": link_mbps(self.interfaces.values()),
            "cached_images": self.bench.cache.ids(),
            "metrics": self.monitors.read(),
            "failed_builds": self.bench.tally.failed,
        }


def inventory(
    driver: Driver, conf: cfg.ConfigOpts, host: str, condition: Condition, strict: bool = False
) -> HostInventory:
    """The inventory as the conductor wants it. Raises DriverUnavailable; `strict`: ConfigError as well, when the
    configuration names what the host does not have."""
    options = conf.compute
    found = driver.inventory()
    if found.numa is not None:
        if strict:
            condition.division.check(found.numa)
        divided = condition.division.apply(found.numa)
        counted = counts(divided) if condition.division.divides else {}
        found = found.model_copy(update={"numa": divided, **counted})
    return found.model_copy(update={
        "host": host,
        "node": found.node or host,
        "host_ip": options.my_ip,
        "cpu_ratio": options.cpu_allocation_ratio,
        "ram_ratio": options.ram_allocation_ratio,
        "disk_ratio": options.disk_allocation_ratio,
        "reserved_vcpus": min(options.reserved_host_cpus, found.vcpus),
        "reserved_ram_mb": min(options.reserved_host_memory_mb, found.ram_mb),
        "reserved_disk_gb": min(-(-options.reserved_host_disk_mb // 1024), found.disk_gb),
        "pci_devices": condition.devices.of(found.pci_devices),
        **condition.now(),
    })  # fmt: skip


class InventoryNews:
    """Decides when a heartbeat carries the inventory: when it changed, and once in a while anyway."""

    def __init__(self) -> None:
        self._told: HostInventory | None = None
        self._beats = 0
        self._lock = threading.Lock()

    def worth_telling(self, found: HostInventory) -> bool:
        """Whether the conductor should hear of this; up time alone is no news."""
        with self._lock:
            if self._told is None or self._beats >= BEATS_BETWEEN_FULL_REPORTS:
                return True
            return found.model_copy(update={"uptime": None}) != self._told

    def told(self, found: HostInventory | None) -> None:
        """A heartbeat was delivered, with this inventory or (None) without."""
        with self._lock:
            self._beats += 1
            if found is not None:
                self._told, self._beats = found.model_copy(update={"uptime": None}), 0
