"""The scheduler daemon: answers `select`, hears of changed hosts, reads them all when it must."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from novalite import metrics
from novalite.context import Context, system
from novalite.errors import BadRequest
from novalite.objects.hosts import HostDeltas, HostTableDump
from novalite.objects.scheduling import (
    Explanation,
    ManySelections,
    ManySpecs,
    RequestSpec,
    Selections,
    Verdict,
)
from novalite.periodic import Periodic
from novalite.rpc.client import Client
from novalite.rpc.contracts.base import Contract
from novalite.rpc.contracts.hosts import HostFeed, Hosts, Scheduler
from novalite.scheduler import pipeline, registry
from novalite.scheduler.columns import Hosts as Columns
from novalite.scheduler.doubts import Doubts
from novalite.scheduler.explain import explain, nearly, what_if
from novalite.scheduler.feed import Feed
from novalite.scheduler.host_table import HostTable
from novalite.scheduler.request import check, need

LOG = logging.getLogger(__name__)
DECIDED = metrics.Timer("novalite_scheduler_decision_seconds", "Time to choose hosts, waiting included.")
REFUSED = metrics.Counter("novalite_scheduler_refused_total", "Servers no host was found for.")
OF_EACH_FILTER = 3
"""Refused hosts that a refusal tells of, of each filter."""
MOST_EXPLAINED = 1000
"""Hosts that one explanation tells of."""
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
        return self._select(spec, [spec.server_id] * spec.count)

    def select_many(self, specs: Sequence[RequestSpec]) -> list[Selections]:
        """An answer for each request, which is for one server; those that are alike but for the server are decided
        together. Raises Unavailable."""
        alike: dict[str, list[int]] = {}
        for at, spec in enumerate(specs):
            alike.setdefault(spec.model_dump_json(exclude={"server_id"}), []).append(at)
        answers: dict[int, Selections] = {}
        for places in alike.values():
            answers |= zip(places, self._alike([specs[at] for at in places]), strict=True)
        return [answers[at] for at in range(len(specs))]

    def _alike(self, specs: Sequence[RequestSpec]) -> list[Selections]:
        first = specs[0]
        if first.count != 1:  # such a request is one of several servers already
            return [self._answered(spec, [spec.server_id] * spec.count) for spec in specs]
        whole = self._answered(
            first.model_copy(update={"count": len(specs)}), [spec.server_id for spec in specs]
        )
        nobody = whole.model_copy(update={"selections": ()})
        plain = {"nearly": (), "verdicts": ()}
        found = [whole.model_copy(update={**plain, "selections": (one,)}) for one in whole.selections]
        return found + [nobody] * (len(specs) - len(found))

    def _answered(self, spec: RequestSpec, server_ids: Sequence[str]) -> Selections:
        try:
            return self._select(spec, server_ids)
        except BadRequest as error:
            return Selections(selections=(), considered=0, problem=error.sentence)

    def _select(self, spec: RequestSpec, server_ids: Sequence[str]) -> Selections:
        check(spec)
        began = time.perf_counter()
        section = self.conf.scheduler
        self.feed.need_hosts(section.first_read_timeout)
        answer, doubted = self._decide(spec, server_ids)
        if _short(spec, answer) and self.feed.refresh_if_old(section.refusal_wait):
            answer, doubted = self._decide(spec, server_ids)
        if _short(spec, answer) and doubted:
            answer, _ = self._decide(spec, server_ids, offer_again=True)
        if _short(spec, answer):
            answer = answer.model_copy(update=self._why(spec, bool(answer.selections)))
        DECIDED.observe(time.perf_counter() - began)
        self._tell(spec, answer)
        return answer

    def _why(self, spec: RequestSpec, some: bool) -> dict[str, Any]:
        """What an answer that refuses says besides; `some` were placed, and count."""
        plan, told = self.plan, OF_EACH_FILTER
        with self.table.lock:
            hosts = self.table.hosts()
            hosts = hosts if some else hosts.without_debits()
            refused = [one for one in explain(plan, hosts, spec, told) if one.refused_by][: 10 * told]
            return {"nearly": nearly(pipeline.filters_for(plan, spec), hosts, spec), "verdicts": tuple(refused)}

    def explain(self, spec: RequestSpec) -> list[Verdict]:
        """Why each host was refused or where it ranks, at this moment; proposes and debits nothing."""
        check(spec)
        self.feed.need_hosts(self.conf.scheduler.first_read_timeout)
        return explain(self.plan, self.table.snapshot(), spec)

    def what_if(self, spec: RequestSpec, most_hosts: int) -> Explanation:
        """What would become of the request; proposes and debits nothing. Raises BadRequest, Unavailable."""
        check(spec)
        self.feed.need_hosts(self.conf.scheduler.first_read_timeout)
        return what_if(self.plan, self.table.snapshot().without_debits(), spec, most_hosts)

    def _decide(
        self, spec: RequestSpec, server_ids: Sequence[str], offer_again: bool = False
    ) -> tuple[Selections, bool]:
        """Choose and debit; also whether hosts were left out because they were offered in vain before."""
        plan, table, now = self.plan, self.table, time.monotonic()
        with table.lock:
            for server_id in set(server_ids):
                table.forget_debits(server_id)
            hosts = table.hosts()
            avoid = [] if offer_again else self._avoid(server_ids, hosts, now)
            answer = pipeline.select(plan, hosts, spec, avoid)
            if _short(spec, answer) and table.has_debits:
                # Own picks steer, they never refuse: whether they become servers, only the claim knows.
                bare = pipeline.select(plan, hosts.without_debits(), spec, avoid)
                answer = bare if len(bare.selections) > len(answer.selections) else answer
            self._note(spec, server_ids, answer, hosts, now)
        return answer, bool(avoid)

    def _avoid(self, server_ids: Sequence[str], hosts: Columns, now: float) -> list[str]:
        found = (host for one in dict.fromkeys(server_ids) for host in self._doubts.of(one, hosts, now))
        return list(dict.fromkeys(found))

    def _note(
        self, spec: RequestSpec, server_ids: Sequence[str], answer: Selections, hosts: Columns, now: float
    ) -> None:
        """Remember what is about to be proposed."""
        index, version = hosts.store.index, hosts.version
        picks, proposed = [], dict[str, set[str]]()
        for server_id, selection in zip(server_ids, answer.selections, strict=False):
            picks.append((selection.candidates[0].host, server_id))
            proposed.setdefault(server_id, set()).update(one.host for one in selection.candidates)
        self.table.debit_many(picks, need(spec))
        versions = {host: version.item(index[host]) for host in set[str]().union(*proposed.values())}
        for server_id, names in proposed.items():
            self._doubts.note(server_id, {host: versions[host] for host in names}, now)

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

    def select_many(self, ctx: Context, asked: ManySpecs) -> ManySelections:
        return ManySelections(answers=tuple(self.manager.select_many(asked.specs)))

    def explain(self, ctx: Context, spec: RequestSpec, most_hosts: int = 100) -> Explanation:
        return self.manager.what_if(spec, min(most_hosts, MOST_EXPLAINED))


class HostFeedEndpoint(HostFeed):
    """conductor -> every scheduler."""

    def __init__(self, feed: Feed) -> None:
        self.feed = feed

    def changed(self, ctx: Context, deltas: HostDeltas) -> None:
        self.feed.receive(deltas)
