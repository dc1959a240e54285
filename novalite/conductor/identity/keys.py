"""Signing keys and revocations, kept in the database so that every conductor signs with the same key."""

from __future__ import annotations

import logging

from novalite.db.identity import login
from novalite.db.session import Database
from novalite.identity.tokens import Signer, key_id, new_private_key, public_key
from novalite.objects.base import Record

LOG = logging.getLogger(__name__)


class DatabaseTokens:
    """A TokenSource that reads the database: for verifying inside the conductor. `lifetime` in seconds."""

    def __init__(self, db: Database, lifetime: int) -> None:
        self._db, self._lifetime = db, lifetime

    def keys(self) -> dict[str, str]:
        """Public keys, base64, by kid."""
        with self._db.read() as session:
            return {kid: public_key(private) for kid, private in login.signing_keys(session)}

    def revocations(self, since: str | None) -> Record:
        """See TokenSource.revocations."""
        with self._db.read() as session:
            return login.revocations(session, since, self._lifetime)


def make_signer(db: Database) -> Signer:
    """A signer with the newest key of the database; the first key is made when it is first needed."""
    return Signer(lambda: _newest(db))


def _newest(db: Database) -> str:
    with db.read() as session:
        keys = login.signing_keys(session)
    return keys[0][1] if keys else rotate_signing_key(db)


def rotate_signing_key(db: Database, keep_seconds: int | None = None) -> str:
    """Add a key, which signs from now on (other conductors follow within a minute); answers it.

    With `keep_seconds`, keys that stopped signing longer ago than that are dropped: give at least the
    lifetime of a token.
    """
    private = new_private_key()
    kid = key_id(public_key(private))
    with db.begin() as session:
        login.add_signing_key(session, kid, private)
        dropped = 0 if keep_seconds is None else login.drop_signing_keys(session, keep_seconds)
    LOG.info("Tokens are signed with the new key %s; %d old keys were dropped", kid, dropped)
    return private


class ExpireRevocations:
    """Forget revocations of tokens that have expired anyway."""

    name = "expire_revocations"

    def __init__(self, db: Database, lifetime: int) -> None:
        self._db, self._lifetime = db, lifetime
        self.interval = float(max(60, lifetime // 4))

    def run(self) -> int:
        """Answers how many were forgotten."""
        return self._db.run(lambda session: login.purge_revocations(session, self._lifetime))
