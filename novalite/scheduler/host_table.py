"""Every host as this scheduler knows it: what conductors told, minus what it has just given away itself.

A decision reads the table under its lock, for well under a millisecond at 10,000 hosts, and debits its
picks before it lets go: two threads never propose the same last room. Memory: see store.py.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from novalite.objects.hosts import HostRow
from novalite.scheduler.columns import Hosts
from novalite.scheduler.debits import Debit, Debits
from novalite.scheduler.request import Need
from novalite.scheduler.store import Store


@dataclass(frozen=True)
class _Removed:
    """What was last known of a deleted host, to tell a late delta from a host that came back."""

    version: int
    last_seen: float


class HostTable:
    """Thread-safe. Hold `lock` while reading what `hosts()` answers; `snapshot()` needs no lock."""

    def __init__(
        self,
        rows: Iterable[HostRow] = (),
        debit_seconds: float = 10.0,
        clock: Callable[[], float] = time.time,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        """`clock` is compared with `last_seen`; `ticks` ages debits, and no administrator sets it back."""
        self.lock = threading.RLock()
        self._clock, self._ticks = clock, ticks
        self._debit_seconds = debit_seconds
        self._store = Store(rows)
        self._debits = Debits()
        self._removed: dict[str, _Removed] = {}

    def __len__(self) -> int:
        return self._store.size

    # --- reading --------------------------------------------------------------------------------

    def hosts(self) -> Hosts:
        """All hosts at this moment; good until the lock is let go."""
        self._pay(self._debits.expire(self._ticks()))
        return Hosts(self._store, self._clock())

    def snapshot(self) -> Hosts:
        """A copy of all hosts, for explanations and other work that takes its time."""
        with self.lock:
            hosts = self.hosts()
            return Hosts(hosts.store.copy(), hosts.now)

    @property
    def has_debits(self) -> bool:
        """Whether any host looks fuller than conductors say."""
        return bool(self._debits)

    # --- what conductors tell -------------------------------------------------------------------

    def apply(self, rows: Iterable[HostRow]) -> None:
        """Take over rows that changed. An older version changes nothing but `last_seen`, which only grows;
        heartbeats come with an unchanged version."""
        with self.lock:
            for row in rows:
                self._apply(row)

    def _apply(self, row: HostRow) -> None:
        store = self._store
        at = store.index.get(row.host)
        if at is None:
            self._add(row)
            return
        seen, version = float(store.columns["last_seen"][at]), int(store.columns["version"][at])
        if row.version < version:
            store.columns["last_seen"][at] = max(seen, row.last_seen)
            return
        if row.deleted:
            self._remove(row, seen)
            return
        before = store.told_servers(at)
        store.put(row)
        store.columns["last_seen"][at] = max(seen, row.last_seen)
        self._settle(row.host, row.servers - before)

    def _add(self, row: HostRow) -> None:
        gone = self._removed.get(row.host)
        if gone and row.version <= gone.version and row.last_seen <= gone.last_seen:
            return  # a delta from before the host was deleted
        if row.deleted:
            self._removed[row.host] = _Removed(row.version, row.last_seen)
            return
        self._removed.pop(row.host, None)
        self._store.put(row)

    def _remove(self, row: HostRow, seen: float) -> None:
        self._debits.settle(row.host, len(self._debits.of_host(row.host)))
        self._store.remove(row.host)
        self._removed[row.host] = _Removed(row.version, max(seen, row.last_seen))

    @staticmethod
    def prepare(rows: Iterable[HostRow]) -> Store:
        """The slow half of replacing everything; needs no lock."""
        return Store(row for row in rows if not row.deleted)

    def swap(self, store: Store) -> None:
        """The quick half: from now on these are the hosts. Debits go on where the host is still there."""
        with self.lock:
            old, self._store = self._store, store
            self._removed.clear()
            for host in self._debits.hosts():
                self._carry_over(old, store, host)

    def _carry_over(self, old: Store, new: Store, host: str) -> None:
        at, was = new.index.get(host), old.index.get(host)
        if at is None:
            self._debits.settle(host, len(self._debits.of_host(host)))
            return
        for debit in self._debits.of_host(host):
            new.owe([at], *debit.need)
        if was is not None:
            self._settle(host, new.told_servers(at) - old.told_servers(was))

    def replace(self, rows: Iterable[HostRow]) -> None:
        """Forget all hosts and take these."""
        self.swap(self.prepare(rows))

    # --- what we gave away ourselves ------------------------------------------------------------

    def debit(self, host: str, need: Need, server_id: str) -> None:
        """Count a server that was proposed for a host, until its row says so or `debit_seconds` pass."""
        self.debit_many([(host, server_id)], need)

    def debit_many(self, picks: Sequence[tuple[str, str]], need: Need) -> None:
        """The same for (host, server) pairs of one decision."""
        with self.lock:
            index, expires = self._store.index, self._ticks() + self._debit_seconds
            places = []
            for host, server_id in picks:
                if (at := index.get(host)) is not None:
                    self._debits.add(Debit(host, server_id, need, expires))
                    places.append(at)
            self._store.owe(places, *need)

    def forget_debits(self, server_id: str) -> None:
        """The server is asked for again: what was proposed before is not being built."""
        with self.lock:
            self._pay(self._debits.forget_server(server_id))

    def _settle(self, host: str, servers: int) -> None:
        if servers > 0:
            self._pay(self._debits.settle(host, servers))

    def _pay(self, debits: Iterable[Debit]) -> None:
        """Nothing is owed for these any more."""
        index, places = self._store.index, dict[Need, list[int]]()
        for debit in debits:
            if (at := index.get(debit.host)) is not None:
                places.setdefault(debit.need, []).append(at)
        for (vcpus, ram_mb, disk_gb), those in places.items():
            self._store.owe(those, -vcpus, -ram_mb, -disk_gb, -1)
