"""Limits as stored, what is in use, and the lock under which both are compared."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from novalite.db.models.compute import Server
from novalite.db.models.quotas import Quota, QuotaLock

EVERYBODY = ""
"""As a project id: the default of every project; as a user id: the whole project."""


def stored(session: Session, project_id: str, user_id: str = "") -> dict[tuple[str, str], dict[str, int]]:
    """Limits that were set, by (project or "", user or "") and resource; one statement."""
    rows = session.execute(
        select(Quota.project_id, Quota.user_id, Quota.resource, Quota.hard_limit).where(
            Quota.project_id.in_({EVERYBODY, project_id}), Quota.user_id.in_({EVERYBODY, user_id})
        )
    )
    found: dict[tuple[str, str], dict[str, int]] = {}
    for project, user, resource, limit in rows:
        found.setdefault((project, user), {})[resource] = limit
    return found


def store(session: Session, project_id: str, user_id: str, limits: Mapping[str, int]) -> None:
    """Set limits; call it with the project locked."""
    for resource, limit in limits.items():
        same = (Quota.project_id == project_id, Quota.user_id == user_id, Quota.resource == resource)
        if session.scalar(select(Quota.hard_limit).where(*same)) is None:
            session.execute(
                insert(Quota).values(
                    project_id=project_id, user_id=user_id, resource=resource, hard_limit=limit
                )
            )
        else:
            session.execute(update(Quota).where(*same).values(hard_limit=limit))


def forget(session: Session, project_id: str, user_id: str | None) -> None:
    """Remove the limits of one user in a project; None: everything that was set for the project."""
    where = [Quota.project_id == project_id]
    if user_id is not None:
        where.append(Quota.user_id == user_id)
    session.execute(delete(Quota).where(*where))


def lock(session: Session, name: str) -> None:
    """Keep every other transaction that locks `name` waiting until this one ends.

    SQLite lets in one writer at a time anyway.
    """
    if session.get_bind().dialect.name == "sqlite":
        return
    query = select(QuotaLock.name).where(QuotaLock.name == name).with_for_update()
    if session.scalar(query) is not None:
        return
    try:
        with session.begin_nested():
            session.execute(insert(QuotaLock).values(name=name))
    except IntegrityError:  # somebody else made it while we waited
        session.scalar(query)


def in_use(session: Session, project_id: str, user_id: str | None = None) -> dict[str, int]:
    """instances, cores and ram (MB) of servers that are not deleted; one statement."""
    where = [Server.project_id == project_id, Server.deleted.is_(False)]
    if user_id is not None:
        where.append(Server.user_id == user_id)
    row = session.execute(
        select(
            func.count(), func.coalesce(func.sum(Server.vcpus), 0), func.coalesce(func.sum(Server.ram_mb), 0)
        ).where(*where)
    ).one()
    return dict(zip(("instances", "cores", "ram"), map(int, row), strict=True))
