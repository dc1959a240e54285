"""What other services tell about servers."""

from __future__ import annotations

from novalite.context import Context
from novalite.objects.base import Record
from novalite.rpc.contracts.base import Contract, call


class ExternalEvents(Contract, topic="conductor", namespace="external_events", version="1.0"):
    """api -> conductor."""

    @call(timeout=60)
    def deliver(self, ctx: Context, events: list[Record]) -> list[int]:
        """Events (name, server_uuid, status, tag) in order; answers one code for each: 200, or 404 for a server
        that does not exist, 422 for one that is on no host, 400 for an event that cannot be understood."""
        raise NotImplementedError
