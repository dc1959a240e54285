"""`make bench`: what things cost, on this machine, now. Prints medians; the last line is one JSON object.

Machines are noisy: compare runs of the same hour, and read differences under two-fold with care.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from deploy.dev.cloud import Cloud, Plan
from deploy.dev.ports import free_port

MICROVERSION = "2.87"
PATIENCE = 300.0
"""Seconds after which something that should have ended is called broken."""


class Http:
    """One kept-alive connection per thread to a compute endpoint, with the least possible client in between."""

    def __init__(self, url: str, token: str) -> None:
        self.host, self.headers = urlsplit(url).netloc, {
            "X-Auth-Token": token, "Content-Type": "application/json",
            "OpenStack-API-Version": f"compute {MICROVERSION}",
        }  # fmt: skip
        self.connection = http.client.HTTPConnection(self.host, timeout=60)

    def __call__(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        self.connection.request(method, f"/v2.1{path}", data, self.headers)
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status >= 400:
            raise RuntimeError(f"{method} {path}: {answer.status} {text[:300]!r}")
        return json.loads(text) if text else None


def timed(times: int, work: Callable[[], Any]) -> list[float]:
    """Milliseconds of each of `times` runs."""
    found = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        found.append((time.perf_counter() - start) * 1000)
    return found


def memory_mb(pids: list[int]) -> float:
    """Proportional memory of processes together, in MB (PSS: shared pages counted once)."""
    total = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1])
    return total / 1024


def processor_s(pid: int) -> float:
    """Seconds of processor time a process has used: says more than a clock does on a busy machine."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# --- all in one ------------------------------------------------------------------------------


@contextmanager
def all_in_one(folder: Path) -> Iterator[tuple[subprocess.Popen[str], float]]:
    """`novalite up` with the fake driver; yields the process and the seconds until it was ready. Its modules are
    compiled, as those of an installed program are; a shell that forbids it makes a start a third dearer."""
    program = Path(sys.executable).parent / "novalite"
    argv = [str(program), "up", "--state-dir", str(folder), "--driver", "fake", "--port", str(free_port())]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    start = time.perf_counter()
    process = subprocess.Popen(
        argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
    )
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if "ready" in line:
                break
        yield process, time.perf_counter() - start
    finally:
        process.terminate()
        process.wait(30)


def bench_all_in_one() -> dict[str, float]:
    """Start-up (first ever, and again) and memory when idle."""
    with tempfile.TemporaryDirectory() as folder:
        with all_in_one(Path(folder)) as (_, first):
            pass
        again, cpu, memory = [], [], 0.0
        for _ in range(5):
            with all_in_one(Path(folder)) as (process, seconds):
                again.append(seconds)
                cpu.append(processor_s(process.pid))
                memory = memory_mb([process.pid])
    return {
        "up_first_s": first, "up_ready_s": statistics.median(again), "up_processor_s": min(cpu),
        "up_memory_mb": memory,
    }  # fmt: skip


# --- split daemons ---------------------------------------------------------------------------


def bench_split(db: str, boots: int, clients: int, computes: int) -> dict[str, float]:
    """Boots, reads and deletes over RabbitMQ and a database, with the fake driver."""
    plan = Plan(computes=computes, driver="fake", db=db, options={"quota.instances": "-1", "quota.cores": "-1",
                "quota.ram": "-1", "fake_driver.vcpus": "4096", "fake_driver.ram_mb": "4000000",
                "fake_driver.disk_gb": "100000"})  # fmt: skip
    with tempfile.TemporaryDirectory() as folder, Cloud(plan, Path(folder)) as cloud:
        flavor = cloud.api.flavor("bench", ram=64, disk=0)
        (Path(folder) / "image.raw").write_bytes(b"\0" * 1024 * 1024)
        image = cloud.api.upload("bench", Path(folder) / "image.raw", "raw")
        token = cloud.api.take_token()
        http_ = Http(cloud.url, token)
        body = {"server": {"name": "bench", "flavorRef": flavor, "imageRef": image, "networks": "none"}}
        results = {"split_memory_mb": memory_mb([pid for m in plan.members if (pid := cloud.member(m).pid)])}
        _boot(http_, body, 20)  # warm caches and connections
        results |= _single(http_, body)
        before = _processor(cloud)
        results |= _many(cloud.url, token, body, boots, clients)
        made = boots // clients * clients
        for kind, seconds in _processor(cloud).items():
            results[f"boot_{kind}_cpu_ms"] = (seconds - before[kind]) * 1000 / made
        results |= _reads(http_)
        results |= _deletes(cloud.url, token, clients)
    return results


