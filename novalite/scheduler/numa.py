"""Where on a host the cells of a guest go: which cells, which CPUs, which pages. Pure; the one answer for the
scheduler's filter, the conductor's claim and the compute host.

`fit` finds a place if there is one (beyond MOST_STEPS of search for guests whose cells may lie together it gives up, so
that no flavor can hold the table). The rules:

- A guest's cells lie in cells of the host of their own; with `together` several may lie in one.
- A vCPU of its own (dedicated) has a dedicated CPU of that cell that nobody else has. The others float over the cell's
  shared CPUs, of which there are at least as many, and all such vCPUs are at most the shared CPUs times the CPU ratio.
- Threads. `require`: every core that is used carries two or more vCPUs of the guest. `isolate`: a core carries one, and
  nobody else, neither pinned nor floating. `prefer`, and nothing said: whole cores first, then whatever is free.
- QEMU's other threads with a CPU of their own have a dedicated one in a cell that the guest is in; where cores are
  isolated, a core.
- Memory in pages of a named size is never oversold, and all cells of a guest have the same size. Other memory may be,
  by the memory ratio, but no cell of a guest is larger than the host's.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import combinations
from typing import NamedTuple

from novalite.objects import cpu_sets
from novalite.objects.numa import (
    ANY,
    ISOLATE,
    LARGE,
    REQUIRE,
    SHARE,
    SMALL,
    GuestCell,
    GuestTopology,
    HostCell,
    HostTopology,
    HostUse,
    Placed,
    PlacedCell,
)

MOST_STEPS = 20_000
"""Places tried at most for one guest whose cells may lie together."""


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
class _Cell:
    """A host cell, ready to be counted."""

    id: int
    memory_mb: int
    page_kb: int
    shared: int
    dedicated: int
    cores: tuple[_Core, ...]
    pages: dict[int, int] = field(hash=False)


def _bits(cpus: Iterable[int]) -> int:
    found = 0
    for cpu in cpus:
        found |= 1 << cpu
    return found


def _numbers(bits: int) -> Iterator[int]:
    while bits:
        low = bits & -bits
        yield low.bit_length() - 1
        bits ^= low


def _ready(cell: HostCell) -> _Cell:
    shared, dedicated = _bits(cpu_sets.parse(cell.shared)), _bits(cpu_sets.parse(cell.dedicated))
    masks = [_bits(cpu_sets.parse(core)) for core in cell.cores]
    alone = dedicated
    for mask in masks:
        alone &= ~mask
    masks += [1 << cpu for cpu in _numbers(alone)]
    cores = tuple(_Core(mask, mask & dedicated, bool(mask & shared)) for mask in masks if mask & dedicated)
    pages = {pool.size_kb: pool.total for pool in cell.pages}
    return _Cell(cell.id, cell.memory_mb, cell.page_kb, shared.bit_count(), dedicated, cores, pages)


@lru_cache(maxsize=4096)
def _cells(host: HostTopology) -> tuple[_Cell, ...]:
    return tuple(_ready(cell) for cell in host.cells)


# --- what is left in a cell ------------------------------------------------------------------------


class _Need(NamedTuple):
    """What guest cells want of one host cell together."""

    pcpus: int
    vcpus: int
    memory_mb: int

    @classmethod
    def of(cls, cell: GuestCell, dedicated: Collection[int]) -> _Need:
        pcpus = sum(1 for cpu in cell.cpus if cpu in dedicated)
        return cls(pcpus, len(cell.cpus) - pcpus, cell.memory_mb)

    def plus(self, other: _Need) -> _Need:
        return _Need(self.pcpus + other.pcpus, self.vcpus + other.vcpus, self.memory_mb + other.memory_mb)


class _Room:
    """What one host cell has left for a guest of that kind and that size of pages (None: ordinary memory)."""

    def __init__(
        self, cell: _Cell, use: HostUse, pinned: int, threads: str | None, size_kb: int | None, limits: Limits
    ) -> None:
        self.cell, self.threads = cell, threads
        taken = next((one for one in use.cells if one.id == cell.id), None)
        self.free = cell.dedicated & ~pinned
        self.cores = [core.dedicated & self.free for core in cell.cores]
        if threads == ISOLATE:
            whole = (core for core in cell.cores if not core.shared and not core.all & pinned)
            self.cores = [core.dedicated for core in whole]
        self.vcpus = part(cell.shared, limits.vcpus) - (taken.vcpus if taken else 0)
        self.size_kb = size_kb
        used_mb = taken.memory_mb if taken else 0
        if size_kb is not None and size_kb != cell.page_kb:
            self.pages = cell.pages.get(size_kb, 0) - (taken.pages.get(size_kb, 0) if taken else 0)
            self.memory_mb = self.largest_mb = self.pages * size_kb // 1024
        else:
            whole_mb = cell.memory_mb if size_kb is not None else part(cell.memory_mb, limits.ram_mb)
            self.memory_mb, self.largest_mb = whole_mb - used_mb, cell.memory_mb

    def has(self, need: _Need, emulator: bool = False) -> bool:
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
            return [next(_numbers(core)) for core in sorted(self.cores, key=int.bit_count)[:count]]
        if self.threads == REQUIRE:
            paired = self._paired(count) or []
            return [cpu for core, number in paired for cpu in list(_numbers(core))[:number]]
        found: list[int] = []
        cores = sorted((core for core in self.cores if core), key=_free_first)
        while count > len(found):
            left = count - len(found)
            core = next((one for one in cores if one.bit_count() <= left), None)
            core = core or min(cores, key=lambda one: (one.bit_count(), one))
            cores.remove(core)
            found += list(_numbers(core))[:left]
        return found

    def idle(self, cpus: Iterable[int]) -> int:
        """Other threads of the cores of these CPUs, which isolation keeps empty."""
        bits = _bits(cpus)
        if self.threads != ISOLATE:
            return 0
        found = 0
        for core in self.cores:
            if core & bits:
                found |= core & ~bits
        return found

    def spare(self, taken: Iterable[int]) -> int:
        """A CPU for the rest of QEMU beside these."""
        bits = _bits(taken)
        if self.threads == ISOLATE:
            return next(next(_numbers(core)) for core in self.cores if not core & bits)
        left = sorted((core & ~bits for core in self.cores if core & ~bits), key=int.bit_count)
        return next(_numbers(left[0]))


def _free_first(core: int) -> tuple[int, int]:
    return -core.bit_count(), core


# --- which cells -----------------------------------------------------------------------------------


def _matched(needs: Sequence[_Need], rooms: Sequence[_Room], home: int) -> list[int] | None:
    """A room of its own for each guest cell; the rest of QEMU is with guest cell `home` (-1: with none)."""
    owner: dict[int, int] = {}

    def seat(guest: int, seen: set[int]) -> bool:
        fitting = [at for at, room in enumerate(rooms) if room.has(needs[guest], guest == home)]
        for at in sorted(fitting, key=owner.__contains__):  # nobody moves who need not
            if at not in seen:
                seen.add(at)
                if at not in owner or seat(owner[at], seen):
                    owner[at] = guest
                    return True
        return False

    if not all(seat(guest, set()) for guest in range(len(needs))):
        return None
    seats = {guest: at for at, guest in owner.items()}
    return [seats[guest] for guest in range(len(needs))]


class _Packing:
    """Guest cells into rooms that may hold several: the largest first, equal ones in order, with an end."""

    def __init__(self, needs: Sequence[_Need], rooms: Sequence[_Room], emulator: bool) -> None:
        self.needs, self.rooms, self.emulator = needs, rooms, emulator
        self.order = sorted(range(len(needs)), key=lambda at: needs[at], reverse=True)
        self.totals, self.seats, self.steps = [_Need(0, 0, 0)] * len(rooms), [-1] * len(needs), 0

    def found(self, nth: int = 0) -> bool:
        """Whether the guest cells from the nth on have places; `seats` are those of all."""
        if nth == len(self.order):
            return self._whole()
        guest = self.order[nth]
        same = nth and self.needs[self.order[nth - 1]] == self.needs[guest]
        first = self.seats[self.order[nth - 1]] if same else 0
        for at in range(first, len(self.rooms)):
            self.steps += 1
            if self.steps > MOST_STEPS:
                return False
            before = self.totals[at]
            total = before.plus(self.needs[guest])
            if not self._may(at, total):
                continue
            self.totals[at], self.seats[guest] = total, at
            if self.found(nth + 1):
                return True
            self.totals[at] = before
        return False

    def _may(self, at: int, total: _Need) -> bool:
        """A core that is not full may be filled by the next one, so pairs are looked at in the end."""
        room = self.rooms[at]
        if room.threads == REQUIRE:
            return room.free.bit_count() >= total.pcpus and room.has(total._replace(pcpus=0))
        return room.has(total)

    def _whole(self) -> bool:
        used = [at for at in range(len(self.rooms)) if at in self.seats]
        if not all(self.rooms[at].has(self.totals[at]) for at in used):
            return False
        return not self.emulator or any(self.rooms[at].has(self.totals[at], True) for at in used)


def _seats(wanted: GuestTopology, needs: list[_Need], rooms: list[_Room]) -> list[int] | None:
    emulator = wanted.emulator == ISOLATE
    if wanted.together:
        packing = _Packing(needs, rooms, emulator)
        return packing.seats if packing.found() else None
    for home in range(len(needs)) if emulator else (-1,):
        if (found := _matched(needs, rooms, home)) is not None:
            return found
    return None


# --- the whole -------------------------------------------------------------------------------------


def fit(
    host: HostTopology,
    use: HostUse,
    wanted: GuestTopology,
    limits: Limits = Limits(),
    only: Collection[int] | None = None,
) -> Placed | None:
    """A place for the guest beside what is in use, or None. `only`: host cells that may be taken."""
    cells = [cell for cell in _cells(host) if only is None or cell.id in only]
    needs = [_Need.of(cell, wanted.dedicated) for cell in wanted.cells]
    pinned = _bits(cpu_sets.parse(use.pinned))
    for size_kb in _sizes(wanted, cells):
        rooms = [_Room(cell, use, pinned, wanted.threads, size_kb, limits) for cell in cells]
        if size_kb is not None and any(need.memory_mb * 1024 % size_kb for need in needs):
            continue
        # vCPUs with CPUs of their own fill up cells; others go where there is most room.
        rooms.sort(key=lambda room: room.free.bit_count() if wanted.dedicated else -room.memory_mb)
        if (seats := _seats(wanted, needs, rooms)) is not None:
            return _place(wanted, needs, rooms, seats, size_kb)
    return None


def choices(host: HostTopology, use: HostUse, wanted: GuestTopology, limits: Limits) -> Iterator[Placed]:
    """The best place, then one in every set of cells where there is one: for guests that mind something else there."""
    if (best := fit(host, use, wanted, limits)) is None:
        return
    yield best
    ids, number = [cell.id for cell in host.cells], len(wanted.cells)
    for size in range(1 if wanted.together else number, number + 1):
        for some in combinations(ids, size):
            if (other := fit(host, use, wanted, limits, some)) is not None:
                yield other


def _sizes(wanted: GuestTopology, cells: Sequence[_Cell]) -> list[int | None]:
    """Sizes of pages in kB, in the order in which they are tried."""
    if wanted.pages is None:
        return [None]
    small = sorted({cell.page_kb for cell in cells})
    large = sorted({size for cell in cells for size in cell.pages} - set(small), reverse=True)
    if wanted.pages == SMALL:
        return [*small]
    if wanted.pages in (LARGE, ANY):
        return [*large, *(small if wanted.pages == ANY else ())]
    size_kb = int(wanted.pages)
    return [size_kb] if size_kb in small or size_kb in large else []


def _place(
    wanted: GuestTopology, needs: list[_Need], rooms: list[_Room], seats: list[int], size_kb: int | None
) -> Placed:
    """The CPUs, now that it is known which cells."""
    cpus: dict[int, list[int]] = {}
    for at in set(seats):
        cpus[at] = rooms[at].pick(_total(needs, seats, at).pcpus)
    emulator, idle = None, 0
    if wanted.emulator == ISOLATE:
        totals = {at: _total(needs, seats, at) for at in sorted(set(seats), key=seats.index)}
        home = next(at for at, total in totals.items() if rooms[at].has(total, True))
        emulator = rooms[home].spare(cpus[home])
        idle |= rooms[home].idle([emulator])
    for at, picked in cpus.items():
        idle |= rooms[at].idle(picked)
    threads = _even(rooms, cpus)
    left = {at: iter(picked) for at, picked in cpus.items()}
    cells = tuple(
        PlacedCell(
            cpus=cell.cpus, memory_mb=cell.memory_mb, host_cell=rooms[at].cell.id,
            pins=tuple((cpu, next(left[at])) for cpu in cell.cpus if cpu in wanted.dedicated),
        )
        for cell, at in zip(wanted.cells, seats, strict=True)
    )  # fmt: skip
    return Placed(
        cells=cells, page_kb=size_kb, large=size_kb is not None and size_kb != rooms[seats[0]].cell.page_kb,
        emulator=emulator, emulator_shared=wanted.emulator == SHARE, realtime=wanted.realtime,
        idle=cpu_sets.spell(_numbers(idle)), threads=threads,
    )  # fmt: skip


def _total(needs: list[_Need], seats: list[int], at: int) -> _Need:
    mine = [needs[guest] for guest, seat in enumerate(seats) if seat == at]
    return _Need(*(sum(numbers) for numbers in zip(*mine, strict=True)))


def _even(rooms: list[_Room], cpus: dict[int, list[int]]) -> int:
    """How many vCPUs each core that is used carries, when that is the same number; else 1."""
    numbers = set()
    for at, picked in cpus.items():
        bits = _bits(picked)
        numbers |= {(core & bits).bit_count() for core in rooms[at].cores if core & bits}
    return numbers.pop() if len(numbers) == 1 else 1
