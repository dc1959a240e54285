"""What a guest wants of the cells of a host, and what those have left, in words."""

from __future__ import annotations

from novalite.objects import cpu_sets
from novalite.objects.numa import GuestTopology, HostCell, HostTopology, HostUse
from novalite.scheduler.numa_rooms import Limits, part


def asks(wanted: GuestTopology) -> str:
    """What a guest wants."""
    cells = len(wanted.cells)
    said = []
    if wanted.pcpus:
        threads = f" (threads: {wanted.threads})" if wanted.threads else ""
        said.append(f"{wanted.pcpus} dedicated CPUs{threads}")
    if wanted.vcpus:
        said.append(f"{wanted.vcpus} vCPUs on shared CPUs")
    pages = f" in pages of {wanted.pages}{' kB' if wanted.pages.isdecimal() else ' size'}" if wanted.pages else ""
    said.append(f"{sum(cell.memory_mb for cell in wanted.cells)} MB{pages}")
    where = "1 cell" if cells == 1 else f"{cells} cells"
    return f"{', '.join(said)} in {where}{' that may lie together' if wanted.together and cells > 1 else ''}"


def has(host: HostTopology | None, use: HostUse, limits: Limits) -> str:
    """What a host has left."""
    if host is None:
        return "it tells of no cells"
    pinned = set(cpu_sets.parse(use.pinned))
    return "; ".join(_cell(cell, use, pinned, limits) for cell in host.cells)


def _cell(cell: HostCell, use: HostUse, pinned: set[int], limits: Limits) -> str:
    taken = next((one for one in use.cells if one.id == cell.id), None)
    dedicated, shared = set(cpu_sets.parse(cell.dedicated)), cpu_sets.parse(cell.shared)
    vcpus = part(len(shared), limits.vcpus) - (taken.vcpus if taken else 0)
    whole_mb = part(cell.memory_mb, limits.ram_mb)
    memory_mb = whole_mb - (taken.memory_mb if taken else 0)
    said = []
    if dedicated:
        said.append(f"{len(dedicated - pinned)} of {len(dedicated)} dedicated CPUs")
    if shared:
        said.append(f"{max(0, vcpus)} vCPUs on {len(shared)} shared CPUs")
    said.append(f"{max(0, memory_mb)} of {whole_mb} MB")
    for pool in cell.pages:
        free = pool.total - (taken.pages.get(pool.size_kb, 0) if taken else 0)
        said.append(f"{max(0, free)} of {pool.total} pages of {pool.size_kb} kB")
    return f"cell {cell.id} has left {', '.join(said)}"
