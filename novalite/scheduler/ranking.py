"""Weights over the shortlist: each weigher brought to 0..1, times its multiplier, summed."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from math import isinf, isnan
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from novalite.objects.scheduling import RequestSpec
from novalite.scheduler.columns import Column, Hosts

if TYPE_CHECKING:
    from novalite.scheduler.pipeline import Weigher

Floats = NDArray[np.float64]


def normalised(raw: Floats, low: float, high: float) -> Floats:
    """`raw` brought to 0..1 between its own bounds; all 0 when there is no difference."""
    if not high > low:
        return np.zeros(len(raw))
    part = raw - low
    part /= high - low
    return part


class Ranking:
    """The shortlist with its weights: `totals[i]` is the weight of the host at position `members[i]`."""

    def __init__(self, weighers: Mapping[str, Weigher], hosts: Hosts, spec: RequestSpec) -> None:
        answers = {name: one.weigh(hosts, spec) for name, one in weighers.items()}
        self.weighers = {name: one for name, one in weighers.items() if not isinstance(answers[name], float)}
        self.members = np.arange(len(hosts))
        self.totals: Floats = np.zeros(len(hosts))
        self.raws = {name: _numbers(answers[name], len(hosts)) for name in self.weighers}
        self.factors = {name: one.multiplier(hosts) for name, one in self.weighers.items()}
        self._bounds: dict[str, tuple[float, float]] = {}
        self.parts: dict[str, Floats] = {}
        self._settle(self.weighers)

    def __len__(self) -> int:
        return len(self.members)

    def _settle(self, names: Iterable[str]) -> None:
        """The numbers of these weighers changed: where their bounds moved, every weight does."""
        if not len(self.members):
            return
        moved = False
        for name in names:
            raw = self.raws[name]
            bounds = float(raw.min()), float(raw.max())
            if self._bounds.get(name) != bounds:
                self._bounds[name] = bounds
                self.parts[name] = normalised(raw, *bounds) * self.factors[name]
                moved = True
        if moved:
            self.totals = np.zeros(len(self.members))
            for part in self.parts.values():
                self.totals += part

    def reweigh(self, place: int, changed: Hosts, spec: RequestSpec) -> None:
        """The host at `place` changed; `changed` is that host alone."""
        total, moved = 0.0, []
        for name, one in self.weighers.items():
            raw, (low, high) = self.raws[name], self._bounds[name]
            before, now = raw[place], _finite(_at(one.weigh(changed, spec), 0))
            raw[place] = now
            if before != now and (before in (low, high) or not low <= now <= high):
                moved.append(name)
            part = (now - low) / (high - low) * _at(self.factors[name], place) if high > low else 0.0
            self.parts[name][place] = part
            total += part
        self.totals[place] = total
        if moved:
            self._settle(moved)

    def drop(self, place: int) -> None:
        """The host at `place` no longer passes the filters."""
        self.members = np.delete(self.members, place)
        self.totals = np.delete(self.totals, place)
        for name, raw in self.raws.items():
            self.raws[name] = np.delete(raw, place)
            self.parts[name] = np.delete(self.parts[name], place)
            factor = self.factors[name]
            if np.ndim(factor):
                self.factors[name] = np.delete(factor, place)
        self._settle(self.raws)


WORST, BEST = -1e300, 1e300
"""What a weigher's answer counts as when it is not a finite number; NaN is the worst."""


def _numbers(raw: Column | float, length: int) -> Floats:
    """A weigher's answer as floats of its own."""
    column = np.array(raw if np.shape(raw) == (length,) else np.broadcast_to(raw, (length,)), dtype=float)
    if not np.isfinite(column.sum()):
        column = np.nan_to_num(column, nan=WORST, posinf=BEST, neginf=WORST)
    return column


def _finite(value: float) -> float:
    return WORST if isnan(value) else min(max(value, WORST), BEST) if isinf(value) else value


def _at(column: Column | float, place: int) -> float:
    return float(column[place]) if isinstance(column, np.ndarray) and column.ndim else float(column)


def best(totals: Floats, wanted: int, rng: random.Random | None = None) -> list[int]:
    """Places of the `wanted` highest totals, best first; equals in order, or at random with `rng`."""
    places = np.arange(len(totals)) if wanted >= len(totals) else _edge(totals, wanted, rng)
    found: list[int] = places.tolist()
    if rng is not None:
        rng.shuffle(found)
    values = totals[found].tolist()
    by_value = sorted(range(len(found)), key=values.__getitem__, reverse=True)
    return [found[i] for i in by_value][:wanted]


def _edge(totals: Floats, wanted: int, rng: random.Random | None) -> NDArray[np.intp]:
    """The `wanted` highest, in no order; of the equals at the edge the first ones, or some at random."""
    cut = len(totals) - wanted
    edge = np.partition(totals, cut)[cut]
    above = np.flatnonzero(totals > edge)
    ties = np.flatnonzero(totals == edge)
    missing = wanted - len(above)
    if rng is not None and missing < len(ties):
        ties = ties[rng.sample(range(len(ties)), missing)]
    return np.concatenate([above, ties[:missing]])
