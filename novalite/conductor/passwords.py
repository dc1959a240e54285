"""Passwords of servers: one that a guest left, and one to be set inside a guest. The latter passes through this
process and is written down nowhere.

The action is a task like any other, so that a conductor that dies leaves no busy server; but the password itself
waits in this process only, for the thread that runs the task here. A task that another conductor has to go on
with ends: nobody knows the password any more.
"""

from __future__ import annotations

from sqlalchemy.orm import Session

from novalite.conductor.env import Env
from novalite.conductor.servers import ServersEndpoint, scope
from novalite.context import Context
from novalite.db import servers
from novalite.db import tasks as db_tasks
from novalite.errors import Conflict, from_wire
from novalite.objects.servers import ServerAction
from novalite.rpc.contracts.passwords import Passwords


class PasswordsEndpoint(Passwords):
    """See the contract."""

    def __init__(self, env: Env) -> None:
        self.env = env

    def change(self, ctx: Context, server_id: str, password: str) -> None:
        asked = ServerAction(server_id=server_id, verb="change_password")
        task_id = ServersEndpoint(self.env).act(ctx, asked).task_id
        assert task_id is not None
        self.env.secrets[task_id] = password
        try:
            self.env.tasks.run_here(task_id)
        finally:
            del self.env.secrets[task_id]
        with self.env.db.read() as session:
            task = db_tasks.get(session, task_id)
        if task and task["error"]:
            raise from_wire(task["error"])
        if not task or task["state"] != "done":
            raise Conflict(f"The change of the password of instance {server_id} was ended by another request.")

    def left(self, ctx: Context, server_id: str) -> str:
        with self.env.db.read() as session:
            return str(servers.get(session, server_id, scope(ctx))["guest_password"] or "")

    def forget(self, ctx: Context, server_id: str) -> None:
        def work(session: Session) -> None:
            if servers.get(session, server_id, scope(ctx))["guest_password"]:
                servers.change(session, server_id, guest_password=None)

        self.env.db.run(work)
