"""The fit of guests into the cells of a host, against trying everything; and the words for it."""

from __future__ import annotations

from itertools import combinations, permutations, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novalite.objects import cpu_sets
from novalite.objects.numa import (
    GuestCell,
    GuestTopology,
    HostCell,
    HostTopology,
    HostUse,
    Pages,
    in_use,
)
from novalite.scheduler.numa import Limits, fit
from novalite.scheduler.numa_words import asks, has

# --- trying everything ------------------------------------------------------------------------------


def cores_of(cell):
    """Every CPU of a cell -> the CPUs of its core."""
    found = {cpu: {cpu} for cpu in cpu_sets.parse(cell.cpus)}
    for text in cell.cores:
        core = set(cpu_sets.parse(text))
        found |= dict.fromkeys(core, core)
    return found


def threads_allow(cell, chosen, emulator, pinned, policy):
    """Whether vCPUs on the CPUs `chosen` of a cell, and the rest of QEMU on `emulator`, are as the policy wants."""
    cores, shared = cores_of(cell), set(cpu_sets.parse(cell.shared))
    everybody = chosen | ({emulator} if emulator is not None else set())
    if policy == "isolate":
        return all(
            not (cores[cpu] & (shared | pinned)) and cores[cpu] & everybody == {cpu} for cpu in everybody
        )
    return policy != "require" or all(len(cores[cpu] & chosen) > 1 for cpu in chosen)


def memory_allows(cell, use, need_mb, size, limits):
    taken = next((one for one in use.cells if one.id == cell.id), None)
    if size is None or size == cell.page_kb:
        cap, total = limits.ram_mb if size is None else (1, 1)
        used_mb = taken.memory_mb if taken else 0
        return need_mb <= cell.memory_mb and need_mb + used_mb <= cell.memory_mb * cap // total
    pool = next((pool.total for pool in cell.pages if pool.size_kb == size), 0)
    return need_mb * 1024 <= (pool - (taken.pages.get(size, 0) if taken else 0)) * size


