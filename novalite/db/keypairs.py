"""Keypairs of users."""

from __future__ import annotations

from typing import Any

from sqlalchemy import delete, func, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from novalite.db.models.base import iso
from novalite.db.models.keypairs import Keypair
from novalite.errors import KeypairExists, KeypairNotFound, MarkerNotFound
from novalite.objects.base import Record

_KEYS = ("id", "user_id", "name", "type", "fingerprint", "public_key", "created_at", "updated_at")
_COLUMNS = [getattr(Keypair, key) for key in _KEYS]


def _record(row: Any) -> Record:
    record = dict(zip(_KEYS, row, strict=True))
    record["created_at"], record["updated_at"] = iso(record["created_at"]), iso(record["updated_at"])
    return record


def get(session: Session, user_id: str | None, name: str) -> Record:
    """Raises KeypairNotFound."""
    query = select(*_COLUMNS).where(Keypair.user_id == user_id, Keypair.name == name)
    row = session.execute(query).first()
    if row is None:
        raise KeypairNotFound(name=name, user_id=user_id)
    return _record(row)


def page(session: Session, user_id: str, limit: int | None = None, marker: str | None = None) -> list[Record]:
    """Sorted by name; raises MarkerNotFound."""
    query = select(*_COLUMNS).where(Keypair.user_id == user_id).order_by(Keypair.name)
    if marker is not None:
        try:
            query = query.where(Keypair.name > get(session, user_id, marker)["name"])
        except KeypairNotFound as error:
            raise MarkerNotFound(marker=marker) from error
    return [_record(row) for row in session.execute(query.limit(limit))]


def count(session: Session, user_id: str) -> int:
    """How many a user has."""
    return int(session.execute(select(func.count()).where(Keypair.user_id == user_id)).scalar_one())


def create(session: Session, values: Record) -> None:
    """Raises KeypairExists."""
    try:
        with session.begin_nested():
            session.execute(insert(Keypair).values(**values))
    except IntegrityError as error:
        raise KeypairExists(name=values["name"]) from error


def remove(session: Session, user_id: str, name: str) -> None:
    """Raises KeypairNotFound."""
    gone = session.execute(delete(Keypair).where(Keypair.user_id == user_id, Keypair.name == name))
    if gone.rowcount == 0:  # type: ignore[attr-defined]
        raise KeypairNotFound(name=name, user_id=user_id)
