"""How long one decision takes in process, at 1k, 10k and 100k hosts, and what a host costs in memory.

    python -m benchmarks.scheduler            # a table, then one JSON object as the last line
    python -m benchmarks.scheduler --claims   # also claims on a private PostgreSQL

The fleet is mixed (sizes, use, zones, a few disabled hosts); the pipeline is the default configuration,
debits included, as the daemon runs it for a message. Nothing goes over a bus there.

`claimed_per_s`: two conductors and two schedulers in this one process, over its bus, where every message crosses
as JSON; each server is chosen and then claimed, by many threads that share messages and transactions as those of a
conductor do.
"""

from __future__ import annotations

import gc
import itertools
import json
import random
import statistics
import sys
import time
import tracemalloc
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from novalite.cmd.arena import Arena
from novalite.conductor.commits import Shared
from novalite.conf.load import for_tests
from novalite.context import system
from novalite.db import allocations
from novalite.db.models.base import Base
from novalite.db.session import Database
from novalite.errors import ClaimLost
from novalite.objects.flavors import Flavor
from novalite.objects.hosts import HostInventory, HostRow
from novalite.objects.scheduling import Candidate, RequestSpec
from novalite.rpc.client import Client
from novalite.rpc.local import LocalBus
from novalite.scheduler.manager import SchedulerManager

SIZES = (1_000, 10_000, 100_000)
IDS = itertools.count()
FLAVOR = Flavor(flavor_id="1", name="small", vcpus=2, ram_mb=4096, disk_gb=20)


def fleet(count: int, full: float, seed: int = 1) -> list[HostRow]:
    """Mixed hosts, used to about `full` (0..1) of their capacity."""
    rng, now, rows = random.Random(seed), time.time() + 3600, []
    for i in range(count):
        size = rng.choice((1, 2, 4))
        use = min(1.0, max(0.0, rng.gauss(full, 0.1))) if full else 0.0
        rows.append(
            HostRow(
                host=f"compute-{i:06d}.example.org", node=f"compute-{i:06d}.example.org", version=1,
                generation=1, enabled=rng.random() > 0.02, forced_down=False, last_seen=now,
                zone=f"az{i % 3}", cap_vcpus=64 * size, cap_ram_mb=131072 * size, cap_disk_gb=2000 * size,
                used_vcpus=int(64 * size * use), used_ram_mb=int(131072 * size * use),
                used_disk_gb=int(2000 * size * use), servers=int(20 * size * use),
                total_vcpus=32 * size, total_ram_mb=131072 * size, total_disk_gb=2000 * size,
            )
        )  # fmt: skip
    return rows


def manager(rows: list[HostRow]) -> SchedulerManager:
    """A scheduler that knows these hosts, without a bus behind it."""
    one = SchedulerManager(for_tests({"scheduler.debit_seconds": 1.0}), Client(LocalBus()))
    one.table.replace(rows)
    one.feed._done = one.feed._asked = 1  # as if the first full read were over
    return one


def decisions(
    one: SchedulerManager, rounds: int, count: int = 1, clock: Callable[[], float] = time.perf_counter
) -> list[float]:
    """Milliseconds of each decision; `clock` time.thread_time: of processor time."""
    zones, took = (None, None, "az1"), []
    for n in range(rounds):
        spec = RequestSpec(
            server_id=str(next(IDS)), flavor=FLAVOR, count=count, availability_zone=zones[n % 3]
        )
        began = clock()
        one.select(spec)
        took.append((clock() - began) * 1000)
    return took


def bytes_per_host(rows: list[HostRow]) -> float:
    """What the table itself keeps, measured by the allocator."""
    gc.collect()
    tracemalloc.start()
    one = manager(rows)
    gc.collect()
    used = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return used / len(one.table)


def p99(values: list[float]) -> float:
    """The 99th percentile."""
    return statistics.quantiles(values, n=100)[98]


