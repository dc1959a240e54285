"""Where the columns of the hosts live: arrays that grow, an index by name, words kept once.

Memory: COLUMNS take 36 numbers or 242 bytes a host; with names, nodes, addresses and the index it is about
0.4 kB a host (measured: `benchmarks/scheduler.py`), so 100,000 hosts cost about 40 MB.
No locks here: HostTable has one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from novalite.objects.hosts import HostRow
from novalite.scheduler.columns import (
    CODED,
    COLUMNS,
    FREE,
    OWED,
    TOLD,
    USE,
    Aggregates,
    Column,
    Indices,
    Words,
    smallest_override,
)

MOST_QUESTIONS = 64
"""Kinds of requests of which answers are kept."""


class Answers(NamedTuple):
    """What a slow filter said of each row for one kind of request: good while the row's version is the same."""

    version: Column
    passes: Column


class Store:
    """Hosts in no particular order; a removed one is replaced by the last."""

    def __init__(self, rows: Iterable[HostRow] = ()) -> None:
        self.size = 0
        self.names: list[str] = []
        self.nodes: list[str] = []
        self.addresses: list[str] = []
        self.images: dict[str, set[str]] = {}
        self.metrics: dict[str, Column] = {}
        self.numa_used: dict[str, str] = {}
        """By host, what servers take of its cells; for hosts where they do."""
        self._answers: dict[str, Answers] = {}
        self._images_of: dict[str, tuple[str, ...]] = {}
        self.index: dict[str, int] = {}
        self.columns: dict[str, Column] = {name: np.zeros(64, kind) for name, kind in COLUMNS.items()}
        self.words = {words: Words() for words in CODED.values()}
        self._settings: dict[tuple[str, float], tuple[int, Column | None]] = {}
        self._folded: dict[tuple[str, float], Column] = {}
        for row in rows:
            self.put(row)

    # --- rows -----------------------------------------------------------------------------------

    def put(self, row: HostRow) -> int:
        """Add a host, or replace what is known of it but not what is owed; answers where it lives."""
        at = self.index.get(row.host)
        if at is None:
            at = self._append(row)
        elif self.nodes[at] != row.node:
            self.nodes[at] = row.node
        columns = self.columns
        for name in TOLD:
            columns[name][at] = getattr(row, name)
        for total in ("total_vcpus", "total_ram_mb", "total_disk_gb"):
            if not columns[total][at]:
                columns[total][at] = columns[total.replace("total", "cap")][at]
        for used in USE:
            columns[used][at] = getattr(row, used) + columns[OWED[used]][at]
        for free, cap in FREE.items():
            columns[free][at] = columns[cap][at] - columns[cap.replace("cap", "used")][at]
        self._put_words(at, row)
        self.addresses[at] = row.host_ip
        if row.cached_images != self._images_of.get(row.host, ()):
            self._put_images(row.host, row.cached_images)
        if row.metrics or self.metrics:
            self._put_metrics(at, row.metrics)
        return at

    def _put_images(self, host: str, images: tuple[str, ...]) -> None:
        for gone in set(self._images_of.pop(host, ())) - set(images):
            self.images[gone].discard(host)
            if not self.images[gone]:
                del self.images[gone]
        for image in images:
            self.images.setdefault(image, set()).add(host)
        if images:
            self._images_of[host] = images

    def images_of(self, host: str) -> tuple[str, ...]:
        """Ids of the images that a host keeps."""
        return self._images_of.get(host, ())

    def _put_metrics(self, at: int, metrics: Mapping[str, float]) -> None:
        for name in metrics:
            if name not in self.metrics:
                self.metrics[name] = np.full(len(self.columns["version"]), np.nan)
        for name, column in self.metrics.items():
            column[at] = metrics.get(name, math.nan)

    def metrics_of(self, at: int) -> dict[str, float]:
        """What monitors say of one host."""
        found = {name: float(column[at]) for name, column in self.metrics.items()}
        return {name: value for name, value in found.items() if not math.isnan(value)}

    def _append(self, row: HostRow) -> int:
        at = self.size
        if at == len(self.columns["version"]):
            for name, column in self.columns.items():
                self.columns[name] = np.concatenate([column, np.zeros_like(column)])
            for name, column in self.metrics.items():
                self.metrics[name] = np.concatenate([column, np.full(len(column), np.nan)])
        self.names.append(row.host)
        # One string for both where they are the same, as they nearly always are.
        self.addresses.append(row.host_ip)
        self.nodes.append(row.host if row.node == row.host else row.node)
        self.index[row.host] = at
        for owed in OWED.values():
            self.columns[owed][at] = 0
        self.size += 1
        self._folded.clear()
        return at

    def _put_words(self, at: int, row: HostRow) -> None:
        words, columns = self.words, self.columns
        columns["zone"][at] = words["zones"].code(row.zone)
        columns["hypervisor_type"][at] = words["hypervisors"].code(row.hypervisor_type)
        columns["traits"][at] = words["trait_sets"].code(row.traits)
        columns["supported_instances"][at] = words["kinds"].code(row.supported_instances)
        columns["physical_networks"][at] = words["physical_networks"].code(row.physical_networks)
        columns["pci_pools"][at] = words["pci_pools"].code(row.pci_pools)
        columns["numa"][at] = words["topologies"].code(row.numa)
        if row.numa_used:
            self.numa_used[row.host] = row.numa_used
        else:
            self.numa_used.pop(row.host, None)
        cpu = repr(row.cpu_info) if row.cpu_info else ""
        columns["cpu_info"][at] = words["cpus"].code(row.cpu_info, cpu)
        place = words["places"].code(row.aggregates, _key(row.aggregates))
        if columns["place"][at] != place:
            columns["place"][at] = place
            self._folded.clear()

    def remove(self, host: str) -> None:
        """Forget a host; absence is fine."""
        at = self.index.pop(host, None)
        if at is None:
            return
        last = self.size - 1
        self._answers.clear()
        if at != last:
            for column in (*self.columns.values(), *self.metrics.values()):
                column[at] = column[last]
            self.names[at], self.nodes[at] = self.names[last], self.nodes[last]
            self.addresses[at] = self.addresses[last]
            self.index[self.names[at]] = at
        self.names.pop()
        self.nodes.pop()
        self.addresses.pop()
        self._put_images(host, ())
        self.numa_used.pop(host, None)
        self.size = last
        self._folded.clear()

    def answers(self, question: str) -> Answers:
        """What is kept of a question; whoever asks fills it in. Rows that move are forgotten."""
        found = self._answers.get(question)
        if found is None or len(found.version) != len(self.columns["version"]):
            if len(self._answers) >= MOST_QUESTIONS:
                self._answers.clear()
            size = len(self.columns["version"])
            found = self._answers[question] = Answers(np.full(size, -1), np.zeros(size, bool))
        return found

    def owe(self, places: list[int], vcpus: int, ram_mb: int, disk_gb: int, servers: int = 1) -> None:
        """Count picks that no claim was heard of yet, each of so much; negative amounts take them back. A place may
        come several times."""
        if len(places) == 1:  # several times as fast as many would be
            self._owe(places[0], (vcpus, ram_mb, disk_gb, servers))
        elif places:
            at, times = np.unique(places, return_counts=True)
            self._owe(at, (vcpus * times, ram_mb * times, disk_gb * times, servers * times))

    def _owe(self, at: int | Indices, taken: tuple[Any, Any, Any, Any]) -> None:
        columns = self.columns
        for used, amount in zip(USE, (*taken, taken[-1]), strict=True):
            columns[used][at] += amount
            columns[OWED[used]][at] += amount
        for free, amount in zip(FREE, taken[:3], strict=True):
            columns[free][at] -= amount

    def told_servers(self, at: int) -> int:
        """How many servers the host was last told to carry."""
        return int(self.columns["servers"][at] - self.columns["owed_servers"][at])

    def copy(self) -> Store:
        """The same hosts at this moment, to read from without a lock; it cannot grow."""
        other = Store()
        other.size, other.names, other.nodes = self.size, list(self.names), list(self.nodes)
        other.index, other.words = dict(self.index), self.words
        other.addresses = list(self.addresses)
        other.images = {image: set(hosts) for image, hosts in self.images.items()}
        other._images_of = dict(self._images_of)
        other.numa_used = dict(self.numa_used)
        other.metrics = {name: column[: self.size].copy() for name, column in self.metrics.items()}
        other.columns = {name: column[: self.size].copy() for name, column in self.columns.items()}
        return other

    # --- settings that aggregates override ------------------------------------------------------

    def setting(self, name: str, default: float) -> Column | None:
        """By code of `place`: the override, or `default`; None when no aggregate says anything."""
        places = self.words["places"].values
        seen, column = self._settings.get((name, default), (0, None))
        if seen == len(places):
            return column
        found = [smallest_override(place, name, _number) for place in places]
        column = None
        if any(value is not None for value in found):
            column = np.array([default if value is None else value for value in found])
        self._settings[name, default] = (len(places), column)
        self._folded.pop((name, default), None)
        return column

    def folded(self, name: str, default: float, by_place: Column) -> Column:
        """One number per host of the store; kept until a host comes, goes or changes its aggregates."""
        column = self._folded.get((name, default))
        if column is None:
            column = self._folded[name, default] = by_place[self.columns["place"][: self.size]]
        return column


def _number(text: str) -> float:
    value = float(text)
    if math.isnan(value):
        raise ValueError(text)
    return value


def _key(aggregates: Aggregates) -> Any:
    """Aggregates as something hashable; equal ones give equal keys."""
    if not aggregates:
        return ()
    return tuple(sorted((name, tuple(sorted(metadata.items()))) for name, metadata in aggregates.items()))
