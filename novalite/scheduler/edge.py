"""The largest or the smallest of a weigher's numbers, while one host after the other gets another one."""

from __future__ import annotations

import heapq
from math import inf

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Edge:
    """The largest of many numbers of which few change (`sign` -1: the smallest). Exact, and cheap to ask again."""

    KEPT = 128

    def __init__(self, raw: Floats, alive: NDArray[np.bool_], changes: list[int], sign: int) -> None:
        """`changes` grows by each place whose number in `raw` has become another."""
        self._raw, self._alive, self._changes, self._sign = raw, alive, changes, sign
        self._heap: list[tuple[float, int]] | None = None
        self._heard = 0
        self._floor = -inf

    def value(self) -> float:
        """The largest number of a place that is alive."""
        if self._heap is None:
            self._gather()
        heap = self._heap or []
        for place in self._changes[self._heard :]:
            heapq.heappush(heap, (-self._sign * self._raw.item(place), place))
        self._heard = len(self._changes)
        while heap:
            value, place = -heap[0][0], heap[0][1]
            if value < self._floor:
                break
            if self._alive[place] and self._sign * self._raw[place] == value:
                return self._sign * value
            heapq.heappop(heap)
        self._gather()
        return -self._sign * (self._heap or [(inf, 0)])[0][0]

    def _gather(self) -> None:
        signed = self._raw * self._sign
        signed[~self._alive] = -inf
        cut = max(0, len(signed) - self.KEPT)
        self._floor = float(np.partition(signed, cut)[cut]) if cut else -inf
        # More than KEPT only where many are equal: then some of them are enough.
        places = np.flatnonzero(signed >= self._floor)[: 4 * self.KEPT] if cut else np.flatnonzero(self._alive)
        if cut and len(places) == 4 * self.KEPT:
            places = np.union1d(places, np.flatnonzero(signed > self._floor))
        self._heap = list(zip((-signed[places]).tolist(), places.tolist(), strict=True))
        self._heard = len(self._changes)
        heapq.heapify(self._heap)
