"""Tokens of consoles: made, looked up, spent once, revoked and forgotten."""

from __future__ import annotations

import hmac
from datetime import datetime, timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from novalite.db.models.base import now
from novalite.db.models.consoles import ConsoleToken
from novalite.db.session import run_statement
from novalite.errors import ConsoleTokenInvalid
from novalite.objects.base import Record
from novalite.objects.consoles import ConsoleAddress, ConsoleWanted

BATCH = 1000
"""Expired tokens removed by one statement."""
_TABLE = ConsoleToken.__table__
Token = _TABLE.c
_KEYS = [str(column.name) for column in _TABLE.columns]


def add(
    session: Session, wanted: ConsoleWanted, host: str, address: ConsoleAddress, user_id: str | None, ttl: float,
    most: int,
) -> None:  # fmt: skip
    """A token that is valid for `ttl` seconds; of its server's others at most `most` - 1 stay, the newest."""
    moment = now()
    newest_first = (
        select(Token.digest).where(Token.server_id == wanted.server_id).order_by(Token.created_at.desc(), Token.digest)
    )
    surplus = session.scalars(newest_first.offset(most - 1).limit(BATCH)).all()
    if surplus:
        session.execute(delete(ConsoleToken).where(Token.digest.in_(surplus)))
    session.add(
        ConsoleToken(
            digest=wanted.digest, server_id=wanted.server_id, kind=wanted.kind, host=host, address=address.host,
            port=address.port, tls=address.tls, user_id=user_id, created_at=moment,
            expires_at=moment + timedelta(seconds=ttl),
        )
    )  # fmt: skip
    session.flush()


def find(session: Session, digest: str, at: datetime | None = None) -> Record:
    """A token that is valid `at` this moment (now); ConsoleTokenInvalid for any other, without saying why."""
    row = run_statement(session, select(_TABLE).where(Token.digest == digest)).first()
    record = dict(zip(_KEYS, row, strict=True)) if row else None
    # The database may take "A" for "a" where an operator chose so.
    if record is None or not hmac.compare_digest(record["digest"].encode(), digest.encode()):
        raise ConsoleTokenInvalid()
    if record["used_at"] is not None or record["expires_at"] <= (at or now()):
        raise ConsoleTokenInvalid()
    return record


def spend(session: Session, digest: str) -> None:
    """It was used, and opens nothing any more; of two racing callers one gets ConsoleTokenInvalid."""
    spent = update(ConsoleToken).where(Token.digest == digest, Token.used_at.is_(None)).values(used_at=now())
    if not session.execute(spent).rowcount:  # type: ignore[attr-defined]
        raise ConsoleTokenInvalid()


def revoke(session: Session, server_id: str) -> None:
    """Every token of a server is void."""
    session.execute(
        delete(ConsoleToken).where(Token.server_id == server_id).execution_options(synchronize_session=False)
    )


def forget_expired(session: Session) -> int:
    """Remove what has expired, at most BATCH; answers how many."""
    digests = session.scalars(select(Token.digest).where(Token.expires_at <= now()).limit(BATCH)).all()
    if digests:
        session.execute(delete(ConsoleToken).where(Token.digest.in_(digests)))
    return len(digests)
