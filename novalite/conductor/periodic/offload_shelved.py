"""Take shelved servers off their hosts when their time there is over."""

from __future__ import annotations

from datetime import timedelta

from novalite.conductor import periodic
from novalite.conductor.env import Env
from novalite.context import Context
from novalite.db import overdue
from novalite.db.models.base import now
from novalite.states import SHELVED

MOST = 100
"""Servers of one run; the rest has time until the next."""


class OffloadShelved:
    """[DEFAULT] shelved_offload_time seconds after a server was shelved; with 0, those of which the first attempt
    failed."""

    name = "offload_shelved"

    def __init__(self, env: Env) -> None:
        self.env = env

    def every(self) -> float:
        """[DEFAULT] shelved_poll_interval."""
        return float(self.env.conf.shelved_poll_interval)

    def run(self, ctx: Context) -> int:
        """Answers how many were begun."""
        patience = self.env.conf.shelved_offload_time
        if patience < 0:
            return 0
        with self.env.db.read() as session:
            due = overdue.idle_since(session, SHELVED, now() - timedelta(seconds=patience), limit=MOST)
        return sum(periodic.begin(self.env, ctx, server_id, "shelveOffload") for server_id in due)
