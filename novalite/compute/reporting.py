"""Say how work ended, whatever happened: one context manager around everything a host is asked to do.

    with reporter.reporting(ctx, work) as outcome:
        outcome.step("guest_start")
        ...

A report that cannot be delivered is offered again for a while and remembered, so that a conductor
that asks a second time gets the same answer and not a second build.
"""

from __future__ import annotations

import logging
import random
import threading
import time
import traceback
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from novalite import metrics
from novalite.compute.work import Name
from novalite.context import Context
from novalite.errors import ActionFailed, BuildFailed, NovaliteError, RemoteError, RpcError, Unavailable
from novalite.objects.servers import HostWork, Verdict, WorkReport
from novalite.rpc.client import Client
from novalite.rpc.contracts.servers import HostedServers
from novalite.states import PowerState

LOG = logging.getLogger(__name__)
WORK = metrics.Timer("novalite_compute_work_seconds", "Time spent on work asked for.", "verb", "result")
REMEMBERED = 512
"""Finished reports kept per host, the newest."""


def now() -> str:
    """This moment as it crosses the bus."""
    return datetime.now(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")


def name_of(work: HostWork | WorkReport) -> Name:
    """What the conductor calls this piece of work."""
    return (work.task_id, work.attempt, work.verb)


class Outcome:
    """What is known of one piece of work while it is done. `power_state` and `facts` go into the report."""

    def __init__(self) -> None:
        self.power_state: PowerState | None = None
        self.facts: dict[str, Any] = {}
        self.error: BaseException | None = None
        self._steps: list[tuple[str, str, str]] = []
        self._step: tuple[str, str] | None = None
        self._began = time.perf_counter()

    def step(self, name: str) -> None:
        """The next sub-step begins, and the one before it is done."""
        self._close()
        self._step = (name, now())

    def _close(self) -> None:
        if self._step is not None:
            self._steps.append((*self._step, now()))
            self._step = None

    def report(self, work: HostWork, host: str) -> WorkReport:
        """The message for the conductor; the sub-step that failed is named in `facts`."""
        said: dict[str, Any] = {}
        if self.error is None:
            self._close()
        else:
            said = describe(self.error, work, host)
            if self._step is not None:
                self.facts["failed_step"] = self._step[0]
        WORK.observe(time.perf_counter() - self._began, work.verb, "error" if self.error else "success")
        return WorkReport(
            task_id=work.task_id, attempt=work.attempt, server_id=work.server.id, host=host, verb=work.verb,
            power_state=None if self.power_state is None else int(self.power_state),
            events=tuple(self._steps), facts=self.facts, **said,
        )  # fmt: skip


def describe(error: BaseException, work: HostWork, host: str) -> dict[str, str]:
    """Error fields of a report: the class's own sentence, or for the unforeseen its kind and a traceback.

    The text of an unforeseen error may hold paths and addresses of this host; users get only its kind.
    """
    if isinstance(error, NovaliteError):
        return {"error": error.sentence, "error_name": type(error).__name__}
    reason = f"an unexpected {type(error).__name__} on its host"
    told: NovaliteError = ActionFailed(verb=work.verb, server_id=work.server.id, reason=reason)
    if work.verb == "spawn":
        told = BuildFailed(server_id=work.server.id, host=host, reason=reason)
    details = "".join(traceback.format_exception(error))
    return {"error": told.sentence, "error_name": type(told).__name__, "details": details}


class Reporter:
    """Tells the conductor how work ended. Thread-safe.

    `unwanted` is called with work whose guest the conductor does not want any more. `patience` is how
    long, in seconds, one report is offered to a conductor that cannot be reached.
    """

    def __init__(
        self, client: Client, host: str, patience: float, unwanted: Callable[[HostWork], None]
    ) -> None:
        self._conductor = client.of(HostedServers)
        self.host, self._patience, self._unwanted = host, patience, unwanted
        self._told: OrderedDict[Name, WorkReport] = OrderedDict()
        self._power: dict[str, int] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()

    @contextmanager
    def reporting(self, ctx: Context, work: HostWork) -> Iterator[Outcome]:
        """Whatever happens in the block is reported when it ends; an error goes no further."""
        outcome = Outcome()
        try:
            yield outcome
        except Exception as error:
            outcome.error = error
            _log(work, error)
        report = outcome.report(work, self.host)
        self._remember(report)
        self.tell(ctx, work, report)

    def progressed(self, ctx: Context, work: HostWork, task_state: str) -> None:
        """Tell how far the work has come. Raises ActionFailed when nobody waits for it any more; a conductor that
        cannot be asked is no reason to stop."""
        try:
            wanted = self._conductor.progressed(
                ctx, self.host, work.task_id, work.attempt, work.server.id, task_state
            )
        except NovaliteError as error:
            LOG.info("The conductor was not told of %s of server %s: %s", task_state, work.server.id, error)
            return
        if not wanted:
            raise ActionFailed(verb=work.verb, server_id=work.server.id, reason="it is no longer wanted")

    def remembered(self, work: HostWork) -> WorkReport | None:
        """The report of this very piece of work, when it was done before."""
        return self._told.get(name_of(work))

    def tell(self, ctx: Context, work: HostWork, report: WorkReport) -> None:
        """Deliver a report, trying again while that can help, and do what the conductor answers."""
        verdict = self._deliver(ctx, report)
        if verdict is None:
            return
        if report.error is None and report.power_state is not None:
            self.note_power(report.server_id, report.power_state)
        if not verdict.keep:
            self._unwanted(work)

    def stop(self) -> None:
        """Offer nothing again; what was not delivered is asked for again after the restart."""
        self._stop.set()

    # --- what the conductor knows of power states ---------------------------------------------

    def known_power(self, server_id: str) -> int | None:
        """The power state of a server that this host told last."""
        return self._power.get(server_id)

    def note_power(self, server_id: str, power_state: int) -> None:
        """The conductor knows this now; a guest that is gone is forgotten."""
        if power_state == PowerState.NOSTATE:
            self._power.pop(server_id, None)
        else:
            self._power[server_id] = power_state

    # --- delivery -----------------------------------------------------------------------------

    def _remember(self, report: WorkReport) -> None:
        with self._lock:
            self._told[name_of(report)] = report
            while len(self._told) > REMEMBERED:
                self._told.popitem(last=False)

    def _deliver(self, ctx: Context, report: WorkReport) -> Verdict | None:
        deadline = time.monotonic() + self._patience
        pause = 0.2
        while True:
            try:
                return self._conductor.finished(ctx, report)
            except Exception as error:
                if not may_pass(error):
                    LOG.error("The conductor refused the report of %s of server %s: %s",
                              report.verb, report.server_id, error)
                    return None
                if time.monotonic() + pause > deadline or self._stop.is_set():
                    LOG.error("The report of %s of server %s was not delivered and waits to be asked for: %s",
                              report.verb, report.server_id, error)
                    return None
                LOG.warning("The report of %s of server %s is offered again in %.1f s: %s",
                            report.verb, report.server_id, pause, error)
            self._stop.wait(pause * random.uniform(0.8, 1.2))
            pause = min(pause * 2, 10.0)


def may_pass(error: Exception) -> bool:
    """Whether trying again can help: the other side is away, or failed in a way nobody foresaw."""
    return isinstance(error, Unavailable | RpcError | RemoteError) or not isinstance(error, NovaliteError)


def _log(work: HostWork, error: Exception) -> None:
    if isinstance(error, NovaliteError):
        LOG.warning("%s of server %s failed: %s", work.verb, work.server.id, error)
    else:
        LOG.error("%s of server %s failed", work.verb, work.server.id, exc_info=error)
