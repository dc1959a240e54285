"""Tags of servers: a JSON list in the server's row, changed while the row is held."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.orm import Session

from novalite.conductor.env import Env
from novalite.conductor.servers import METADATA_STATES, ServersEndpoint
from novalite.context import Context
from novalite.db import servers
from novalite.errors import BadRequest, NotFound
from novalite.rpc.contracts.tags import Tags

MOST = 50
"""Tags of one server (API reference)."""
T = TypeVar("T")


class TagsEndpoint(Tags):
    """See the contract."""

    def __init__(self, env: Env) -> None:
        self.env = env

    def replace(self, ctx: Context, server_id: str, tags: list[str]) -> list[str]:
        wanted = list(dict.fromkeys(tags))
        _check_number(len(wanted))
        return self._change(ctx, server_id, lambda had: (wanted, wanted))

    def add(self, ctx: Context, server_id: str, tag: str) -> bool:
        def change(had: list[str]) -> tuple[list[str], bool]:
            if tag in had:
                return had, False
            _check_number(len(had) + 1)
            return [*had, tag], True

        return self._change(ctx, server_id, change)

    def remove(self, ctx: Context, server_id: str, tag: str) -> None:
        def change(had: list[str]) -> tuple[list[str], None]:
            if tag not in had:
                raise NotFound(f"Server {server_id} has no tag '{tag}'")
            return [one for one in had if one != tag], None

        self._change(ctx, server_id, change)

    def _change(
        self, ctx: Context, server_id: str, change: Callable[[list[str]], tuple[list[str], T]]
    ) -> T:
        def work(session: Session) -> T:
            server = ServersEndpoint(self.env).changeable(session, ctx, server_id, "update tags", METADATA_STATES)
            had = list(server["tags"] or [])
            tags, answer = change(had)
            if tags != had:
                servers.change(session, server_id, tags=tags)
            return answer

        return self.env.db.run(work)


def _check_number(count: int) -> None:
    if count > MOST:
        raise BadRequest(f"The number of tags exceeded the per-server limit {MOST}")
