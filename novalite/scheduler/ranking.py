"""Weights over the shortlist: each weigher brought to 0..1, times its multiplier, summed.

A request for many servers changes one host at a time, so only the front of the ranking is kept exact: the
contenders, the couple of hundred best when everything was last weighed. A bound over what the others can have gained
since tells when that is no longer enough and everything is weighed again; the answer is always that of weighing all.
"""

from __future__ import annotations

import random
from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from math import inf
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from novalite.objects.scheduling import RequestSpec
from novalite.scheduler.columns import Column, Hosts
from novalite.scheduler.edge import Edge, Floats

if TYPE_CHECKING:
    from novalite.scheduler.pipeline import Weigher

Places = NDArray[np.intp]

CONTENDERS = 256
"""Hosts at the front whose weights are kept exact between two weighings of all."""
BLOCK = 64
"""Totals of which only the highest is looked at first."""
FEW = 16
"""Hosts to choose at random among equals, one by one."""
ROUNDING = 1e-9
"""Far above what floats lose in a sum of weights, far below any difference that matters."""


def normalised(raw: Floats, low: float, high: float) -> Floats:
    """`raw` brought to 0..1 between its own bounds; all 0 when there is no difference."""
    if not high > low:
        return np.zeros(len(raw))
    part = raw - low
    part /= high - low
    return part


class Ranking:
    """The shortlist with its weights. A place is a position in the shortlist."""

    def __init__(self, weighers: Mapping[str, Weigher], hosts: Hosts, spec: RequestSpec) -> None:
        answers = {name: one.weigh(hosts, spec) for name, one in weighers.items()}
        self.weighers = {name: one for name, one in weighers.items() if not isinstance(answers[name], float)}
        self._alive = np.ones(len(hosts), dtype=bool)
        self._left = len(hosts)
        self.raws = {name: numbers(answers[name], len(hosts)) for name in self.weighers}
        self.factors = {name: one.multiplier(hosts) for name, one in self.weighers.items()}
        self._bounds = {n: (float(r.min()), float(r.max())) if len(r) else (0.0, 0.0) for n, r in self.raws.items()}
        self._changes: list[int] = []
        self._edges: dict[tuple[str, int], Edge] = {}
        self.totals: Floats = self._weigh_all()
        self.front: Front | None = None

    def __len__(self) -> int:
        return self._left

    @property
    def parts(self) -> dict[str, Floats]:
        """What each weigher adds to the total of each place."""
        return {name: _part(self.raws[name], *self._bounds[name], self.factors[name]) for name in self._bounds}

    def _weigh_all(self) -> Floats:
        first, *others = self.parts.values() or (np.zeros(len(self._alive)),)
        totals = first
        for part in others:
            totals += part
        if self._left < len(totals):
            totals[~self._alive] = -inf
        return totals

    # --- the best -------------------------------------------------------------------------------

    def best(self, wanted: int, rng: random.Random | None = None) -> list[int]:
        """Places of the `wanted` highest totals, best first; equals in order, or at random with `rng`."""
        wanted = min(wanted, self._left)
        if self.front is None:
            return best(self.totals, wanted, rng)
        order = self.front.best(wanted)
        if order is None:
            self.totals = self._weigh_all()
            self.front = self._new_front(wanted, rng)
            order = self.front.best(wanted, sure=True)
        assert order is not None
        return order

    def total(self, place: int) -> float:
        """The weight of the host at `place`."""
        return self.totals.item(place) if self.front is None else self.front.total(place)

    def weights(self, place: int) -> dict[str, float]:
        """What each weigher adds to the weight of the host at `place`."""
        if self.front is not None:
            return self.front.weights(place)
        found = {}
        for name, (low, high) in self._bounds.items():
            factor = self.factors[name]
            factor = factor.item(place) if isinstance(factor, np.ndarray) else factor
            found[name] = (self.raws[name].item(place) - low) / (high - low) * factor if high > low else 0.0
        return found

    def keep_front(self, wanted: int, rng: random.Random | None = None) -> None:
        """More than one decision will be asked of this ranking: keep its front exact from now on."""
        if self._left:
            self.front = self._new_front(wanted, rng)

    def _new_front(self, wanted: int, rng: random.Random | None) -> Front:
        size = min(self._left, max(CONTENDERS, 4 * wanted))
        places = np.array(best(self.totals, size, rng), dtype=np.intp)
        if rng is None:
            places.sort()  # equals in order; else at random, as `best` has left them
        return Front(self, places, self._cut(places))

    def _cut(self, places: Places) -> float:
        """The highest total of those who are not contenders; -inf when there are none."""
        if len(places) >= self._left:
            return -inf
        others = self.totals.copy()
        others[places] = -inf
        return float(others.max())

    # --- one host changed -----------------------------------------------------------------------

    def reweigh(self, place: int, now: Mapping[str, list[float]]) -> None:
        """The host at `place` has another number from some weighers: `now` tells them, finite, for the contenders."""
        assert self.front is not None, "only a ranking whose front is kept may change"
        self._changes.append(place)
        self.front.reweigh(place, now)

    def drop(self, place: int) -> None:
        """The host at `place` no longer passes the filters."""
        assert self.front is not None, "only a ranking whose front is kept may change"
        self._alive[place] = False
        self._left -= 1
        if self._left:
            self.front.drop(place)

    def rebound(self, name: str, before: float, now: float | None) -> tuple[float, float]:
        """The bounds of a weigher, whose number of one host was `before` and is `now`, or none any more."""
        low, high = self._bounds[name]
        if now is not None and now > high:
            high = now
        elif before >= high:
            high = self._edge(name, 1)
        if now is not None and now < low:
            low = now
        elif before <= low:
            low = self._edge(name, -1)
        self._bounds[name] = low, high
        return low, high

    def bounds(self, name: str) -> tuple[float, float]:
        """The smallest and the largest number of a weigher."""
        return self._bounds[name]

    def _edge(self, name: str, sign: int) -> float:
        edge = self._edges.get((name, sign))
        if edge is None:
            edge = self._edges[name, sign] = Edge(self.raws[name], self._alive, self._changes, sign)
        return edge.value()


