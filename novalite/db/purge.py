"""Forget what ended long ago: deleted servers with their tasks and migrations, and hosts that are no more."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import delete, exists, select
from sqlalchemy.orm import Session

from novalite.db.models.compute import Allocation, Host, Server, Service, Task
from novalite.db.models.migrations import Migration
from novalite.db.models.pci import PciDevice
from novalite.db.session import Database

BATCH = 500
"""Servers in one transaction, so that nobody waits long."""


def purge(db: Database, before: datetime) -> dict[str, int]:
    """Delete for good what ended before a moment (naive UTC); answers how many rows by table."""
    gone = {"servers": 0, "tasks": 0, "hosts": db.run(lambda session: _hosts(session, before))}
    while True:
        servers, tasks = db.run(lambda session: _servers(session, before))
        gone["servers"] += servers
        gone["tasks"] += tasks
        if servers < BATCH:
            return gone


def _servers(session: Session, before: datetime) -> tuple[int, int]:
    """One batch of deleted servers. One that is still being worked on, or holds a claim, stays."""
    working = select(Task.id).where(Task.server_id == Server.id, Task.state == "open")
    claim = select(Allocation.host).where(Allocation.server_id == Server.id)
    ids = session.scalars(
        select(Server.id)
        .where(Server.deleted.is_(True), Server.terminated_at < before, ~exists(working), ~exists(claim))
        .limit(BATCH)
    ).all()
    if not ids:
        return 0, 0
    tasks = _count(session, delete(Task).where(Task.server_id.in_(ids)))
    _count(session, delete(Migration).where(Migration.server_id.in_(ids)))
    return _count(session, delete(Server).where(Server.id.in_(ids))), tasks


def _hosts(session: Session, before: datetime) -> int:
    """Hosts whose service was deleted and that carry nothing."""
    service = select(Service.id).where(Service.host == Host.host, Service.binary == "nova-compute")
    claim = select(Allocation.host).where(Allocation.host == Host.host)
    gone = _count(session, delete(Host).where(Host.updated_at < before, ~exists(service), ~exists(claim)))
    if gone:
        _count(session, delete(PciDevice).where(~exists(select(Host.id).where(Host.host == PciDevice.host))))
    return gone


def _count(session: Session, statement: Any) -> int:
    done: Any = session.execute(statement.execution_options(synchronize_session=False))
    return int(done.rowcount)
