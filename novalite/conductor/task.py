"""Flows as steps with a journal: what a task is made of. `engine.py` runs them.

Three kinds of steps:

- `Step` acts outside the database (an RPC call); with an `undo`, its begin is committed first.
- `CommitStep` works inside the transaction that also records it: there is no moment between the two.
- `HostStep` asks a compute host and waits for its report; the intent is committed before the cast.

`do` of a Step may run twice; `undo` means "make sure it is gone".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy.orm import Session

from novalite.conductor.commits import Shared
from novalite.conductor.env import Env
from novalite.context import Context
from novalite.db import servers
from novalite.db.models.base import iso, now
from novalite.errors import NovaliteError
from novalite.objects.base import Record
from novalite.objects.servers import HostWork, WorkReport


@dataclass(frozen=True)
class Step:
    """Acts outside the database; the answer (JSON) is kept in the journal."""

    name: str
    do: Callable[[Env, Task], Any]
    undo: Callable[[Env, Task], None] | None = None


@dataclass(frozen=True)
class CommitStep:
    """Works in the journal's own transaction; `do` may be run again after a deadlock.

    `shared`: what it claims, where that may be claimed together with other tasks and in one transaction with them.
    """

    name: str
    do: Callable[[Env, Task, Session], Any]
    undo: Callable[[Env, Task, Session], None] | None = None
    shared: Callable[[Task], Shared | None] | None = None


@dataclass(frozen=True)
class HostStep:
    """Asks `host(task)` (None: nobody to ask, the step is done) by `ask`, and waits for the report.

    `timeout` names the [conductor] option with the longest time a busy host may take. `lost` says
    what a dead host means: "fail" the step, or "skip" it because its recovery will do the work.
    """

    name: str
    host: Callable[[Task], str | None]
    ask: Callable[[Env, Task, HostWork], None]
    verb: Callable[[Task], str]
    timeout: str
    undo: Callable[[Env, Task], None] | None = None
    lost: Literal["fail", "skip"] = "fail"


AnyStep = Step | CommitStep | HostStep


@dataclass(frozen=True)
class Prepared:
    """What accepting an action adds to it: arguments of its task, columns of the server to set with it,
    facts that the API's answer needs, and the kind of flow where it is another than `states.ACTIONS` says."""

    args: dict[str, Any] = field(default_factory=dict)
    changes: dict[str, Any] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    flow: str = ""


@dataclass(frozen=True)
class Asked:
    """An action as it was asked for: `server` is its record before it became busy, `task_id` its task."""

    ctx: Context
    verb: str
    server: Record
    task_id: str
    params: dict[str, Any]


@dataclass(frozen=True)
class Flow:
    """All steps of one kind of task. `failed` runs in the closing transaction after everything is
    undone; it settles the server, or answers True to begin again (having changed `task.facts`).

    `prepare` runs in the accepting transaction, when the state has been checked and the server is marked
    busy; what it raises refuses the action, and nothing has changed.

    `abandon` runs in the transaction that ends an open task without undoing it (the server is being deleted, or
    its state reset): give back there what nothing else would ever give back."""

    kind: str
    steps: tuple[AnyStep, ...]
    failed: Callable[[Env, Task, Session, NovaliteError], bool]
    prepare: Callable[[Env, Session, Asked], Prepared] | None = None
    abandon: Callable[[Env, Task, Session], None] | None = None

    def step(self, name: str) -> AnyStep:
        """The step of that name."""
        return next(s for s in self.steps if s.name == name)


@dataclass
class Task:
    """One row of `tasks` in memory, while this conductor holds its lease."""

    id: str
    kind: str
    server_id: str
    ctx: Context
    args: dict[str, Any]
    attempt: int
    asks: int
    deadline: float
    wait_host: str | None
    events: list[dict[str, Any]]
    secret: str | None = field(default=None, repr=False)
    begun: list[str] = field(default_factory=list)
    done: dict[str, Any] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    error: dict[str, Any] | None = None
    server: Record | None = None
    touched: set[str] = field(default_factory=set)
    """Hosts whose rows this task changed; announced after the commit."""

    @classmethod
    def of(cls, row: Record) -> Task:
        """From the row as leased."""
        journal = row["journal"] or {}
        return cls(
            id=row["id"], kind=row["kind"], server_id=row["server_id"], ctx=Context(**row["ctx"]),
            args=row["args"] or {}, attempt=row["attempt"], asks=row["asks"], deadline=row["deadline"],
            wait_host=row["wait_host"], events=row["events"] or [], secret=row["secret"],
            begun=journal.get("begun", []), done=journal.get("done", {}), facts=journal.get("facts", {}),
            error=journal.get("error"),
        )  # fmt: skip

    @property
    def journal(self) -> dict[str, Any]:
        """What is kept to go on from."""
        return {"begun": self.begun, "done": self.done, "facts": self.facts, "error": self.error}

    def load_server(self, session: Session) -> Record:
        """The server's row, read once; also when it is deleted."""
        if self.server is None:
            self.server = servers.get(session, self.server_id, deleted=None)
        return self.server

    def restart(self, *step_names: str) -> None:
        """Forget these steps, so that they are done again."""
        for name in step_names:
            self.done.pop(name, None)
            if name in self.begun:
                self.begun.remove(name)

    # --- what users see of the steps

    def event_begins(self, name: str, host: str | None = None) -> None:
        """A step starts; one that was interrupted and starts over keeps its first time."""
        if not (self.events and self.events[-1]["event"] == name and self.events[-1]["finish_time"] is None):
            self.events.append(
                {"event": name, "start_time": iso(now()), "finish_time": None, "result": None, "host": host}
            )

    def event_ends(self, name: str, error: NovaliteError | None = None, details: str | None = None) -> None:
        """The step's event is over; `details` is the traceback, for administrators."""
        for entry in reversed(self.events):
            if entry["event"] == name and entry["finish_time"] is None:
                entry["finish_time"] = iso(now())
                entry["result"] = "Error" if error else "Success"
                if error:
                    entry["details"] = error.sentence
                    entry["traceback"] = details
                return

    def host_events(self, report: WorkReport) -> None:
        """What the host says of its own sub-steps."""
        for name, started, finished in report.events:
            self.events.append(
                {"event": name, "start_time": started, "finish_time": finished, "result": "Success",
                 "host": report.host}
            )  # fmt: skip
