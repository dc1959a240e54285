"""Which PCI devices of a host a server would get, or that there are not enough. Pure; filter and claim both ask here.

Devices that are alike are one pool, so it is a transport of few requests from few pools: a cheapest flow. Two things
come on top. A physical function goes either whole or in parts: where requests could have both, every
distinct choice is tried. And NUMA policies (public documentation, "PCI-NUMA affinity policies") say which pools are
near enough to the guest's cells: `required` only those, `legacy` also devices that belong to no cell, `preferred` any,
but near ones first, `socket` those on a socket of one of the cells. A guest without cells is near to everything.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import islice, pairwise, product
from typing import NamedTuple

from novalite.objects.pci import PART, WHOLE, PciPool, PciRequest

MOST_CHOICES = 4096
"""Choices of whole functions that are tried. They are told apart by what they are, so real hosts have a handful."""
FAR, SPOILS = 1000, 1
"""What a device costs: one far from the guest though a near one is preferred; a part that takes its whole away."""

Picks = list[dict[int, int]]
"""By request: how many devices of which pool, by its place."""


class Given(NamedTuple):
    """What each request gets, and what is wrong with it: FAR for each device that is far though near is preferred."""

    cost: int
    picks: Picks


def fit(
    pools: Sequence[PciPool],
    requests: Sequence[PciRequest],
    cells: Collection[int] | None = None,
    sockets: Mapping[int, int] | None = None,
) -> Picks | None:
    """What each request gets; None when they cannot all be fulfilled. Arguments as those of `cheapest`."""
    found = cheapest(pools, requests, cells, sockets)
    return None if found is None else found.picks


def cheapest(
    pools: Sequence[PciPool],
    requests: Sequence[PciRequest],
    cells: Collection[int] | None = None,
    sockets: Mapping[int, int] | None = None,
) -> Given | None:
    """The best that the requests can get together; None when they cannot all be fulfilled.

    `cells`: the host's cells that the guest is on (None: it has no NUMA topology). `sockets`: by cell of the host, its
    socket; without, each cell is one.
    """
    near = _Nearness(cells, sockets or {})
    wholes = {pool.function for pool in pools if pool.kind == WHOLE and pool.free}
    spoils = [SPOILS if pool.kind == PART and pool.function in wholes else 0 for pool in pools]
    costs = [
        [None if (cost := near.cost(pool, request)) is None else cost + more
         for pool, more in zip(pools, spoils, strict=True)]
        for request in requests
    ]  # fmt: skip
    counts = [request.count for request in requests]
    best: Given | None = None
    for closed in _choices(pools, costs):
        rooms = [0 if at in closed else pool.free for at, pool in enumerate(pools)]
        found = _transport(counts, rooms, costs)
        if found is not None and (best is None or found.cost < best.cost):
            best = found
            if not found.cost:
                break
    return best


def rest(pools: Sequence[PciPool], picks: Picks) -> list[PciPool]:
    """What is free when these are given: a function that goes whole has no parts any more, and the other way round."""
    taken = {at: sum(one.get(at, 0) for one in picks) for at in range(len(pools))}
    gone = {(pools[at].function, pools[at].kind) for at, number in taken.items() if number and pools[at].function}
    other = {WHOLE: PART, PART: WHOLE}
    return [
        pool.model_copy(
            update={"free": 0 if (pool.function, other.get(pool.kind)) in gone else pool.free - taken[at]}
        )
        for at, pool in enumerate(pools)
    ]


def missing(pools: Sequence[PciPool], requests: Sequence[PciRequest], cells: Collection[int] | None = None) -> str:
    """Why they do not fit, in words; empty when they do."""
    if fit(pools, requests, cells) is not None:
        return ""
    near = _Nearness(cells, {})
    for request in requests:
        free = sum(pool.free for pool in pools if near.cost(pool, request) is not None)
        if free < request.count:
            where = "" if request.policy == "preferred" or cells is None else f" near enough ({request.policy})"
            return f"needs {request.count} PCI devices of alias {request.alias}, {free} are free{where}"
    wanted = ", ".join(f"{request.alias}:{request.count}" for request in requests)
    return f"needs PCI devices {wanted}, which share what is free"


def times(requests: Sequence[PciRequest], servers: int) -> list[PciRequest]:
    """What so many servers ask for together."""
    return [one.model_copy(update={"count": one.count * servers}) for one in requests]


class _Nearness:
    """How pools lie to the guest's cells."""

    def __init__(self, cells: Collection[int] | None, sockets: Mapping[int, int]) -> None:
        self.cells = None if cells is None else set(cells)
        self._sockets = sockets
        self._mine = {self._socket(cell) for cell in cells or ()}

    def _socket(self, cell: int) -> int:
        return self._sockets.get(cell, cell)

    def cost(self, pool: PciPool, request: PciRequest) -> int | None:
        """None when the pool will not do."""
        if not any(
            one.kind == pool.kind
            and one.vendor_id in (None, pool.vendor_id)
            and one.product_id in (None, pool.product_id)
            for one in request.any_of
        ):
            return None
        if self.cells is None or pool.numa_node in self.cells:
            return 0
        if request.policy == "preferred":
            return FAR
        if pool.numa_node is None:
            return 0 if request.policy == "legacy" else None
        near = request.policy == "socket" and self._socket(pool.numa_node) in self._mine
        return 0 if near else None


