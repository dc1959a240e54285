"""Keypairs of users. The API makes and checks keys; only public ones come here."""

from __future__ import annotations

from sqlalchemy.orm import Session

from novalite.conductor import quota
from novalite.conductor.env import Env
from novalite.context import Context
from novalite.db import keypairs
from novalite.objects.base import Record
from novalite.rpc.contracts.flavors import Keypairs

_KEYS = ("user_id", "name", "type", "fingerprint", "public_key")


class KeypairsEndpoint(Keypairs):
    """See the contract for each method's meaning and errors."""

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
        values = {key: keypair[key] for key in _KEYS}

        def work(session: Session) -> Record:
            quota.check_keypairs(session, self.env.conf, ctx.project_id, values["user_id"])
            keypairs.create(session, values)
            return keypairs.get(session, values["user_id"], values["name"])

        return self.env.db.run(work)

    def delete(self, ctx: Context, user_id: str, name: str) -> None:
        self.env.db.run(lambda session: keypairs.remove(session, user_id, name))
