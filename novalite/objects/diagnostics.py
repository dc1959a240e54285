"""What a hypervisor counts for one guest that runs."""

from __future__ import annotations

from pydantic import Field

from novalite.objects.base import Message


class CpuUse(Message):
    """One virtual CPU: `time_ns` it has run, `utilisation` in percent where the hypervisor tells it."""

    time_ns: int
    utilisation: int | None = None


class DiskUse(Message):
    """One disk since the guest was started; None where the hypervisor does not count it."""

    name: str
    read_bytes: int | None = None
    read_requests: int | None = None
    write_bytes: int | None = None
    write_requests: int | None = None
    errors: int | None = None


class NicUse(Message):
    """One network card since the guest was started."""

    name: str
    mac: str | None = None
    rx_octets: int | None = None
    rx_errors: int | None = None
    rx_drop: int | None = None
    rx_packets: int | None = None
    tx_octets: int | None = None
    tx_errors: int | None = None
    tx_drop: int | None = None
    tx_packets: int | None = None


class GuestDiagnostics(Message):
    """compute -> conductor -> api.

    `state` is one of the published words (pending, running, paused, shutdown, crashed, suspended); `driver` and
    `hypervisor` likewise. Memory in MB. `counters` are more of the driver's own, by the names of the old format.
    The conductor adds what only it knows: `config_drive`, and `uptime` in seconds since the server was launched.
    """

    state: str = "running"
    driver: str = "libvirt"
    hypervisor: str | None = None
    hypervisor_os: str | None = "linux"
    cpus: tuple[CpuUse, ...] = ()
    disks: tuple[DiskUse, ...] = ()
    nics: tuple[NicUse, ...] = ()
    memory_mb: int = 0
    memory_used_mb: int | None = None
    counters: dict[str, int] = Field(default_factory=dict)
    config_drive: bool = False
    uptime: int | None = None
