"""Work that repeats: interval, jitter, no overlap, "run now". One clock thread and a few workers serve
any number of jobs, so hundreds of them cost nothing while they wait.

    runner = PeriodicRunner()
    runner.add(Periodic("sweep", sweep, every=lambda: conf.conductor.sweep_interval))
    runner.start(); runner.run_now("sweep"); runner.stop(grace=5)
"""

from __future__ import annotations

import heapq
import itertools
import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from novalite import log, metrics
from novalite.context import Context, system

LOG = logging.getLogger(__name__)
RUNS = metrics.Timer("novalite_periodic_seconds", "Time spent in periodic jobs.", "job")
FAILED = metrics.Counter("novalite_periodic_failed_total", "Runs of periodic jobs that raised.", "job")


@dataclass(eq=False)
class Periodic:
    """One job. `run(ctx)` is given a fresh system context; it has no input and may run at any time.

    `every` is seconds between the end of one run and the start of the next, or a function answering
    that (read again after each run); 0 or less means only when told "run now". `first` is the delay
    of the first run; None spreads it over the interval, so that daemons started together do not
    all work in the same second. Each delay is varied by ± `jitter` of itself.
    """

    name: str
    run: Callable[[Context], Any]
    every: float | Callable[[], float]
    first: float | None = None
    jitter: float = 0.1

    busy: bool = field(default=False, init=False)
    again: bool = field(default=False, init=False)
    ticket: int = field(default=0, init=False)

    def interval(self) -> float:
        """Seconds between runs now; 0 when off."""
        seconds = self.every() if callable(self.every) else self.every
        return max(0.0, float(seconds))

    def delay(self) -> float:
        """Seconds until the next run, jitter included; 0 when off."""
        return self.interval() * random.uniform(1 - self.jitter, 1 + self.jitter)


class PeriodicRunner:
    """Runs jobs when they are due. Thread-safe; jobs of one name never overlap."""

    def __init__(self, workers: int = 4) -> None:
        self.size = workers
        self._jobs: dict[str, Periodic] = {}
        self._due: list[tuple[float, int, Periodic]] = []
        self._tickets = itertools.count(1)
        self._ready: deque[Periodic] = deque()
        self._lock = threading.Lock()
        self._clock_wakes = threading.Condition(self._lock)
        self._work_wakes = threading.Condition(self._lock)
        self._quiet = threading.Condition(self._lock)
        self._threads = self._idle = self._busy = 0
        self._running = False

    def add(self, *jobs: Periodic) -> None:
        """Take jobs on, before or after `start`. ValueError when a name is taken."""
        with self._lock:
            for job in jobs:
                if job.name in self._jobs:
                    raise ValueError(f"two periodic jobs are called {job.name}")
                self._jobs[job.name] = job
                if self._running:
                    self._plan_first(job)

    def start(self) -> None:
        """Begin to run what is due."""
        with self._lock:
            if self._running:
                return
            self._running = True
            for job in self._jobs.values():
                self._plan_first(job)
        threading.Thread(target=self._clock, name="periodic-clock", daemon=True).start()

    def stop(self, grace: float = 0.0) -> bool:
        """Begin nothing more; wait at most `grace` seconds for jobs in hand. True when none is left."""
        with self._lock:
            self._running = False
            self._due.clear()
            self._ready.clear()
            self._clock_wakes.notify_all()
            self._work_wakes.notify_all()
            return self._quiet.wait_for(lambda: self._busy == 0, timeout=grace)

    def run_now(self, name: str) -> None:
        """Run the job as soon as a worker is free; once more afterwards when it is running already."""
        with self._lock:
            job = self._jobs[name]
            if job.busy:
                job.again = True
            elif self._running and job not in self._ready:
                self._make_ready(job)

    def replan(self) -> None:
        """Read every interval again, after the configuration changed."""
        with self._lock:
            if self._running:
                for job in self._jobs.values():
                    if not job.busy and job not in self._ready:
                        self._plan(job, job.delay())

    def names(self) -> list[str]:
        """Every job, in order of being added."""
        return list(self._jobs)

    def run_here(self, names: Iterable[str] | None = None) -> None:
        """Run jobs once in this thread, in order; for tests. Errors are raised."""
        for name in names if names is not None else self.names():
            self._jobs[name].run(system())

    # --- planning (under the lock) ---------------------------------------------------------------

    def _plan_first(self, job: Periodic) -> None:
        self._plan(job, random.uniform(0, job.interval()) if job.first is None else job.first)

    def _plan(self, job: Periodic, delay: float) -> None:
        job.ticket = next(self._tickets)  # an older entry in the heap is void
        if job.interval() <= 0:
            return
        heapq.heappush(self._due, (time.monotonic() + delay, job.ticket, job))
        if self._due[0][2] is job:
            self._clock_wakes.notify()

    def _make_ready(self, job: Periodic) -> None:
        job.ticket = 0
        self._ready.append(job)
        if self._idle:
            self._work_wakes.notify()
        elif self._threads < self.size:
            self._threads += 1
            threading.Thread(target=self._work, name=f"periodic-{self._threads}", daemon=True).start()

    # --- threads ---------------------------------------------------------------------------------

    def _clock(self) -> None:
        with self._lock:
            while self._running:
                now = time.monotonic()
                while self._due and self._due[0][0] <= now:
                    _, ticket, job = heapq.heappop(self._due)
                    if ticket == job.ticket:
                        self._make_ready(job)
                self._clock_wakes.wait(self._due[0][0] - now if self._due else None)

    def _work(self) -> None:
        while True:
            with self._lock:
                self._idle += 1
                self._work_wakes.wait_for(lambda: self._ready or not self._running)
                self._idle -= 1
                if not self._ready:
                    self._threads -= 1
                    return
                job = self._ready.popleft()
                job.busy, job.again = True, False
                self._busy += 1
            self._run(job)
            with self._lock:
                job.busy = False
                self._busy -= 1
                self._quiet.notify_all()
                if self._running and job.again:
                    self._make_ready(job)
                elif self._running:
                    self._plan(job, job.delay())

    @staticmethod
    def _run(job: Periodic) -> None:
        ctx = system()
        with log.bind(ctx), RUNS.time(job.name):
            try:
                job.run(ctx)
            except Exception:
                FAILED.add(job.name)
                LOG.exception("Periodic job %s failed; it runs again in its turn", job.name)
