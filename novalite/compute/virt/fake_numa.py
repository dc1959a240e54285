"""Cells that are not there: CPUs, threads and pages as `[fake_driver]` says."""

from __future__ import annotations

from typing import Any

from novalite.errors import ConfigError
from novalite.objects import cpu_sets
from novalite.objects.numa import HostCell, HostTopology, Pages, Placed


def topology(options: Any) -> HostTopology | None:
    """The cells that are pretended; None when there are none. Raises ConfigError when CPUs cannot be dealt out."""
    count, threads = options.numa_cells, options.threads_per_core
    if not count:
        return None
    if options.vcpus % (count * threads):
        raise ConfigError(
            reason=f"[fake_driver] vcpus = {options.vcpus} cannot be dealt out to {count} cells of whole cores "
            f"of {threads} threads"
        )
    return HostTopology(cells=tuple(_cell(options, at) for at in range(count)))


def _cell(options: Any, at: int) -> HostCell:
    """Each cell has CPUs in a row, the threads of a core beside each other; the larger pages are part of its memory."""
    each, threads = options.vcpus // options.numa_cells, options.threads_per_core
    cpus = range(at * each, (at + 1) * each)
    cores = [cpu_sets.spell(cpus[first : first + threads]) for first in range(0, each, threads)] if threads > 1 else []
    pages = tuple(Pages(size_kb=int(size), total=total) for size, total in sorted(options.huge_pages.items()))
    memory_mb = options.ram_mb // options.numa_cells - sum(pool.size_kb * pool.total for pool in pages) // 1024
    return HostCell(
        id=at, socket=at, memory_mb=max(0, memory_mb), cpus=cpu_sets.spell(cpus), cores=tuple(cores), pages=pages
    )


def pins(placed: Placed | None) -> dict[str, int]:
    """vCPU -> CPU of a guest, and `emulator`; as JSON has it, which its state file is."""
    if placed is None:
        return {}
    found = {str(vcpu): cpu for cell in placed.cells for vcpu, cpu in cell.pins}
    return found if placed.emulator is None else {**found, "emulator": placed.emulator}
