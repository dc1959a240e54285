"""Adapter for filters in the familiar style: `host_passes(host, spec)`, one host at a time.

Such a filter costs a Python call per host, so it is asked only about hosts that the others left over.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from novalite.objects.hosts import HostRow
from novalite.objects.scheduling import RequestSpec
from novalite.scheduler.columns import Aggregates, Hosts, Mask

_FAMILIAR = {
    "free_ram_mb": "free_ram_mb",
    "total_usable_ram_mb": "total_ram_mb",
    "vcpus_total": "total_vcpus",
    "vcpus_used": "used_vcpus",
    "num_instances": "servers",
    "num_io_ops": "io_ops",
    "hypervisor_version": "hypervisor_version",
}
"""Names such filters know from the public filter guide -> our column."""


class HostPasses(Protocol):
    """A third party's filter in this style."""

    def host_passes(self, host: HostState, spec: RequestSpec) -> bool:
        """Whether this host is fit for the request."""


class HostState:
    """One host under the names such filters know: host, nodename, free_ram_mb, free_disk_mb, vcpus_total,
    vcpus_used, num_instances, aggregates, availability_zone; any column of Hosts as well."""

    def __init__(self, hosts: Hosts, at: int) -> None:
        self._hosts, self._at = hosts, at

    def __getattr__(self, name: str) -> Any:
        return getattr(self._hosts, _FAMILIAR.get(name, name))[self._at].item()

    @property
    def host(self) -> str:
        return self._hosts.name(self._at)

    @property
    def nodename(self) -> str:
        return self._hosts.node(self._at)

    @property
    def host_ip(self) -> str:
        return self._hosts.address(self._at)

    @property
    def cpu_info(self) -> Any:
        return self._hosts.words_of("cpu_info", self._at)

    @property
    def metrics(self) -> Any:
        """Name -> number."""
        return self._hosts.row(self._at).metrics

    @property
    def free_disk_mb(self) -> int:
        return int(self._hosts.free_disk_gb[self._at]) * 1024

    @property
    def availability_zone(self) -> str:
        return str(self._hosts.words_of("zone", self._at))

    @property
    def hypervisor_type(self) -> str:
        return str(self._hosts.words_of("hypervisor_type", self._at))

    @property
    def aggregates(self) -> Aggregates:
        """Name -> metadata."""
        return self._hosts.aggregates(self._at)


class PerHostFilter:
    """Makes a column filter of `host_passes`."""

    slow = True

    def __init__(self, inner: HostPasses) -> None:
        self.inner = inner

    def passes(self, hosts: Hosts, spec: RequestSpec) -> Mask:
        answers = (bool(self.inner.host_passes(HostState(hosts, i), spec)) for i in range(len(hosts)))
        return np.fromiter(answers, bool, len(hosts))

    def why(self, host: HostRow, spec: RequestSpec) -> str:
        return f"{type(self.inner).__name__} refuses it"
