"""What one cell of a host has left for a guest, in bits: the arithmetic beneath `numa`, where its rules are told."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from novalite.objects import cpu_sets
from novalite.objects.numa import ISOLATE, REQUIRE, GuestCell, HostCell, HostTopology, HostUse


class Limits(NamedTuple):
    """What a host may give of what it has, as (capacity, total), of vCPUs and of MB of memory: its ratios and
    reserves, which hold for each cell in proportion."""

    vcpus: tuple[int, int] = (1, 1)
    ram_mb: tuple[int, int] = (1, 1)


def part(amount: int, limit: tuple[int, int]) -> int:
    """What may be given of an amount."""
    capacity, total = limit
    return amount * capacity // total if total > 0 else amount


@dataclass(frozen=True)
class _Core:
    """CPUs of one core, as bits: all, those that are dedicated, and whether one of them is shared."""

    all: int
    dedicated: int
    shared: bool


@dataclass(frozen=True)
class Cell:
    """A host cell, ready to be counted."""

    id: int
    memory_mb: int
    page_kb: int
    shared: int
    dedicated: int
    cores: tuple[_Core, ...]
    pages: dict[int, int] = field(hash=False)


def mask_of(cpus: Iterable[int]) -> int:
    """CPUs as bits."""
    found = 0
    for cpu in cpus:
        found |= 1 << cpu
    return found


def mask_of_text(text: str) -> int:
    """The same of a set that `cpu_sets.spell` wrote."""
    found = 0
    for piece in text.split(",") if text else ():
        first, _, last = piece.partition("-")
        low = int(first)
        found |= ((1 << (int(last or first) - low + 1)) - 1) << low
    return found


def cpus_in(bits: int) -> Iterator[int]:
    """The CPUs of bits, in order."""
    while bits:
        low = bits & -bits
        yield low.bit_length() - 1
        bits ^= low


def _ready(cell: HostCell) -> Cell:
    shared, dedicated = mask_of(cpu_sets.parse(cell.shared)), mask_of(cpu_sets.parse(cell.dedicated))
    masks = [mask_of(cpu_sets.parse(core)) for core in cell.cores]
    alone = dedicated
    for mask in masks:
        alone &= ~mask
    masks += [1 << cpu for cpu in cpus_in(alone)]
    cores = tuple(_Core(mask, mask & dedicated, bool(mask & shared)) for mask in masks if mask & dedicated)
    pages = {pool.size_kb: pool.total for pool in cell.pages}
    return Cell(cell.id, cell.memory_mb, cell.page_kb, shared.bit_count(), dedicated, cores, pages)


_KNOWN: dict[int, tuple[HostTopology, tuple[Cell, ...]]] = {}
"""By identity of the topology: comparing whole ones would take longer than a fit."""
_MOST_KNOWN = 4096


def cells_of(host: HostTopology) -> tuple[Cell, ...]:
    """The cells of a host, made ready once."""
    known = _KNOWN.get(id(host))
    if known is None:
        if len(_KNOWN) >= _MOST_KNOWN:
            _KNOWN.clear()
        known = _KNOWN[id(host)] = host, tuple(_ready(cell) for cell in host.cells)
    return known[1]


# --- what is left in a cell ------------------------------------------------------------------------


class Need(NamedTuple):
    """What guest cells want of one host cell together."""

    pcpus: int
    vcpus: int
    memory_mb: int

    @classmethod
    def of(cls, cell: GuestCell, dedicated: Collection[int]) -> Need:
        """What one guest cell wants."""
        pcpus = sum(1 for cpu in cell.cpus if cpu in dedicated)
        return cls(pcpus, len(cell.cpus) - pcpus, cell.memory_mb)

    def plus(self, other: Need) -> Need:
        """Both together."""
        return Need(self.pcpus + other.pcpus, self.vcpus + other.vcpus, self.memory_mb + other.memory_mb)


class Room:
    """What one host cell has left for a guest of that kind and that size of pages (None: ordinary memory)."""

    def __init__(
        self, cell: Cell, use: HostUse, pinned: int, threads: str | None, size_kb: int | None, limits: Limits
    ) -> None:
        self.cell, self.threads = cell, threads
        taken = next((one for one in use.cells if one.id == cell.id), None)
        self.free = cell.dedicated & ~pinned
        self._pinned = pinned
        self.vcpus = part(cell.shared, limits.vcpus) - (taken.vcpus if taken else 0)
        self.size_kb = size_kb
        used_mb = taken.memory_mb if taken else 0
        if size_kb is not None and size_kb != cell.page_kb:
            self.pages = cell.pages.get(size_kb, 0) - (taken.pages.get(size_kb, 0) if taken else 0)
            self.memory_mb = self.largest_mb = self.pages * size_kb // 1024
        else:
            whole_mb = cell.memory_mb if size_kb is not None else part(cell.memory_mb, limits.ram_mb)
            self.memory_mb, self.largest_mb = whole_mb - used_mb, cell.memory_mb

    @cached_property
    def cores(self) -> list[int]:
        """What is free of each core; where cores are isolated, of those that are free altogether."""
        if self.threads == ISOLATE:
            whole = (core for core in self.cell.cores if not core.shared and not core.all & self._pinned)
            return [core.dedicated for core in whole]
        return [core.dedicated & self.free for core in self.cell.cores]

    def has(self, need: Need, emulator: bool = False) -> bool:
        """Whether this much fits; `emulator`: and a CPU for the rest of QEMU."""
        if need.memory_mb > min(self.memory_mb, self.largest_mb):
            return False
        if need.vcpus and need.vcpus > min(self.vcpus, self.cell.shared):
            return False
        if self.threads == ISOLATE:
            return need.pcpus + emulator <= len(self.cores)
        if need.pcpus + emulator > self.free.bit_count():
            return False
        return self.threads != REQUIRE or not need.pcpus or self._paired(need.pcpus) is not None

    def _paired(self, count: int) -> list[tuple[int, int]] | None:
        """(core, CPUs of it) for so many vCPUs, two or more on each core that is used; None when there is no way."""
        cores = sorted((core for core in self.cores if core.bit_count() > 1), key=_free_first)
        found: list[tuple[int, int]] = []
        for core in cores:
            if not count:
                break
            found.append((core, min(core.bit_count(), count)))
            count -= found[-1][1]
        if count:
            return None
        if not found or found[-1][1] > 1:
            return found or None
        # One is left over: another core with three or more gives it a companion.
        for at, (core, number) in enumerate(found[:-1]):
            if number > 2:
                found[at] = (core, number - 1)
                return [*found[:-1], (found[-1][0], 2)]
        return None

    def pick(self, count: int) -> list[int]:
        """CPUs for so many vCPUs, core by core; `has` was asked."""
        if self.threads == ISOLATE:
            return [next(cpus_in(core)) for core in sorted(self.cores, key=int.bit_count)[:count]]
        if self.threads == REQUIRE:
            paired = self._paired(count) or []
            return [cpu for core, number in paired for cpu in list(cpus_in(core))[:number]]
        found: list[int] = []
        cores = sorted((core for core in self.cores if core), key=_free_first)
        while count > len(found):
            left = count - len(found)
            core = next((one for one in cores if one.bit_count() <= left), None)
            core = core or min(cores, key=lambda one: (one.bit_count(), one))
            cores.remove(core)
            found += list(cpus_in(core))[:left]
        return found

    def idle(self, cpus: Iterable[int]) -> int:
        """Other threads of the cores of these CPUs, which isolation keeps empty."""
        bits = mask_of(cpus)
        if self.threads != ISOLATE:
            return 0
        found = 0
        for core in self.cores:
            if core & bits:
                found |= core & ~bits
        return found

    def spare(self, taken: Iterable[int]) -> int:
        """A CPU for the rest of QEMU beside these."""
        bits = mask_of(taken)
        if self.threads == ISOLATE:
            return next(next(cpus_in(core)) for core in self.cores if not core & bits)
        left = sorted((core & ~bits for core in self.cores if core & ~bits), key=int.bit_count)
        return next(cpus_in(left[0]))


def _free_first(core: int) -> tuple[int, int]:
    return -core.bit_count(), core
