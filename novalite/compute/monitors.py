"""What a host measures of itself, for weighers: load of processors, memory and network interfaces. Read from /proc."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

PROC, NET = Path("/proc"), Path("/sys/class/net")


def link_mbps(interfaces: Iterable[str], net: Path = NET) -> int:
    """What these interfaces carry together, in Mbit/s; those that do not say count nothing."""
    total = 0
    for name in interfaces:
        try:
            total += max(0, int((net / name / "speed").read_text()))
        except (OSError, ValueError):
            continue
    return total


class Monitors:
    """Metrics by name, of the kinds that are named; what changes over time is told since the last call.

    cpu: cpu.percent, cpu.user.percent, cpu.kernel.percent, cpu.iowait.percent, cpu.idle.percent; load: load.percent
    (of the processors, over a minute); memory: memory.percent in use; network: network.mbps over `interfaces`.
    """

    def __init__(self, kinds: Iterable[str], interfaces: Iterable[str], proc: Path = PROC, net: Path = NET,
                 clock: Callable[[], float] = time.monotonic) -> None:  # fmt: skip
        self._kinds, self._interfaces = tuple(kinds), tuple(interfaces)
        self._proc, self._net, self._clock = proc, net, clock
        self._cpu: list[int] | None = None
        self._moved: tuple[float, int] | None = None
        self._lock = threading.Lock()

    def read(self) -> dict[str, float]:
        """What can be read at the moment."""
        found: dict[str, float] = {}
        with self._lock:
            for kind in self._kinds:
                try:
                    found |= {"cpu": self._cpus, "load": self._load, "memory": self._memory,
                              "network": self._network}[kind]()  # fmt: skip
                except (OSError, ValueError, IndexError):
                    continue
        return {name: round(value, 1) for name, value in found.items()}

    def _cpus(self) -> dict[str, float]:
        line = (self._proc / "stat").read_text().partition("\n")[0]
        now = [int(word) for word in line.split()[1:9]]
        before, self._cpu = self._cpu, now
        if before is None or sum(now) <= sum(before):
            return {}
        user, nice, kernel, idle, wait, *rest = [b - a for a, b in zip(before, now, strict=True)]
        each = 100 / (user + nice + kernel + idle + wait + sum(rest))
        return {
            "cpu.user.percent": (user + nice) * each,
            "cpu.kernel.percent": kernel * each,
            "cpu.iowait.percent": wait * each,
            "cpu.idle.percent": idle * each,
            "cpu.percent": 100 - (idle + wait) * each,
        }

    def _load(self) -> dict[str, float]:
        load = float((self._proc / "loadavg").read_text().split()[0])
        return {"load.percent": 100 * load / (os.cpu_count() or 1)}

    def _memory(self) -> dict[str, float]:
        lines = (line.split() for line in (self._proc / "meminfo").read_text().splitlines())
        facts = {line[0].rstrip(":"): int(line[1]) for line in lines}
        total, free = facts.get("MemTotal", 0), facts.get("MemAvailable", 0)
        return {"memory.percent": 100 * (total - free) / total} if total else {}

    def _network(self) -> dict[str, float]:
        moved = sum(
            int((self._net / name / "statistics" / way).read_text())
            for name in self._interfaces
            for way in ("rx_bytes", "tx_bytes")
        )
        now, before = self._clock(), self._moved
        self._moved = (now, moved)
        if before is None or now <= before[0]:
            return {}
        return {"network.mbps": max(0, moved - before[1]) * 8 / 1e6 / (now - before[0])}
