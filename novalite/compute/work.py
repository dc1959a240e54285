"""Work in hand: one piece at a time per server, in the order it came; builds apart from the rest.

A slow build never holds up a stop of another server: builds and everything else have pools of their
own, and no thread waits for its turn, because the next piece of a server's work is handed to a pool
only when the one before it is done.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from novalite import metrics
from novalite.errors import BuildFailed

LOG = logging.getLogger(__name__)
IN_HAND = metrics.Gauge("novalite_compute_work_in_hand", "Pieces of work a host has begun or queued.", "host")

Name = tuple[str, int, str]
"""(task id, attempt, verb): what the conductor calls one piece of work."""


@dataclass(eq=False)
class Job:
    """One piece of work on one server. `name` None: this host's own idea, not listed as busy."""

    server_id: str
    run: Callable[[Job], None]
    name: Name | None = None
    build: bool = False
    cancelled: threading.Event = field(default_factory=threading.Event)

    @classmethod
    def own(cls, server_id: str, do: Callable[..., None], *args: Any) -> Job:
        """Something this host does on its own account."""
        return cls(server_id, lambda _: do(*args))

    def check(self) -> None:
        """Called between sub-steps of a build. Raises BuildFailed when it is no longer wanted."""
        if self.cancelled.is_set():
            raise BuildFailed(f"Build of instance {self.server_id} was cancelled: it is to be removed.")


class InlineExecutor(Executor):
    """Runs what it is given in the caller's thread, for tests that step through a flow."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Done when this returns."""
        future: Future[Any] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


@dataclass(frozen=True)
class Pools:
    """Threads for builds and for everything else; several hosts of one process may share them."""

    builds: Executor
    others: Executor

    @classmethod
    def of_threads(cls, builds: int, others: int) -> Pools:
        """Threads are started as they are needed."""
        return cls(ThreadPoolExecutor(builds, "build"), ThreadPoolExecutor(others, "work"))

    @classmethod
    def inline(cls) -> Pools:
        """Everything in the caller's thread."""
        return cls(InlineExecutor(), InlineExecutor())

    def close(self) -> None:
        """Begin nothing more; threads at work end with what they have in hand."""
        for pool in (self.builds, self.others):
            pool.shutdown(wait=False, cancel_futures=True)


class WorkDesk:
    """Every piece of work of one host, in a lane per server. Thread-safe.

    `on_idle` is told the id of a server whose lane has become empty.
    """

    def __init__(self, host: str, pools: Pools, on_idle: Callable[[str], None] = lambda _: None) -> None:
        self._pools, self._on_idle = pools, on_idle
        self._lanes: dict[str, deque[Job]] = {}
        self._lock = threading.Lock()
        self._quiet = threading.Condition(self._lock)
        self._running = 0
        self._closed = False
        IN_HAND.watch(lambda: sum(len(lane) for lane in list(self._lanes.values())), host)

    def submit(self, job: Job) -> bool:
        """Take a piece of work on; False when the very same is in hand or nothing is taken any more."""
        with self._lock:
            lane = self._lanes.setdefault(job.server_id, deque())
            if self._closed or (job.name is not None and any(other.name == job.name for other in lane)):
                if not lane:
                    del self._lanes[job.server_id]
                return False
            lane.append(job)
            first = len(lane) == 1
        if first:
            self._start(job)
        return True

    def cancel_builds(self, server_id: str) -> None:
        """Builds of this server stop at their next sub-step."""
        with self._lock:
            for job in self._lanes.get(server_id, ()):
                if job.build:
                    job.cancelled.set()

    def in_hand(self, server_id: str) -> bool:
        """Whether anything is being done, or waits to be done, to this server."""
        return server_id in self._lanes

    def busy(self) -> tuple[tuple[str, int], ...]:
        """(task id, attempt) of everything the conductor asked for and has no report of yet."""
        with self._lock:
            jobs = [job for lane in self._lanes.values() for job in lane]
        return tuple(dict.fromkeys(job.name[:2] for job in jobs if job.name is not None))

    def close(self, grace: float) -> bool:
        """Begin nothing more; wait `grace` seconds for what has begun, then cancel builds. True: none left.

        What had not begun is forgotten: the conductor asks for it again.
        """
        deadline = time.monotonic() + grace
        with self._lock:
            self._closed = True
            if self._quiet.wait_for(lambda: self._running == 0, max(0.0, deadline - time.monotonic())):
                return True
            for lane in self._lanes.values():
                lane[0].cancelled.set()
            return self._quiet.wait_for(lambda: self._running == 0, min(2.0, grace))

    def wait_idle(self, timeout: float) -> bool:
        """Wait until nothing is in hand; for tests. False when time ran out."""
        with self._lock:
            return self._quiet.wait_for(lambda: not self._lanes, timeout)

    def _start(self, job: Job) -> None:
        pool = self._pools.builds if job.build else self._pools.others
        try:
            pool.submit(self._run, job)
        except RuntimeError:  # the pool was closed first
            LOG.info("Work on server %s is left for after the restart", job.server_id)

    def _run(self, job: Job) -> None:
        with self._lock:
            if self._closed:
                return
            self._running += 1
        try:
            job.run(job)
        except Exception:
            LOG.exception("Work on server %s ended badly", job.server_id)
        except BaseException:
            self._closed = True  # the process is dying: nothing else may be begun
            raise
        finally:
            self._finished(job)

    def _finished(self, job: Job) -> None:
        with self._lock:
            self._running -= 1
            lane = self._lanes[job.server_id]
            lane.popleft()
            following = lane[0] if lane else None
            if following is None:
                del self._lanes[job.server_id]
            self._quiet.notify_all()
        if self._closed:
            return
        if following is None:
            self._on_idle(job.server_id)
        else:
            self._start(following)