def _gain(was: tuple[float, float], now: tuple[float, float], least: float, most: float) -> float:
    """The most that bounds which moved can add to what a weigher gives a host that did not change; `least` and
    `most` are its smallest and largest multiplier."""
    (low0, high0), (low, high) = was, now
    if was == now:
        return 0.0
    if not (high > low and high0 > low0):
        return max(0.0, -least, most)
    grown, shift = (high0 - low0) / (high - low) - 1, (low0 - low) / (high - low)
    return max((grown + shift) * least, (grown + shift) * most, shift * least, shift * most)


class _Weighed:
    """One weigher's numbers of the contenders: as a list for one of them, as an array for all, and in `whole` among
    those of everybody."""

    def __init__(
        self, name: str, whole: Floats, places: Places, factor: Column | float, bounds: tuple[float, float]
    ) -> None:
        self.name, self.whole, self.raw = name, whole, whole[places]
        self.factor = factor[places] if isinstance(factor, np.ndarray) else factor
        self.raws: list[float] = self.raw.tolist()
        self.factors: list[float] = np.broadcast_to(self.factor, (len(places),)).tolist()
        self.least, self.most = float(np.min(factor)), float(np.max(factor))

        self.low, self.high = bounds
        self.since = bounds

    def part(self, at: int) -> float:
        """What the weigher adds to the total of one of them."""
        low, high = self.low, self.high
        return (self.raws[at] - low) / (high - low) * self.factors[at] if high > low else 0.0