def _choices(pools: Sequence[PciPool], costs: Sequence[Sequence[int | None]]) -> Iterator[set[int]]:
    """Places of pools that nobody may have, for each choice of the functions that go whole while they could also go
    in parts; functions that look alike are only counted."""
    wanted = {at for at, pool in enumerate(pools) if pool.free and any(row[at] is not None for row in costs)}
    parts = {pools[at].function for at in wanted if pools[at].kind == PART}
    both = [pools[at].function for at in sorted(wanted) if pools[at].kind == WHOLE and pools[at].function in parts]
    members: dict[frozenset[PciPool], list[str]] = {}
    for function in both:
        looks = frozenset(one.model_copy(update={"function": ""}) for one in pools if one.function == function)
        members.setdefault(looks, []).append(function)
    sizes = [range(len(names) + 1) for names in members.values()]
    for numbers in islice(product(*sizes), MOST_CHOICES):
        chosen = zip(members.values(), numbers, strict=True)
        whole = {name for names, number in chosen for name in names[:number]}
        yield {
            at for at, pool in enumerate(pools)
            if pool.function in both and pool.kind == (PART if pool.function in whole else WHOLE)
        }


def _transport(
    counts: Sequence[int], rooms: Sequence[int], costs: Sequence[Sequence[int | None]]
) -> Given | None:
    """The cheapest way to bring `counts[i]` from pools with `rooms[j]`, each at `costs[i][j]` (None: not from there);
    its cost, and how many from where. None when it cannot be done.

    Each round takes the cheapest way that is left, which may put earlier devices elsewhere (successive shortest paths).
    """
    picks: Picks = [{} for _ in counts]
    left, room, total = list(counts), list(rooms), 0
    while any(left):
        found = _cheapest(left, room, costs, picks)
        if found is None:
            return None
        cost, way = found
        start, end = way[0][0], way[-1][1]
        moved = min(left[start], room[end], *(picks[to][at] for (_, at), (to, _) in pairwise(way)))
        left[start] -= moved
        room[end] -= moved
        total += cost * moved
        for request, at in way:
            picks[request][at] = picks[request].get(at, 0) + moved
        for (_, at), (request, _) in pairwise(way):
            picks[request][at] -= moved
    return Given(total, [{at: number for at, number in one.items() if number} for one in picks])


Way = list[tuple[int, int]]
"""Steps of (request, pool): each request takes from its pool what the next one had there and takes elsewhere."""


def _cheapest(
    left: Sequence[int], room: Sequence[int], costs: Sequence[Sequence[int | None]], picks: Picks
) -> tuple[int, Way] | None:
    """The cheapest way from a request that wants more to a pool that has room (Bellman-Ford)."""
    ways: dict[int, tuple[int, Way]] = {request: (0, []) for request, wants in enumerate(left) if wants}
    best: dict[int, tuple[int, Way]] = {}
    changed = True
    while changed:
        changed = False
        for request, (spent, way) in list(ways.items()):
            for at, cost in enumerate(costs[request]):
                if cost is None or (at in best and best[at][0] <= spent + cost):
                    continue
                best[at] = spent + cost, [*way, (request, at)]
                for other, picked in enumerate(picks):
                    back = best[at][0] - (costs[other][at] or 0)
                    if picked.get(at) and (other not in ways or back < ways[other][0]):
                        ways[other] = back, best[at][1]
                        changed = True
    ends = [found for at, found in best.items() if room[at]]
    return min(ends, key=lambda one: one[0], default=None)
