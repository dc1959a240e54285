"""How rows of the network service become records: every column but what only the database uses."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import inspect, select, update
from sqlalchemy.orm import Session

from novalite.db.models.base import iso, now
from novalite.db.models.networks import NetworkTag
from novalite.objects.base import Record

_INTERNAL = {"next_address", "fingerprint"}


@cache
def names(model: Any) -> tuple[str, ...]:
    """Fields of a model's records."""
    return tuple(column.key for column in inspect(model).columns if column.key not in _INTERNAL)


def columns(model: Any) -> list[Any]:
    """What to select for `record`."""
    return [getattr(model, name) for name in names(model)]


def record(model: Any, row: Sequence[Any]) -> Record:
    """A row of `columns(model)`; times as text."""
    return {
        name: iso(value) if isinstance(value, datetime) else value
        for name, value in zip(names(model), row, strict=True)
    }


def fetch(session: Session, model: Any, *where: Any, order: Sequence[Any] = ()) -> list[Record]:
    """Records of the rows where all of `where` holds."""
    query = select(*columns(model)).where(*where).order_by(*order)
    return [record(model, row) for row in session.execute(query)]


def first(session: Session, model: Any, *where: Any, lock: str | None = None) -> Record | None:
    """One record, or None. `lock` "read" or "write" keeps others from changing the row until the end."""
    query = select(*columns(model)).where(*where)
    if lock is not None:
        query = query.with_for_update(read=lock == "read")
    row = session.execute(query).first()
    return None if row is None else record(model, row)


def touch(session: Session, model: Any, *where: Any, **values: Any) -> int:
    """Write `values` and count the change; answers how many rows there were."""
    done = session.execute(
        update(model).where(*where).values(revision=model.revision + 1, updated_at=now(), **values)
    )
    return int(done.rowcount)  # type: ignore[attr-defined]


def tags_of(session: Session, ids: Iterable[str]) -> dict[str, list[str]]:
    """Tags by id of what has them, in order."""
    found: dict[str, list[str]] = {one: [] for one in ids}
    if found:
        row = NetworkTag
        query = select(row.resource_id, row.tag).where(row.resource_id.in_(list(found))).order_by(row.tag)
        for resource_id, tag in session.execute(query):
            found[resource_id].append(tag)
    return found