class Front:
    """The contenders of a ranking, sorted, with weights that are exact at every moment."""

    def __init__(self, ranking: Ranking, places: Places, cut: float) -> None:
        """`cut`: the highest total of those who are no contenders. Equals come in the order of `places`."""
        self.places, self._ranking, self._cut = places, ranking, cut
        self._list: list[int] = places.tolist()
        self._at = {place: at for at, place in enumerate(self._list)}
        self._gains: dict[str, float] | None = None
        self._touched: set[int] = set()
        self._gone: list[int] = []
        self._weighed = [
            _Weighed(name, raw, places, ranking.factors[name], ranking.bounds(name))
            for name, raw in ranking.raws.items()
        ]
        self._sort(ranking.totals[places])

    def _sort(self, totals: Floats) -> None:
        """Best first: `_order` are positions in `places`, `_keys` their totals with the sign turned."""
        keys = -totals
        order = keys.argsort(kind="stable")
        self._totals = totals.tolist()
        self._order: list[int] = order.tolist()
        self._keys: list[float] = keys[order].tolist()

    def at(self, place: int) -> int:
        """Where in `places` a place is."""
        return self._at[place]

    def total(self, place: int) -> float:
        """The weight of the host at `place`."""
        return self._totals[self._at[place]]

    def weights(self, place: int) -> dict[str, float]:
        """What each weigher adds to the weight of the host at `place`."""
        at = self._at[place]
        return {one.name: one.part(at) for one in self._weighed}

    def best(self, wanted: int, sure: bool = False) -> list[int] | None:
        """As Ranking.best; None when a host that is no contender might belong to them (`sure`: none can)."""
        if wanted > len(self._order):
            return None
        order = self._order[:wanted]
        if not sure and self._cut > -inf and order and not self._before_all_others(order):
            return None
        places = self._list
        return [places[at] for at in order]

    def _before_all_others(self, order: list[int]) -> bool:
        """Whether all of these come before everybody who is no contender."""
        last = -self._keys[len(order) - 1]
        if self._gains is None and last == self._cut:
            # Among equals the untouched contenders come first, as they did when they were chosen.
            return not any(at in self._touched and self._totals[at] == last for at in order)
        gained = sum(self._gains.values(), ROUNDING) if self._gains is not None else 0.0
        return last > self._cut + gained

    def reweigh(self, place: int, now: Mapping[str, list[float]]) -> None:
        """As Ranking.reweigh."""
        at, total, moved = self._at[place], 0.0, []
        self._touched.add(at)
        for one in self._weighed:
            before, number = one.raws[at], now[one.name][at]
            if before != number:
                one.raws[at] = one.raw[at] = one.whole[place] = number
                inside = one.low < before < one.high and one.low < number < one.high
                if not inside and self._rebound(one, before, number):
                    moved.append(one)
            total += one.part(at)
        if moved:
            self._weigh_again(moved)
        else:
            self._move(at, total)

    def drop(self, place: int) -> None:
        """As Ranking.drop."""
        at = self._at[place]
        self._gone.append(at)
        self._move(at, -inf)
        moved = [one for one in self._weighed if self._rebound(one, one.raws[at], None)]
        if moved:
            self._weigh_again(moved)

    def _rebound(self, one: _Weighed, before: float, number: float | None) -> bool:
        was = one.low, one.high
        one.low, one.high = now = self._ranking.rebound(one.name, before, number)
        return was != now

    def _weigh_again(self, moved: list[_Weighed]) -> None:
        """The bounds of these weighers moved, which matters to everybody."""
        for one in moved:
            gain = _gain(one.since, (one.low, one.high), one.least, one.most)
            self._gains = {**(self._gains or {}), one.name: gain}
        totals = np.zeros(len(self._list))
        for one in self._weighed:
            totals += _part(one.raw, one.low, one.high, one.factor)
        totals[self._gone] = -inf
        self._sort(totals)

    def _move(self, at: int, total: float) -> None:
        """Only the host at this position has another weight."""
        keys, order = self._keys, self._order
        where = self._where(-self._totals[at], at)
        del keys[where], order[where]
        self._totals[at] = total
        where = self._where(-total, at)
        keys.insert(where, -total)
        order.insert(where, at)

    def _where(self, key: float, at: int) -> int:
        first = bisect_left(self._keys, key)
        return bisect_left(self._order, at, first, bisect_right(self._keys, key, first))


WORST, BEST = -1e300, 1e300
"""What a weigher's answer counts as when it is not a finite number; NaN is the worst."""


def _part(raw: Floats, low: float, high: float, factor: Column | float) -> Floats:
    part = normalised(raw, low, high)
    if isinstance(factor, np.ndarray) or factor != 1.0:
        part *= factor
    return part


def numbers(raw: Column | float, length: int) -> Floats:
    """A weigher's answer as floats of its own."""
    given = np.asarray(raw)
    column = np.array(given if given.shape == (length,) else np.broadcast_to(given, (length,)), dtype=float)
    if given.dtype.kind == "f" and not np.isfinite(column.sum()):
        column = np.nan_to_num(column, nan=WORST, posinf=BEST, neginf=WORST)
    return column


def best(totals: Floats, wanted: int, rng: random.Random | None = None) -> list[int]:
    """Places of the `wanted` highest totals, best first; equals in order, or at random with `rng`."""
    places = np.arange(len(totals)) if wanted >= len(totals) else _edge(totals, wanted, rng)
    keys = -totals[places]
    order = keys.argsort(kind="stable") if rng is None else np.lexsort((_dice(rng, len(keys)), keys))
    found: list[int] = places[order[:wanted]].tolist()
    return found


def _dice(rng: random.Random, length: int) -> NDArray[np.uint32]:
    return np.frombuffer(rng.randbytes(4 * length), np.uint32)


def _floor(totals: Floats, wanted: int) -> float:
    """A total that `wanted` of them reach, and not many more: so many blocks have one that does. Cheaper than sorting
    out all of them."""
    tops = np.maximum.reduceat(totals, np.arange(0, len(totals), BLOCK))
    return float(np.partition(tops, -wanted)[-wanted]) if len(tops) >= wanted else -inf


def _edge(totals: Floats, wanted: int, rng: random.Random | None) -> Places:
    """The `wanted` highest, in no order; of the equals at the edge the first ones, or some at random."""
    places = np.flatnonzero(totals >= _floor(totals, wanted))
    among = totals[places]
    cut = len(among) - wanted
    edge = np.partition(among, cut)[cut]
    above, ties = places[among > edge], places[among == edge]
    missing = wanted - len(above)
    if rng is not None and missing < len(ties):
        few = missing < FEW  # drawn one by one; dice for all are quicker where they are many
        chosen = rng.sample(range(len(ties)), missing) if few else _dice(rng, len(ties)).argpartition(missing)
        ties = ties[chosen]
    return np.concatenate([above, ties[:missing]])
