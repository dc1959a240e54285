"""Weights over the shortlist: each weigher brought to 0..1, times its multiplier, summed."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from novalite.objects.scheduling import RequestSpec
from novalite.scheduler.columns import Column, Hosts

if TYPE_CHECKING:
    from novalite.scheduler.pipeline import Weigher

Floats = NDArray[np.float64]


def normalised(raw: Column, low: float, high: float) -> Column:
    """`raw` brought to 0..1 between its own bounds; all 0 when there is no difference."""
    return (raw - low) / (high - low) if high > low else np.zeros(len(raw))


class Ranking:
    """The shortlist with its weights: `totals[i]` is the weight of the host at position `members[i]`."""

    def __init__(self, weighers: Mapping[str, Weigher], hosts: Hosts, spec: RequestSpec) -> None:
        self.weighers = weighers
        self.members = np.arange(len(hosts))
        self.raws = {name: _numbers(one.weigh(hosts, spec), len(hosts)) for name, one in weighers.items()}
        self.factors = {name: one.multiplier(hosts) for name, one in weighers.items()}
        self._bounds: dict[str, tuple[float, float]] = {}
        self.parts: dict[str, Floats] = {}
        self._settle()

    def __len__(self) -> int:
        return len(self.members)

    def _settle(self) -> None:
        """Bring weights up to date; only weighers whose bounds moved cost anything."""
        if not len(self.members):
            return
        moved = False
        for name, raw in self.raws.items():
            bounds = float(raw.min()), float(raw.max())
            if self._bounds.get(name) != bounds:
                self._bounds[name] = bounds
                self.parts[name] = normalised(raw, *bounds) * self.factors[name]
                moved = True
        if moved or not self.raws:
            self.totals = np.zeros(len(self.members))
            for part in self.parts.values():
                self.totals += part

    def reweigh(self, place: int, changed: Hosts, spec: RequestSpec) -> None:
        """The host at `place` changed; `changed` is that host alone."""
        total = 0.0
        for name, one in self.weighers.items():
            raw = _numbers(one.weigh(changed, spec), 1)
            self.raws[name][place] = raw[0]
            factor = self.factors[name]
            by = float(factor) if np.ndim(factor) == 0 else float(np.asarray(factor)[place])
            low, high = self._bounds[name]
            part = float(raw[0] - low) / (high - low) * by if high > low else 0.0
            self.parts[name][place] = part
            total += part
        self.totals[place] = total
        self._settle()

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
        self._settle()


def _numbers(raw: Column, length: int) -> Floats:
    """A weigher's answer as floats of its own; a value that is not finite becomes a very bad or good one."""
    column = np.array(np.broadcast_to(raw, (length,)), dtype=np.float64)
    if not np.isfinite(column.sum()):
        column = np.nan_to_num(column, nan=-1e300, posinf=1e300, neginf=-1e300)
    return column


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
