"""Tasks: leases, waits and journals. Each change names what it expects and loses a race honestly."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from typing import Any

import orjson
from sqlalchemy import Update, bindparam, case, insert, select, update
from sqlalchemy.orm import Session
from sqlalchemy.sql.dml import ReturningUpdate

from novalite.context import Context
from novalite.db.models import compute
from novalite.db.models.base import iso, now
from novalite.db.models.compute import new_id
from novalite.db.services import COMPUTE
from novalite.db.session import run_statement
from novalite.errors import NovaliteError, TaskLost
from novalite.objects.base import Record

_TABLE: Any = compute.Task.__table__
Task: Any = _TABLE.c
Server: Any = compute.Server.__table__.c
Service: Any = compute.Service.__table__.c
_COLUMNS = [c for c in _TABLE.columns if c.name not in ("created_at", "updated_at", "finished_at")]
_KEYS = [str(c.name) for c in _COLUMNS]
_MINE = (Task.id == bindparam("b_id"), Task.state == "open")
_GET = select(*_COLUMNS).where(Task.id == bindparam("b_id"))
_INSERT = insert(_TABLE)
_SAVE = update(_TABLE).where(*_MINE, Task.owner == bindparam("b_owner"))
_LEASE_FREE = update(_TABLE).where(*_MINE, Task.owner.is_(None), Task.wait_host.is_(None))
_LEASE_OVERDUE = update(_TABLE).where(*_MINE, Task.look_at == bindparam("b_seen"))
_LEASE_REPORTED = update(_TABLE).where(
    *_MINE, Task.wait_host == bindparam("b_host"), Task.attempt == bindparam("b_attempt")
)


def open_task(
    session: Session,
    ctx: Context,
    kind: str,
    action: str,
    server_id: str,
    project_id: str | None,
    look_at: float,
    args: dict[str, Any] | None = None,
    task_id: str | None = None,
    secret: str | None = None,
) -> str:
    """Write the intent; answers the task's id. Nobody runs it before it is poked or `look_at` passes."""
    row = opened(ctx, kind, action, server_id, project_id, look_at, args, secret)
    if task_id is not None:
        row["id"] = task_id
    write_opened(session, [row])
    return str(row["id"])


def opened(
    ctx: Context,
    kind: str,
    action: str,
    server_id: str,
    project_id: str | None,
    look_at: float,
    args: dict[str, Any] | None = None,
    secret: str | None = None,
) -> Record:
    """Column values of an open task, for `write_opened`."""
    return {
        "id": new_id(),
        "kind": kind,
        "action": action,
        "server_id": server_id,
        "project_id": project_id,
        "user_id": ctx.user_id,
        "request_id": ctx.request_id,
        "ctx": ctx.model_dump(mode="json"),
        "args": args or {},
        "journal": {},
        "events": [],
        "look_at": look_at,
        "secret": secret,
    }


def as_written(row: Record) -> Record:
    """The whole row of a task that `write_opened` wrote, as `get` would answer it."""
    kept: Record = orjson.loads(orjson.dumps({name: row[name] for name in ("ctx", "args", "journal", "events")}))
    return dict.fromkeys(_KEYS) | {"state": "open", "attempt": 0, "asks": 0, "deadline": 0.0} | row | kept


def write_opened(session: Session, rows: list[Record]) -> None:
    """Write intents by one statement, however many."""
    session.connection().execute(_INSERT, rows)


def record_done(session: Session, ctx: Context, action: str, server_id: str, project_id: str | None) -> None:
    """An action that needed no steps (lock, unlock), for os-instance-actions."""
    moment = now()
    session.execute(
        insert(_TABLE).values(
            id=new_id(), kind=action, action=action, server_id=server_id, project_id=project_id,
            user_id=ctx.user_id, request_id=ctx.request_id, ctx={}, args={}, journal={}, events=[],
            state="done", created_at=moment, updated_at=moment, finished_at=moment,
        )
    )  # fmt: skip


def get(session: Session, task_id: str) -> Record | None:
    """The whole row as a record, or None."""
    row = run_statement(session, _GET, b_id=task_id).first()
    return dict(zip(_KEYS, row, strict=True)) if row else None


def lease_free(session: Session, task_id: str, owner: str, until: float) -> Record | None:
    """Take a task that nobody runs and that waits for nobody; None when there is nothing to take."""
    return _take(session, _LEASE_FREE, task_id, owner, until)


def lease_overdue(session: Session, task_id: str, seen: float, owner: str, until: float) -> Record | None:
    """Take a task whose `look_at` passed, whoever had it; None when another sweep was first."""
    return _take(session, _LEASE_OVERDUE, task_id, owner, until, b_seen=seen)


