"""The parts daemons are made of: a server on the bus, or an HTTP server."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from oslo_config import cfg

from novalite.context import system
from novalite.daemon import Life
from novalite.errors import NovaliteError
from novalite.objects.hosts import Heartbeat
from novalite.periodic import Periodic
from novalite.rpc.bus import Bus, ServerHandle
from novalite.rpc.client import Client
from novalite.rpc.contracts.hosts import Services

LOG = logging.getLogger(__name__)
HEARTBEAT = "heartbeat"


class RpcPart:
    """A manager behind its RPC server, with a heartbeat.

    `before` and `after` are what must succeed before and after messages are taken; each is repeated
    while it raises Unavailable. `end(grace)` is the manager's own stop, called when no message is left.
    """

    def __init__(
        self,
        name: str,
        conf: cfg.ConfigOpts,
        bus: Bus,
        manager: Any,
        workers: int,
        beat: Callable[[], Any],
        end: Callable[[float], Any],
        before: Sequence[Callable[[], Any]] = (),
        after: Sequence[Callable[[], Any]] = (),
    ) -> None:
        self.name, self.conf, self.bus, self.manager, self.workers = name, conf, bus, manager, workers
        self._before, self._after, self._end = before, after, end
        self._heart = Heart(name, conf, beat)
        self._handle: ServerHandle | None = None

    def start(self, life: Life) -> None:
        """Prepare, take messages, announce, and let the heart beat."""
        for work in self._before:
            if not life.insist(self.name, work):
                return
        endpoints = self.manager.endpoints()
        self._handle = self.bus.serve(endpoints[0].topic, self.conf.host, endpoints, self.workers)
        self._handle.start()
        for work in self._after:
            if not life.insist(self.name, work):
                return
        self._heart.start()

    def stop(self, grace: float) -> bool:
        """Take no more messages, finish those in hand, then stop the manager."""
        deadline = time.monotonic() + grace
        self._heart.stop()
        done = self._handle.stop(grace) if self._handle else True
        left = max(0.0, deadline - time.monotonic())
        return within(max(left, 0.5), lambda: self._end(left)) and done

    def reload(self) -> None:
        """Tell the manager, if it cares."""
        if hasattr(self.manager, "reload"):
            self.manager.reload()

    def periodics(self) -> Sequence[Periodic]:
        """The manager's jobs, as the runner knows them; a job called "heartbeat" is the heart's already."""
        jobs = [as_periodic(job, self.conf) for job in self.manager.periodics()]
        return [job for job in jobs if job.name != HEARTBEAT]

    def health(self) -> dict[str, Any]:
        """Age of the last heartbeat and what the manager says."""
        own = self.manager.health() if hasattr(self.manager, "health") else {}
        return {**own, **self._heart.health()}


class Heart:
    """Tells the conductor every report_interval that a service lives; says once when it cannot."""

    def __init__(self, name: str, conf: cfg.ConfigOpts, beat: Callable[[], Any]) -> None:
        self.name, self.conf, self._beat = name, conf, beat
        self._end = threading.Event()
        self._began: float | None = None
        self._last: float | None = None
        self._missed = 0

    def start(self) -> None:
        """Beat from now on."""
        self._began = time.monotonic()
        threading.Thread(target=self._run, name=f"heartbeat-{self.name}", daemon=True).start()

    def stop(self) -> None:
        """Beat no more."""
        self._end.set()

    def health(self) -> dict[str, Any]:
        """`problem` when no heartbeat got through for service_down_time."""
        if self._began is None:
            return {"heartbeat": None}
        age = round(time.monotonic() - (self._last or self._began), 1)
        late = age > self.conf.service_down_time
        problem = {"problem": f"no heartbeat for {age:g} seconds"} if late else {}
        return {"heartbeat": None if self._last is None else age, **problem}

    def _run(self) -> None:
        while not self._end.is_set():
            began = time.monotonic()
            self._once()
            self._end.wait(max(0.01, self.conf.report_interval - (time.monotonic() - began)))

    def _once(self) -> None:
        try:
            self._beat()
        except Exception as error:
            self._missed += 1
            expected = isinstance(error, NovaliteError)
            LOG.log(logging.WARNING if self._missed == 1 else logging.DEBUG,
                    "Heartbeat of %s is not taken: %s", self.name, error, exc_info=not expected)
            return
        if self._missed:
            LOG.info("Heartbeat of %s is taken again after %d missed", self.name, self._missed)
        self._last, self._missed = time.monotonic(), 0


def heartbeat_of(binary: str, conf: cfg.ConfigOpts, client: Client) -> Callable[[], None]:
    """A heartbeat over the bus for a service that has nothing else to report."""
    services, count = client.of(Services, timeout=10.0), 0

    def beat() -> None:
        nonlocal count
        count += 1
        services.heartbeat(system(), Heartbeat(binary=binary, host=conf.host, report_count=count))

    return beat


def as_periodic(job: Any, conf: cfg.ConfigOpts) -> Periodic:
    """A Periodic as it is; an object with `every` ("section.option", number or function) and `run(ctx)`."""
    if isinstance(job, Periodic):
        return job
    every = job.every
    if isinstance(every, str):
        section, _, option = every.rpartition(".")

        def every() -> float:
            return float((conf[section] if section else conf)[option])

    return Periodic(getattr(job, "name", type(job).__name__), job.run, every)


def within(seconds: float, work: Callable[[], Any]) -> bool:
    """Run `work()` in a thread of its own and wait at most `seconds`; True when it ended in time."""

    def guarded() -> None:
        try:
            work()
        except Exception:
            LOG.exception("Stopping failed")

    thread = threading.Thread(target=guarded, daemon=True)
    thread.start()
    thread.join(seconds)
    return not thread.is_alive()
