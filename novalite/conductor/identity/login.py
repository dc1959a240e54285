"""From a login to a token: who is it, what may the token be for, which roles does it carry."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, NoReturn

from oslo_config.cfg import ConfigOpts
from sqlalchemy.orm import Session

from novalite.db.identity import assignments, credentials, login
from novalite.db.identity.login import TargetRow, UserRow
from novalite.db.models.base import iso, now
from novalite.db.session import Database
from novalite.errors import Unauthorized
from novalite.identity.claims import (
    Claims,
    Named,
    Scoped,
    as_body,
    new_audit_id,
    now_us,
    render_catalog,
)
from novalite.identity.passwords import Passwords
from novalite.identity.tokens import Signer, Verifier
from novalite.objects.base import Record
from novalite.objects.identity import Login, Ref, Scope

_BAD_LOGIN = "The request you have made requires authentication: user, secret or scope is not right."


def refuse() -> NoReturn:
    """The one answer to every failed login, so that nobody learns which part was wrong."""
    raise Unauthorized(_BAD_LOGIN)


class Logins:
    """Answers logins. Database work is reading only, except for counting failures when that is on."""

    def __init__(
        self, db: Database, conf: ConfigOpts, signer: Signer, verifier: Verifier, passwords: Passwords
    ) -> None:
        self._db, self._conf = db, conf.identity
        self._signer, self._verifier, self._passwords = signer, verifier, passwords

    def authenticate(self, request: Login, with_catalog: bool) -> Record:
        """{token, body}; Unauthorized when anything about the request is not right."""
        found = [self._by_method(method, request) for method in request.methods]
        if not found or any(proof.user.id != found[0].user.id for proof in found):
            refuse()
        proof = combined(found)
        with self._db.read() as session:
            claims = self._scope(session, proof, request.scope)
            services = login.catalog(session) if with_catalog and claims.scoped else None
        body = as_body(claims, None)
        if services is not None:
            project = claims.project.id if claims.project else None
            body["catalog"] = render_catalog(services, project, proof.user.id)
        return {"token": self._signer.issue(claims), "body": body}

    # --- who ---------------------------------------------------------------------------------

    def _by_method(self, method: str, request: Login) -> Proof:
        if method == "password":
            return self._by_password(request)
        if method == "token":
            return self._by_token(request)
        return self._by_credential(request)

    def _by_password(self, request: Login) -> Proof:
        with self._db.read() as session:
            user = login.user(session, request.user)
        usable = user is not None and user.enabled and user.domain_enabled and not self._locked(user)
        # The work is done for unknown users too: the time taken must not tell who exists.
        right = self._passwords.check(request.password, user.password_hash if user and usable else None)
        if user is None or not usable:
            refuse()
        if self._conf.lockout_failures:
            self._count(user, right)
        if not right or (user.password_expires_at is not None and user.password_expires_at <= now()):
            refuse()
        return Proof(user, ("password",))

    def _locked(self, user: UserRow) -> bool:
        limit = self._conf.lockout_failures
        if not limit or user.failed_logins < limit or user.last_failed_at is None:
            return False
        until: datetime = user.last_failed_at + timedelta(seconds=self._conf.lockout_seconds)
        return now() < until

    def _count(self, user: UserRow, right: bool) -> None:
        if not right:
            self._db.run(lambda session: login.note_failure(session, user.id))
        elif user.failed_logins:
            self._db.run(lambda session: login.forget_failures(session, user.id))

    def _by_token(self, request: Login) -> Proof:
        old = self._verifier.verify(request.token)
        if old.user is None:
            refuse()  # a token for an image has no user
        with self._db.read() as session:
            user = login.user(session, Ref(id=old.user.id))
        if user is None or not (user.enabled and user.domain_enabled):
            refuse()
        return Proof(user, ("token", *old.methods), before=old)

    def _by_credential(self, request: Login) -> Proof:
        with self._db.read() as session:
            owner = login.user(session, request.user) if request.credential.id is None else None
            row = credentials.for_login(session, request.credential, owner.id if owner else None)
            user = owner if owner or row is None else login.user(session, Ref(id=row.user_id))
        usable = row is not None and user is not None and user.enabled and user.domain_enabled
        right = self._passwords.check(request.secret, row.secret_hash if usable else None)
        if not right or user is None or (row.expires_at is not None and row.expires_at <= now()):
            refuse()
        return Proof(user, ("application_credential",), credential=row)

    # --- for what ----------------------------------------------------------------------------

    def _scope(self, session: Session, proof: Proof, scope: Scope) -> Claims:
        claims = self._fresh(proof)
        if proof.credential is not None:
            return _for_credential(session, claims, proof, scope)
        if proof.before is not None and proof.before.app_cred_id is not None:
            return _same_scope(session, claims, proof, scope)
        if scope.kind == "default":
            return _by_default(session, claims, proof)
        return _SCOPES[scope.kind](session, claims, scope.ref)

    def _fresh(self, proof: Proof) -> Claims:
        user, old = proof.user, proof.before
        issued = now_us()
        expires = issued + self._conf.token_expiration * 1_000_000
        audit: tuple[str, ...] = (new_audit_id(),)
        if old is not None:
            expires = min(expires, old.expires)  # a token cannot be kept alive by trading it in
            audit = (*audit, *old.audit_ids[-1:])
        if proof.credential is not None and proof.credential.expires_at is not None:
            left = proof.credential.expires_at - now()
            expires = min(expires, issued + int(left.total_seconds() * 1_000_000))
        return Claims(
            issued,
            expires,
            user=Scoped(user.id, user.name, user.domain_id, user.domain_name),
            methods=tuple(dict.fromkeys(proof.methods)),
            audit_ids=audit,
            password_expires_at=iso(user.password_expires_at),
        )


class Proof:
    """Somebody who has shown who they are, and how."""

    def __init__(
        self, user: UserRow, methods: tuple[str, ...], before: Claims | None = None, credential: Any = None
    ) -> None:
        self.user, self.methods, self.before, self.credential = user, methods, before, credential


def combined(found: list[Proof]) -> Proof:
    """One proof of several that mean the same user."""
    first = found[0]
    methods = tuple(method for proof in found for method in proof.methods)
    before = next((proof.before for proof in found if proof.before is not None), None)
    credential = next((proof.credential for proof in found if proof.credential is not None), None)
    return Proof(first.user, methods, before, credential)


def _usable(project: TargetRow | None) -> TargetRow | None:
    return project if project and project.enabled and project.domain_enabled else None


def _user_id(claims: Claims) -> str:
    assert claims.user is not None
    return claims.user.id


def _roles_on(session: Session, claims: Claims, project: TargetRow) -> tuple[Named, ...]:
    above = assignments.ancestors(session, project.parent_id, project.domain_id)
    found = assignments.roles_of(session, _user_id(claims), "project", project.id, above)
    return tuple(Named(*role) for role in found)


def _in_project(claims: Claims, project: TargetRow, roles: tuple[Named, ...]) -> Claims:
    home = Scoped(project.id, project.name, project.domain_id, project.domain_name)
    return replace(claims, project=home, roles=roles)


def _project(session: Session, claims: Claims, ref: Ref) -> Claims:
    project = _usable(login.project(session, ref))
    roles = _roles_on(session, claims, project) if project else ()
    if project is None or not roles:
        refuse()
    return _in_project(claims, project, roles)


def _domain(session: Session, claims: Claims, ref: Ref) -> Claims:
    found = login.domain(session, ref)
    roles = assignments.roles_of(session, _user_id(claims), "domain", found[0]) if found else []
    if found is None or not roles:
        refuse()
    return replace(claims, domain=Named(*found), roles=tuple(Named(*role) for role in roles))


def _system(session: Session, claims: Claims, _ref: Ref) -> Claims:
    roles = assignments.roles_of(session, _user_id(claims), "system", assignments.ALL)
    if not roles:
        refuse()
    return replace(claims, system=True, roles=tuple(Named(*role) for role in roles))


def _unscoped(_session: Session, claims: Claims, _ref: Ref) -> Claims:
    return claims


_SCOPES = {"project": _project, "domain": _domain, "system": _system, "unscoped": _unscoped}


def _by_default(session: Session, claims: Claims, proof: Proof) -> Claims:
    """The default project when the user has roles there, else no scope."""
    wanted = proof.user.default_project_id
    project = _usable(login.project(session, Ref(id=wanted))) if wanted else None
    roles = _roles_on(session, claims, project) if project else ()
    return _in_project(claims, project, roles) if project and roles else claims


def _for_credential(session: Session, claims: Claims, proof: Proof, scope: Scope) -> Claims:
    """The credential's project, with those of its roles that the user still has there."""
    row = proof.credential
    project = _usable(login.project(session, Ref(id=row.project_id)))
    if project is None or not _asks_for(scope, project):
        refuse()
    kept = tuple(role for role in _roles_on(session, claims, project) if role.id in row.role_ids)
    granted = {role.id for role in kept}
    implied = assignments.implied_by(session, granted)
    roles = kept + tuple(Named(*pair) for pair in implied.items() if pair[0] not in granted)
    if not roles:
        refuse()
    return replace(_in_project(claims, project, roles), app_cred_id=row.id, restricted=not row.unrestricted)


def _asks_for(scope: Scope, project: TargetRow) -> bool:
    """Whether an explicit scope, if there is one, is the project the credential is for."""
    if scope.kind == "default":
        return True
    by_name = scope.ref.name == project.name and (
        scope.ref.domain_id == project.domain_id or scope.ref.domain_name == project.domain_name
    )
    return scope.kind == "project" and (scope.ref.id == project.id or by_name)


def _same_scope(session: Session, claims: Claims, proof: Proof, scope: Scope) -> Claims:
    """A token of an application credential gets another for the same project and no more roles."""
    old = proof.before
    assert old is not None and old.project is not None
    project = _usable(login.project(session, Ref(id=old.project.id)))
    if project is None or not _asks_for(scope, project):
        refuse()
    has = {role.id for role in _roles_on(session, claims, project)}
    roles = tuple(role for role in old.roles if role.id in has)
    if not roles:
        refuse()
    return replace(
        _in_project(claims, project, roles), app_cred_id=old.app_cred_id, restricted=old.restricted
    )
