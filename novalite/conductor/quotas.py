"""Quotas over RPC."""

from __future__ import annotations

from sqlalchemy.orm import Session

from novalite.conductor import quota
from novalite.conductor.env import Env
from novalite.conf.quota import DEFAULTS
from novalite.context import Context
from novalite.db import keypairs, quotas
from novalite.errors import BadRequest
from novalite.rpc.contracts.flavors import Quotas


class QuotasEndpoint(Quotas):
    """See the contract."""

    def __init__(self, env: Env) -> None:
        self.env = env

    def show(self, ctx: Context, project_id: str, user_id: str | None = None) -> dict[str, dict[str, int]]:
        with self.env.db.read() as session:
            limits = quota.effective(session, self.env.conf, project_id, user_id)
            used = quotas.in_use(session, project_id, user_id)
            if user_id:
                used["key_pairs"] = keypairs.count(session, user_id)
        return {
            name: {"limit": limit, "in_use": used.get(name, 0), "reserved": 0}
            for name, limit in limits.items()
        }

    def defaults(self, ctx: Context) -> dict[str, int]:
        with self.env.db.read() as session:
            return quota.effective(session, self.env.conf, quotas.CLASS_DEFAULT)

    def update(
        self,
        ctx: Context,
        project_id: str,
        limits: dict[str, int],
        force: bool = False,
        user_id: str | None = None,
    ) -> dict[str, int]:
        def work(session: Session) -> dict[str, int]:
            _check(limits)
            if not force:
                self._check_use(session, project_id, limits, user_id)
            quotas.store(session, project_id, limits, user_id or "")
            return quota.effective(session, self.env.conf, project_id, user_id)

        return self.env.db.run(work)

    def _check_use(
        self, session: Session, project_id: str, limits: dict[str, int], user_id: str | None
    ) -> None:
        whole = quota.effective(session, self.env.conf, project_id)
        used = quotas.in_use(session, project_id, user_id)
        for name, limit in limits.items():
            if limit == quota.UNLIMITED:
                continue
            if limit < used.get(name, 0):
                raise BadRequest(
                    f"Quota limit {limit} for {name} must be greater than or equal to already used and "
                    f"reserved {used[name]}."
                )
            if user_id and whole[name] != quota.UNLIMITED and limit > whole[name]:
                raise BadRequest(
                    f"Quota limit {limit} for {name} must be less than or equal to {whole[name]}."
                )

    def delete(self, ctx: Context, project_id: str, user_id: str | None = None) -> None:
        self.env.db.run(lambda session: quotas.forget(session, project_id, user_id))

    def update_defaults(self, ctx: Context, limits: dict[str, int]) -> dict[str, int]:
        def work(session: Session) -> dict[str, int]:
            _check(limits)
            quotas.store(session, quotas.CLASS_DEFAULT, limits)
            return quota.effective(session, self.env.conf, quotas.CLASS_DEFAULT)

        return self.env.db.run(work)


def _check(limits: dict[str, int]) -> None:
    for name, limit in limits.items():
        if name not in DEFAULTS:
            raise BadRequest(f"There is no quota called {name}.")
        if limit < quota.UNLIMITED:
            raise BadRequest(f"Quota limit {limit} for {name} must be -1 or greater.")
