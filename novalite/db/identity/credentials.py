"""Application credentials: a second secret of a user, for one project and some roles."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from sqlalchemy import delete as sql_delete
from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from novalite.db.identity.records import names
from novalite.db.models import identity as m
from novalite.db.models.base import from_iso, iso
from novalite.errors import Conflict, NotFound
from novalite.objects.base import Record
from novalite.objects.identity import Ref

_SHOWN = ("id", "name", "description", "project_id", "role_ids", "unrestricted", "expires_at")


def _columns() -> list[Any]:
    return [getattr(m.AppCredential, key) for key in _SHOWN]


def page(session: Session, user_id: str, name: str | None = None) -> list[Record]:
    """A user's credentials by name, without secrets."""
    row = m.AppCredential
    query = select(*_columns()).where(row.user_id == user_id).order_by(row.name)
    if name is not None:
        query = query.where(row.name == name)
    return _records(session, session.execute(query).all())


def show(session: Session, user_id: str, credential_id: str) -> Record:
    """One credential of the user; NotFound otherwise."""
    row = m.AppCredential
    rows = session.execute(select(*_columns()).where(row.user_id == user_id, row.id == credential_id)).all()
    if not rows:
        raise _missing(credential_id)
    return _records(session, rows)[0]


def _missing(credential_id: str) -> NotFound:
    return NotFound(f"Could not find application credential: {credential_id}.")


def _records(session: Session, rows: Any) -> list[Record]:
    found = [dict(zip(_SHOWN, row, strict=True)) for row in rows]
    ids = {role for record in found for role in record["role_ids"]}
    known = names(session, "role", ids) if ids else {}
    for record in found:
        roles = record.pop("role_ids")
        record["roles"] = [{"id": r, "name": known[r], "domain_id": None} for r in roles if r in known]
        record["expires_at"] = iso(record["expires_at"])
        record["system"] = None
    return found


def create(session: Session, user_id: str, values: Record) -> str:
    """Write one; answers its id. `values`: name, project_id, secret_hash, role_ids, description,
    expires_at (ISO or None), unrestricted."""
    row = values | {"id": uuid4().hex, "user_id": user_id, "expires_at": from_iso(values["expires_at"])}
    try:
        session.execute(insert(m.AppCredential).values(**row))
    except IntegrityError:
        raise Conflict(f"An application credential named '{values['name']}' exists already.") from None
    return str(row["id"])


def delete(session: Session, user_id: str, credential_id: str) -> None:
    """Delete one; NotFound otherwise."""
    row = m.AppCredential
    gone = session.execute(sql_delete(row).where(row.user_id == user_id, row.id == credential_id))
    if gone.rowcount == 0:  # type: ignore[attr-defined]
        raise _missing(credential_id)


def for_login(session: Session, ref: Ref, user_id: str | None) -> Any:
    """id, user_id, project_id, secret_hash, role_ids, unrestricted, expires_at of the credential a login
    names by id, or by name with the user's id; None when there is none."""
    row = m.AppCredential
    query = select(
        row.id, row.user_id, row.project_id, row.secret_hash, row.role_ids, row.unrestricted, row.expires_at
    )
    if ref.id is not None:
        query = query.where(row.id == ref.id)
    elif ref.name is not None and user_id is not None:
        query = query.where(row.name == ref.name, row.user_id == user_id)
    else:
        return None
    return session.execute(query).first()