def lease_reported(
    session: Session, task_id: str, host: str, attempt: int, owner: str, until: float
) -> Record | None:
    """Take a task that waits for exactly this report; None when it does not (stale or repeated)."""
    return _take(session, _LEASE_REPORTED, task_id, owner, until, b_host=host, b_attempt=attempt)


def _take(
    session: Session, statement: Update, task_id: str, owner: str, until: float, **more: Any
) -> Record | None:
    lease = {"b_id": task_id, "owner": owner, "look_at": until, **more}
    if session.get_bind().dialect.update_returning:
        row = run_statement(session, _telling(statement), **lease).first()
        return dict(zip(_KEYS, row, strict=True)) if row else None
    return get(session, task_id) if run_statement(session, statement, **lease).rowcount else None


@functools.cache
def _telling(statement: Update) -> ReturningUpdate[Any]:
    """The same, answering the row as it is then; MariaDB cannot."""
    return statement.returning(*_COLUMNS)


def save(session: Session, task_id: str, owner: str, /, **values: Any) -> None:
    """Change a task that `owner` runs. Raises TaskLost when it is no longer the owner or the task is over."""
    moved = run_statement(
        session, _SAVE, **{"b_id": task_id, "b_owner": owner, "updated_at": now(), **values}
    )
    if moved.rowcount == 0:
        raise TaskLost(task_id=task_id)


def save_unreported(
    session: Session, task_id: str, owner: str, host: str, attempt: int, /, **values: Any
) -> None:
    """`save`, provided the report that is waited for has not come meanwhile; else TaskLost.

    A report takes a task over whoever owns it, also when both are the same conductor.
    """
    moved = session.execute(
        update(_TABLE)
        .where(
            Task.id == task_id, Task.state == "open", Task.owner == owner,
            Task.wait_host == host, Task.attempt == attempt,
        )
        .values(**{"updated_at": now(), **values})
    )  # fmt: skip
    if moved.rowcount == 0:  # type: ignore[attr-defined]
        raise TaskLost(task_id=task_id)


def renew(session: Session, task_ids: Sequence[str], owner: str, until: float) -> None:
    """Go on owning tasks that are being run."""
    session.execute(
        update(_TABLE)
        .where(Task.id.in_(task_ids), Task.owner == owner, Task.state == "open", Task.wait_host.is_(None))
        .values(look_at=until)
    )


def still_busy(session: Session, host: str, task_ids: Sequence[str], until: float) -> None:
    """A host said that it is at work on these tasks: look again later, at their deadlines at the latest;
    patience with it begins anew."""
    session.execute(
        update(_TABLE)
        .where(Task.id.in_(task_ids), Task.wait_host == host, Task.state == "open", Task.owner.is_(None))
        .values(look_at=case((Task.deadline < until, Task.deadline), else_=until), asks=1)
    )


def overdue(session: Session, at: float, limit: int = 200) -> list[tuple[str, float]]:
    """(id, look_at) of open tasks that want a look, longest overdue first."""
    rows = session.execute(
        select(Task.id, Task.look_at)
        .where(Task.state == "open", Task.look_at < at)
        .order_by(Task.look_at)
        .limit(limit)
    )
    return [(row[0], row[1]) for row in rows]


def neglected(
    session: Session, at: float, down_after: float, wait: float, grace: float, limit: int = 200
) -> list[tuple[str, float]]:
    """(id, look_at) of open tasks that wait for a host in vain, asked at least `grace` seconds ago.

    In vain: its compute daemon was not heard of for `down_after` seconds, is forced down or has no record;
    or it was asked once and has since sent a heartbeat that did not list the task. `wait` is how long after
    the asking, or the listing, `look_at` was set.
    """
    unasked = Service.last_seen < Task.look_at - wait + grace
    caring = select(Service.host).where(
        Service.host == Task.wait_host, Service.binary == COMPUTE,
        Service.last_seen >= at - down_after, Service.forced_down.is_(False),
        unasked | (Task.asks > 1) | (Task.look_at >= Task.deadline),
    )  # fmt: skip
    rows = session.execute(
        select(Task.id, Task.look_at)
        .where(Task.state == "open", Task.owner.is_(None), Task.wait_host.is_not(None))
        .where(Task.look_at < at + wait - grace, ~caring.exists())
        .order_by(Task.look_at)
        .limit(limit)
    )
    return [(row[0], row[1]) for row in rows]


