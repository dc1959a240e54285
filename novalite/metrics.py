"""Counters, gauges and timers of one process, as Prometheus text.

Own code because `prometheus_client` costs 77 ms and 10 MB at import, half of what an all-in-one may
spend on everything that is not its work. Names follow Prometheus' conventions: seconds, `_total`.
"""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Labels = tuple[str, ...]
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds of a timer's buckets, in seconds."""

_LOCK = threading.Lock()
_REGISTRY: dict[str, Metric] = {}


class Metric:
    """One named figure, split by labels. Made once at module level; the name is unique per process."""

    kind = "untyped"

    def __init__(self, name: str, help: str, *labels: str) -> None:
        self.name, self.help, self.labels = name, help, labels
        with _LOCK:
            if name in _REGISTRY:
                raise ValueError(f"metric {name} exists already")
            _REGISTRY[name] = self

    def lines(self) -> Iterator[str]:
        """The samples in Prometheus' text format."""
        raise NotImplementedError

    def _named(self, values: Labels, suffix: str = "", **extra: str) -> str:
        pairs = [*zip(self.labels, values, strict=True), *extra.items()]
        inner = ",".join(f'{key}="{_escape(value)}"' for key, value in pairs)
        return f"{self.name}{suffix}{{{inner}}}" if inner else f"{self.name}{suffix}"


class Counter(Metric):
    """A number that only grows."""

    kind = "counter"

    def __init__(self, name: str, help: str, *labels: str) -> None:
        super().__init__(name, help, *labels)
        self._values: dict[Labels, float] = {}

    def add(self, *values: str, by: float = 1) -> None:
        """Count one more (or `by`) under these label values."""
        with _LOCK:
            self._values[values] = self._values.get(values, 0) + by

    def value(self, *values: str) -> float:
        """The count under these label values."""
        return self._values.get(values, 0)

    def lines(self) -> Iterator[str]:
        for values, number in sorted(self._values.items()):
            yield f"{self._named(values)} {number:g}"


class Gauge(Counter):
    """A number that goes up and down, or is read by `watch` when asked for."""

    kind = "gauge"

    def __init__(self, name: str, help: str, *labels: str) -> None:
        super().__init__(name, help, *labels)
        self._readers: dict[Labels, Callable[[], float]] = {}

    def set(self, number: float, *values: str) -> None:
        """The number is now this."""
        self._values[values] = number

    def watch(self, reader: Callable[[], float], *values: str) -> None:
        """Ask `reader` whenever the figure is wanted."""
        self._readers[values] = reader

    def lines(self) -> Iterator[str]:
        for values, reader in list(self._readers.items()):
            self._values[values] = reader()
        yield from super().lines()


class Timer(Metric):
    """How long something took: count, sum and buckets, in seconds."""

    kind = "histogram"

    def __init__(self, name: str, help: str, *labels: str) -> None:
        super().__init__(name, help, *labels)
        self._counts: dict[Labels, list[int]] = {}
        self._sums: dict[Labels, float] = {}

    def observe(self, seconds: float, *values: str) -> None:
        """Note one duration."""
        with _LOCK:
            counts = self._counts.get(values)
            if counts is None:
                counts = self._counts[values] = [0] * (len(BUCKETS) + 1)
            counts[bisect_left(BUCKETS, seconds)] += 1
            self._sums[values] = self._sums.get(values, 0.0) + seconds

    @contextmanager
    def time(self, *values: str) -> Iterator[None]:
        """Note how long the block took, also when it raised."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.observe(time.perf_counter() - began, *values)

    def count(self, *values: str) -> int:
        """How many durations were noted under these label values."""
        return sum(self._counts.get(values, ()))

    def lines(self) -> Iterator[str]:
        for values, counts in sorted(self._counts.items()):
            total = 0
            for bound, number in zip((*map(str, BUCKETS), "+Inf"), counts, strict=True):
                total += number
                yield f"{self._named(values, '_bucket', le=bound)} {total}"
            yield f"{self._named(values, '_sum')} {self._sums[values]:g}"
            yield f"{self._named(values, '_count')} {total}"


def _escape(value: str) -> str:
    return str(value).replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def text() -> str:
    """Every metric of this process in Prometheus' text format 0.0.4."""
    out: list[str] = []
    for name, metric in sorted(_REGISTRY.items()):
        out += [f"# HELP {name} {metric.help}", f"# TYPE {name} {metric.kind}", *metric.lines()]
    return "\n".join(out) + "\n"
