"""What is read to make a token, and what is kept so that tokens can be checked and revoked."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, NamedTuple

from sqlalchemy import Row, delete, insert, select, update
from sqlalchemy.orm import Session

from novalite.db.models import identity as m
from novalite.db.models.base import from_iso, iso, now
from novalite.objects.base import Record
from novalite.objects.identity import Ref

_EPOCH = datetime(1970, 1, 1)
_OVERLAP = timedelta(seconds=30)
"""A poll looks this far behind the last one: a transaction that began before it may have ended after."""


class UserRow(NamedTuple):
    """A user with domain, as a login needs it."""

    id: str
    name: str
    domain_id: str
    domain_name: str
    enabled: bool
    domain_enabled: bool
    password_hash: str | None
    password_expires_at: Any
    default_project_id: str | None
    failed_logins: int
    last_failed_at: Any


class TargetRow(NamedTuple):
    """A project with its domain."""

    id: str
    name: str
    domain_id: str
    domain_name: str
    parent_id: str
    enabled: bool
    domain_enabled: bool


def user(session: Session, ref: Ref) -> UserRow | None:
    """The user a login names, or None when there is none or the reference is incomplete."""
    row = m.User
    query = select(
        row.id, row.name, row.domain_id, m.Domain.name, row.enabled, m.Domain.enabled, row.password_hash,
        row.password_expires_at, row.default_project_id, row.failed_logins, row.last_failed_at,
    ).join(m.Domain, m.Domain.id == row.domain_id)  # fmt: skip
    found = _one(session, query, row, ref)
    return UserRow._make(found) if found else None


def project(session: Session, ref: Ref) -> TargetRow | None:
    """The project a scope names, or None."""
    row = m.Project
    query = select(
        row.id, row.name, row.domain_id, m.Domain.name, row.parent_id, row.enabled, m.Domain.enabled
    ).join(m.Domain, m.Domain.id == row.domain_id)
    found = _one(session, query, row, ref)
    return TargetRow._make(found) if found else None


def _one(session: Session, query: Any, row: Any, ref: Ref) -> Row[Any] | None:
    if ref.id is not None:
        query = query.where(row.id == ref.id)
    elif ref.name is None:
        return None
    elif ref.domain_id is not None:
        query = query.where(row.name == ref.name, row.domain_id == ref.domain_id)
    elif ref.domain_name is not None:
        query = query.where(row.name == ref.name, m.Domain.name == ref.domain_name)
    else:
        return None
    found: Row[Any] | None = session.execute(query).first()
    return found


def domain(session: Session, ref: Ref) -> tuple[str, str] | None:
    """(id, name) of an enabled domain, or None."""
    row = m.Domain
    if ref.id is None and ref.name is None:
        return None
    which = row.id == ref.id if ref.id is not None else row.name == ref.name
    found = session.execute(select(row.id, row.name).where(which, row.enabled)).first()
    return (found[0], found[1]) if found else None


def catalog(session: Session) -> list[Record]:
    """Enabled services with their enabled endpoints, as the API shows them; addresses not filled in."""
    service, point = m.CatalogService, m.Endpoint
    rows = session.execute(
        select(service.id, service.type, service.name, point.id, point.interface, point.url, point.region_id)
        .join(point, point.service_id == service.id)
        .where(service.enabled, point.enabled)
        .order_by(service.type, service.id, point.interface, point.id)
    )
    found: dict[str, Record] = {}
    for service_id, kind, name, point_id, interface, url, region in rows:
        fresh = {"id": service_id, "type": kind, "name": name or "", "endpoints": []}
        entry = found.setdefault(service_id, fresh)
        entry["endpoints"].append(
            {"id": point_id, "interface": interface, "region": region, "region_id": region, "url": url}
        )
    return list(found.values())


def note_failure(session: Session, user_id: str) -> None:
    """Count a wrong password."""
    values = {"failed_logins": m.User.failed_logins + 1, "last_failed_at": now()}
    session.execute(update(m.User).where(m.User.id == user_id).values(**values))


def forget_failures(session: Session, user_id: str) -> None:
    """A right password ends the count."""
    session.execute(update(m.User).where(m.User.id == user_id).values(failed_logins=0, last_failed_at=None))


def set_password(session: Session, user_id: str, password_hash: str) -> None:
    """Store a new hash."""
    session.execute(update(m.User).where(m.User.id == user_id).values(password_hash=password_hash))


# --- signing keys ------------------------------------------------------------------------------


def signing_keys(session: Session) -> list[tuple[str, str]]:
    """(kid, private) of every key, newest first."""
    key = m.SigningKey
    rows = session.execute(select(key.kid, key.private).order_by(key.created_at.desc()))
    return [(kid, private) for kid, private in rows]


def add_signing_key(session: Session, kid: str, private: str) -> None:
    """Store a key; from now on it is the one that signs."""
    session.execute(insert(m.SigningKey).values(kid=kid, private=private, created_at=now()))


def drop_signing_keys(session: Session, older_than: float) -> int:
    """Delete keys that stopped signing more than `older_than` seconds ago; answers how many."""
    key = m.SigningKey
    rows = session.execute(select(key.kid, key.created_at).order_by(key.created_at)).all()
    limit = now() - timedelta(seconds=older_than)
    # A key stopped signing when its successor was made.
    idle = [kid for (kid, _), (_, succeeded) in pairwise(rows) if succeeded < limit]
    if idle:
        session.execute(delete(key).where(key.kid.in_(idle)))
    return len(idle)


# --- revocations -------------------------------------------------------------------------------


def revoke(session: Session, keys: Iterable[str], issued_before: int) -> None:
    """Make tokens with one of these keys, issued at `issued_before` (µs) or earlier, void."""
    rows = [{"key": key, "issued_before": issued_before, "created_at": now()} for key in keys]
    if rows:
        session.execute(insert(m.Revocation), rows)


def revocations(session: Session, since: str | None, lifetime: int) -> Record:
    """See identity.tokens.TokenSource.revocations. `lifetime` of tokens in seconds."""
    moment = now()
    horizon = moment - timedelta(seconds=lifetime)
    begin = horizon if since is None else max(horizon, (from_iso(since) or horizon) - _OVERLAP)
    rows = session.execute(
        select(m.Revocation.key, m.Revocation.issued_before).where(m.Revocation.created_at >= begin)
    )
    return {
        "events": [[key, before] for key, before in rows],
        "now": iso(moment),
        "horizon": int((horizon - _EPOCH).total_seconds() * 1_000_000),
    }


def purge_revocations(session: Session, lifetime: int) -> int:
    """Delete revocations of tokens that have expired since; answers how many."""
    expired = now() - timedelta(seconds=lifetime)
    gone = session.execute(delete(m.Revocation).where(m.Revocation.created_at < expired))
    return int(gone.rowcount)  # type: ignore[attr-defined]
