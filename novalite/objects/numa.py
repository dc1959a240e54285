"""NUMA cells: what a host has, what a server wants, and where it was put.

A cell is memory with the CPUs that are near it. Host CPUs are *shared* (any number of vCPUs float over them) or
*dedicated* (each is one vCPU's own); operators say which in [compute] cpu_shared_set and cpu_dedicated_set.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from pydantic import Field

from novalite.objects import cpu_sets
from novalite.objects.base import Message

SMALL, LARGE, ANY = "small", "large", "any"
"""Sizes of pages in words; else a number of kB."""
PREFER, ISOLATE, REQUIRE = "prefer", "isolate", "require"
"""What vCPUs with CPUs of their own want of the threads of a core; see scheduler.numa."""
SHARE = "share"


# --- hosts -----------------------------------------------------------------------------------------


class Pages(Message):
    """A pool of pages of one size in a cell, reserved ones left out."""

    size_kb: int
    total: int


class HostCell(Message):
    """One cell. `memory_mb` is its ordinary memory, without the pools of larger pages that `pages` lists. CPUs are
    sets as text; `cores` are those of more than one thread."""

    id: int
    socket: int = 0
    memory_mb: int
    page_kb: int = 4
    cpus: str = ""
    shared: str = ""
    dedicated: str = ""
    cores: tuple[str, ...] = ()
    pages: tuple[Pages, ...] = ()


class HostTopology(Message):
    """compute -> conductor -> scheduler: the cells of a host."""

    cells: tuple[HostCell, ...]


class CellUse(Message):
    """What servers take of one cell: vCPUs that float over its shared CPUs, MB of its ordinary memory, and larger pages
    by their size in kB."""

    id: int
    vcpus: int = 0
    memory_mb: int = 0
    pages: dict[int, int] = Field(default_factory=dict)


class HostUse(Message):
    """What servers that have a topology take of a host. `pinned`: dedicated CPUs that nobody else may have."""

    pinned: str = ""
    cells: tuple[CellUse, ...] = ()


# --- servers ---------------------------------------------------------------------------------------


class GuestCell(Message):
    """One cell of a guest: which of its vCPUs, and how much of its memory."""

    cpus: tuple[int, ...]
    memory_mb: int


class GuestTopology(Message):
    """What flavor, image and hints of a server ask for (`objects.numa_request`).

    `dedicated`: vCPUs that have a CPU each; `realtime`: those of them that are scheduled so. `threads`: PREFER,
    ISOLATE, REQUIRE. `emulator`: where the rest of QEMU runs: ISOLATE (a CPU of its own), SHARE (shared CPUs), None
    (with the vCPUs). `pages`: a word or a number of kB; None: ordinary memory, which may be oversold. `together`:
    cells of the guest may lie in one cell of the host. `pci`: how near its devices must be.
    """

    cells: tuple[GuestCell, ...]
    dedicated: tuple[int, ...] = ()
    realtime: tuple[int, ...] = ()
    threads: str | None = None
    emulator: str | None = None
    pages: str | None = None
    together: bool = False
    pci: str | None = None

    @property
    def pcpus(self) -> int:
        """Dedicated CPUs that it takes, those aside that isolation leaves idle."""
        return len(self.dedicated) + (self.emulator == ISOLATE)

    @property
    def vcpus(self) -> int:
        """vCPUs that float over shared CPUs."""
        return sum(len(cell.cpus) for cell in self.cells) - len(self.dedicated)


class PlacedCell(Message):
    """A cell of a guest on cell `host_cell` of its host; `pins` are (vCPU, CPU)."""

    cpus: tuple[int, ...]
    memory_mb: int
    host_cell: int
    pins: tuple[tuple[int, int], ...] = ()


class Placed(Message):
    """conductor -> compute, and kept with the claim: where a guest is on its host.

    `page_kb` None: ordinary memory that may be oversold; `large`: it is the size of a pool of larger pages.
    `emulator`: the CPU that the rest of QEMU has for itself; `emulator_shared`: it floats over shared CPUs. `realtime`:
    vCPUs that are scheduled so. `idle`: CPUs, as text, that isolation keeps empty. `threads`: how many vCPUs share a
    core, when that is the same number for all.
    """

    cells: tuple[PlacedCell, ...]
    page_kb: int | None = None
    large: bool = False
    emulator: int | None = None
    emulator_shared: bool = False
    realtime: tuple[int, ...] = ()
    idle: str = ""
    threads: int = 1

    @property
    def cpus(self) -> set[int]:
        """Dedicated CPUs that nobody else may have."""
        found = {cpu for cell in self.cells for _, cpu in cell.pins} | set(cpu_sets.parse(self.idle))
        return found if self.emulator is None else found | {self.emulator}

    @property
    def pcpus(self) -> int:
        """See GuestTopology."""
        return sum(len(cell.pins) for cell in self.cells) + (self.emulator is not None)


def in_use(placed: Iterable[Placed], beside: HostUse | None = None) -> HostUse:
    """What these take together of their host, with what is in use there `beside`."""
    pinned = set(cpu_sets.parse(beside.pinned)) if beside else set()
    cells = {cell.id: cell for cell in beside.cells} if beside else {}
    for one in placed:
        pinned |= one.cpus
        for cell in one.cells:
            was = cells.get(cell.host_cell) or CellUse(id=cell.host_cell)
            vcpus = was.vcpus + len(cell.cpus) - len(cell.pins)
            changes: dict[str, object] = {"vcpus": vcpus}
            if one.page_kb is None or not one.large:
                changes["memory_mb"] = was.memory_mb + cell.memory_mb
            else:
                pages = was.pages.get(one.page_kb, 0) + cell.memory_mb * 1024 // one.page_kb
                changes["pages"] = {**was.pages, one.page_kb: pages}
            cells[cell.host_cell] = was.model_copy(update=changes)
    return HostUse(pinned=cpu_sets.spell(pinned), cells=tuple(cells[key] for key in sorted(cells)))


@lru_cache(maxsize=4096)
def topology(text: str) -> HostTopology:
    """A host's cells from the text that the database and schedulers keep; many hosts share one."""
    return HostTopology.model_validate_json(text)


def placed(text: str) -> Placed:
    """The same of a guest's place."""
    return Placed.model_validate_json(text)


def use(text: str | None) -> HostUse:
    """The same of what servers take of a host; empty text is nothing."""
    return HostUse.model_validate_json(text) if text else HostUse()