def shared_allow(cell, use, vcpus, limits):
    taken = next((one.vcpus for one in use.cells if one.id == cell.id), 0)
    shared, (cap, total) = len(cpu_sets.parse(cell.shared)), limits.vcpus
    return not vcpus or (vcpus <= shared and taken + vcpus <= shared * cap // total)


def ways(host, use, wanted, limits):
    """Every way that keeps the rules: (cell of each guest cell, size of pages, CPUs by cell, CPU of the emulator)."""
    n, cells = len(wanted.cells), host.cells
    pinned = set(cpu_sets.parse(use.pinned))
    for seats in product(range(len(cells)), repeat=n) if wanted.together else permutations(range(len(cells)), n):
        used = sorted(set(seats))
        guests = {at: [g for g, seat in zip(wanted.cells, seats, strict=True) if seat == at] for at in used}
        for size in sizes(wanted, cells):
            if size and any(g.memory_mb * 1024 % size for g in wanted.cells):
                continue
            mb = {at: sum(g.memory_mb for g in guests[at]) for at in used}
            floating = {at: sum(len(set(g.cpus) - set(wanted.dedicated)) for g in guests[at]) for at in used}
            if not all(
                memory_allows(cells[at], use, mb[at], size, limits)
                and shared_allow(cells[at], use, floating[at], limits)
                for at in used
            ):
                continue
            free = {at: set(cpu_sets.parse(cells[at].dedicated)) - pinned for at in used}
            count = {at: sum(len(set(g.cpus) & set(wanted.dedicated)) for g in guests[at]) for at in used}
            for choice in product(*(combinations(sorted(free[at]), count[at]) for at in used)):
                chosen = {at: set(cpus) for at, cpus in zip(used, choice, strict=True)}
                homes = [(None, None)]
                if wanted.emulator == "isolate":
                    homes = [(at, cpu) for at in used for cpu in free[at] - chosen[at]]
                for home, emulator in homes:
                    if all(
                        threads_allow(cells[at], chosen[at], emulator if at == home else None, pinned, wanted.threads)
                        for at in used
                    ):
                        yield seats, size, chosen, emulator


def sizes(wanted, cells):
    known = {cell.page_kb for cell in cells} | {pool.size_kb for cell in cells for pool in cell.pages}
    if wanted.pages is None:
        return [None]
    if wanted.pages == "small":
        return [4]
    if wanted.pages == "large":
        return sorted(known - {4})
    return sorted(known) if wanted.pages == "any" else [int(wanted.pages)] if int(wanted.pages) in known else []


def keeps_the_rules(host, use, wanted, limits, placed):
    """The answer is one of the ways."""
    pins = {cpu: at for at, cell in enumerate(placed.cells) for _, cpu in cell.pins}
    assert len(pins) == len(wanted.dedicated), "a CPU was given twice"
    assert [vcpu for cell in placed.cells for vcpu, _ in cell.pins] == [
        vcpu for cell in wanted.cells for vcpu in cell.cpus if vcpu in wanted.dedicated
    ]
    where = {cell.id: at for at, cell in enumerate(host.cells)}
    seats = tuple(where[cell.host_cell] for cell in placed.cells)
    chosen = {at: set() for at in seats}
    for cell, at in zip(placed.cells, seats, strict=True):
        chosen[at] |= {cpu for _, cpu in cell.pins}
    assert any(
        way == (seats, placed.page_kb, chosen, placed.emulator) for way in ways(host, use, wanted, limits)
    )
    assert not placed.cpus & set(cpu_sets.parse(use.pinned))


# --- any host, any guest ----------------------------------------------------------------------------


@st.composite
def host_cells(draw, number, first):
    cores, cpu = [], first
    for _ in range(draw(st.integers(0, 3))):
        threads = draw(st.sampled_from([1, 2, 2, 3]))
        cores.append(range(cpu, cpu + threads))
        cpu += threads
    cpus = range(first, cpu)
    kinds = draw(st.lists(st.sampled_from("dddsn"), min_size=len(cpus), max_size=len(cpus)))
    of = {kind: cpu_sets.spell(c for c, k in zip(cpus, kinds, strict=True) if k == kind) for kind in "ds"}
    totals = {1024: draw(st.integers(0, 3)), 2048: draw(st.integers(0, 2))}
    pools = [Pages(size_kb=size, total=total) for size, total in totals.items() if total]
    return HostCell(
        id=number, memory_mb=draw(st.integers(1, 5)), cpus=cpu_sets.spell(cpus), shared=of["s"], dedicated=of["d"],
        cores=tuple(cpu_sets.spell(core) for core in cores if len(core) > 1), pages=tuple(pools),
    )  # fmt: skip


@st.composite
def host_topologies(draw):
    cells = []
    for number in range(draw(st.integers(1, 3))):
        cells.append(draw(host_cells(number, 8 * number)))
    return HostTopology(cells=tuple(cells))


@st.composite
def guest_topologies(draw):
    cells, first = [], 0
    for _ in range(draw(st.integers(1, 3))):
        count = draw(st.integers(1, 3))
        cells.append(GuestCell(cpus=tuple(range(first, first + count)), memory_mb=draw(st.integers(1, 3))))
        first += count
    dedicated = draw(st.sampled_from([(), tuple(range(first)), tuple(range(first)), tuple(range(1, first))]))
    return GuestTopology(
        cells=tuple(cells), dedicated=dedicated,
        threads=draw(st.sampled_from([None, "prefer", "isolate", "require"])) if dedicated else None,
        emulator=draw(st.sampled_from([None, "share", "isolate"])) if dedicated else None,
        pages=draw(st.sampled_from([None, None, "small", "large", "any", "4", "1024", "2048", "777"])),
        together=draw(st.booleans()),
    )  # fmt: skip


ratios = st.sampled_from([(1, 1), (3, 2), (2, 1), (1, 2)])


@settings(max_examples=250, deadline=None)
@given(host_topologies(), st.lists(guest_topologies(), min_size=1, max_size=3), ratios, ratios)
def test_there_is_a_place_when_trying_everything_finds_one_and_it_keeps_the_rules(host, guests, vcpus, ram):
    limits, there, use = Limits(vcpus, ram), [], HostUse()
    for wanted in guests:
        placed = fit(host, use, wanted, limits)
        if placed is None:
            assert next(ways(host, use, wanted, limits), None) is None
            assert asks(wanted)
            assert has(host, use, limits)
        else:
            keeps_the_rules(host, use, wanted, limits, placed)
            there.append(placed)
            use = in_use(there)


# --- what it chooses --------------------------------------------------------------------------------

SMT = HostTopology(
    cells=(
        HostCell(
            id=0, memory_mb=1000, cpus="0-7", shared="0-1", dedicated="2-7", cores=("0-1", "2-3", "4-5", "6-7")
        ),
        HostCell(
            id=1, memory_mb=1000, cpus="8-11", dedicated="8-11", cores=("8-9", "10-11"),
            pages=(Pages(size_kb=2048, total=100),),
        ),
    )
)  # fmt: skip


def guest(vcpus=2, cells=1, **facts):
    each = vcpus // cells
    made = tuple(GuestCell(cpus=tuple(range(i * each, (i + 1) * each)), memory_mb=100) for i in range(cells))
    return GuestTopology(**{"cells": made, "dedicated": tuple(range(vcpus)), **facts})


CHOICES = [
    # guest, CPUs in use -> CPUs it gets, CPUs kept idle, threads
    ({}, "", {8, 9}, "", 2),
    ({}, "8", {10, 11}, "", 2),
    ({"vcpus": 3}, "8,10", {2, 3, 4}, "", 1),
    ({"threads": "isolate"}, "", {8, 10}, "9,11", 1),
    ({"threads": "isolate"}, "8", {2, 4}, "3,5", 1),
    ({"threads": "require"}, "8,10", {2, 3}, "", 2),
    ({"vcpus": 4, "cells": 2}, "", {2, 3, 8, 9}, "", 2),
    ({"vcpus": 6}, "", {2, 3, 4, 5, 6, 7}, "", 2),
    ({"vcpus": 7}, "", None, "", 1),
    ({"vcpus": 3, "threads": "require"}, "", None, "", 1),
    ({"pages": "large"}, "", {8, 9}, "", 2),
    ({"pages": "large"}, "8-9,10", None, "", 1),
]


@pytest.mark.parametrize(("facts", "pinned", "cpus", "idle", "threads"), CHOICES)
def test_cpus_are_given_core_by_core_in_the_fullest_cell(facts, pinned, cpus, idle, threads):
    placed = fit(SMT, HostUse(pinned=pinned), guest(**facts))
    if cpus is None:
        assert placed is None
    else:
        assert placed is not None
        assert {cpu for cell in placed.cells for _, cpu in cell.pins} == cpus
        assert (placed.idle, placed.threads) == (idle, threads)


def test_a_vcpu_that_would_be_alone_on_its_core_gets_a_companion():
    uneven = HostTopology(cells=(HostCell(id=0, memory_mb=900, cpus="0-4", dedicated="0-4", cores=("0-2", "3-4")),))
    placed = fit(uneven, HostUse(), guest(4, threads="require"))
    assert placed is not None
    assert {cpu for cell in placed.cells for _, cpu in cell.pins} == {0, 1, 3, 4}
    assert fit(uneven, HostUse(pinned="0"), guest(3, threads="require")) is None


def test_the_words_say_what_is_wanted_and_what_is_left():
    wanted = guest(4, 2, threads="require", pages="2048")
    assert asks(wanted) == "4 dedicated CPUs (threads: require), 200 MB in pages of 2048 kB in 2 cells"
    floating = guest(2, dedicated=(), pages="large")
    assert asks(floating) == "2 vCPUs on shared CPUs, 100 MB in pages of large size in 1 cell"
    taken = in_use([fit(SMT, HostUse(), guest(pages="large"))])
    assert has(SMT, taken, Limits((16, 1), (3, 2))) == (
        "cell 0 has left 6 of 6 dedicated CPUs, 32 vCPUs on 2 shared CPUs, 1500 of 1500 MB; "
        "cell 1 has left 2 of 4 dedicated CPUs, 1500 of 1500 MB, 50 of 100 pages of 2048 kB"
    )
