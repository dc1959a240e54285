"""Keep servers that want cells, CPUs or pages of their own off hosts that have no place for them.

It has two names: NUMATopologyFilter, and CpuBindFilter, as clouds know it that say the same by hints.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from novalite.objects import numa as objects
from novalite.objects.hosts import HostRow
from novalite.objects.pci import PciPool, PciRequest
from novalite.objects.scheduling import RequestSpec
from novalite.scheduler import near, numa, pci
from novalite.scheduler.columns import Hosts, Mask
from novalite.scheduler.numa import Limits
from novalite.scheduler.numa_words import asks, has

KEPT = 65_536
"""Answers that are remembered: few hosts change between two decisions, and a fit takes far longer than a look."""


class NUMATopologyFilter:
    """Hosts on whose cells the server fits beside what is there (`scheduler.numa`). Servers that are on their way to a
    host count as if they were like this one: that steers, and the claim decides."""

    slow = True

    def __init__(self, conf: Any) -> None:
        pass

    def asks(self, spec: RequestSpec) -> bool:
        """Most requests want nothing of the kind."""
        return spec.numa is not None

    def passes(self, hosts: Hosts, spec: RequestSpec) -> Mask:
        if spec.numa is None:
            return True
        wanted = spec.numa.model_dump_json()
        kept, pending = hosts.store.answers(wanted + repr(spec.pci_requests)), hosts.given + hosts.owed_servers
        rows, idle = hosts.rows, pending == 0
        known = idle & (kept.version[rows] == hosts.version)
        mask = kept.passes[rows] & known
        left = np.flatnonzero(~known)
        if len(left):
            found = self._look(hosts.take(left), spec, wanted)
            mask[left] = found
            new = idle[left]
            kept.passes[rows[left[new]]] = found[new]
            kept.version[rows[left[new]]] = hosts.version[left[new]]
        return mask

    def _look(self, hosts: Hosts, spec: RequestSpec, wanted: str) -> NDArray[np.bool_]:
        """One host at a time."""
        texts = hosts.store.words["topologies"].values
        used, pending = hosts.numa_used, hosts.given + hosts.owed_servers
        limits = (hosts.cap_vcpus, hosts.total_vcpus, hosts.cap_ram_mb, hosts.total_ram_mb)
        rows = zip(*(column.tolist() for column in (hosts.numa, pending, *limits)), strict=True)
        devices: Sequence[tuple[PciPool, ...]] = [()] * len(hosts)
        if spec.pci_requests:
            pools = hosts.store.words["pci_pools"].values
            devices = [pools[code] for code in hosts.pci_pools.tolist()]
        answers = (
            bool(texts[code])
            and _fits(texts[code], used[at], wanted, devices[at], spec.pci_requests, *numbers)
            for at, (code, *numbers) in enumerate(rows)
        )
        return np.fromiter(answers, bool, len(hosts))

    def why(self, host: HostRow, spec: RequestSpec) -> str:
        assert spec.numa is not None
        cells = objects.topology(host.numa) if host.numa else None
        limits = Limits((host.cap_vcpus, host.total_vcpus), (host.cap_ram_mb, host.total_ram_mb))
        use = objects.use(host.numa_used)
        if spec.pci_requests and cells is not None and numa.fit(cells, use, spec.numa, limits) is not None:
            lacking = pci.missing(host.pci_pools, spec.pci_requests)
            return lacking or f"has no room for {asks(spec.numa)} that is near enough to free PCI devices"
        return f"needs {asks(spec.numa)}; {has(cells, use, limits)}"


@lru_cache(maxsize=KEPT)
def _fits(
    topology: str, used: str, wanted: str, pools: tuple[PciPool, ...], requests: tuple[PciRequest, ...],
    servers: int, cap_vcpus: int, vcpus: int, cap_ram_mb: int, ram_mb: int,
) -> bool:  # fmt: skip
    """Whether one more fits beside what is used and so many like it, with its devices near enough."""
    host, guest, use = objects.topology(topology), _guest(wanted), objects.use(used)
    limits = Limits((cap_vcpus, vcpus), (cap_ram_mb, ram_mb))
    if requests:
        return near.room(host, use, guest, limits, pools, requests, servers + 1)
    for _ in range(servers):
        placed = numa.fit(host, use, guest, limits)
        if placed is None:
            return False
        use = objects.in_use([placed], use)
    return numa.fits(host, use, guest, limits)


@lru_cache(maxsize=256)
def _guest(text: str) -> objects.GuestTopology:
    return objects.GuestTopology.model_validate_json(text)
