"""Servers that have been in a state, or busy, for too long: what periodic jobs look for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from novalite.db.models import compute

Server: Any = compute.Server.__table__.c
Task: Any = compute.Task.__table__.c


def idle_since(
    session: Session, vm_state: str, before: datetime, server_id: str | None = None, limit: int = 200
) -> list[str]:
    """Servers that came into `vm_state` before a moment and that nothing is being done to, longest first; or
    whether this one is such a server."""
    mine = [] if server_id is None else [Server.id == server_id]
    query = select(Server.id).where(
        Server.vm_state == vm_state,
        Server.state_since < before,
        Server.task_state.is_(None),
        Server.deleted.is_(False),
        *mine,
    )
    return list(session.execute(query.order_by(Server.state_since).limit(limit)).scalars())


def busy_since(
    session: Session, task_states: Sequence[str], before: datetime, limit: int = 200
) -> list[tuple[str, str]]:
    """(server, task) of servers that a task which began before a moment keeps in one of these task_states."""
    rows = session.execute(
        select(Server.id, Task.id)
        .join(compute.Task.__table__, Task.id == Server.task_id)
        .where(
            Task.state == "open", Task.created_at < before, Server.task_state.in_(task_states),
            Server.deleted.is_(False),
        )
        .order_by(Task.created_at)
        .limit(limit)
    )  # fmt: skip
    return [(row[0], row[1]) for row in rows]
