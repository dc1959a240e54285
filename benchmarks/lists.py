"""How long a page of 1,000 servers out of 100,000 takes: an all-in-one over SQLite, asked over HTTP.

    python -m benchmarks.lists [--rows 100000]     # a table, then one JSON object as the last line

Pages at the beginning, in the middle and near the end, as a member of the project that has them all and as an
administrator who looks at all projects; the times include authentication, policy, JSON and the network's loopback.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import sys
import tempfile
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import func, insert, select

from benchmarks.bench import Http, all_in_one, timed
from deploy.dev.client import Api
from novalite.db.models.compute import Server
from novalite.db.session import Database

PAGE = 1000
DEPTHS = {"first": 0, "middle": 50, "late": 90}
"""How many pages lie before, by name."""
NAMES = ("web", "db", "cache", "queue", "build", "mail")


def fill(db: Database, like: str, rows: int) -> None:
    """Copies of one server with names, times and metadata of their own."""
    table: Any = Server.__table__
    rng, start = random.Random(1), datetime(2026, 1, 1)
    with db.begin() as session:
        row = session.execute(select(table).where(table.c.id == like)).mappings().one()
        same = {key: value for key, value in row.items() if key != "number"}
        for first in range(0, rows, 5000):
            made = []
            for n in range(first, min(first + 5000, rows)):
                moment = start + timedelta(seconds=rng.randrange(300 * 24 * 3600), microseconds=n)
                made.append(
                    same | {
                        "id": str(uuid.UUID(int=rng.getrandbits(128), version=4)),
                        "name": f"{rng.choice(NAMES)}-{n}", "hostname": f"host-{n}", "created_at": moment,
                        "updated_at": moment + timedelta(seconds=9), "launched_at": moment + timedelta(seconds=8),
                        "metadata": {"role": rng.choice(NAMES), "number": str(n)}, "tags": [rng.choice(NAMES)],
                    }
                )  # fmt: skip
            session.execute(insert(table), made)


def markers(db: Database) -> dict[str, str]:
    """`&marker=…` of the pages, by name."""
    found = {}
    table: Any = Server.__table__
    with db.read() as session:
        for name, pages in DEPTHS.items():
            order = (table.c.created_at.desc(), table.c.id.desc())
            last = select(table.c.id).order_by(*order).offset(pages * PAGE - 1).limit(1)
            found[name] = f"&marker={session.scalar(last)}" if pages else ""
    return found


def cpu_ms(pid: int) -> float:
    """Processor time of a process so far, in milliseconds; says more than the clock on a busy machine."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) * 1000 / os.sysconf("SC_CLK_TCK")


def measure(ask: Callable[[str], Any], pid: int, path: str, times: int = 30) -> dict[str, float]:
    """Median and 95th percentile of a request, and what it costs the server's processor, in milliseconds."""
    for _ in range(3):
        assert len(ask(path)["servers"]) == PAGE, path
    before = cpu_ms(pid)
    found = timed(times, lambda: ask(path))
    spent = (cpu_ms(pid) - before) / times
    return {"ms": statistics.median(found), "p95_ms": statistics.quantiles(found, n=20)[18], "cpu_ms": spent}


def run(rows: int = 100_000) -> dict[str, float]:
    """Every figure by name."""
    results: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder, all_in_one(Path(folder)) as (up, _):
        api = Api.of(Path(folder) / "clouds.yaml")
        (Path(folder) / "image.raw").write_bytes(b"\0" * 1024 * 1024)
        image = api.upload("bench", Path(folder) / "image.raw", "raw")
        like = api.boot("bench", image, api.flavor("bench", ram=64, disk=0))
        db = Database(f"sqlite:///{folder}/novalite.db")
        try:
            fill(db, like, rows)
            with db.read() as session:
                results["rows"] = float(session.scalar(select(func.count()).select_from(Server)) or 0)
            pages = markers(db)
        finally:
            db.close()
        http_ = Http((Path(folder) / "bootstrapped").read_text(), api.take_token())
        lists = {"detail": "/servers/detail?", "all": "/servers/detail?all_tenants=1&", "brief": "/servers?",
                 "by_name": "/servers/detail?sort_key=display_name&"}  # fmt: skip
        for name, path in lists.items():
            for depth, marker in pages.items():
                figures = measure(lambda p: http_("GET", p), up.pid, f"{path}limit={PAGE}{marker}")
                results |= {f"{name}_{depth}_{key}": value for key, value in figures.items()}
    return results


def main() -> int:
    """Print a table, then the JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    results = run(parser.parse_args().rows)
    for key, value in results.items():
        print(f"{key:28} {value:12.2f}")
    print(json.dumps({key: round(value, 3) for key, value in results.items()}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
