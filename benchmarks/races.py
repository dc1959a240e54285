"""Many requests race for few places through several schedulers and conductors; afterwards everything is counted.

    python -m benchmarks.races --url postgresql+psycopg://…/empty_database

Without --url a private PostgreSQL (or --db mariadb, sqlite) is started and ended. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from novalite.cmd.arena import Arena, Asked, Placed
from novalite.conf.load import for_tests
from novalite.db import allocations
from novalite.db.models.base import Base
from novalite.db.session import Database
from novalite.objects.flavors import Flavor
from novalite.objects.hosts import HostInventory

FLAVOR = Flavor(flavor_id="1", name="one", vcpus=1, ram_mb=512, disk_gb=1)
ALLOWED = 2
"""Members that every second group allows on one host; the others allow one."""


@dataclass(frozen=True)
class Size:
    """`places` per host; `members` are asked for in each of the groups, which keep apart; the others are in none."""

    hosts: int = 500
    places: int = 3
    requests: int = 2000
    groups: int = 10
    members: int = 60


@dataclass
class Told:
    """What came of it; `problems` are sentences, and there should be none."""

    placed: int
    refused: int
    seconds: float
    per_s: float
    asked_again: int
    problems: list[str] = field(default_factory=list)


def race(
    url: str, size: Size, schedulers: int = 4, conductors: int = 2, threads: int = 16, seed: int = 1
) -> Told:
    """Let them race; the database at `url` may have its tables already."""
    made = Database(url)
    Base.metadata.create_all(made.engine)
    made.close()
    arena = Arena(for_tests({}), lambda: Database(url), conductors, schedulers)
    try:
        day = time.time() + 86_400  # nobody sends heartbeats here
        arena.add_hosts((_inventory(number, size) for number in range(size.hosts)), day)
        limits = {
            arena.add_group("anti-affinity", most): most
            for most in (1 + n % ALLOWED for n in range(size.groups))
        }
        arena.start()
        asked = _requests(size, list(limits), random.Random(seed))
        began = time.perf_counter()
        with ThreadPoolExecutor(threads) as pool:
            placed = list(pool.map(lambda at: arena.place(asked[at], at % conductors), range(len(asked))))
        seconds = time.perf_counter() - began
        told = Told(
            placed=sum(1 for one in placed if one.host), refused=sum(1 for one in placed if not one.host),
            seconds=round(seconds, 2), per_s=round(len(asked) / seconds, 1),
            asked_again=sum(one.rounds - 1 for one in placed),
        )  # fmt: skip
        told.problems = _problems(arena, asked, placed, limits)
        return told
    finally:
        arena.close()


def _inventory(number: int, size: Size) -> HostInventory:
    return HostInventory(
        host=f"h{number:04d}", node=f"h{number:04d}", hypervisor_type="fake", hypervisor_version=1, host_ip="192.0.2.1",
        vcpus=size.places, ram_mb=512 * size.places, disk_gb=10 * size.places, cpu_ratio=1.0, ram_ratio=1.0,
    )  # fmt: skip


def _requests(size: Size, groups: Sequence[str], rng: random.Random) -> list[Asked]:
    wanted: list[str | None] = [group for group in groups for _ in range(size.members)]
    wanted += [None] * (size.requests - len(wanted))
    rng.shuffle(wanted)
    return [Asked(str(uuid.UUID(int=rng.getrandbits(128))), FLAVOR, group) for group in wanted]


def _problems(arena: Arena, asked: list[Asked], placed: list[Placed], limits: dict[str, int]) -> list[str]:
    """Nothing is ever given back here, so who has a place for him at the end had one all the time."""
    found = []
    with arena.databases[0].read() as session:
        sums = allocations.totals(session)
    free = {}
    for row in arena.rows():
        used = sums.get(row.host)
        if (used.vcpus if used else 0, used.ram_mb if used else 0) != (row.used_vcpus, row.used_ram_mb):
            found.append(f"{row.host} does not count what it carries")
        if (
            row.used_vcpus > row.cap_vcpus
            or row.used_ram_mb > row.cap_ram_mb
            or row.used_disk_gb > row.cap_disk_gb
        ):
            found.append(f"{row.host} carries more than it can")
        free[row.host] = row.cap_vcpus - row.used_vcpus
    group_of = {one.server_id: one.group for one in asked}
    members = Counter((group_of[one.server_id], one.host) for one in placed if one.host)
    for (group, host), number in members.items():
        if group and number > limits[group]:
            found.append(f"{host} carries {number} members of a group that allows {limits[group]}")
    for one in placed:
        group = group_of[one.server_id]
        room = [h for h, n in free.items() if n > 0 and (not group or members[group, h] < limits[group])]
        if one.host is None and room:
            found.append(f"a server was refused ({one.why}) although {len(room)} hosts would have done")
    return found


def main() -> int:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", help="an empty database")
    parser.add_argument("--db", default="postgresql", choices=("postgresql", "mariadb", "sqlite"))
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--hosts", type=int, default=500)
    args = parser.parse_args()
    size = Size(hosts=args.hosts, requests=args.requests)
    with tempfile.TemporaryDirectory() as folder:
        url, stop = (args.url, None) if args.url else database(args.db, Path(folder))
        try:
            told = race(url, size)
        finally:
            if stop is not None:
                stop()
    print(json.dumps({**asdict(told), "problems": told.problems[:5]}))
    return 1 if told.problems else 0


def database(kind: str, folder: Path) -> tuple[str, Any]:
    """The URL of an empty database of a kind, started for us, and what ends it."""
    if kind == "sqlite":
        return f"sqlite:///{folder / 'bench.db'}", None
    from deploy.dev import mariadb, postgresql

    server: Any = postgresql.PostgreSQL() if kind == "postgresql" else mariadb.MariaDB()
    server.start()
    return server.create_database(), server.stop


if __name__ == "__main__":
    sys.exit(main())
