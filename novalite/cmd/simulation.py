"""`novalite-manage simulate`: a seeded workload against the real scheduler and the real claims, and what came of it.

Servers come and go, hosts are taken out of use and come back. Everything is decided in one thread from one seed, so the
same arguments give the same placements; only how long it took differs.
"""

from __future__ import annotations

import hashlib
import os
import random
import tempfile
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from novalite.cmd.arena import Arena, Asked
from novalite.db import allocations
from novalite.db.models.base import Base
from novalite.db.session import Database
from novalite.objects.flavors import Flavor
from novalite.objects.hosts import HostDeltas, HostInventory
from novalite.scheduler import registry
from novalite.scheduler.host_table import HostTable

if TYPE_CHECKING:
    from oslo_config.cfg import ConfigOpts

FLAVORS = (
    Flavor(flavor_id="s", name="small", vcpus=1, ram_mb=2048, disk_gb=20),
    Flavor(flavor_id="m", name="medium", vcpus=2, ram_mb=4096, disk_gb=40),
    Flavor(flavor_id="l", name="large", vcpus=8, ram_mb=16384, disk_gb=80),
)
SHARES = (5, 3, 1)
"""How often each flavor is asked for."""
SIZES = (1, 2, 4)
"""Hosts of 16 vCPUs, 64 GB and 1 TB, twice and four times that."""
GROUPED, DELETED, TURNED = 0.1, 0.25, 0.02
"""Of all events: servers of groups that keep apart; servers that go; hosts that are taken out of use or come back."""
GROUPS = 50


@dataclass
class Result:
    """What came of it. `digest` is over every event's outcome: equal for equal runs."""

    created: int = 0
    deleted: int = 0
    refused: int = 0
    hosts_turned: int = 0
    asked_again: int = 0
    refused_by: dict[str, int] = field(default_factory=dict)
    utilisation: dict[str, float] = field(default_factory=dict)
    servers_per_host: dict[str, float] = field(default_factory=dict)
    digest: str = ""
    problems: int = 0
    seconds: float = 0.0
    decisions_per_s: float = 0.0


class _Told:
    """A scheduler's feed when nobody is late: rows are taken over as they are told."""

    current, error = True, None

    def __init__(self, table: HostTable) -> None:
        self._table = table

    def need_hosts(self, timeout: float) -> None:
        """They were given to it."""

    def refresh_if_old(self, timeout: float) -> bool:
        """It never is."""
        return False

    def receive(self, deltas: HostDeltas) -> None:
        """Rows that changed."""
        self._table.apply(deltas.rows)

    def stop(self, timeout: float = 0.0) -> None:
        """Nothing runs."""


