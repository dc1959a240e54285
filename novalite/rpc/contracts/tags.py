"""Tags of servers."""

from __future__ import annotations

from novalite.context import Context
from novalite.rpc.contracts.base import Contract, call


class Tags(Contract, topic="conductor", namespace="tags", version="1.0"):
    """api -> conductor. All raise InvalidServerState unless the server is active, paused, suspended or stopped,
    and ServerLocked for a locked one."""

    @call()
    def replace(self, ctx: Context, server_id: str, tags: list[str]) -> list[str]:
        """Exactly these tags; answers them without repetitions, in their order."""
        raise NotImplementedError

    @call()
    def add(self, ctx: Context, server_id: str, tag: str) -> bool:
        """True when the server did not have it. BadRequest beyond the most tags a server may have."""
        raise NotImplementedError

    @call()
    def remove(self, ctx: Context, server_id: str, tag: str) -> None:
        """NotFound when the server does not have it."""
        raise NotImplementedError
