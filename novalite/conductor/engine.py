"""Runs tasks: forward through their steps, backward when one fails, from wherever the journal ends.

`advance` may be called again at any moment by any conductor that holds the lease: it carries on where
the journal ends.
"""

from __future__ import annotations

import copy
import logging
import time
import traceback
from collections.abc import Callable
from typing import Any, Literal

from sqlalchemy.orm import Session

from novalite.conductor import server_ports
from novalite.conductor.env import Env
from novalite.conductor.guest_spec import guest_spec
from novalite.conductor.task import AnyStep, CommitStep, Flow, HostStep, Step, Task
from novalite.db import tasks as db_tasks
from novalite.db.models.base import now
from novalite.errors import (
    DatabaseBusy,
    DatabaseUnreachable,
    NovaliteError,
    RemoteError,
    RpcError,
    TaskLost,
    Unavailable,
    from_wire,
)
from novalite.objects.servers import HostWork

LOG = logging.getLogger(__name__)
MAX_UNDO_FAILURES = 10
PATIENCE = (0.5, 1.0, 3.0, 8.0, 16.0)
"""Seconds before a step is done again when the daemon it asks does not answer; then the task fails."""


Outcome = Literal["closed", "armed", "more"]


class Engine:
    """Advances tasks. Holds no state of its own: everything is in the rows."""

    def __init__(self, env: Env, flows: dict[str, Flow], clock: Callable[[], float] = time.time) -> None:
        self.env, self.flows, self.clock = env, flows, clock

    def advance(self, task: Task) -> None:
        """Go on with a task this conductor has leased, until it is over or waits for a host."""
        flow = self.flows[task.kind]
        try:
            while True:
                if task.error is None:
                    try:
                        self._forward(flow, task)
                        return
                    except (TaskLost, DatabaseUnreachable, DatabaseBusy):
                        raise  # not ours, or the sweep goes on when the database is back
                    except Unavailable as error:
                        if self._later(task, error):
                            return
                        self.note_failure(task, flow, error)
                    except Exception as error:
                        self.note_failure(task, flow, error)
                if self._backward(flow, task):
                    return
        except TaskLost:
            LOG.info("Task %s (%s) was taken over or ended by somebody else", task.id, task.kind)

    # --- forward

    def _forward(self, flow: Flow, task: Task) -> None:
        while True:
            step = self.next_step(flow, task)
            if isinstance(step, Step):
                self._do(task, step)
                continue
            shared = step.shared(task) if isinstance(step, CommitStep) and step.shared else None
            outcome, trial = self.env.commits.run(lambda session: self._committed(session, flow, task), shared)
            self._adopt(task, trial)
            if outcome == "closed":
                return
            if outcome == "armed":
                armed = self.next_step(flow, task)
                assert isinstance(armed, HostStep)
                self.send(task, armed)
                return

    def _later(self, task: Task, error: Unavailable) -> bool:
        """Nobody answered (a broker or daemon restarts): leave the step to a later sweep. False after too many."""
        waits = task.facts.get("waits", 0)
        if waits >= len(PATIENCE):
            return False
        task.facts["waits"] = waits + 1
        LOG.warning("Task %s (%s) tries again in %g s: %s", task.id, task.kind, PATIENCE[waits], error)
        again = {"owner": None, "look_at": self.clock() + PATIENCE[waits]}
        self.env.db.run(lambda s: db_tasks.save(s, task.id, self.env.owner, **(self.columns(task) | again)))
        return True

    def next_step(self, flow: Flow, task: Task) -> AnyStep | None:
        """The first step that is not done; None at the end."""
        return next((s for s in flow.steps if s.name not in task.done), None)

    def _do(self, task: Task, step: Step) -> None:
        task.event_begins(step.name, self.env.host)
        if step.undo and step.name not in task.begun:
            task.begun.append(step.name)
            self._save(task)
        task.done[step.name] = step.do(self.env, task)
        task.facts.pop("waits", None)
        task.event_ends(step.name)

    def _committed(self, session: Session, flow: Flow, task: Task) -> tuple[Outcome, Task]:
        """Run every CommitStep in a row in this one transaction, then arm the HostStep or close."""
        trial = copy.copy(task)
        trial.begun, trial.done, trial.facts = list(task.begun), dict(task.done), copy.deepcopy(task.facts)
        trial.events = copy.deepcopy(task.events)
        trial.touched = set(task.touched)
        return self.commit_run(session, flow, trial), trial

    def commit_run(self, session: Session, flow: Flow, task: Task) -> Outcome:
        """The same on `task` itself, in the caller's transaction."""
        while True:
            step = self.next_step(flow, task)
            if step is None:
                self._close(session, task, "done")
                return "closed"
            if isinstance(step, Step):
                db_tasks.save(session, task.id, self.env.owner, **self.columns(task))
                return "more"
            if isinstance(step, CommitStep):
                task.event_begins(step.name, self.env.host)
                task.done[step.name] = step.do(self.env, task, session)
                task.begun.append(step.name)
                task.event_ends(step.name)
                continue
            host = step.host(task)
            if host is None:
                task.done[step.name] = None
                continue
            self._arm(session, task, step, host)
            return "armed"

    def _arm(self, session: Session, task: Task, step: HostStep, host: str) -> None:
        """Commit that a host is about to be asked; from now on the sweep looks after the answer."""
        task.event_begins(step.name, host)
        if step.name not in task.begun:
            task.begun.append(step.name)
        task.load_server(session)
        task.attempt += 1
        task.asks = 1
        task.wait_host = host
        task.deadline = self.clock() + self.env.conf.conductor[step.timeout]
        waiting = {
            "wait_host": host,
            "attempt": task.attempt,
            "asks": 1,
            "owner": None,
            "look_at": self.clock() + self.env.conf.conductor.host_wait_seconds,
            "deadline": task.deadline,
        }
        db_tasks.save(session, task.id, self.env.owner, **(self.columns(task) | waiting))

    def send(self, task: Task, step: HostStep) -> None:
        """Ask the host; a message that is lost or cannot be sent now is found by the sweep.

        Raises the error of what can never be asked, because something it is about is gone: the step has failed,
        and the task is this conductor's again. Raises TaskLost when it is somebody else's by then.
        """
        if task.server is None:
            with self.env.db.read() as session:
                task.load_server(session)
        assert task.server is not None
        try:
            work = HostWork(
                task_id=task.id,
                attempt=task.attempt,
                verb=step.verb(task),
                server=guest_spec(self.env, task),
                params=task.args.get("params", {}),
            )
            step.ask(self.env, task, work)
        except (Unavailable, RpcError) as error:
            LOG.warning(
                "Task %s: host %s could not be asked (%s); trying later", task.id, task.wait_host, error
            )
        except NovaliteError:
            self._take_back(task)
            raise

    def _take_back(self, task: Task) -> None:
        host, attempt, owner = task.wait_host, task.attempt, self.env.owner
        assert host is not None
        until = self.clock() + self.env.conf.conductor.lease_seconds
        row = self.env.db.run(lambda s: db_tasks.lease_reported(s, task.id, host, attempt, owner, until))
        if row is None:
            raise TaskLost(task_id=task.id)
        task.wait_host = None

    # --- backward

    def note_failure(self, task: Task, flow: Flow, error: Exception) -> None:
        """Write down that the next step failed; from now on the task is undone."""
        known = (
            error
            if isinstance(error, NovaliteError)
            else RemoteError(reason=f"{type(error).__name__}: {error}")
        )
        if not isinstance(error, NovaliteError):
            LOG.exception("Task %s (%s of server %s) failed", task.id, task.kind, task.server_id)
        step = self.next_step(flow, task)
        task.error = dict(known.to_wire())
        if step:
            task.event_begins(step.name, self.env.host)
            task.event_ends(step.name, known, traceback.format_exc())
        self._save(task)

    def _backward(self, flow: Flow, task: Task) -> bool:
        """Undo what was begun, latest first, and close. False: the flow begins again."""
        try:
            for step in reversed(flow.steps):
                if step.name in task.begun:
                    self._undo(task, step)
            again, trial = self.env.db.run(lambda session: self._failed(session, flow, task))
            self._adopt(task, trial)
            return not again
        except (TaskLost, DatabaseUnreachable, DatabaseBusy):
            raise  # no failure of the undoing: the sweep goes on with it
        except Exception:
            self._undo_failed(task)
            return True

    def _undo(self, task: Task, step: AnyStep) -> None:
        def commit(session: Session) -> None:
            if isinstance(step, CommitStep) and step.undo:
                step.undo(self.env, task, session)
            left = [name for name in task.begun if name != step.name]
            columns = self.columns(task) | {"journal": task.journal | {"begun": left}}
            db_tasks.save(session, task.id, self.env.owner, **columns)

        if not isinstance(step, CommitStep) and step.undo:
            step.undo(self.env, task)
        self.env.db.run(commit)
        task.begun.remove(step.name)
        self.announce(task)

    def _failed(self, session: Session, flow: Flow, task: Task) -> tuple[bool, Task]:
        trial = copy.deepcopy(task)
        assert trial.error is not None
        again = flow.failed(self.env, trial, session, from_wire(trial.error))  # type: ignore[arg-type]
        if again:
            trial.error = None
            trial.server = None
            db_tasks.save(session, trial.id, self.env.owner, **self.columns(trial))
        else:
            self._close(session, trial, "failed")
        return again, trial

    def _undo_failed(self, task: Task) -> None:
        """Leave the task to a later sweep; after too many tries stop and say so loudly."""
        failures = task.facts["undo_failures"] = task.facts.get("undo_failures", 0) + 1
        LOG.exception("Task %s (%s): undoing failed, time %d", task.id, task.kind, failures)
        flow = self.flows[task.kind]
        if failures >= MAX_UNDO_FAILURES:
            task.begun.clear()
            self.env.db.run(lambda session: self._failed(session, flow, task))
            return
        later = self.clock() + min(60.0, self.env.conf.conductor.sweep_interval * 2**failures)
        self.env.db.run(
            lambda session: db_tasks.save(
                session, task.id, self.env.owner, **self.columns(task), owner=None, look_at=later
            )
        )

    # --- rows

    def columns(self, task: Task) -> dict[str, Any]:
        """The row's columns as the task is in memory; nobody is waited for."""
        return {"journal": task.journal, "events": task.events, "wait_host": None, "error": task.error}

    def _save(self, task: Task) -> None:
        self.env.db.run(lambda s: db_tasks.save(s, task.id, self.env.owner, **self.columns(task)))

    def _close(self, session: Session, task: Task, state: str) -> None:
        db_tasks.save(
            session, task.id, self.env.owner, **self.columns(task), state=state, owner=None, secret=None,
            finished_at=now(),
        )
        server_ports.follow(self.env, session, task.server_id)

    def _adopt(self, task: Task, trial: Task) -> None:
        """Take over what a committed transaction made of the task."""
        task.__dict__.update(trial.__dict__)
        self.announce(task)

    def announce(self, task: Task) -> None:
        """Tell the schedulers which hosts the committed steps changed."""
        if task.touched:
            self.env.feed.changed(task.touched)
            task.touched = set()
