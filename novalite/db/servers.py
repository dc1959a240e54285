"""Server rows: create, read one, begin and end actions; server_lists.py reads pages of them."""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Select, bindparam, insert, or_, select, update
from sqlalchemy.orm import Session

from novalite.db.models import compute
from novalite.db.models.base import iso, now
from novalite.db.session import run_statement
from novalite.errors import InvalidServerState, ServerNotFound
from novalite.objects.base import Record
from novalite.states import ACTIONS, DELETED, DELETING, ERROR

_TIMES = ("created_at", "updated_at", "launched_at", "terminated_at", "state_since")
# Plain columns: the ORM's own attributes cost half as much again per statement, and these run for each boot.
_TABLE: Any = compute.Server.__table__
Server: Any = _TABLE.c
_KEYS = [str(column.name) for column in _TABLE.columns]  # orjson wants plain strings, not a subclass
WHOLE = select(*_TABLE.columns)
_INSERT = insert(_TABLE)
_CHANGE_OWNED = update(_TABLE).where(
    Server.id == bindparam("b_id"), Server.task_id == bindparam("b_task"), Server.deleted.is_(False)
)


def instance_name(number: int) -> str:
    """The guest's name on its host, as operators know it."""
    return f"instance-{number:08x}"


def as_record(row: Any) -> Record:
    """A whole row as a record."""
    record = dict(zip(_KEYS, row, strict=True))
    for key in _TIMES:
        record[key] = iso(record[key])
    record["instance_name"] = instance_name(record["number"])
    record["deleted"] = bool(record["deleted"])
    return record


def create(session: Session, rows: list[dict[str, Any]]) -> None:
    """Insert servers; `rows` hold column values."""
    session.connection().execute(_INSERT, rows)


@cache
def _getter(scoped: bool, deleted: bool | None) -> Select[Any]:
    query = WHOLE.where(Server.id == bindparam("b_id"))
    if scoped:
        query = query.where(Server.project_id == bindparam("b_project"))
    return query if deleted is None else query.where(Server.deleted.is_(deleted))


def get(
    session: Session, server_id: str, project_id: str | None = None, deleted: bool | None = False
) -> Record:
    """One server; `project_id` limits to that project, `deleted` None allows both.

    Raises ServerNotFound, for an absent and for a foreign id alike.
    """
    scoped = {} if project_id is None else {"b_project": project_id}
    row = run_statement(session, _getter(bool(scoped), deleted), b_id=server_id, **scoped).first()
    if row is None:
        raise ServerNotFound(server_id=server_id)
    return as_record(row)


def begin(session: Session, server_id: str, verb: str, task_id: str) -> None:
    """Mark the server busy with `verb`; of two racing callers exactly one succeeds.

    Raises InvalidServerState naming what stood in the way.
    """
    rule = ACTIONS[verb]
    idle: ColumnElement[bool] = Server.task_state.is_(None)
    if rule.during:
        idle = or_(idle, Server.task_state.in_(rule.during))
    moved = session.execute(
        update(_TABLE)
        .where(
            Server.id == server_id, Server.deleted.is_(False), Server.vm_state.in_(rule.allowed_from), idle
        )
        .values(task_state=rule.busy, task_id=task_id, updated_at=now())
    )
    if moved.rowcount == 0:  # type: ignore[attr-defined]
        server = get(session, server_id)
        attr = "vm_state" if server["vm_state"] not in rule.allowed_from else "task_state"
        raise InvalidServerState(verb=rule.record, server_id=server_id, attr=attr, state=server[attr])


def _dated(values: dict[str, Any]) -> dict[str, Any]:
    """The columns with the moments that move along: of any change, and of a new vm_state."""
    moment = now()
    since = {"state_since": moment} if "vm_state" in values else {}
    return {"updated_at": moment, **since, **values}


def begin_delete(session: Session, server_id: str, task_id: str, busy: str = DELETING) -> None:
    """Deletion is accepted in every state; it takes the server over from whatever was going on."""
    session.execute(
        update(_TABLE)
        .where(Server.id == server_id, Server.deleted.is_(False))
        .values(task_state=busy, task_id=task_id, updated_at=now())
    )


def change(session: Session, server_id: str, **values: Any) -> None:
    """Set columns of a server that is not deleted; `updated_at` moves with them."""
    session.execute(
        update(_TABLE).where(Server.id == server_id, Server.deleted.is_(False)).values(**_dated(values))
    )


def hold(session: Session, server_id: str) -> None:
    """Keep other changes of this row waiting until the transaction ends, to read it and then write it."""
    session.execute(select(Server.number).where(Server.id == server_id).with_for_update())


def change_if_owned(session: Session, server_id: str, task_id: str, /, **values: Any) -> bool:
    """Set columns while `task_id` is what keeps the server busy; False when it no longer is."""
    moved = run_statement(session, _CHANGE_OWNED, b_id=server_id, b_task=task_id, **_dated(values))
    return bool(moved.rowcount)


def release(session: Session, server_id: str, task_id: str, **values: Any) -> bool:
    """The task is over: nothing is being done to the server any more."""
    return change_if_owned(session, server_id, task_id, task_state=None, task_id=None, **values)


def fail(session: Session, server_id: str, task_id: str, fault: dict[str, Any]) -> bool:
    """The task is over and left the server in ERROR, with the reason."""
    return release(session, server_id, task_id, vm_state=ERROR, fault=fault, progress=0)


def fault(message: str, code: int = 500, details: str = "") -> dict[str, Any]:
    """A fault as the API shows it (API reference: `fault`); the sentence is cut at 255 characters."""
    return {"code": code, "message": message[:255], "details": details[:10_000], "created": iso(now())}


def mark_deleted(session: Session, server_id: str) -> None:
    """The guest is gone: keep the row for listings of deleted servers and for usage."""
    moment = now()
    session.execute(
        update(_TABLE)
        .where(Server.id == server_id)
        .values(
            deleted=True, vm_state=DELETED, task_state=None, task_id=None, power_state=0,
            terminated_at=moment, updated_at=moment, state_since=moment,
        )
    )  # fmt: skip


def leave_password(session: Session, server_id: str, password: str) -> bool:
    """Keep what the guest left as its password; False when it left one before, or is gone."""
    left = session.execute(
        update(_TABLE)
        .where(Server.id == server_id, Server.deleted.is_(False))
        .where(or_(Server.guest_password.is_(None), Server.guest_password == ""))
        .values(guest_password=password)
    )
    return bool(left.rowcount)  # type: ignore[attr-defined]


def change_if_idle(session: Session, server_id: str, vm_state: str, /, **values: Any) -> bool:
    """Set columns while nothing is being done to the server and it is in `vm_state`; else False."""
    idle = (Server.task_state.is_(None), Server.deleted.is_(False))
    moved = session.execute(
        update(_TABLE)
        .where(Server.id == server_id, Server.vm_state == vm_state, *idle)
        .values(**_dated(values))
    )
    return bool(moved.rowcount)  # type: ignore[attr-defined]
