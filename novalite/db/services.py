"""Service records: who runs, since when we last heard of it, whether it may be used."""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy import ColumnElement, delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from novalite.db.models.base import iso, now
from novalite.db.models.compute import Host, Service, new_id
from novalite.errors import HostNotFound, ServiceNotFound
from novalite.objects.base import Record

_COLUMNS = [
    Service.id, Service.uuid, Service.host, Service.binary, Service.disabled, Service.disabled_reason,
    Service.forced_down, Service.last_seen, Service.created_at, Service.updated_at,
]  # fmt: skip
_KEYS = [c.key for c in _COLUMNS]


def beat(session: Session, host: str, binary: str, at: float | None = None) -> tuple[str, bool]:
    """Note that a daemon is alive, creating its record; answers (uuid, was it created).

    A forced-down service stays down until an operator says otherwise.
    """
    at = time.time() if at is None else at
    seen = session.execute(
        update(Service)
        .where(Service.host == host, Service.binary == binary)
        .values(last_seen=at, updated_at=now(), report_count=Service.report_count + 1)
        .execution_options(synchronize_session=False)
    )
    if seen.rowcount:  # type: ignore[attr-defined]
        found = session.execute(select(Service.uuid).where(Service.host == host, Service.binary == binary))
        return found.scalar_one(), False
    uuid = new_id()
    try:
        with session.begin_nested():
            session.execute(
                insert(Service).values(
                    uuid=uuid, host=host, binary=binary, last_seen=at, report_count=1, updated_at=now()
                )
            )
    except IntegrityError:  # two first beats raced; the other one made the record
        return beat(session, host, binary, at)
    return uuid, True


def page(session: Session, *where: ColumnElement[bool]) -> list[Record]:
    """Service rows by id."""
    rows = session.execute(select(*_COLUMNS).where(*where).order_by(Service.id))
    return [_record(row) for row in rows]


def _record(row: Any) -> Record:
    record = dict(zip(_KEYS, row, strict=True))
    record["created_at"], record["updated_at"] = iso(record["created_at"]), iso(record["updated_at"])
    return record


COMPUTE = "nova-compute"
INTERNAL_ZONE = "internal"
"""The zone of every daemon that is no compute host."""


def listing(session: Session, *where: ColumnElement[bool]) -> list[Record]:
    """Service rows by id, each with the `zone` it belongs to; one statement."""
    query = select(*_COLUMNS, Host.zone).outerjoin(Host, Host.host == Service.host)
    found = []
    for row in session.execute(query.where(*where).order_by(Service.id)):
        record = _record(row[:-1])
        record["zone"] = (row[-1] or "nova") if record["binary"] == COMPUTE else INTERNAL_ZONE
        found.append(record)
    return found


def by_name(session: Session, host: str, binary: str) -> Record:
    """One service by host and binary; raises HostNotFound."""
    found = page(session, Service.host == host, Service.binary == binary)
    if not found:
        raise HostNotFound(f"There is no service {binary} on host {host}.")
    return found[0]


def get(session: Session, service_id: str) -> Record:
    """One service by uuid or integer id; raises ServiceNotFound."""
    number = service_id.isascii() and service_id.isdigit()
    if number and len(service_id) > 9:
        raise ServiceNotFound(service_id=service_id[:60])
    found = page(session, Service.id == int(service_id) if number else Service.uuid == service_id)
    if not found:
        raise ServiceNotFound(service_id=service_id)
    return found[0]


def change(session: Session, uuid: str, **values: Any) -> Record:
    """Set columns of one service; raises ServiceNotFound."""
    get(session, uuid)
    session.execute(update(Service).where(Service.uuid == uuid).values(**values))
    return get(session, uuid)


def remove(session: Session, uuid: str) -> None:
    """Forget a service; raises ServiceNotFound."""
    get(session, uuid)
    session.execute(delete(Service).where(Service.uuid == uuid))


def is_up(record: Record, down_after: float, at: float | None = None) -> bool:
    """Heard of within `down_after` seconds and not forced down."""
    at = time.time() if at is None else at
    return not record["forced_down"] and at - record["last_seen"] <= down_after


def compute_is_up(session: Session, host: str, down_after: float, at: float | None = None) -> bool:
    """Whether the compute daemon of a host is alive."""
    found = page(session, Service.host == host, Service.binary == COMPUTE)
    return bool(found) and is_up(found[0], down_after, at)
