"""Soft reboots that do not end become hard ones."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from sqlalchemy.orm import Session

from novalite.conductor import periodic
from novalite.conductor.env import Env
from novalite.context import Context
from novalite.db import overdue, servers
from novalite.db.models.base import now
from novalite.errors import ServerNotFound
from novalite.states import REBOOT_TASKS

LOOK_EVERY = 60.0


@dataclass(frozen=True)
class Rebooted:
    """How many soft reboots had taken too long, and how many hard ones this run began."""

    found: int
    begun: int


class PollRebooting:
    """Unless `[conductor] reboot_timeout` is 0. The hard reboot takes the server over from the soft one, whose
    task ends; a second conductor finds another task there and leaves it alone."""

    name = "poll_rebooting"

    def __init__(self, env: Env) -> None:
        self.env = env

    def every(self) -> float:
        return min(LOOK_EVERY, float(self.env.conf.conductor.reboot_timeout))

    def run(self, ctx: Context) -> Rebooted:
        """See the class."""
        before = now() - timedelta(seconds=self.env.conf.conductor.reboot_timeout)
        with self.env.db.read() as session:
            found = overdue.busy_since(session, REBOOT_TASKS, before)

        def still(server_id: str, task_id: str, session: Session) -> bool:
            try:
                return bool(servers.get(session, server_id)["task_id"] == task_id)
            except ServerNotFound:
                return False

        begun = [
            periodic.begin(self.env, ctx, one, "reboot_hard", partial(still, one, task)) for one, task in found
        ]
        return Rebooted(len(found), sum(begun))
