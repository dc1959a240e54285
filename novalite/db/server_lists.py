"""Pages of servers by keyset: their cost does not grow with how far into the list they are.

The default order has an index for one project and one for all. Any other order looks at every server that
the filters let through, but sorts numbers, not whole rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, Text, and_, literal, or_, select, type_coerce
from sqlalchemy.orm import Session

from novalite.db import patterns
from novalite.db.models.base import JsonText
from novalite.db.server_filters import ADDRESSES, EQUALS, PATTERNS, conditions
from novalite.db.servers import WHOLE, Server, as_record
from novalite.errors import MarkerNotFound
from novalite.objects.base import Record
from novalite.objects.servers import ServerQuery

SORT_KEYS: dict[str, Any] = {
    **{k: v for k, v in EQUALS.items() if k not in ("id", "image", "flavor")},
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

_INDEXED = ("created_at", "id")
"""The order that has an index."""
_UNSHOWN = frozenset({
    "public_key", "networks", "task_id", "state_since", "old_vm_state", "old_flavor", "migration_id", "rescue",
    "shelved", "personality", "guest_password", "vcpus", "ram_mb", "disk_gb",
})  # fmt: skip
"""Columns that no list shows."""
USER_DATA = "user_data"
_SHOWN = [column for column in Server if column.name not in _UNSHOWN]
JSON_KEYS = frozenset(str(column.name) for column in _SHOWN if isinstance(column.type, JsonText))
"""Keys whose values `rows` leaves as the JSON they are stored as."""


def page(session: Session, query: ServerQuery) -> list[Record]:
    """One page as whole records. Errors as `rows`."""
    return [as_record(row) for row in session.execute(_page(session, query, WHOLE)).all()]


def rows(session: Session, query: ServerQuery) -> tuple[list[str], Sequence[Sequence[Any]]]:
    """One page, for a list: (keys, rows), with JSON unread and times as they are.

    Raises MarkerNotFound, and BadRequest for a pattern that this database cannot be asked.
    """
    shown = _SHOWN if query.detail else [Server.id, Server.name]
    if not query.user_data:
        shown = [column for column in shown if column.name != USER_DATA]
    raw = [type_coerce(c, Text).label(c.name) if isinstance(c.type, JsonText) else c for c in shown]
    found = session.connection().execute(_page(session, query, select(*raw))).all()
    return [str(column.name) for column in shown], found


def _page(session: Session, query: ServerQuery, statement: Select[Any]) -> Select[Any]:
    """`statement`, which selects columns, with the conditions, order and limit of the page."""
    if session.get_bind().dialect.name == "sqlite":
        for name in (PATTERNS.keys() | ADDRESSES.keys()) & query.filters.keys():
            patterns.check(str(query.filters[name]))
    order = [(key, direction) for key, direction in query.sort if key in SORT_KEYS]
    if "id" not in {key for key, _ in order}:
        order.append(("id", "desc"))
    where = conditions(query)
    if query.marker is not None:
        where += _after(session, query, order)
    if tuple(key for key, _ in order) == _INDEXED:
        return _ordered(statement.where(*where), order).limit(query.limit)
    chosen = _ordered(select(Server.number).where(*where), order).limit(query.limit).subquery()
    return _ordered(statement.where(Server.number == chosen.c.number), order)


def _ordered(statement: Select[Any], order: list[tuple[str, Any]]) -> Select[Any]:
    for key, direction in order:
        column = SORT_KEYS[key]
        # NULLs sort differently by dialect; saying "is it NULL" first makes the order the same on all.
        null = [column.is_(None)] if column.nullable else []
        statement = statement.order_by(*null, column.desc() if direction == "desc" else column.asc())
    return statement


def _after(session: Session, query: ServerQuery, order: list[tuple[str, Any]]) -> list[ColumnElement[bool]]:
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
            alternatives.append(and_(*equal, behind))
        equal.append(column.is_(None) if value is None else column == value)
    return [*_bound(order[0], row[0]), or_(*alternatives)]


def _bound(first: tuple[str, Any], value: Any) -> list[ColumnElement[bool]]:
    """What follows from the alternatives and lets a database begin to read where the page begins: none of them
    finds that out by itself."""
    column = SORT_KEYS[first[0]]
    if column.nullable:
        return []
    known = literal(value)
    return [column <= known if first[1] == "desc" else column >= known]


def _behind(column: Any, value: Any, direction: str) -> ColumnElement[bool] | None:
    """Values behind `value` where NULLs come last; None when nothing is."""
    if value is None:
        return None
    known = literal(value)  # SQLAlchemy orders booleans only when they are bound
    behind = column < known if direction == "desc" else column > known
    return or_(behind, column.is_(None)) if column.nullable else behind
