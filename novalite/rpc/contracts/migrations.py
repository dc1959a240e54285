"""What can be asked about migrations: resizes and moves of servers, under way and past."""

from __future__ import annotations

from novalite.context import Context
from novalite.objects.base import Record
from novalite.objects.migrations import MigrationQuery
from novalite.rpc.contracts.base import Contract, call


class Migrations(Contract, topic="conductor", namespace="migrations", version="1.0"):
    """api -> conductor. Records have the columns of `db.models.migrations.Migration` but the flavors."""

    @call()
    def page(self, ctx: Context, query: MigrationQuery) -> list[Record]:
        """One page, newest first; MarkerNotFound."""
        raise NotImplementedError

    @call()
    def under_way(self, ctx: Context, server_id: str) -> list[Record]:
        """Live migrations of a server that have not ended, oldest first; ServerNotFound."""
        raise NotImplementedError

    @call()
    def one_under_way(self, ctx: Context, server_id: str, number: str) -> Record:
        """One of them by its integer id; MigrationNotFound otherwise."""
        raise NotImplementedError

    @call()
    def steer(self, ctx: Context, server_id: str, number: str, verb: str) -> None:
        """`live_migration_cancel` or `live_migration_force_complete` one of them. InvalidServerState while the
        server is not being migrated, MigrationNotFound, InvalidMigrationState."""
        raise NotImplementedError
