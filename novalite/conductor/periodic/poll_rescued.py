"""Servers that were left in rescue are taken back to their own disks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from sqlalchemy.orm import Session

from novalite.conductor import periodic
from novalite.conductor.env import Env
from novalite.context import Context
from novalite.db import overdue
from novalite.db.models.base import now
from novalite.states import RESCUED

LOOK_EVERY = 60.0


@dataclass(frozen=True)
class Unrescued:
    """How many servers had been rescued for too long, and how many unrescues this run began."""

    found: int
    begun: int


class PollRescued:
    """Unless `[conductor] rescue_timeout` is 0."""

    name = "poll_rescued"

    def __init__(self, env: Env) -> None:
        self.env = env

    def every(self) -> float:
        return min(LOOK_EVERY, float(self.env.conf.conductor.rescue_timeout))

    def run(self, ctx: Context) -> Unrescued:
        """A server that was rescued anew meanwhile has its time before it."""
        before = now() - timedelta(seconds=self.env.conf.conductor.rescue_timeout)
        with self.env.db.read() as session:
            found = overdue.idle_since(session, RESCUED, before)

        def still(one: str, session: Session) -> bool:
            return bool(overdue.idle_since(session, RESCUED, before, one))

        begun = [periodic.begin(self.env, ctx, one, "unrescue", partial(still, one)) for one in found]
        return Unrescued(len(found), sum(begun))
