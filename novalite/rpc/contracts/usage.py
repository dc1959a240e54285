"""What projects used, and audits of it."""

from __future__ import annotations

from novalite.context import Context
from novalite.objects.base import Record
from novalite.rpc.contracts.base import Contract, call


class Usage(Contract, topic="conductor", namespace="usage", version="1.0"):
    """Moments are ISO text, UTC."""

    @call(timeout=120)
    def projects(
        self,
        ctx: Context,
        start: str,
        stop: str,
        project_id: str | None = None,
        detailed: bool = False,
        limit: int | None = None,
        marker: str | None = None,
    ) -> Record:
        """`projects`: tenant_id, total_hours, total_vcpus_usage, total_memory_mb_usage, total_local_gb_usage of
        what servers used between two moments, with `server_usages` when `detailed`. With a limit, of one page
        of servers: `count` is how many it held, `last` the id of the last one. MarkerNotFound."""
        raise NotImplementedError

    @call()
    def audits(self, ctx: Context, before: str | None = None) -> Record:
        """The last audit period that ended before a moment (None: now): `begin`, `end`, `hosts` (names of
        those that were there by its end) and `audits`, by host: state, servers, errors, message."""
        raise NotImplementedError