def waiting_for(session: Session, host: str) -> list[tuple[str, float]]:
    """(id, look_at) of open tasks that wait for a report of this host."""
    rows = session.execute(
        select(Task.id, Task.look_at).where(
            Task.wait_host == host, Task.state == "open", Task.owner.is_(None)
        )
    )
    return [(row[0], row[1]) for row in rows]


def waits(session: Session, task_id: str, host: str, attempt: int) -> bool:
    """Whether the task waits for exactly this report."""
    found = session.execute(
        select(Task.id).where(
            Task.id == task_id, Task.state == "open", Task.wait_host == host, Task.attempt == attempt
        )
    )
    return found.first() is not None


def all_open(session: Session, server_id: str) -> list[Record]:
    """Every open task of a server, whole."""
    rows = session.execute(select(*_COLUMNS).where(Task.server_id == server_id, Task.state == "open"))
    return [dict(zip(_KEYS, row, strict=True)) for row in rows]


def open_of_server(session: Session, server_id: str, kind: str) -> str | None:
    """The open task of that kind on a server, if any."""
    return session.execute(
        select(Task.id).where(Task.server_id == server_id, Task.state == "open", Task.kind == kind)
    ).scalar()


def open_kinds(session: Session, server_id: str) -> dict[str, str]:
    """Every open task of a server: its id by kind."""
    rows = session.execute(select(Task.kind, Task.id).where(Task.server_id == server_id, Task.state == "open"))
    return {row[0]: row[1] for row in rows}


def cancel_others(session: Session, server_id: str) -> int:
    """End every open task of a server without undoing it: its deletion makes all of it gone."""
    ended = session.execute(
        update(_TABLE)
        .where(Task.server_id == server_id, Task.state == "open", Task.kind != "delete")
        .values(state="cancelled", secret=None, owner=None, wait_host=None, finished_at=now(), updated_at=now())
    )
    return int(ended.rowcount)  # type: ignore[attr-defined]


def end_open(session: Session, server_id: str, error: NovaliteError) -> None:
    """End every open task of a server, deletion too, without undoing it; users see `error` as its end."""
    is_open = (Task.server_id == server_id, Task.state == "open")
    for task_id, events in session.execute(select(Task.id, Task.events).where(*is_open)).all():
        session.execute(
            update(_TABLE)
            .where(Task.id == task_id, Task.state == "open")
            .values(
                state="cancelled", secret=None, owner=None, wait_host=None, error=dict(error.to_wire()),
                finished_at=now(), updated_at=now(), events=[_ended(event, error) for event in events or []],
            )
        )  # fmt: skip


def _ended(event: Record, error: NovaliteError) -> Record:
    if event["finish_time"] is not None:
        return event
    return {**event, "finish_time": iso(now()), "result": "Error", "details": error.sentence}


_ACTION = {
    "action": Task.action,
    "instance_uuid": Task.server_id,
    "request_id": Task.request_id,
    "project_id": Task.project_id,
    "user_id": Task.user_id,
    "start_time": Task.created_at,
    "updated_at": Task.updated_at,
    "error": Task.error,
    "events": Task.events,
    "state": Task.state,
}


def actions(
    session: Session,
    server_id: str,
    conditions: Iterable[Any] = (),
    limit: int | None = None,
) -> list[Record]:
    """Instance actions of a server, newest first."""
    query = select(*_ACTION.values()).where(Task.server_id == server_id, *conditions)
    rows = session.execute(query.order_by(Task.created_at.desc(), Task.id.desc()).limit(limit))
    return [_action(dict(zip(_ACTION, row, strict=True))) for row in rows]


def _action(row: Record) -> Record:
    row["updated_at"] = iso(row["updated_at"] or row["start_time"])
    row["start_time"] = iso(row["start_time"])
    row["message"] = "Error" if row.pop("error") else None
    return row


def action_position(session: Session, server_id: str, request_id: str) -> tuple[Any, str] | None:
    """(created_at, id) of an action, for keyset paging; None when the marker does not exist."""
    row = session.execute(
        select(Task.created_at, Task.id).where(Task.server_id == server_id, Task.request_id == request_id)
    ).first()
    return (row[0], row[1]) if row else None


def supersede(session: Session, server_id: str, task_states: Sequence[str]) -> None:
    """A stronger action (hard reboot) takes over from the one in progress, whose task ends undone."""
    busy = select(Server.task_id).where(Server.id == server_id, Server.task_state.in_(task_states))
    task_id = session.execute(busy).scalar()
    if task_id:
        session.execute(
            update(_TABLE)
            .where(Task.id == task_id, Task.state == "open")
            .values(state="cancelled", secret=None, owner=None, wait_host=None, finished_at=now(), updated_at=now())
        )
