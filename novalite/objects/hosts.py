"""Hosts and services as messages: what they report and what the scheduler sees of them."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from novalite.objects.base import Message
from novalite.objects.numa import HostTopology
from novalite.objects.pci import PciDevice, PciPool


class HostInventory(Message):
    """compute -> conductor: what one hypervisor host has. MB of RAM, GB of disk, totals before ratios.

    `used_*` is what the hypervisor itself sees in use (informative); what servers take is counted
    by the conductor from its claims.

    `supported_instances` are (architecture, hypervisor type, mode of guests); `bandwidth_mbps` is what its
    interfaces to physical networks carry together, 0 when that is not known. `cached_images` are ids, `metrics`
    numbers that monitors read, `failed_builds` those since the last one that succeeded. `pci_devices` are those that
    may be given to guests. `pcpus` are CPUs that are dedicated, which `vcpus` leaves out; `numa` are the cells, None
    when the hypervisor does not say.
    """

    host: str
    node: str
    hypervisor_type: str
    hypervisor_version: int
    host_ip: str
    vcpus: int
    ram_mb: int
    disk_gb: int
    reserved_vcpus: int = 0
    reserved_ram_mb: int = 0
    reserved_disk_gb: int = 0
    cpu_ratio: float = 16.0
    ram_ratio: float = 1.5
    disk_ratio: float = 1.0
    disk_available_least_gb: int | None = None
    cpu_info: dict[str, Any] = Field(default_factory=dict)
    traits: tuple[str, ...] = ()
    supported_instances: tuple[tuple[str, str, str], ...] = ()
    physical_networks: tuple[str, ...] = ()
    bandwidth_mbps: int = 0
    cached_images: tuple[str, ...] = ()
    metrics: dict[str, float] = Field(default_factory=dict)
    failed_builds: int = 0
    pci_devices: tuple[PciDevice, ...] = ()
    pcpus: int = 0
    numa: HostTopology | None = None
    uptime: str | None = None


class Heartbeat(Message):
    """any daemon -> conductor: I am alive. One message per `report_interval`.

    A compute host lists the (task_id, attempt) pairs it is busy with, so that the conductor can
    tell slow work from lost work, and its inventory when that changed.
    """

    binary: str
    host: str
    service_id: str | None = None
    report_count: int = 0
    busy: tuple[tuple[str, int], ...] = ()
    inventory: HostInventory | None = None


class HostRow(Message):
    """One host as the scheduler sees it: capacity after ratios and reserves, use, and place.

    `version` grows with every change of the row, so late deltas are recognised; `generation`
    grows only when something other than use changed (inventory, zone, enabled), and is what a
    claim is checked against. `last_seen` is seconds since the epoch. `io_ops` is how many servers the host
    is busy building, copying or imaging; `pci_pools` are the devices that are free; `numa` and `numa_used` are a
    HostTopology and the HostUse of it as text, which schedulers read once for many hosts; the other fields are as in
    HostInventory.
    """

    host: str
    node: str
    version: int
    generation: int
    enabled: bool
    forced_down: bool
    last_seen: float
    zone: str
    cap_vcpus: int
    cap_ram_mb: int
    cap_disk_gb: int
    used_vcpus: int
    used_ram_mb: int
    used_disk_gb: int
    servers: int
    total_vcpus: int = 0
    total_ram_mb: int = 0
    total_disk_gb: int = 0
    hypervisor_type: str = ""
    hypervisor_version: int = 0
    deleted: bool = False
    aggregates: dict[str, dict[str, str]] = Field(default_factory=dict)
    traits: tuple[str, ...] = ()
    io_ops: int = 0
    failed_builds: int = 0
    bandwidth_mbps: int = 0
    host_ip: str = ""
    cpu_info: dict[str, Any] = Field(default_factory=dict)
    supported_instances: tuple[tuple[str, str, str], ...] = ()
    physical_networks: tuple[str, ...] = ()
    cached_images: tuple[str, ...] = ()
    metrics: dict[str, float] = Field(default_factory=dict)
    pci_pools: tuple[PciPool, ...] = ()
    numa: str = ""
    numa_used: str = ""

    @property
    def pci_free(self) -> int:
        """How many devices are free; a function counts whole and in parts."""
        return sum(pool.free for pool in self.pci_pools)


class HostDeltas(Message):
    """conductor -> every scheduler: rows that changed. (`source`, `seq`) counts without a hole per
    sender; a hole, or a sender that does not begin at 1, asks for a full read."""

    source: str
    seq: int
    rows: tuple[HostRow, ...]


class HostTableDump(Message):
    """conductor -> scheduler: every host, with the sequence each known sender had reached."""

    rows: tuple[HostRow, ...]
    seqs: dict[str, int] = Field(default_factory=dict)
