"""Deferred delete, second part: what was kept long enough is deleted for good."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from novalite.conductor import deletion
from novalite.conductor.env import Env
from novalite.context import Context
from novalite.db import overdue, servers
from novalite.db.models.base import now
from novalite.states import SOFT_DELETED

LOOK_EVERY = 60.0
"""Seconds between looks at most, so that a server is not kept twice as long as asked for."""


@dataclass(frozen=True)
class Reclaimed:
    """How many servers were found overdue, and how many deletions this run began."""

    found: int
    begun: int


class ReclaimDeleted:
    """Unless `[conductor] reclaim_instance_interval` is 0: then nothing is kept, and what was kept before stays
    until somebody restores or deletes it."""

    name = "reclaim_deleted"

    def __init__(self, env: Env) -> None:
        self.env = env

    def every(self) -> float:
        return min(LOOK_EVERY, float(self.env.conf.conductor.reclaim_instance_interval))

    def run(self, ctx: Context) -> Reclaimed:
        """A server that was restored, deleted or reclaimed by another conductor meanwhile is left alone."""
        before = now() - timedelta(seconds=self.env.conf.conductor.reclaim_instance_interval)
        with self.env.db.read() as session:
            found = overdue.idle_since(session, SOFT_DELETED, before)
        begun = [task for one in found if (task := self._reclaim(ctx, one, before))]
        self.env.tasks.poke(begun)
        return Reclaimed(len(found), len(begun))

    def _reclaim(self, ctx: Context, server_id: str, before: datetime) -> str | None:
        def work(session: Session) -> str | None:
            servers.hold(session, server_id)
            if server_id not in overdue.idle_since(session, SOFT_DELETED, before, server_id):
                return None
            server = servers.get(session, server_id)
            return deletion.for_good(self.env, session, ctx, server).task_id

        return self.env.db.run(work)