def _processor(cloud: Cloud) -> dict[str, float]:
    """Processor time so far by kind of daemon, seconds."""
    found: dict[str, float] = {}
    for name in cloud.plan.members:
        kind = name.partition("-")[0]
        found[kind] = found.get(kind, 0.0) + sum(processor_s(pid) for pid in [cloud.member(name).pid] if pid)
    return found


def _boot(http_: Http, body: Any, times: int) -> list[float]:
    def one() -> None:
        server = http_("POST", "/servers", body)["server"]["id"]
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            status = http_("GET", f"/servers/{server}")["server"]["status"]
            if status == "ACTIVE":
                return
            if status == "ERROR":
                raise RuntimeError(http_("GET", f"/servers/{server}")["server"]["fault"])
            time.sleep(0.005)
        raise RuntimeError(f"server {server} was not ACTIVE within {PATIENCE:.0f} s")

    return timed(times, one)


def _single(http_: Http, body: Any) -> dict[str, float]:
    times = _boot(http_, body, 50)
    return {"active_ms": statistics.median(times), "active_p95_ms": statistics.quantiles(times, n=20)[18]}


def _many(url: str, token: str, body: Any, boots: int, clients: int) -> dict[str, float]:
    watcher = Http(url, token)
    before = _count(watcher, "ACTIVE")
    start = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(lambda http_: [http_("POST", "/servers", body) for _ in range(boots // clients)],
                      [Http(url, token) for _ in range(clients)]))  # fmt: skip
    accepted = time.perf_counter() - start
    wanted = before + boots // clients * clients
    while _count(watcher, "ACTIVE") < wanted:
        if time.perf_counter() - start > PATIENCE:
            raise RuntimeError(f"boots did not end within {PATIENCE:.0f} s")
        time.sleep(0.05)
    total = time.perf_counter() - start
    made = boots // clients * clients
    return {"boots_per_s": made / total, "accepted_per_s": made / accepted}


def _count(http_: Http, status: str) -> int:
    found, marker = 0, ""
    while True:
        page = http_("GET", f"/servers?status={status}&limit=1000{marker}")["servers"]
        found += len(page)
        if len(page) < 1000:
            return found
        marker = f"&marker={page[-1]['id']}"


def _reads(http_: Http) -> dict[str, float]:
    server = http_("GET", "/servers?limit=1")["servers"][0]["id"]
    show = timed(200, lambda: http_("GET", f"/servers/{server}"))
    rows = len(http_("GET", "/servers/detail?limit=1000")["servers"])
    detail = timed(10, lambda: http_("GET", "/servers/detail?limit=1000"))
    flavors = timed(100, lambda: http_("GET", "/flavors/detail"))
    return {
        "show_ms": statistics.median(show),
        "show_p95_ms": statistics.quantiles(show, n=20)[18],
        "detail_ms": statistics.median(detail),
        "detail_rows": float(rows),
        "flavors_ms": statistics.median(flavors),
    }


def _deletes(url: str, token: str, clients: int) -> dict[str, float]:
    watcher = Http(url, token)
    ids = [s["id"] for s in watcher("GET", "/servers?limit=1000")["servers"]]
    total = len(ids)
    start = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        parts = [(Http(url, token), ids[n::clients]) for n in range(clients)]
        list(pool.map(lambda part: [part[0]("DELETE", f"/servers/{i}") for i in part[1]], parts))
    gone = set(ids)
    while gone & {s["id"] for s in watcher("GET", "/servers?limit=1000")["servers"]}:
        if time.perf_counter() - start > PATIENCE:
            raise RuntimeError(f"deletions did not end within {PATIENCE:.0f} s")
        time.sleep(0.05)
    return {"deletes_per_s": total / (time.perf_counter() - start)}


def main() -> int:
    """Run what was asked for and print a table, then the JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--db", default="postgresql", choices=("postgresql", "mariadb", "sqlite"))
    parser.add_argument("--boots", type=int, default=400)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--computes", type=int, default=2)
    parser.add_argument("--only", choices=("up", "split", "scheduler"))
    args = parser.parse_args()
    results: dict[str, float] = {}
    parts: dict[str, Callable[[], dict[str, float]]] = {
        "up": bench_all_in_one,
        "split": lambda: bench_split(args.db, args.boots, args.clients, args.computes),
        "scheduler": _scheduler,
    }
    for name, part in parts.items():
        if args.only in (None, name):
            print(f"{name}…", flush=True)
            results |= part()
    results |= {"cores": float(os.cpu_count() or 0), "load": os.getloadavg()[0]}
    for key, value in results.items():
        print(f"{key:24} {value:12.2f}")
    print(json.dumps({key: round(value, 3) for key, value in results.items()}))
    return 0


def _scheduler() -> dict[str, float]:
    from benchmarks.scheduler import run

    return run()


if __name__ == "__main__":
    sys.exit(main())
