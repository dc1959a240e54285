"""Hosts as filters and weighers see them: one numpy column per fact, one element per host.

hosts.free_ram_mb >= 512                    a Mask: which hosts have room
hosts.zone == hosts.code("zones", "az1")    text facts are small numbers
hosts.setting("max_io_ops_per_host", 8)     a number that aggregates may override
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from novalite.objects.hosts import HostRow

if TYPE_CHECKING:
    from novalite.scheduler.store import Store

LOG = logging.getLogger(__name__)

Column = NDArray[Any]
Indices = NDArray[np.intp]
Mask = NDArray[np.bool_] | bool
"""Which hosts pass; plain True when the request does not ask."""
Aggregates = Mapping[str, Mapping[str, str]]

TOLD = {
    "version": "i8",
    "generation": "i8",
    "last_seen": "f8",
    "enabled": "?",
    "forced_down": "?",
    "hypervisor_version": "i8",
    "failed_builds": "i8",
    "bandwidth_mbps": "i8",
    "cap_vcpus": "i8",
    "cap_ram_mb": "i8",
    "cap_disk_gb": "i8",
    "total_vcpus": "i8",
    "total_ram_mb": "i8",
    "total_disk_gb": "i8",
    "pci_free": "i8",
}
"""Columns copied from a HostRow as they are. A total of 0 (not told) becomes the capacity."""
CODED = {
    "zone": "zones",
    "hypervisor_type": "hypervisors",
    "place": "places",
    "traits": "trait_sets",
    "cpu_info": "cpus",
    "supported_instances": "kinds",
    "physical_networks": "physical_networks",
    "pci_pools": "pci_pools",
    "numa": "topologies",
}
"""Columns that hold a code, and the words it is a code of. `place` is the aggregates of a host."""
USE = ("used_vcpus", "used_ram_mb", "used_disk_gb", "servers", "io_ops")
"""What servers take, as told, plus what own picks will take (`owed_*`) until the table hears of them."""
FREE = {"free_vcpus": "cap_vcpus", "free_ram_mb": "cap_ram_mb", "free_disk_gb": "cap_disk_gb"}
"""Capacity minus use, kept ready because every decision reads it."""
OWED = {
    "used_vcpus": "owed_vcpus",
    "used_ram_mb": "owed_ram_mb",
    "used_disk_gb": "owed_disk_gb",
    "servers": "owed_servers",
    "io_ops": "owed_io_ops",
}
COLUMNS: dict[str, str] = {
    **TOLD,
    **dict.fromkeys(CODED, "i4"),
    **dict.fromkeys((*USE, *FREE, *OWED.values()), "i8"),
}


class Words:
    """Values that many hosts share, each kept once and known by a number."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._codes: dict[Hashable, int] = {}

    def code(self, value: Any, key: Hashable | None = None) -> int:
        """The number of `value`, a new one when it was not seen before; `key` when it is not hashable."""
        key = value if key is None else key
        found = self._codes.get(key)
        if found is None:
            found = self._codes[key] = len(self.values)
            self.values.append(value)
        return found

    def find(self, key: Hashable) -> int:
        """The number of a value, -1 when no host has it."""
        return self._codes.get(key, -1)


