"""Migrations as users see them; what moves them are flows."""

from __future__ import annotations

from sqlalchemy.orm import Session

from novalite.conductor.env import Env
from novalite.conductor.servers import scope
from novalite.context import Context
from novalite.db import server_migrations, servers
from novalite.db.server_migrations import Migration
from novalite.errors import InvalidMigrationState, InvalidServerState, MigrationNotFound
from novalite.objects.base import Record
from novalite.objects.migrations import LIVE, LIVE_IN_PROGRESS, MigrationQuery
from novalite.rpc.contracts.migrations import Migrations
from novalite.states import MIGRATING


class MigrationsEndpoint(Migrations):
    """See the contract."""

    def __init__(self, env: Env) -> None:
        self.env = env

    def page(self, ctx: Context, query: MigrationQuery) -> list[Record]:
        with self.env.db.read() as session:
            return server_migrations.page(session, query)

    def under_way(self, ctx: Context, server_id: str) -> list[Record]:
        with self.env.db.read() as session:
            servers.get(session, server_id, scope(ctx))
            return server_migrations.of_server(session, server_id, *_UNDER_WAY)

    def one_under_way(self, ctx: Context, server_id: str, number: str) -> Record:
        with self.env.db.read() as session:
            servers.get(session, server_id, scope(ctx))
            found = _one(session, server_id, number)
        if found["migration_type"] != LIVE:
            raise MigrationNotFound(f"Migration {number} for server {server_id} is not live-migration.")
        if found["status"] not in LIVE_IN_PROGRESS:
            raise MigrationNotFound(f"Live migration {number} for server {server_id} is not in progress.")
        return found

    def steer(self, ctx: Context, server_id: str, number: str, verb: str) -> None:
        with self.env.db.read() as session:
            server = servers.get(session, server_id, scope(ctx))
            if server["task_state"] != MIGRATING:
                raise InvalidServerState(
                    verb=verb, server_id=server_id, attr="task_state", state=server["task_state"]
                )
            found = _one(session, server_id, number)
        # No flow of this release migrates guests that run, so whatever this one is, it is not running.
        raise InvalidMigrationState(migration_id=number, server_id=server_id, state=found["status"], verb=verb)


_UNDER_WAY = (Migration.migration_type == LIVE, Migration.status.in_(LIVE_IN_PROGRESS))


def _one(session: Session, server_id: str, number: str) -> Record:
    """A migration of the server by its integer id."""
    if number.isdecimal() and len(number) < 10:
        for found in server_migrations.of_server(session, server_id, Migration.id == int(number)):
            return found
    raise MigrationNotFound(migration_id=number, server_id=server_id)
