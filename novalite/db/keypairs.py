"""Keypairs of users, by name."""

from __future__ import annotations

from typing import Any

from sqlalchemy import delete, func, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from novalite.db.models.base import iso
from novalite.db.models.keypairs import Keypair
from novalite.errors import KeypairExists, KeypairNotFound, MarkerNotFound
from novalite.objects.base import Record

_COLUMNS = [
    Keypair.id, Keypair.user_id, Keypair.name, Keypair.type, Keypair.fingerprint, Keypair.public_key,
    Keypair.created_at, Keypair.updated_at,
]  # fmt: skip
_KEYS = [c.key for c in _COLUMNS]


def _record(row: Any) -> Record:
    record = dict(zip(_KEYS, row, strict=True))
    record["created_at"], record["updated_at"] = iso(record["created_at"]), iso(record["updated_at"])
    return record


def page(session: Session, user_id: str, limit: int | None = None, marker: str | None = None) -> list[Record]:
    """A user's keypairs by name, those after the one named `marker`; raises MarkerNotFound."""
    query = select(*_COLUMNS).where(Keypair.user_id == user_id).order_by(Keypair.name).limit(limit)
    if marker is not None:
        known = select(Keypair.id).where(Keypair.user_id == user_id, Keypair.name == marker)
        if session.scalar(known) is None:
            raise MarkerNotFound(marker=marker)
        query = query.where(Keypair.name > marker)
    return [_record(row) for row in session.execute(query)]


def get(session: Session, user_id: str, name: str) -> Record:
    """One keypair; raises KeypairNotFound."""
    row = session.execute(select(*_COLUMNS).where(Keypair.user_id == user_id, Keypair.name == name)).first()
    if row is None:
        raise KeypairNotFound(name=name, user_id=user_id)
    return _record(row)


def count(session: Session, user_id: str) -> int:
    """How many a user has."""
    return int(session.scalar(select(func.count()).where(Keypair.user_id == user_id)) or 0)


def create(session: Session, values: dict[str, Any]) -> None:
    """Insert a keypair; raises KeypairExists."""
    try:
        with session.begin_nested():
            session.execute(insert(Keypair).values(**values))
    except IntegrityError:
        raise KeypairExists(name=values["name"]) from None


def remove(session: Session, user_id: str, name: str) -> None:
    """Raises KeypairNotFound."""
    gone = session.execute(delete(Keypair).where(Keypair.user_id == user_id, Keypair.name == name))
    if gone.rowcount == 0:  # type: ignore[attr-defined]
        raise KeypairNotFound(name=name, user_id=user_id)
