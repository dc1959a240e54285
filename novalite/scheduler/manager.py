"""The scheduler daemon: answers `select`, hears of changed hosts, reads them all when it must."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from novalite import metrics
from novalite.context import Context, system
from novalite.objects.hosts import HostDeltas, HostTableDump
from novalite.objects.scheduling import RequestSpec, Selections
from novalite.periodic import Periodic
from novalite.rpc.client import Client
from novalite.rpc.contracts.base import Contract
from novalite.rpc.contracts.hosts import HostFeed, Hosts, Scheduler
from novalite.scheduler import pipeline, registry
from novalite.scheduler.columns import Hosts as Columns
from novalite.scheduler.doubts import Doubts
from novalite.scheduler.explain import Verdict, explain
from novalite.scheduler.feed import Feed
from novalite.scheduler.host_table import HostTable
from novalite.scheduler.request import check, need

LOG = logging.getLogger(__name__)
DECIDED = metrics.Timer("novalite_scheduler_decision_seconds", "Time to choose hosts, waiting included.")
REFUSED = metrics.Counter("novalite_scheduler_refused_total", "Servers no host was found for.")
HOSTS = metrics.Gauge("novalite_scheduler_hosts", "Hosts in the table.")


class SchedulerManager:
    """Wires table, feed and pipeline; the daemon runner serves `endpoints()` on the topic `scheduler`."""

    def __init__(self, conf: Any, client: Client, clock: Callable[[], float] = time.time) -> None:
        """`clock` tells which hosts fell silent. Raises ConfigError for filters or weighers that do not exist."""
        _keep_freed_memory()
        self.conf = conf
        self.plan = registry.plan(conf)
        self.table = HostTable(clock=clock, debit_seconds=conf.scheduler.debit_seconds)
        self._doubts = Doubts(conf.scheduler.debit_seconds)
        self.feed = Feed(self.table, lambda: _read(client))

    def start(self) -> None:
        """Begin to read the hosts; answers at once. Call it when the endpoints are being served already,
        so that no change falls between the first read and the first message."""
        HOSTS.watch(lambda: float(len(self.table)))
        self.feed.start()

    def stop(self) -> None:
        """End the reading thread."""
        self.feed.stop()

    def reload(self) -> None:
        """Use the filters, weighers and multipliers that the configuration names now (SIGHUP); raises
        ConfigError and keeps the old ones when it is wrong."""
        self.plan = registry.plan(self.conf)

    def endpoints(self) -> list[Contract]:
        """What this daemon answers."""
        return [SchedulerEndpoint(self), HostFeedEndpoint(self.feed)]

    def periodics(self) -> list[Periodic]:
        """What the runner calls now and then: a full read, should a change ever have been told wrongly."""

        def refresh(ctx: Context) -> None:
            self.feed.want("periodic")

        return [Periodic("refresh-hosts", refresh, lambda: self.conf.scheduler.full_read_interval)]

    def health(self) -> dict[str, Any]:
        """For the health answer: how many hosts are known, whether a full read is due, and what fails."""
        problem = {"problem": self.feed.error} if self.feed.error else {}
        return {"hosts": len(self.table), "current": self.feed.current, **problem}

    # --- deciding -------------------------------------------------------------------------------

    def select(self, spec: RequestSpec) -> Selections:
        """Hosts for the request; debits what it proposes. Raises BadRequest, Unavailable.

        Fewer selections than asked for is an answer that was checked against a fresh table.
        """
        check(spec)
        began = time.perf_counter()
        section = self.conf.scheduler
        self.feed.need_hosts(section.first_read_timeout)
        answer, doubted = self._decide(spec)
        if _short(spec, answer) and self.feed.refresh_if_old(section.refusal_wait):
            answer, doubted = self._decide(spec)
        if _short(spec, answer) and doubted:
            answer, _ = self._decide(spec, offer_again=True)
        DECIDED.observe(time.perf_counter() - began)
        self._tell(spec, answer)
        return answer

    def explain(self, spec: RequestSpec) -> list[Verdict]:
        """Why each host was refused or where it ranks, at this moment; proposes and debits nothing."""
        check(spec)
        self.feed.need_hosts(self.conf.scheduler.first_read_timeout)
        return explain(self.plan, self.table.snapshot(), spec)

    def _decide(self, spec: RequestSpec, offer_again: bool = False) -> tuple[Selections, bool]:
        """Choose and debit; also whether hosts were left out because they were offered in vain before."""
        plan, table, now = self.plan, self.table, time.monotonic()
        with table.lock:
            table.forget_debits(spec.server_id)
            hosts = table.hosts()
            avoid = [] if offer_again else self._doubts.of(spec.server_id, hosts, now)
            answer = pipeline.select(plan, hosts, spec, avoid)
            if _short(spec, answer) and table.has_debits:
                # Own picks steer, they never refuse: whether they become servers, only the claim knows.
                bare = pipeline.select(plan, hosts.without_debits(), spec, avoid)
                answer = bare if len(bare.selections) > len(answer.selections) else answer
            self._note(spec, answer, hosts, now)
        return answer, bool(avoid)

    def _note(self, spec: RequestSpec, answer: Selections, hosts: Columns, now: float) -> None:
        """Remember what is about to be proposed."""
        index, versions = hosts.store.index, {}
        for selection in answer.selections:
            self.table.debit(selection.candidates[0].host, need(spec), spec.server_id)
            for candidate in selection.candidates:
                versions[candidate.host] = int(hosts.version[index[candidate.host]])
        if versions:
            self._doubts.note(spec.server_id, versions, now)

    def _tell(self, spec: RequestSpec, answer: Selections) -> None:
        missing = spec.count - len(answer.selections)
        if missing:
            REFUSED.add(by=missing)
            LOG.info(
                "server %s: no host for %d of %d: %s", spec.server_id, missing, spec.count, answer.summary
            )
        elif LOG.isEnabledFor(logging.DEBUG):
            chosen = [s.candidates[0].host for s in answer.selections]
            LOG.debug("server %s: %s of %d hosts", spec.server_id, ", ".join(chosen), answer.considered)


def _keep_freed_memory() -> None:
    """Teach malloc to keep the few MB that a decision's columns take.

    glibc gives 128 kB and more back to the kernel at once and takes them again as fresh pages, which
    doubles the time of a decision (measured: 0.43 instead of 0.27 ms at 10,000 hosts). Its documented
    remedy: freeing one large block raises both limits (mallopt(3), M_MMAP_THRESHOLD). The block is
    never written to, so it costs no memory.
    """
    np.empty(24 << 20, "u1")


def _short(spec: RequestSpec, answer: Selections) -> bool:
    return len(answer.selections) < spec.count


def _read(client: Client) -> HostTableDump:
    return client.of(Hosts).table(system())


class SchedulerEndpoint(Scheduler):
    """conductor -> any scheduler."""

    def __init__(self, manager: SchedulerManager) -> None:
        self.manager = manager

    def select(self, ctx: Context, spec: RequestSpec) -> Selections:
        return self.manager.select(spec)


class HostFeedEndpoint(HostFeed):
    """conductor -> every scheduler."""

    def __init__(self, feed: Feed) -> None:
        self.feed = feed

    def changed(self, ctx: Context, deltas: HostDeltas) -> None:
        self.feed.receive(deltas)
