"""Why servers are where they are, and where new ones would go."""

from __future__ import annotations

from novalite.context import Context
from novalite.objects.base import Record
from novalite.objects.scheduling import Explanation
from novalite.objects.servers import CreateServers
from novalite.rpc.contracts.base import Contract, call


class PlacementDecisions(Contract, topic="conductor", namespace="placement_decisions", version="1.0"):
    """api -> conductor."""

    @call()
    def last(self, ctx: Context, server_id: str) -> Record:
        """The last decision on where a server goes: action, request_id, made_at (ISO text), placed, host, considered,
        refused (by filter), nearly, candidates, verdicts, excluded. ServerNotFound; NotFound when none is kept."""
        raise NotImplementedError

    @call(timeout=40)
    def what_if(self, ctx: Context, body: CreateServers, count: int = 1, most_hosts: int = 100) -> Explanation:
        """What would become of a request for so many servers, as of create; nothing is written. Raises what create
        raises of flavor, image, key, place, hints and networks; quotas are not looked at."""
        raise NotImplementedError