def run(rounds: int = 1000) -> dict[str, float]:
    """All figures, in ms unless the name says otherwise."""
    figures: dict[str, float] = {}
    for size in SIZES:
        rows = fleet(size, full=0.5)
        one = manager(rows)
        decisions(one, 20)
        times = decisions(one, rounds if size < 100_000 else rounds // 3)
        figures[f"hosts_{size}_ms"] = round(statistics.median(times), 3)
        figures[f"hosts_{size}_p99_ms"] = round(p99(times), 3)
        many = decisions(one, 12, count=100)
        figures[f"multi_100_hosts_{size}_ms"] = round(statistics.median(many), 2)
        # What a busy machine does to the clock it does not do to these.
        few = rounds // 5 if size < 100_000 else rounds // 10
        figures[f"hosts_{size}_cpu_ms"] = round(
            statistics.median(decisions(one, few, clock=time.thread_time)), 3
        )
        many = decisions(one, 12, count=100, clock=time.thread_time)
        figures[f"multi_100_hosts_{size}_cpu_ms"] = round(statistics.median(many), 2)
    figures["multi_100_ms"] = figures["multi_100_hosts_10000_ms"]
    figures["rate_drop_pct"] = round(rate_drop(rounds), 1)
    figures["bytes_per_host"] = round(bytes_per_host(fleet(10_000, 0.5)))
    figures["deltas_per_s"] = round(deltas_per_s())
    return figures


def rate_drop(rounds: int) -> float:
    """How much slower decisions are in a fleet that is 95 % full than in an empty one, in per cent of processor time.
    Both are asked in turns, so that a busy machine is fair to them."""
    empty, full = manager(fleet(10_000, 0.0)), manager(fleet(10_000, 0.95))
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds // 20):
        for one, took in zip((empty, full), times, strict=True):
            took += decisions(one, 20, clock=time.thread_time)
    return (1 - statistics.median(times[0]) / statistics.median(times[1])) * 100


def deltas_per_s() -> float:
    """Changed rows a second that the table takes over."""
    rows = fleet(10_000, 0.5)
    one = manager(rows)
    began = time.perf_counter()
    one.table.apply(rows)
    return len(rows) / (time.perf_counter() - began)


def claims(count: int = 3000, threads: int = 16, hosts: int = 1000) -> dict[str, float]:
    """Servers chosen and claimed in a second, on a private PostgreSQL; and processor time of this process for each."""
    from benchmarks.races import database

    url, stop = database("postgresql", Path())
    try:
        made = Database(url)
        Base.metadata.create_all(made.engine)
        made.close()
        arena = Arena(for_tests({}), lambda: Database(url, pool_size=threads), conductors=2, schedulers=2)
        try:
            return _claim_many(arena, count, threads, hosts)
        finally:
            arena.close()
    finally:
        stop()


def _claim_many(arena: Arena, count: int, threads: int, hosts: int) -> dict[str, float]:
    arena.add_hosts((_inventory(number) for number in range(hosts)), time.time() + 86_400)
    arena.start()
    flavor, amount, ctx = FLAVOR, allocations.Amount(FLAVOR.vcpus, FLAVOR.ram_mb, FLAVOR.disk_gb), system()

    def one(number: int) -> None:
        env = arena.conductors[number % 2].env
        server_id = str(uuid.UUID(int=number))
        for _ in range(20):
            answer = env.placement.select(ctx, RequestSpec(server_id=server_id, flavor=flavor))
            found = answer.selections[0].candidates
            shared = Shared(allocations.Want(server_id, found[0].host, found[0].generation, amount))
            host = env.commits.run(partial(_claim, server_id, found, amount), shared)
            if host is not None:
                env.feed.changed([host])
                return
        raise RuntimeError("no host was left")

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(one, range(1, 200)))  # connections, compiled statements
        began, used = time.perf_counter(), time.process_time()
        list(pool.map(one, range(1000, 1000 + count)))
        seconds, processor = time.perf_counter() - began, time.process_time() - used
    return {"claimed_per_s": round(count / seconds), "claimed_cpu_ms": round(processor / count * 1000, 2)}


def _claim(
    server_id: str, candidates: Sequence[Candidate], amount: allocations.Amount, session: Any
) -> str | None:
    for found in candidates:
        try:
            allocations.claim(session, server_id, found.host, found.generation, amount)
        except ClaimLost:
            continue
        return found.host
    return None


def _inventory(number: int) -> HostInventory:
    return HostInventory(
        host=f"h{number}", node=f"h{number}", hypervisor_type="fake", hypervisor_version=1, host_ip="192.0.2.1",
        vcpus=64, ram_mb=262_144, disk_gb=4000,
    )  # fmt: skip


def main() -> None:
    figures: dict[str, Any] = run()
    if "--claims" in sys.argv[1:]:
        figures |= claims()
    for name, value in figures.items():
        print(f"{name:32} {value:>12}", file=sys.stderr)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
