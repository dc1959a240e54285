"""Rows of migrations: what is being done, or was done, to move or resize a server.

(Not `db/migrations/`, which is the history of the schema.)
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, func, insert, or_, select, update
from sqlalchemy.orm import Session

from novalite.db.models import compute, migrations
from novalite.db.models.base import from_iso, iso, now
from novalite.db.models.compute import new_id
from novalite.errors import MarkerNotFound
from novalite.objects.base import Record
from novalite.objects.migrations import FINISHED, MigrationQuery
from novalite.states import RESIZED

_TABLE: Any = migrations.Migration.__table__
Migration: Any = _TABLE.c
_SERVERS: Any = compute.Server.__table__
Server: Any = _SERVERS.c
_COLUMNS = [c for c in _TABLE.columns if c.name not in ("old_flavor", "new_flavor")]
_KEYS = [str(c.name) for c in _COLUMNS]


def _record(row: Any) -> Record:
    record = dict(zip(_KEYS, row, strict=True))
    record["created_at"], record["updated_at"] = iso(record["created_at"]), iso(record["updated_at"])
    record["hidden"] = bool(record["hidden"])
    return record


def create(session: Session, **values: Any) -> str:
    """Insert a migration; `values` are columns. Answers its uuid."""
    uuid = new_id()
    session.execute(insert(_TABLE).values(uuid=uuid, created_at=now(), **values))
    return uuid


def change(session: Session, uuid: str, **values: Any) -> None:
    """Set columns; `updated_at` moves with them."""
    session.execute(update(_TABLE).where(Migration.uuid == uuid).values(**{"updated_at": now(), **values}))


def move(session: Session, uuid: str, before: Sequence[str], status: str) -> bool:
    """From one of these statuses to another; False when it is in none of them."""
    moved = session.execute(
        update(_TABLE)
        .where(Migration.uuid == uuid, Migration.status.in_(before))
        .values(status=status, updated_at=now())
    )
    return bool(moved.rowcount)  # type: ignore[attr-defined]


def get(session: Session, uuid: str) -> Record | None:
    """One migration, or None."""
    row = session.execute(select(*_COLUMNS).where(Migration.uuid == uuid)).first()
    return _record(row) if row else None


def of_server(session: Session, server_id: str, *where: ColumnElement[bool]) -> list[Record]:
    """Migrations of a server that also meet these conditions, oldest first."""
    query = select(*_COLUMNS).where(Migration.server_id == server_id, *where).order_by(Migration.id)
    return [_record(row) for row in session.execute(query)]


def page(session: Session, query: MigrationQuery) -> list[Record]:
    """One page, newest first, by keyset. Raises MarkerNotFound."""
    statement = select(*_COLUMNS).where(*_conditions(query))
    if query.marker is not None:
        statement = statement.where(_after(session, query))
    statement = statement.order_by(Migration.created_at.desc(), Migration.id.desc()).limit(query.limit)
    return [_record(row) for row in session.execute(statement)]


def _conditions(query: MigrationQuery) -> list[ColumnElement[bool]]:
    columns = {
        Migration.project_id: query.project_id,
        Migration.user_id: query.user_id,
        Migration.server_id: query.server_id,
        Migration.source_host: query.source_host,
        Migration.status: query.status,
        Migration.migration_type: query.migration_type,
        Migration.hidden: query.hidden,
    }
    where: list[ColumnElement[bool]] = [column == value for column, value in columns.items() if value is not None]
    if query.host is not None:
        where.append(or_(Migration.source_host == query.host, Migration.dest_host == query.host))
    changed = func.coalesce(Migration.updated_at, Migration.created_at)
    if query.changes_since is not None:
        where.append(changed >= from_iso(query.changes_since))
    if query.changes_before is not None:
        where.append(changed <= from_iso(query.changes_before))
    return where


def _after(session: Session, query: MigrationQuery) -> ColumnElement[bool]:
    """Older than the marker, which must be visible to who asks."""
    where = [Migration.uuid == query.marker]
    if query.project_id is not None:
        where.append(Migration.project_id == query.project_id)
    row = session.execute(select(Migration.created_at, Migration.id).where(*where)).first()
    if row is None:
        raise MarkerNotFound(marker=query.marker)
    created, number = row
    return or_(Migration.created_at < created, and_(Migration.created_at == created, Migration.id < number))


def long_unconfirmed(
    session: Session, before: datetime, server_id: str | None = None, limit: int = 200
) -> list[str]:
    """Servers (or this one) that are idle and whose resize was finished before that moment, longest ago first."""
    mine = [Server.id == server_id] if server_id else []
    rows = session.execute(
        select(Migration.server_id)
        .join(_SERVERS, and_(Server.id == Migration.server_id, Server.migration_id == Migration.uuid))
        .where(
            Migration.status == FINISHED, Migration.updated_at < before, Server.deleted.is_(False),
            Server.vm_state == RESIZED, Server.task_state.is_(None), *mine,
        )
        .order_by(Migration.updated_at)
        .limit(limit)
    )  # fmt: skip
    return [row[0] for row in rows]


def exists_for(holder: Any) -> ColumnElement[bool]:
    """SQL: there is a migration of that uuid."""
    return exists(select(Migration.id).where(Migration.uuid == holder))
