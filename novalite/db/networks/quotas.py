"""How much of each kind a project may have, has, and may still get."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.orm import Session

from novalite.db import quotas
from novalite.db.models.networks import NetworkQuota
from novalite.db.networks.kinds import NOUNS
from novalite.objects.network_errors import NetworkOverQuota, QuotaMissing

Limits = dict[str, int]


def stored(session: Session, project_id: str | None = None) -> dict[str, Limits]:
    """Limits that were set, by project."""
    row = NetworkQuota
    query = select(row.project_id, row.resource, row.hard_limit).order_by(row.project_id)
    if project_id is not None:
        query = query.where(row.project_id == project_id)
    found: dict[str, Limits] = {}
    for project, resource, limit in session.execute(query):
        found.setdefault(project, {})[resource] = limit
    return found


def limits(session: Session, project_id: str, defaults: Limits) -> Limits:
    """What holds for a project."""
    return defaults | stored(session, project_id).get(project_id, {})


def in_use(session: Session, project_id: str) -> Limits:
    """How many of each kind a project has; one statement."""
    counts: list[Any] = [
        select(func.count()).select_from(noun.model).where(noun.model.project_id == project_id)
        for noun in NOUNS.values()
    ]
    found = session.execute(select(*(count.scalar_subquery() for count in counts))).one()
    return dict(zip(NOUNS, map(int, found), strict=True))


def check(session: Session, project_id: str, wanted: Mapping[str, int], defaults: Limits) -> None:
    """NetworkOverQuota unless the project may have so many more. Others of the project wait until this
    transaction ends, so that counting and adding are one."""
    allowed = limits(session, project_id, defaults)
    limited = [kind for kind in wanted if allowed.get(kind, -1) >= 0]
    if not limited:
        return
    quotas.lock(session, f"network:{project_id}")
    over = [kind for kind in limited if _count(session, kind, project_id) + wanted[kind] > allowed[kind]]
    if over:
        raise NetworkOverQuota(resources=over)


def _count(session: Session, kind: Any, project_id: str) -> int:
    model = NOUNS[kind].model
    return session.scalar(select(func.count()).select_from(model).where(model.project_id == project_id)) or 0


def store(session: Session, project_id: str, wanted: Limits) -> None:
    """Set limits."""
    quotas.lock(session, f"network:{project_id}")
    row = NetworkQuota
    for resource, limit in wanted.items():
        same = (row.project_id == project_id, row.resource == resource)
        done = session.execute(update(row).where(*same).values(hard_limit=limit))
        if done.rowcount == 0 and session.scalar(select(row.hard_limit).where(*same)) is None:  # type: ignore[attr-defined]
            session.execute(insert(row).values(project_id=project_id, resource=resource, hard_limit=limit))


def forget(session: Session, project_id: str) -> None:
    """The project has the limits of the configuration again; QuotaMissing when it had no others."""
    gone = session.execute(delete(NetworkQuota).where(NetworkQuota.project_id == project_id))
    if gone.rowcount == 0:  # type: ignore[attr-defined]
        raise QuotaMissing(project_id=project_id)
