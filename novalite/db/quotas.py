"""Limits as stored, what is in use, and the lock under which both are compared."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import bindparam, delete, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from novalite.db.models.compute import Server
from novalite.db.models.quotas import Quota, QuotaLock
from novalite.db.models.server_groups import ServerGroup
from novalite.db.session import run_statement
from novalite.states import RESTORING, SOFT_DELETED

EVERYBODY = ""
"""As a project id: the default of every project; as a user id: the whole project."""


_STORED = select(Quota.project_id, Quota.user_id, Quota.resource, Quota.hard_limit).where(
    or_(Quota.project_id == EVERYBODY, Quota.project_id == bindparam("b_project")),
    or_(Quota.user_id == EVERYBODY, Quota.user_id == bindparam("b_user")),
)
_LOCK = select(QuotaLock.name).where(QuotaLock.name == bindparam("b_name")).with_for_update()
_IN_USE = select(
    func.count(), func.coalesce(func.sum(Server.vcpus), 0), func.coalesce(func.sum(Server.ram_mb), 0)
).where(
    Server.project_id == bindparam("b_project"),
    Server.deleted.is_(False),
    or_(Server.vm_state != SOFT_DELETED, Server.task_state == RESTORING),
)
_IN_USE_BY = _IN_USE.where(Server.user_id == bindparam("b_user"))
_GROUPS = select(func.count()).where(ServerGroup.project_id == bindparam("b_project"))
_ALL_IN_USE = _IN_USE.add_columns(_GROUPS.scalar_subquery())
_ALL_IN_USE_BY = _IN_USE_BY.add_columns(
    _GROUPS.where(ServerGroup.user_id == bindparam("b_user")).scalar_subquery()
)


def stored(session: Session, project_id: str, user_id: str = "") -> dict[tuple[str, str], dict[str, int]]:
    """Limits that were set, by (project or "", user or "") and resource; one statement."""
    rows = run_statement(session, _STORED, b_project=project_id, b_user=user_id)
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
    if run_statement(session, _LOCK, b_name=name).first() is not None:
        return
    try:
        with session.begin_nested():
            session.execute(insert(QuotaLock).values(name=name))
    except IntegrityError:  # somebody else made it while we waited
        run_statement(session, _LOCK, b_name=name).first()


def in_use(session: Session, project_id: str, user_id: str | None = None) -> dict[str, int]:
    """instances, cores and ram (MB) of servers that are not deleted, softly or for good; one statement."""
    if user_id is None:
        row = run_statement(session, _IN_USE, b_project=project_id).one()
    else:
        row = run_statement(session, _IN_USE_BY, b_project=project_id, b_user=user_id).one()
    return dict(zip(("instances", "cores", "ram"), map(int, row), strict=True))


def all_in_use(session: Session, project_id: str, user_id: str | None = None) -> dict[str, int]:
    """The same and server_groups; one statement."""
    if user_id is None:
        row = run_statement(session, _ALL_IN_USE, b_project=project_id).one()
    else:
        row = run_statement(session, _ALL_IN_USE_BY, b_project=project_id, b_user=user_id).one()
    return dict(zip(("instances", "cores", "ram", "server_groups"), map(int, row), strict=True))
