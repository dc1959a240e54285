"""Limits of projects and users, and the defaults: read, set, forget."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256

from sqlalchemy.orm import Session

from novalite.conductor import quota
from novalite.conductor.env import Env
from novalite.context import Context
from novalite.db import keypairs, quotas
from novalite.errors import BadRequest
from novalite.rpc.contracts.flavors import DEFAULT_CLASS, Quotas


class QuotasEndpoint(Quotas):
    """See the contract for each method's meaning and errors."""

    def __init__(self, env: Env) -> None:
        self.env = env

    def show(self, ctx: Context, project_id: str, user_id: str | None = None) -> dict[str, dict[str, int]]:
        with self.env.db.read() as session:
            limits = quota.limits(session, self.env.conf, project_id, user_id)
            used = quotas.all_in_use(session, project_id, user_id)
            if user_id:  # keypairs belong to users: a project has none in use
                used["key_pairs"] = keypairs.count(session, user_id)
        return {
            name: {"limit": limit, "in_use": used.get(name, 0), "reserved": 0}
            for name, limit in limits.items()
        }

    def defaults(self, ctx: Context, name: str = DEFAULT_CLASS) -> dict[str, int]:
        with self.env.db.read() as session:
            return self._of_class(session, name)

    def update(
        self,
        ctx: Context,
        project_id: str,
        limits: dict[str, int],
        force: bool = False,
        user_id: str | None = None,
    ) -> dict[str, int]:
        _check_names(limits)

        def work(session: Session) -> dict[str, int]:
            quotas.lock(session, project_id)
            if user_id:
                _within(limits, quota.limits(session, self.env.conf, project_id))
            if not force:
                _enough(limits, quotas.all_in_use(session, project_id, user_id))
            quotas.store(session, project_id, user_id or quotas.EVERYBODY, limits)
            return quota.limits(session, self.env.conf, project_id, user_id)

        return self.env.db.run(work)

    def delete(self, ctx: Context, project_id: str, user_id: str | None = None) -> None:
        def work(session: Session) -> None:
            quotas.lock(session, project_id)
            quotas.forget(session, project_id, user_id)

        self.env.db.run(work)

    def update_defaults(
        self, ctx: Context, limits: dict[str, int], name: str = DEFAULT_CLASS
    ) -> dict[str, int]:
        _check_names(limits)

        def work(session: Session) -> dict[str, int]:
            holder = _holder(name)
            quotas.lock(session, holder)
            quotas.store(session, holder, quotas.EVERYBODY, limits)
            return self._of_class(session, name)

        return self.env.db.run(work)

    def _of_class(self, session: Session, name: str) -> dict[str, int]:
        """What is configured, and what was set for this very class: another class knows nothing of the default."""
        holder = _holder(name)
        own = quotas.stored(session, holder).get((holder, quotas.EVERYBODY), {})
        return quota.defaults(self.env.conf, {(quotas.EVERYBODY, quotas.EVERYBODY): own})


def _holder(name: str) -> str:
    """Under which project id the limits of a class are kept; the colon is in the id of no project."""
    if name == DEFAULT_CLASS:
        return quotas.EVERYBODY
    return f"class:{sha256(name.encode()).hexdigest()[:40]}"


def _check_names(limits: Mapping[str, int]) -> None:
    for name, limit in limits.items():
        if name not in quota.RESOURCES:
            raise BadRequest(f"There is no quota called {name}.")
        if limit < quota.UNLIMITED:
            raise BadRequest(f"Quota limit {limit} for {name} must be at least -1.")


def _enough(limits: Mapping[str, int], used: Mapping[str, int]) -> None:
    """A limit below what is in use would be broken at once."""
    for name, limit in limits.items():
        if limit != quota.UNLIMITED and limit < used.get(name, 0):
            raise BadRequest(
                f"Quota limit {limit} for {name} must be greater than or equal to "
                f"already used and reserved {used[name]}."
            )


def _within(limits: Mapping[str, int], project: Mapping[str, int]) -> None:
    """A user's limit must fit into its project's."""
    for name, limit in limits.items():
        most = project[name]
        if most != quota.UNLIMITED and (limit == quota.UNLIMITED or limit > most):
            raise BadRequest(
                f"Quota limit {limit} for {name} of a user must be less than or equal to "
                f"the project's limit {most}."
            )
