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

from collections.abc import Collection, Iterator, Sequence
from itertools import combinations

from novalite.objects import cpu_sets
from novalite.objects.numa import (
    ANY,
    ISOLATE,
    LARGE,
    REQUIRE,
    SHARE,
    SMALL,
    GuestTopology,
    HostTopology,
    HostUse,
    Placed,
    PlacedCell,
)
from novalite.scheduler.numa_rooms import Cell, Need, Room, cells_of, cpus_in, mask_of, mask_of_text
from novalite.scheduler.numa_rooms import Limits as Limits

MOST_STEPS = 20_000
"""Places tried at most for one guest whose cells may lie together."""


# --- which cells -----------------------------------------------------------------------------------


def _matched(needs: Sequence[Need], rooms: Sequence[Room], home: int) -> list[int] | None:
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

    def __init__(self, needs: Sequence[Need], rooms: Sequence[Room], emulator: bool) -> None:
        self.needs, self.rooms, self.emulator = needs, rooms, emulator
        self.order = sorted(range(len(needs)), key=lambda at: needs[at], reverse=True)
        self.totals, self.seats, self.steps = [Need(0, 0, 0)] * len(rooms), [-1] * len(needs), 0

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

    def _may(self, at: int, total: Need) -> bool:
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


def _seats(wanted: GuestTopology, needs: list[Need], rooms: list[Room]) -> list[int] | None:
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
    found = _search(host, use, wanted, limits, only)
    return None if found is None else _place(wanted, *found)


def fits(host: HostTopology, use: HostUse, wanted: GuestTopology, limits: Limits) -> bool:
    """Whether there is a place: cheaper than asking for it."""
    return _search(host, use, wanted, limits, None) is not None


def _search(
    host: HostTopology, use: HostUse, wanted: GuestTopology, limits: Limits, only: Collection[int] | None
) -> tuple[list[Need], list[Room], list[int], int | None] | None:
    """(needs of the guest's cells, rooms, which room each has, size of pages)"""
    cells = [cell for cell in cells_of(host) if only is None or cell.id in only]
    needs = [Need.of(cell, wanted.dedicated) for cell in wanted.cells]
    pinned = mask_of_text(use.pinned)
    for size_kb in _sizes(wanted, cells):
        rooms = [Room(cell, use, pinned, wanted.threads, size_kb, limits) for cell in cells]
        if size_kb is not None and any(need.memory_mb * 1024 % size_kb for need in needs):
            continue
        # vCPUs with CPUs of their own fill up cells; others go where there is most room.
        rooms.sort(key=lambda room: room.free.bit_count() if wanted.dedicated else -room.memory_mb)
        if (seats := _seats(wanted, needs, rooms)) is not None:
            return needs, rooms, seats, size_kb
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


def _sizes(wanted: GuestTopology, cells: Sequence[Cell]) -> list[int | None]:
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
    wanted: GuestTopology, needs: list[Need], rooms: list[Room], seats: list[int], size_kb: int | None
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
        idle=cpu_sets.spell(cpus_in(idle)), threads=threads,
    )  # fmt: skip


def _total(needs: list[Need], seats: list[int], at: int) -> Need:
    mine = [needs[guest] for guest, seat in enumerate(seats) if seat == at]
    return Need(*(sum(numbers) for numbers in zip(*mine, strict=True)))


def _even(rooms: list[Room], cpus: dict[int, list[int]]) -> int:
    """How many vCPUs each core that is used carries, when that is the same number; else 1."""
    numbers = set()
    for at, picked in cpus.items():
        bits = mask_of(picked)
        numbers |= {(core & bits).bit_count() for core in rooms[at].cores if core & bits}
    return numbers.pop() if len(numbers) == 1 else 1
