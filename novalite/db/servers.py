"""Server rows: create, read pages, begin and end actions."""

from __future__ import annotations

from functools import cache
from typing import Any

import orjson
from sqlalchemy import (
    ColumnElement,
    Select,
    Text,
    and_,
    bindparam,
    func,
    insert,
    literal,
    not_,
    or_,
    select,
    true,
    type_coerce,
    update,
)
from sqlalchemy.orm import Session

from novalite.db import patterns, server_groups
from novalite.db.models import compute
from novalite.db.models.base import from_iso, iso, now
from novalite.db.session import run_statement
from novalite.errors import InvalidServerState, MarkerNotFound, ServerNotFound
from novalite.objects.base import Record
from novalite.objects.servers import ServerQuery
from novalite.states import ACTIONS, DELETED, DELETING, ERROR, SOFT_DELETED, vm_states_of

_TIMES = ("created_at", "updated_at", "launched_at", "terminated_at", "state_since")
# Plain columns: the ORM's own attributes cost half as much again per statement, and these run for each boot.
_TABLE: Any = compute.Server.__table__
Server: Any = _TABLE.c
_KEYS = [str(column.name) for column in _TABLE.columns]  # orjson wants plain strings, not a subclass
_WHOLE = select(*_TABLE.columns)
_NAMES = select(Server.id, Server.name)
_INSERT = insert(_TABLE)
_CHANGE_OWNED = update(_TABLE).where(
    Server.id == bindparam("b_id"), Server.task_id == bindparam("b_task"), Server.deleted.is_(False)
)


def instance_name(number: int) -> str:
    """The guest's name on its host, as operators know it."""
    return f"instance-{number:08x}"


def _record(row: Any) -> Record:
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
    query = _WHOLE.where(Server.id == bindparam("b_id"))
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
    return _record(row)


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
        update(_TABLE)
        .where(Server.id == server_id, Server.deleted.is_(False))
        .values(**_dated(values))
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
    server_groups.leave(session, server_id)


_FILTERS: dict[str, Any] = {
    "uuid": Server.id,
    "id": Server.id,
    "user_id": Server.user_id,
    "host": Server.host,
    "node": Server.node,
    "image": Server.image_id,
    "flavor": Server.flavor_id,
    "availability_zone": Server.availability_zone,
    "key_name": Server.key_name,
    "config_drive": Server.config_drive,
    "power_state": Server.power_state,
    "task_state": Server.task_state,
    "vm_state": Server.vm_state,
    "progress": Server.progress,
    "reservation_id": Server.reservation_id,
    "launch_index": Server.launch_index,
    "kernel_id": Server.kernel_id,
    "ramdisk_id": Server.ramdisk_id,
    "root_device_name": Server.root_device_name,
    "locked_by": Server.locked_by,
    "auto_disk_config": Server.disk_config,
    "access_ip_v4": Server.access_ip_v4,
    "access_ip_v6": Server.access_ip_v6,
    "hostname": Server.hostname,
}
"""Filters that compare a column with one value or with any of a list."""

_PATTERNS: dict[str, Any] = {
    "name": Server.name,
    "description": Server.description,
}
"""Filters that are regular expressions (API reference: `name`)."""

_MOMENTS: dict[str, Any] = {
    "created_at": Server.created_at,
    "launched_at": Server.launched_at,
    "terminated_at": Server.terminated_at,
}

SORT_KEYS: dict[str, Any] = {
    **{k: v for k, v in _FILTERS.items() if k not in ("id", "image", "flavor")},
    "uuid": Server.id,
    "id": Server.id,
    "created_at": Server.created_at,
    "updated_at": Server.updated_at,
    "launched_at": Server.launched_at,
    "terminated_at": Server.terminated_at,
    "display_name": Server.name,
    "name": Server.name,
    "project_id": Server.project_id,
    "locked": Server.locked_by,
    "instance_type_id": Server.flavor_id,
    "image_ref": Server.image_id,
    "display_description": Server.description,
}
"""Sort keys by API name."""


def page(session: Session, query: ServerQuery) -> list[Record]:
    """One page of servers by keyset: its cost does not grow with how far it is into the list.

    Raises MarkerNotFound, and BadRequest for a pattern that this database cannot be asked.
    """
    if session.get_bind().dialect.name == "sqlite":
        for name in _PATTERNS.keys() & query.filters.keys():
            patterns.check(str(query.filters[name]))
    statement = (_WHOLE if query.detail else _NAMES).where(*_conditions(query))
    order = [(key, direction) for key, direction in query.sort if key in SORT_KEYS]
    if "id" not in {key for key, _ in order}:
        order.append(("id", "desc"))
    if query.marker is not None:
        statement = statement.where(_after(session, query, order))
    for key, direction in order:
        column = SORT_KEYS[key]
        # NULLs sort differently by dialect; saying "is it NULL" first makes the order the same on all.
        null = [column.is_(None)] if column.nullable else []
        statement = statement.order_by(*null, column.desc() if direction == "desc" else column.asc())
    rows = session.execute(statement.limit(query.limit))
    if query.detail:
        return [_record(row) for row in rows]
    return [{"id": row[0], "name": row[1]} for row in rows]


