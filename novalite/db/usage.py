"""What servers used in a period, and which hosts were audited for which period."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, func, insert, or_, select, tuple_
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from novalite.db import services
from novalite.db.models.compute import Server, Service
from novalite.db.models.usage import UsageAudit
from novalite.errors import MarkerNotFound
from novalite.objects.base import Record

_COLUMNS = [
    Server.id, Server.name, Server.project_id, Server.vm_state, Server.flavor, Server.vcpus, Server.ram_mb,
    Server.launched_at, Server.terminated_at,
]  # fmt: skip
_KEYS = [column.key for column in _COLUMNS]


def _active(start: datetime, stop: datetime) -> list[ColumnElement[bool]]:
    """Servers that ran in the period, deleted or not."""
    ended = or_(Server.terminated_at.is_(None), Server.terminated_at > start)
    return [Server.launched_at.is_not(None), Server.launched_at < stop, ended]


def servers(
    session: Session,
    start: datetime,
    stop: datetime,
    project_id: str | None = None,
    limit: int | None = None,
    marker: str | None = None,
) -> list[Record]:
    """Servers that ran between two moments (naive UTC), by project and id; `limit` None: all of them.

    Raises MarkerNotFound.
    """
    where = _active(start, stop)
    if project_id is not None:
        where.append(Server.project_id == project_id)
    if marker is not None:
        known = select(Server.project_id, Server.id).where(Server.id == marker)
        if project_id is not None:
            known = known.where(Server.project_id == project_id)
        after = session.execute(known).first()
        if after is None:
            raise MarkerNotFound(marker=marker)
        where.append(tuple_(Server.project_id, Server.id) > tuple_(after[0], after[1]))
    query = select(*_COLUMNS).where(*where).order_by(Server.project_id, Server.id).limit(limit)
    return [dict(zip(_KEYS, row, strict=True)) for row in session.execute(query)]


def audited(session: Session, begin: datetime, end: datetime) -> dict[str, Record]:
    """Audits of a period by host: state, servers, errors, message."""
    columns = (UsageAudit.host, UsageAudit.state, UsageAudit.servers, UsageAudit.errors, UsageAudit.message)
    rows = session.execute(select(*columns).where(*_same(begin, end)).order_by(UsageAudit.host))
    return {
        row[0]: dict(zip(("state", "servers", "errors", "message"), row[1:], strict=True)) for row in rows
    }


def _same(begin: datetime, end: datetime) -> list[ColumnElement[bool]]:
    return [UsageAudit.period_beginning == begin, UsageAudit.period_ending == end]


def hosts(session: Session, end: datetime) -> list[str]:
    """Compute hosts that were there before a period ended: each of them is audited."""
    old_enough = (Service.binary == services.COMPUTE, Service.created_at < end)
    return [record["host"] for record in services.page(session, *old_enough)]


def ran_on(session: Session, host: str, begin: datetime, end: datetime) -> int:
    """How many servers that are known to this host ran in the period."""
    query = select(func.count()).where(Server.host == host, *_active(begin, end))
    return int(session.execute(query).scalar_one())


def note_audit(session: Session, host: str, begin: datetime, end: datetime, **values: Any) -> bool:
    """Write an audit down; False when another conductor was first."""
    try:
        with session.begin_nested():
            session.execute(
                insert(UsageAudit).values(host=host, period_beginning=begin, period_ending=end, **values)
            )
    except IntegrityError:
        return False
    return True
