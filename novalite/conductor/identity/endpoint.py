"""RPC endpoint of the embedded identity: open a transaction, call db/identity, tell about revocations."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Iterable
from typing import TypeVar

from sqlalchemy.orm import Session

from novalite.conductor.env import Env
from novalite.conductor.identity.keys import DatabaseTokens, make_signer
from novalite.conductor.identity.login import Logins
from novalite.context import Context
from novalite.db.identity import assignments, credentials, login, records, removal, role_assignments
from novalite.db.models.base import from_iso, now
from novalite.errors import BadRequest, NotFound, NovaliteError, Unauthorized
from novalite.identity.claims import now_us
from novalite.identity.passwords import Passwords
from novalite.identity.tokens import Verifier
from novalite.objects.base import Record
from novalite.objects.identity import NOUNS, AssignmentQuery, Grant, Login, Ref, revocation_key
from novalite.rpc.contracts.identity import Identity, IdentityNews

LOG = logging.getLogger(__name__)
T = TypeVar("T")
_LOCKABLE = ("user", "project", "domain")
"""Nouns whose tokens end when they are disabled, or get another password."""


class IdentityEndpoint(Identity):
    """Sets `env.signer` when nobody has."""

    def __init__(self, env: Env) -> None:
        conf = env.conf.identity
        self.db, self.client, self.conf = env.db, env.client, conf
        if env.signer is None:
            env.signer = make_signer(env.db)
        self.passwords = Passwords(conf.scrypt_cost, conf.scrypt_block_size, conf.scrypt_parallel)
        self.tokens = DatabaseTokens(env.db, conf.token_expiration)
        verifier = Verifier(self.tokens, conf.token_cache_size, poll_interval=0.0)
        self.logins = Logins(env.db, env.conf, env.signer, verifier, self.passwords)

    # --- tokens ------------------------------------------------------------------------------

    def authenticate(self, ctx: Context, login: Login, catalog: bool = True) -> Record:
        return self.logins.authenticate(login, catalog)

    def keys(self, ctx: Context) -> dict[str, str]:
        return self.tokens.keys()

    def revocations(self, ctx: Context, since: str | None = None) -> Record:
        return self.tokens.revocations(since)

    def revoke(self, ctx: Context, audit_id: str) -> None:
        self._write_and_revoke(ctx, lambda _session: [revocation_key("audit", audit_id)])

    def catalog(self, ctx: Context) -> list[Record]:
        return self._read(login.catalog)

    def scopes(self, ctx: Context, user_id: str) -> Record:
        return self._read(lambda session: assignments.scopes(session, user_id))

    # --- records -----------------------------------------------------------------------------

    def page(
        self,
        ctx: Context,
        noun: str,
        filters: dict[str, str | bool | None],
        limit: int | None = None,
        marker: str | None = None,
    ) -> list[Record]:
        if bad := sorted(filters.keys() - NOUNS[noun].filters):
            raise BadRequest(f"A list of {noun}s cannot be filtered by {', '.join(bad)}.")
        most = min(limit or self.conf.list_limit, self.conf.list_limit)
        return self._read(lambda session: records.page(session, noun, filters, most, marker))

    def show(self, ctx: Context, noun: str, record_id: str) -> Record:
        return self._read(lambda session: records.show(session, noun, record_id))

    def create(self, ctx: Context, noun: str, values: Record) -> Record:
        row = self._with_hash(values)
        return self.db.run(lambda session: records.create(session, noun, row))

    def update(self, ctx: Context, noun: str, record_id: str, values: Record) -> Record:
        row = self._with_hash(values)
        locks_out = noun in _LOCKABLE and (row.get("enabled") is False or "password_hash" in row)
        ends = [revocation_key(noun, record_id)] if locks_out else []

        def work(session: Session) -> tuple[Record, list[str]]:
            return records.change(session, noun, record_id, row), ends

        return self._write_and_tell(ctx, work)

    def delete(self, ctx: Context, noun: str, record_id: str) -> None:
        self._write_and_revoke(ctx, lambda session: removal.delete(session, noun, record_id))

    def change_password(self, ctx: Context, user_id: str, original: str, password: str) -> None:
        found = self._read(lambda session: login.user(session, Ref(id=user_id)))
        if not self.passwords.check(original, found.password_hash if found else None):
            raise Unauthorized("The original password is not right.")
        hashed = self.passwords.hash(password)

        def work(session: Session) -> list[str]:
            login.set_password(session, user_id, hashed)
            return [revocation_key("user", user_id)]

        self._write_and_revoke(ctx, work)

    def _with_hash(self, values: Record) -> Record:
        """`values` with the password hashed, outside any transaction because it takes long."""
        row = {k: v for k, v in values.items() if k != "password"}
        if values.get("password") is not None:
            row["password_hash"] = self.passwords.hash(values["password"])
        elif "password" in values:
            row["password_hash"] = None  # a user without a password cannot log in with one
        return row

    # --- groups and roles --------------------------------------------------------------------

    def add_member(self, ctx: Context, group_id: str, user_id: str) -> None:
        self.db.run(lambda session: assignments.add_member(session, group_id, user_id))

    def remove_member(self, ctx: Context, group_id: str, user_id: str) -> None:
        self._write_and_revoke(ctx, lambda session: assignments.remove_member(session, group_id, user_id))

    def is_member(self, ctx: Context, group_id: str, user_id: str) -> bool:
        return self._read(lambda session: assignments.is_member(session, group_id, user_id))

    def grant(self, ctx: Context, grant: Grant, role_id: str) -> None:
        self.db.run(lambda session: assignments.give(session, grant, role_id))

    def ungrant(self, ctx: Context, grant: Grant, role_id: str) -> None:
        self._write_and_revoke(ctx, lambda session: assignments.take(session, grant, role_id))

    def granted(self, ctx: Context, grant: Grant) -> list[Record]:
        return self._read(lambda session: assignments.given(session, grant))

    def assignments(self, ctx: Context, query: AssignmentQuery) -> list[Record]:
        return self._read(lambda session: role_assignments.page(session, query))

    def implied_roles(self, ctx: Context) -> list[list[Record]]:
        return self._read(assignments.implications)

    def imply(self, ctx: Context, prior_id: str, implied_id: str) -> None:
        self.db.run(lambda session: assignments.imply(session, prior_id, implied_id))

    def unimply(self, ctx: Context, prior_id: str, implied_id: str) -> None:
        def work(session: Session) -> list[str]:
            assignments.unimply(session, prior_id, implied_id)
            return [revocation_key("user", user) for user in removal.having_role(session, prior_id)]

        self._write_and_revoke(ctx, work)

    # --- application credentials -------------------------------------------------------------

    def app_credentials(self, ctx: Context, user_id: str, name: str | None = None) -> list[Record]:
        return self._read(lambda session: credentials.page(session, user_id, name))

    def app_credential(self, ctx: Context, user_id: str, credential_id: str) -> Record:
        return self._read(lambda session: credentials.show(session, user_id, credential_id))

    def create_app_credential(self, ctx: Context, user_id: str, values: Record) -> Record:
        secret = values.get("secret") or secrets.token_urlsafe(64)
        expires = values.get("expires_at")
        moment = from_iso(expires)
        if moment is not None and moment <= now():
            raise BadRequest("expires_at must be in the future.")
        row = {
            "name": values["name"],
            "project_id": values["project_id"],
            "description": values.get("description"),
            "unrestricted": bool(values.get("unrestricted")),
            "expires_at": expires,
            "secret_hash": self.passwords.hash(secret),
        }

        def work(session: Session) -> Record:
            row["role_ids"] = _chosen_roles(session, ctx, user_id, values)
            made = credentials.create(session, user_id, row)
            return credentials.show(session, user_id, made)

        return self.db.run(work) | {"secret": secret}

    def delete_app_credential(self, ctx: Context, user_id: str, credential_id: str) -> None:
        def work(session: Session) -> list[str]:
            credentials.delete(session, user_id, credential_id)
            return [revocation_key("credential", credential_id)]

        self._write_and_revoke(ctx, work)

    # --- transactions ------------------------------------------------------------------------

    def _read(self, work: Callable[[Session], T]) -> T:
        with self.db.read() as session:
            return work(session)

    def _write_and_revoke(self, ctx: Context, work: Callable[[Session], Iterable[str]]) -> None:
        """Run `work`, revoke under the keys it answers, in one transaction; then tell the API workers."""
        self._write_and_tell(ctx, lambda session: (None, list(work(session))))

    def _write_and_tell(self, ctx: Context, work: Callable[[Session], tuple[T, list[str]]]) -> T:
        moment = 0

        def whole(session: Session) -> tuple[T, list[str]]:
            nonlocal moment
            answer, keys = work(session)
            moment = now_us()
            login.revoke(session, keys, moment)
            return answer, keys

        answer, keys = self.db.run(whole)
        if keys:
            self._tell(ctx, [[key, moment] for key in keys])
        return answer

    def _tell(self, ctx: Context, events: list[list[str | int]]) -> None:
        try:
            self.client.of(IdentityNews).revoked(ctx, events)
        except NovaliteError as error:
            LOG.warning("API workers learn of %d revocations only at their next poll: %s", len(events), error)


def _chosen_roles(session: Session, ctx: Context, user_id: str, values: Record) -> list[str]:
    """Ids of the roles an application credential asks for; those of the token when it names none."""
    project = login.project(session, Ref(id=values["project_id"]))
    if project is None:
        raise NotFound(f"Could not find project: {values['project_id']}.")
    above = assignments.ancestors(session, project.parent_id, project.domain_id)
    has = assignments.roles_of(session, user_id, "project", project.id, above)
    asked = values.get("roles")
    if not asked:
        return [role_id for role_id, name in has if name in ctx.roles]
    chosen = []
    for role in asked:
        wanted = role.get("id") or role.get("name")
        found = [i for i, name in has if wanted == (i if role.get("id") else name)]
        if not found:
            raise BadRequest(f"You do not have role {wanted} in this project.")
        chosen += found
    return chosen