def _conditions(query: ServerQuery) -> list[ColumnElement[bool]]:
    where: list[ColumnElement[bool]] = []
    if query.project_id is not None:
        where.append(Server.project_id == query.project_id)
    where += _alive(query.deleted, query.soft_deleted)
    if query.changes_since is not None:
        where.append(_changed() >= from_iso(query.changes_since))
    if query.changes_before is not None:
        where.append(_changed() <= from_iso(query.changes_before))
    for name, value in query.filters.items():
        where.append(_condition(name, value))
    return where


def _alive(deleted: bool | None, soft_deleted: bool | None) -> list[ColumnElement[bool]]:
    """Those deleted, those not, and on which side those are that can be restored."""
    if deleted is None:
        return []
    if deleted and soft_deleted:
        return [or_(Server.deleted.is_(True), Server.vm_state == SOFT_DELETED)]
    hidden = not deleted and soft_deleted is False
    return [Server.deleted.is_(deleted), *([Server.vm_state != SOFT_DELETED] if hidden else [])]


def _changed() -> Any:
    return func.coalesce(Server.updated_at, Server.created_at)


def _condition(name: str, value: Any) -> ColumnElement[bool]:
    """One filter; an unknown name is a programming error of the caller, who has checked names."""
    if name in _FILTERS:
        column = _FILTERS[name]
        if isinstance(value, list | tuple):
            return column.in_(list(value))
        return column.is_(None) if value is None else column == value
    if name in _PATTERNS:
        return _PATTERNS[name].regexp_match(str(value))
    if name in _MOMENTS:
        return _MOMENTS[name] >= from_iso(str(value))
    if name == "status":
        return or_(*[_of_status(one) for one in (value if isinstance(value, list | tuple) else [value])])
    if name == "locked":
        return Server.locked_by.is_not(None) if value else Server.locked_by.is_(None)
    if name == "project_id":
        return Server.project_id == value
    if name in _TAGS:
        combine, wanted = _TAGS[name]
        condition = combine(*[_has_tag(tag) for tag in value]) if value else true()
        return condition if wanted or not value else not_(condition)
    raise KeyError(name)


_TAGS: dict[str, Any] = {
    # filter: (how tags combine, whether the combination is wanted)
    "tags": (and_, True),
    "tags-any": (or_, True),
    "not-tags": (and_, False),
    "not-tags-any": (or_, False),
}


def _has_tag(tag: str) -> ColumnElement[bool]:
    """Whether the JSON list of tags holds this one; REPLACE minds case on every database, LIKE does not."""
    stored = type_coerce(Server.tags, Text)
    return func.replace(stored, orjson.dumps(tag).decode(), "") != stored


def _of_status(shown: str) -> ColumnElement[bool]:
    """Servers that show this status; none for one that does not exist."""
    vm_states, task_states = vm_states_of(shown)
    condition: ColumnElement[bool] = Server.vm_state.in_(vm_states)
    return condition & Server.task_state.in_(task_states) if task_states else condition


def _after(session: Session, query: ServerQuery, order: list[tuple[str, Any]]) -> ColumnElement[bool]:
    """Rows behind the marker in this order: (a > x) or (a = x and b > y) or …"""
    where = [Server.id == query.marker]
    if query.project_id is not None:
        where.append(Server.project_id == query.project_id)
    row = session.execute(select(*[SORT_KEYS[key] for key, _ in order]).where(*where)).first()
    if row is None:
        raise MarkerNotFound(marker=query.marker)
    alternatives: list[ColumnElement[bool]] = []
    equal: list[ColumnElement[bool]] = []
    for (key, direction), value in zip(order, row, strict=True):
        column = SORT_KEYS[key]
        behind = _behind(column, value, direction)
        if behind is not None:
            alternatives.append(_all([*equal, behind]))
        equal.append(column.is_(None) if value is None else column == value)
    return or_(*alternatives)


def _behind(column: Any, value: Any, direction: str) -> ColumnElement[bool] | None:
    """Values behind `value` where NULLs come last; None when nothing is."""
    if value is None:
        return None
    known = literal(value)  # SQLAlchemy orders booleans only when they are bound
    behind = column < known if direction == "desc" else column > known
    return or_(behind, column.is_(None)) if column.nullable else behind


def _all(conditions: list[ColumnElement[bool]]) -> ColumnElement[bool]:
    return and_(*conditions)


def change_if_idle(session: Session, server_id: str, vm_state: str, /, **values: Any) -> bool:
    """Set columns while nothing is being done to the server and it is in `vm_state`; else False."""
    idle = (Server.task_state.is_(None), Server.deleted.is_(False))
    moved = session.execute(
        update(_TABLE)
        .where(Server.id == server_id, Server.vm_state == vm_state, *idle)
        .values(**_dated(values))
    )
    return bool(moved.rowcount)  # type: ignore[attr-defined]
