"""Tags of anything the network service keeps."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import delete, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from novalite.db.models.networks import NetworkTag
from novalite.objects.network_errors import TagNotFound


def of(session: Session, resource_id: str) -> list[str]:
    """Tags of one thing, in order."""
    row = NetworkTag
    return list(session.scalars(select(row.tag).where(row.resource_id == resource_id).order_by(row.tag)))


def replace(session: Session, resource_id: str, tags: Iterable[str]) -> list[str]:
    """Exactly these."""
    wanted = sorted(set(tags))
    session.execute(delete(NetworkTag).where(NetworkTag.resource_id == resource_id))
    if wanted:
        session.execute(insert(NetworkTag), [{"resource_id": resource_id, "tag": tag} for tag in wanted])
    return wanted


def add(session: Session, resource_id: str, tag: str) -> None:
    """One more; nothing happens when it is there."""
    try:
        with session.begin_nested():
            session.execute(insert(NetworkTag).values(resource_id=resource_id, tag=tag))
    except IntegrityError:
        return


def remove(session: Session, resource_id: str, tag: str) -> None:
    """One less; TagNotFound."""
    row = NetworkTag
    gone = session.execute(delete(row).where(row.resource_id == resource_id, row.tag == tag))
    if gone.rowcount == 0:  # type: ignore[attr-defined]
        raise TagNotFound(tag=tag)