class Hosts:
    """Some hosts of a Store, or all of them. Columns are read on first use; nobody may write into them.

    `now` is the moment of the decision, seconds since the epoch.
    """

    enabled: Column
    forced_down: Column
    last_seen: Column
    version: Column
    generation: Column
    zone: Column
    hypervisor_type: Column
    hypervisor_version: Column
    place: Column
    traits: Column
    cap_vcpus: Column
    cap_ram_mb: Column
    cap_disk_gb: Column
    used_vcpus: Column
    used_ram_mb: Column
    used_disk_gb: Column
    free_vcpus: Column
    free_ram_mb: Column
    free_disk_gb: Column
    owed_vcpus: Column
    owed_ram_mb: Column
    owed_disk_gb: Column
    owed_servers: Column
    owed_io_ops: Column
    servers: Column
    io_ops: Column
    failed_builds: Column
    bandwidth_mbps: Column
    cpu_info: Column
    supported_instances: Column
    physical_networks: Column
    pci_pools: Column
    numa: Column
    pci_free: Column
    total_vcpus: Column
    total_ram_mb: Column
    total_disk_gb: Column

    def __init__(self, store: Store, now: float, parent: Hosts | None = None, rows: Indices | None = None):
        self.store, self.now, self._parent, self._rows = store, now, parent, rows
        self._length = store.size if rows is None else len(rows)

    def __len__(self) -> int:
        return self._length

    def __getattr__(self, name: str) -> Column:
        if name not in COLUMNS:
            raise AttributeError(f"hosts have no column {name!r}")
        column: Column
        if self._parent is None:
            column = self.store.columns[name][: self._length]
        else:
            column = getattr(self._parent, name).take(self._rows)
        self.__dict__[name] = column
        return column

    def any(self, name: str) -> bool:
        """Whether a column has a number other than 0, without copying it where no host at all has one."""
        told: Column = self.store.columns[name][: self.store.size]
        return bool(told.any()) and bool(getattr(self, name).any())

    # --- some of them ---------------------------------------------------------------------------

    def take(self, rows: Indices) -> Hosts:
        """Only these, in this order. Its columns are copies."""
        return Hosts(self.store, self.now, self, rows)

    def without_debits(self) -> Hosts:
        """The same hosts as if none of our own picks were under way: what conductors told us."""
        bare = Hosts(self.store, self.now, self, np.arange(len(self)))
        for used, owed in OWED.items():
            bare.__dict__[used] = getattr(self, used) - getattr(self, owed)
            bare.__dict__[owed] = np.zeros(len(self), "i8")
        for free, cap in FREE.items():
            bare.__dict__[free] = getattr(self, cap) - getattr(bare, cap.replace("cap", "used"))
        return bare

    def debit(self, at: int | slice, vcpus: int, ram_mb: int, disk_gb: int, servers: int = 1) -> None:
        """So many more servers on the host at `at`, in this selection only (made by `take`)."""
        assert self._parent is not None, "only a selection may be debited here; the table has debit()"
        for name, amount in _changes(vcpus, ram_mb, disk_gb, servers):
            getattr(self, name)[at] += amount

    @property
    def given(self) -> Column:
        """How many servers of this very request each of them has got already."""
        told = self.store.columns["servers"] - self.store.columns["owed_servers"]
        told = told[: self.store.size] if self._in_store is None else told[self._in_store]
        found: Column = self.servers - self.owed_servers - told
        return found

    # --- names and words ------------------------------------------------------------------------

    @cached_property
    def _in_store(self) -> Indices | None:
        """Where its hosts live in the store; None: all of them, in the store's order."""
        if self._parent is None or self._rows is None:
            return None
        above = self._parent._in_store
        return self._rows if above is None else above[self._rows]

    def _row(self, at: int) -> int:
        return at if self._in_store is None else int(self._in_store[at])

    def name(self, at: int) -> str:
        """Name of the host at `at`."""
        return self.store.names[self._row(at)]

    def node(self, at: int) -> str:
        """Hypervisor node of the host at `at`."""
        return self.store.nodes[self._row(at)]

    def generation_of(self, at: int) -> int:
        """Generation of the host at `at`; a whole column would be copied to read a few of them."""
        return int(self.store.columns["generation"][self._row(at)])

    @property
    def names(self) -> list[str]:
        """Names of all of them, in order."""
        return [self.name(i) for i in range(len(self))]

    def named(self, names: Iterable[str]) -> NDArray[np.bool_]:
        """Which of them carry one of these names; unknown names are nobody's."""
        index = self.store.index
        wanted = [index[name] for name in names if name in index]
        rows = self._in_store
        if rows is not None and len(rows) == 1:  # the recheck of one changed host; isin takes 0.1 ms
            return np.array([rows[0] in wanted])
        if rows is not None:
            return np.isin(rows, wanted)
        mask = np.zeros(len(self), dtype=bool)
        mask[wanted] = True
        return mask

    def counted(self, by_name: Mapping[str, float]) -> NDArray[np.float64]:
        """One number for each of them, 0 for those who are not named."""
        index = self.store.index
        column = np.zeros(self.store.size)
        for name, number in by_name.items():
            if name in index:
                column[index[name]] = number
        return column if self._in_store is None else column[self._in_store]

    def on_node(self, node: str) -> NDArray[np.bool_]:
        """Which of them are this hypervisor node. Reads every name: for requests that name a node."""
        return np.fromiter((self.node(i) == node for i in range(len(self))), bool, len(self))

    def code(self, words: str, value: Hashable) -> int:
        """The number of a word (`words`: zones, hypervisors), -1 when no host has it."""
        return self.store.words[words].find(value)

    def address(self, at: int) -> str:
        """IP address of the host at `at`, as it reported it."""
        return self.store.addresses[self._row(at)]

    @property
    def rows(self) -> Indices:
        """Where they live in the store."""
        return np.arange(len(self)) if self._in_store is None else self._in_store

    @property
    def numa_used(self) -> list[str]:
        """What servers take of the cells of each of them, as text."""
        names, used = self.store.names, self.store.numa_used
        return [used.get(names[row], "") for row in self.rows.tolist()]

    def metric(self, name: str) -> NDArray[np.float64]:
        """What monitors last said; NaN for hosts that do not report this one."""
        column = self.store.metrics.get(name)
        if column is None:
            return np.full(len(self), np.nan)
        return column[: self.store.size] if self._in_store is None else column[self._in_store]

    def with_image(self, image_id: str) -> NDArray[np.bool_]:
        """Which of them keep this image."""
        return self.named(self.store.images.get(image_id, ()))

    def worded(self, column: str, test: Callable[[Any], bool]) -> NDArray[np.bool_]:
        """Which of them have a word in this coded column that passes; each word is looked at once."""
        words, codes = self.store.words[CODED[column]].values, getattr(self, column)
        used = np.zeros(len(words), dtype=bool)
        used[codes] = True
        passing = np.array([bool(used[i]) and test(word) for i, word in enumerate(words)], dtype=bool)
        return passing[codes] if len(words) else np.zeros(len(self), dtype=bool)

    def placed(self, test: Callable[[Aggregates], bool]) -> NDArray[np.bool_]:
        """Which of them are in aggregates that pass."""
        return self.worded("place", test)

    def valued(self, column: Column, test: Callable[[Any], bool]) -> NDArray[np.bool_]:
        """Which of them have a number that passes a test in Python; each number is looked at once."""
        values, codes = np.unique(column, return_inverse=True)
        return np.array([test(value) for value in values.tolist()], dtype=bool)[codes]

    def words_of(self, column: str, at: int) -> Any:
        """The word behind a coded column, for the host at `at`."""
        return self.store.words[CODED[column]].values[int(getattr(self, column)[at])]

    def aggregates(self, at: int) -> Aggregates:
        """Aggregates of the host at `at`: name to metadata."""
        found: Aggregates = self.words_of("place", at)
        return found

    def setting(self, name: str, default: float) -> Column | float:
        """A number that aggregate metadata called `name` may override, host by host.

        `default` itself where no aggregate says anything; the smallest where several do; a value that
        is not a number is logged once and ignored.
        """
        by_place = self.store.setting(name, default)
        if by_place is None:
            return default
        if self._parent is None:
            return self.store.folded(name, default, by_place)
        return by_place[self.place]

    def row(self, at: int) -> HostRow:
        """The host at `at` in the words of a message, its use including what own picks will take."""
        facts: dict[str, Any] = {name: getattr(self, name)[at].item() for name in (*TOLD, *USE)}
        return HostRow(
            host=self.name(at),
            node=self.node(at),
            zone=self.words_of("zone", at),
            hypervisor_type=self.words_of("hypervisor_type", at),
            aggregates=self.words_of("place", at),
            traits=self.words_of("traits", at),
            host_ip=self.address(at),
            cpu_info=self.words_of("cpu_info", at),
            supported_instances=self.words_of("supported_instances", at),
            physical_networks=self.words_of("physical_networks", at),
            pci_pools=self.words_of("pci_pools", at),
            numa=self.words_of("numa", at),
            numa_used=self.store.numa_used.get(self.name(at), ""),
            cached_images=self.store.images_of(self.name(at)),
            metrics=self.store.metrics_of(self._row(at)),
            **facts,
        )


def _changes(vcpus: int, ram_mb: int, disk_gb: int, servers: int) -> tuple[tuple[str, int], ...]:
    """What so many more servers do to each column."""
    return (
        ("used_vcpus", vcpus), ("used_ram_mb", ram_mb), ("used_disk_gb", disk_gb),
        ("servers", servers), ("io_ops", servers),
        ("free_vcpus", -vcpus), ("free_ram_mb", -ram_mb), ("free_disk_gb", -disk_gb),
    )  # fmt: skip


def values(aggregates: Aggregates, key: str) -> set[str]:
    """What aggregates say under one key, each of the values that commas separate."""
    said = (metadata[key] for metadata in aggregates.values() if key in metadata)
    return {part.strip() for text in said for part in str(text).split(",") if part.strip()}


def smallest_override(aggregates: Aggregates, name: str, parse: Callable[[str], float]) -> float | None:
    """The smallest number that a host's aggregates give for `name`; None when they give none."""
    found = []
    for aggregate, metadata in aggregates.items():
        if name in metadata:
            try:
                found.append(parse(metadata[name]))
            except ValueError:
                LOG.warning("aggregate %s: %s=%r is not a number; ignored", aggregate, name, metadata[name])
    return min(found) if found else None
