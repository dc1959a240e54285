"""Limits, and what counts against them."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import delete, func, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from novalite.db.models.compute import Server
from novalite.db.models.quotas import Quota, QuotaLock

CLASS_DEFAULT = ""
"""The "project" whose limits are everybody's defaults (quota class `default`)."""


def limits(session: Session, project_ids: Iterable[str], user_id: str = "") -> dict[tuple[str, str], int]:
    """Stored limits by (project, resource)."""
    query = select(Quota.project_id, Quota.resource, Quota.hard_limit)
    rows = session.execute(query.where(Quota.project_id.in_(list(project_ids)), Quota.user_id == user_id))
    return {(row[0], row[1]): row[2] for row in rows}


def store(session: Session, project_id: str, values: dict[str, int], user_id: str = "") -> None:
    """Replace the named limits."""
    mine = (Quota.project_id == project_id, Quota.user_id == user_id)
    session.execute(delete(Quota).where(*mine, Quota.resource.in_(list(values))))
    if values:
        rows = [
            {"project_id": project_id, "user_id": user_id, "resource": name, "hard_limit": limit}
            for name, limit in values.items()
        ]
        session.execute(insert(Quota), rows)


def forget(session: Session, project_id: str, user_id: str | None = None) -> None:
    """Back to defaults: of one user, or of the project and all its users."""
    query = delete(Quota).where(Quota.project_id == project_id)
    session.execute(query if user_id is None else query.where(Quota.user_id == user_id))


def lock(session: Session, project_id: str) -> None:
    """Make other transactions that count this project's use wait for this one. SQLite's writers do anyway."""
    if session.get_bind().dialect.name == "sqlite":
        return
    mine = select(QuotaLock.project_id).where(QuotaLock.project_id == project_id).with_for_update()
    if session.execute(mine).first() is None:
        try:
            with session.begin_nested():
                session.execute(insert(QuotaLock).values(project_id=project_id))
        except IntegrityError:
            session.execute(mine)


def in_use(session: Session, project_id: str, user_id: str | None = None) -> dict[str, int]:
    """Servers, vCPUs and MB of RAM of everything that is not deleted; servers in ERROR count too."""
    query = select(
        func.count(), func.coalesce(func.sum(Server.vcpus), 0), func.coalesce(func.sum(Server.ram_mb), 0)
    ).where(Server.project_id == project_id, Server.deleted.is_(False))
    if user_id is not None:
        query = query.where(Server.user_id == user_id)
    row = session.execute(query).one()
    return {"instances": int(row[0]), "cores": int(row[1]), "ram": int(row[2])}