def simulate(
    conf: ConfigOpts, hosts: int, events: int, seed: int, fill: float = 0.0,
    say: Callable[[str], None] = lambda _: None,
) -> Result:  # fmt: skip
    """Run it; `fill` (0 to 1) is how much of each host is taken before."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # nothing is to outlive it: no disk need wait
    with tempfile.TemporaryDirectory(prefix="novalite-simulation-", dir=memory) as folder:
        url = f"sqlite:///{Path(folder) / 'novalite.db'}"
        made = Database(url)
        Base.metadata.create_all(made.engine)
        made.close()
        arena = Arena(conf, lambda: Database(url), inline=True)
        try:
            return _Simulation(arena, conf, random.Random(seed), say).run(hosts, events, fill)
        finally:
            arena.close()


class _Simulation:
    def __init__(
        self, arena: Arena, conf: ConfigOpts, rng: random.Random, say: Callable[[str], None]
    ) -> None:
        self.arena, self.rng, self.say = arena, rng, say
        self.result = Result()
        self.digest = hashlib.sha256()
        self.placed: list[str] = []
        self.off: set[str] = set()
        self.names: list[str] = []
        (scheduler,) = arena.schedulers
        scheduler.plan = registry.plan(conf, random.Random(rng.getrandbits(64)))
        self.told = _Told(scheduler.table)
        scheduler.feed.receive = self.told.receive  # type: ignore[method-assign]
        scheduler.feed = self.told  # type: ignore[assignment]
        self.scheduler = scheduler

    def run(self, hosts: int, events: int, fill: float) -> Result:
        """Make the fleet, let it happen, count."""
        self.say(f"making {hosts} hosts")
        day = time.time() + 86_400  # nobody sends heartbeats here
        self.arena.add_hosts((self._host(number, fill) for number in range(hosts)), day)
        self.scheduler.table.replace(sorted(self.arena.rows(), key=lambda row: row.host))
        groups = [self.arena.add_group("anti-affinity") for _ in range(GROUPS)]
        self.say(f"{events} events")
        began = time.perf_counter()
        for _ in range(events):
            self._event(groups)
        result = self.result
        result.seconds = round(time.perf_counter() - began, 2)
        result.decisions_per_s = round((result.created + result.refused) / max(result.seconds, 1e-9), 1)
        result.digest = self.digest.hexdigest()[:16]
        self._count()
        return result

    def _host(self, number: int, fill: float) -> HostInventory:
        size, name = self.rng.choice(SIZES), f"host-{number:05d}"
        self.names.append(name)
        vcpus, ram_mb, disk_gb = 16 * size, 65536 * size, 1000 * size
        return HostInventory(
            host=name, node=name, hypervisor_type="simulated", hypervisor_version=1, host_ip="192.0.2.1",
            vcpus=vcpus, ram_mb=ram_mb, disk_gb=disk_gb, cpu_ratio=4.0, ram_ratio=1.0, disk_ratio=1.0,
            reserved_vcpus=int(vcpus * fill), reserved_ram_mb=int(ram_mb * fill), reserved_disk_gb=int(disk_gb * fill),
        )  # fmt: skip

    # --- what happens

    def _event(self, groups: list[str]) -> None:
        luck = self.rng.random()
        if luck < TURNED:
            self._turn_host()
        elif luck < TURNED + DELETED and self.placed:
            at = self.rng.randrange(len(self.placed))
            self.placed[at], self.placed[-1] = self.placed[-1], self.placed[at]
            gone = self.placed.pop()
            self.arena.remove(gone)
            self.result.deleted += 1
            self._note("gone", gone)
        else:
            self._create(self.rng.choice(groups) if luck > 1 - GROUPED else None)

    def _turn_host(self) -> None:
        host = self.rng.choice(self.names)
        self.arena.set_enabled(host, host in self.off)
        self.off ^= {host}
        self.result.hosts_turned += 1
        self._note("turned", host)

    def _create(self, group: str | None) -> None:
        (flavor,) = self.rng.choices(FLAVORS, SHARES)
        asked = Asked(str(uuid.UUID(int=self.rng.getrandbits(128))), flavor, group)
        placed = self.arena.place(asked)
        self.result.asked_again += placed.rounds - 1
        if placed.host is None:
            self.result.refused += 1
            self._note("refused", placed.why)
            name = _last_filter(placed.why)
            self.result.refused_by[name] = self.result.refused_by.get(name, 0) + 1
            return
        self.result.created += 1
        self.placed.append(asked.server_id)
        self._note(asked.server_id, placed.host)

    def _note(self, *words: str) -> None:
        self.digest.update(" ".join(words).encode())

    # --- what is left

    def _count(self) -> None:
        rows, result = self.arena.rows(), self.result
        for resource in ("vcpus", "ram_mb", "disk_gb"):
            used = sum(getattr(row, f"used_{resource}") for row in rows)
            there = sum(getattr(row, f"cap_{resource}") for row in rows)
            result.utilisation[resource] = round(used / there, 4) if there else 0.0
        numbers = sorted(row.servers for row in rows)
        result.servers_per_host = {
            "least": numbers[0], "median": numbers[len(numbers) // 2], "most": numbers[-1],
        }  # fmt: skip
        with self.arena.databases[0].read() as session:
            sums = allocations.totals(session)
        for row in rows:
            held: Any = sums.get(row.host)
            result.problems += (held.vcpus if held else 0) != row.used_vcpus or row.used_vcpus > row.cap_vcpus


def _last_filter(why: str) -> str:
    """The filter that refused the last hosts: what a sentence of refusals names last."""
    counts = why.partition("considered; ")[2].partition(".")[0]
    return counts.rpartition(", ")[2].partition(":")[0] or "no host"
