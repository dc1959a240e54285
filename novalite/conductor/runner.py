"""Who runs tasks and when: a poke, a host's report, a host that comes up, the sweep for what got lost."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sqlalchemy.orm import Session

from novalite.conductor import resizing
from novalite.conductor.engine import Engine
from novalite.conductor.env import Env
from novalite.conductor.task import Flow, HostStep, Task
from novalite.db import servers, services
from novalite.db import tasks as db_tasks
from novalite.errors import (
    HostDown,
    NovaliteError,
    ServerNotFound,
    TaskLost,
    TaskTimeout,
    Unavailable,
    from_wire,
)
from novalite.objects.base import Record
from novalite.objects.servers import Verdict, WorkReport

LOG = logging.getLogger(__name__)
BACKLOG = 8
"""Tasks for each thread that a conductor takes on by itself, about a second's work; more of them wait for a poke, which
any conductor may get."""


class TaskRunner:
    """Leases tasks and advances them on its own threads.

    `inline` runs everything in the caller's thread and starts no thread: for tests that step through
    a flow, which call `sweep()` themselves.
    """

    def __init__(
        self,
        env: Env,
        flows: dict[str, Flow],
        inline: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.env, self.conf, self.inline = env, env.conf.conductor, inline
        self.engine = Engine(env, flows, clock)
        self.flows = flows
        self._running: set[str] = set()
        self._in_hand = 0
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._pool = None if inline else ThreadPoolExecutor(self.conf.workers, "task")
        self._threads: list[threading.Thread] = []

    # --- life

    def start(self) -> None:
        """Begin to sweep and to renew leases."""
        if self.inline:
            return
        for name, work in (("task-sweep", self._sweep_forever), ("task-lease", self._renew_forever)):
            thread = threading.Thread(target=work, name=name, daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self, grace: float = 30.0) -> None:
        """Take nothing new; finish what runs within `grace` seconds. The rest is swept up by others, what was never
        begun at once: its leases end now."""
        self._stop.set()
        for thread in self._threads:
            thread.join(grace)
        if self._pool:
            self._pool.shutdown(wait=True, cancel_futures=True)
        if left := sorted(self._running):
            _logged(self.env.db.run, lambda session: db_tasks.renew(session, left, self.env.owner, self.engine.clock()))

    @property
    def _until(self) -> float:
        return self.engine.clock() + self.conf.lease_seconds

    # --- the ways in

    def now(self) -> float:
        """The time by which heartbeats, leases and waits are judged, seconds since the epoch."""
        return self.engine.clock()

    def look_at(self) -> float:
        """When the sweep looks after a task just written, should its poke be lost."""
        return self.engine.clock() + self.conf.sweep_interval

    def poke(self, task_ids: list[str]) -> None:
        """Run these tasks if nobody does."""
        for task_id in task_ids:
            self._submit(self._lease_and_run, task_id)

    def spare(self) -> bool:
        """Whether a task would be begun here soon: then it need not be poked, see `own` and `begin`."""
        with self._lock:
            return not self.inline and not self._stop.is_set() and self._in_hand < BACKLOG * self.conf.workers

    def own(self, row: Record) -> None:
        """A task that is about to be written (`db.tasks.opened`) is this conductor's from the beginning."""
        row |= {"owner": self.env.owner, "look_at": self._until}

    def begin(self, rows: list[Record]) -> None:
        """Run tasks that were written as `own` said, once that is committed. One that cannot be run after all is
        found by the sweep when its lease is over."""
        tasks = [Task.of(db_tasks.as_written(row)) for row in rows]
        with self._lock:
            self._running.update(task.id for task in tasks)  # their leases are renewed while they wait for a thread
        for task in tasks:
            self._submit(self._hold, task)

    def run_here(self, task_id: str) -> None:
        """Run it in the caller's thread, if nobody does; returns when it is over or waits for somebody."""
        self._lease_and_run(task_id)

    def _lease_and_run(self, task_id: str) -> None:
        row = self.env.db.run(lambda s: db_tasks.lease_free(s, task_id, self.env.owner, self._until), one=True)
        if row:
            self._advance(row)

    def finished(self, report: WorkReport) -> Verdict:
        """A host's report: record it and settle in the same transaction; answers at once."""
        try:
            result = self.env.db.run(lambda session: self._take_report(session, report))
        except Unavailable:
            raise  # the host tells again
        except Exception as error:
            result = self._take_without_settling(report, error)
        if result is None:
            return self._stale(report)
        task, outcome = result
        self.engine.announce(task)
        if outcome != "closed":
            self._submit(self._resume, task, outcome)
        return Verdict(keep=True)

    def _take_report(
        self, session: Session, report: WorkReport, settle: bool = True
    ) -> tuple[Task, str] | None:
        row = db_tasks.lease_reported(
            session, report.task_id, report.host, report.attempt, self.env.owner, self._until
        )
        if row is None:
            return None
        task = Task.of(row)
        flow = self.flows[task.kind]
        step = self.engine.next_step(flow, task)
        assert isinstance(step, HostStep)
        task.host_events(report)
        task.wait_host = None
        if report.error is not None:
            error = from_wire(
                {"name": report.error_name or "ActionFailed", "message": report.error, "facts": {}}
            )
            task.error = dict(error.to_wire())
            task.facts["reported"] = True
            task.facts["power_state"] = report.power_state
            task.facts["host"] = report.facts
            task.event_ends(step.name, error, report.details)
        else:
            task.done[step.name] = {"power_state": report.power_state, "facts": report.facts}
            task.event_ends(step.name)
            if settle:
                return task, self.engine.commit_run(session, flow, task)
        db_tasks.save(session, task.id, self.env.owner, **self.engine.columns(task))
        return task, "more"

    def _take_without_settling(self, report: WorkReport, error: Exception) -> tuple[Task, str] | None:
        """The host did its work, what comes after it failed: that is a failure of the task like any other."""
        result = self.env.db.run(lambda session: self._take_report(session, report, settle=False))
        if result is not None:
            task, _ = result
            self.engine.note_failure(task, self.flows[task.kind], error)
        return result

    def _resume(self, task: Task, outcome: str) -> None:
        if outcome == "armed":
            step = self.engine.next_step(self.flows[task.kind], task)
            assert isinstance(step, HostStep)
            self._ask(task, step)
        else:
            self._hold(task)

    def _ask(self, task: Task, step: HostStep) -> None:
        """Ask the host; what can never be asked is undone."""
        try:
            self.engine.send(task, step)
        except TaskLost:
            raise
        except NovaliteError as error:
            self.engine.note_failure(task, self.flows[task.kind], error)
            self._hold(task)

    def _stale(self, report: WorkReport) -> Verdict:
        """A report nobody waits for: told twice, or the work is no longer wanted. Keep what is ours."""
        with self.env.db.read() as session:
            try:
                server = servers.get(session, report.server_id)
            except ServerNotFound:
                return Verdict(keep=False)
            return Verdict(keep=report.host in resizing.ends(session, server))

    def host_started(self, host: str) -> None:
        """A host is back: ask it at once for everything that waits for it."""
        with self.env.db.read() as session:
            waiting = db_tasks.waiting_for(session, host)
        for task_id, seen in waiting:
            self._submit(self._take_overdue, task_id, seen, True)

    def host_busy(self, session: Session, host: str, busy: list[tuple[str, int]]) -> None:
        """A heartbeat says that a host is at work on these (task, attempt) pairs."""
        if busy:
            until = self.engine.clock() + self.conf.host_wait_seconds
            db_tasks.still_busy(session, host, [task_id for task_id, _ in busy], until)

    # --- the sweep

    def sweep(self) -> int:
        """Look at every task that is overdue or waits for a host in vain; answers how many there were."""
        now, wait, conf = self.now(), self.conf.host_wait_seconds, self.env.conf
        with self.env.db.read() as session:
            found = dict(db_tasks.overdue(session, now))
            grace = self.conf.sweep_interval  # messages under way, a daemon that comes up
            found |= dict(db_tasks.neglected(session, now, conf.service_down_time, wait, grace))
        for task_id, seen in found.items():
            self._submit(self._take_overdue, task_id, seen)
        return len(found)

    def _take_overdue(self, task_id: str, seen: float, fresh: bool = False) -> None:
        with self._lock:
            if task_id in self._running:
                return  # this process was held up and renews the lease in a moment
        row = self.env.db.run(lambda s: db_tasks.lease_overdue(s, task_id, seen, self.env.owner, self._until))
        if row is None:
            return
        if row["wait_host"] is None:
            LOG.info("Going on with task %s (%s of server %s)", task_id, row["kind"], row["server_id"])
            self._advance(row)
        else:
            self._chase(row, fresh)

    def _chase(self, row: Record, fresh: bool) -> None:
        """A host owes a report: ask again, or give it up."""
        task = Task.of(row)
        host = task.wait_host
        assert host is not None
        step = self.engine.next_step(self.flows[task.kind], task)
        assert isinstance(step, HostStep)
        with self.env.db.read() as session:
            alive = services.compute_is_up(session, host, self.env.conf.service_down_time, self.now())
        late = self.engine.clock() >= task.deadline
        if alive and not late and (fresh or task.asks < self.conf.host_asks):
            asks = 1 if fresh else task.asks + 1
            again = self.engine.clock() + self.conf.host_wait_seconds
            self._if_unreported(task, host, owner=None, look_at=again, asks=asks)
            LOG.info("Asking host %s again for task %s (%s)", host, task.id, task.kind)
            self._ask(task, step)
            return
        error: NovaliteError = HostDown(host=host)
        if alive:
            error = TaskTimeout(step=step.name, seconds=self.conf[step.timeout] if late else self._patience)
        LOG.warning("Task %s (%s of server %s): %s", task.id, task.kind, task.server_id, error)
        if not alive and step.lost == "skip":
            task.done[step.name] = None
            task.event_ends(step.name, error)
        else:
            task.error = dict(error.to_wire())
            task.event_ends(step.name, error)
        task.wait_host = None
        # Before anything is undone: a report that has just come means that the guest is wanted after all.
        self._if_unreported(task, host, **self.engine.columns(task))
        self._hold(task)

    def _if_unreported(self, task: Task, host: str, **values: Any) -> None:
        self.env.db.run(
            lambda s: db_tasks.save_unreported(s, task.id, self.env.owner, host, task.attempt, **values)
        )

    @property
    def _patience(self) -> float:
        return float(self.conf.host_wait_seconds * self.conf.host_asks)

    def _sweep_forever(self) -> None:
        while not self._stop.wait(self.conf.sweep_interval * random.uniform(0.8, 1.2)):
            try:
                self.sweep()
            except Exception as error:
                LOG.warning("The sweep for lost tasks will try again: %s", error)

    def _renew_forever(self) -> None:
        while not self._stop.wait(self.conf.lease_seconds / 3):
            with self._lock:
                mine = list(self._running)
            if mine:
                self._renew(mine)

    def _renew(self, mine: list[str]) -> None:
        try:
            self.env.db.run(lambda s: db_tasks.renew(s, mine, self.env.owner, self._until))
        except Exception as error:  # whatever it was, the next renewal is due
            LOG.warning("Leases of %d tasks were not renewed: %s", len(mine), error)

    # --- threads

    def _advance(self, row: Record) -> None:
        self._hold(Task.of(row))

    def _hold(self, task: Task) -> None:
        """Advance while the lease is renewed."""
        with self._lock:
            self._running.add(task.id)
        try:
            self.engine.advance(task)
        finally:
            with self._lock:
                self._running.discard(task.id)

    def _submit(self, work: Callable[..., Any], *args: Any) -> None:
        if self._pool is None:
            _logged(work, *args)
        elif not self._stop.is_set():
            with self._lock:
                self._in_hand += 1
            try:
                self._pool.submit(self._in_turn, work, *args)
            except RuntimeError:  # stopped a moment ago: what is committed is swept up, and its caller told of success
                with self._lock:
                    self._in_hand -= 1

    def _in_turn(self, work: Callable[..., Any], *args: Any) -> None:
        try:
            _logged(work, *args)
        finally:
            with self._lock:
                self._in_hand -= 1


def _logged(work: Callable[..., Any], *args: Any) -> None:
    """A task that cannot go on now (database away) stays leased until the sweep finds it."""
    try:
        work(*args)
    except NovaliteError as error:
        LOG.warning("A task could not go on and will be swept up: %s", error)
    except Exception:
        LOG.exception("A task could not go on and will be swept up")
