"""The `tasks` topic: hints that a task wants attention."""

from __future__ import annotations

from novalite.conductor.env import Env
from novalite.context import Context
from novalite.rpc.contracts.servers import Tasks


class TasksEndpoint(Tasks):
    """See the contract."""

    def __init__(self, env: Env) -> None:
        self.env = env

    def poke(self, ctx: Context, task_ids: list[str]) -> None:
        self.env.tasks.poke(task_ids)
