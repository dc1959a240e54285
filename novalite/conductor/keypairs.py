"""Keypairs over RPC."""

from __future__ import annotations

from sqlalchemy.orm import Session

from novalite.conductor import quota
from novalite.conductor.env import Env
from novalite.context import Context
from novalite.db import keypairs, quotas
from novalite.errors import OverQuota
from novalite.objects.base import Record
from novalite.rpc.contracts.flavors import Keypairs


class KeypairsEndpoint(Keypairs):
    """See the contract."""

    def __init__(self, env: Env) -> None:
        self.env = env

    def page(
        self, ctx: Context, user_id: str, limit: int | None = None, marker: str | None = None
    ) -> list[Record]:
        with self.env.db.read() as session:
            return keypairs.page(session, user_id, limit, marker)

    def show(self, ctx: Context, user_id: str, name: str) -> Record:
        with self.env.db.read() as session:
            return keypairs.get(session, user_id, name)

    def create(self, ctx: Context, keypair: Record) -> Record:
        user_id = keypair["user_id"]

        def work(session: Session) -> Record:
            quotas.lock(session, f"user:{user_id}"[:64])
            limit = quota.effective(session, self.env.conf, ctx.project_id or "")["key_pairs"]
            if limit != quota.UNLIMITED and keypairs.count(session, user_id) >= limit:
                raise OverQuota("Quota exceeded, too many key pairs.")
            keypairs.create(session, keypair)
            return keypairs.get(session, user_id, keypair["name"])

        return self.env.db.run(work)

    def delete(self, ctx: Context, user_id: str, name: str) -> None:
        self.env.db.run(lambda session: keypairs.remove(session, user_id, name))
