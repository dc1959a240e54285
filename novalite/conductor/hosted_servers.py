"""What compute hosts say of servers. A host may speak only of those that live or are being built on it."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy.orm import Session

from novalite.conductor import server_ports
from novalite.conductor.env import Env
from novalite.context import Context
from novalite.db import console_tokens, hosts, servers
from novalite.db import tasks as db_tasks
from novalite.db.models.base import now
from novalite.errors import ServerNotFound
from novalite.objects.servers import HostedServer, PowerChange, Verdict, WorkReport
from novalite.rpc.contracts.servers import HostedServers
from novalite.states import CONSOLE_POWER, PROGRESS, SEEN, PowerState

DELETED_FOR = timedelta(days=1)


class HostedServersEndpoint(HostedServers):
    """See the contract."""

    def __init__(self, env: Env) -> None:
        self.env = env

    def finished(self, ctx: Context, report: WorkReport) -> Verdict:
        return self.env.tasks.finished(report)

    def progressed(
        self, ctx: Context, host: str, task_id: str, attempt: int, server_id: str, task_state: str
    ) -> bool:
        def work(session: Session) -> bool:
            if not db_tasks.waits(session, task_id, host, attempt):
                return False
            if task_state in PROGRESS:
                servers.change_if_owned(session, server_id, task_id, task_state=task_state)
            return True

        return self.env.db.run(work)

    def on_host(self, ctx: Context, host: str) -> list[HostedServer]:
        with self.env.db.read() as session:
            rows = hosts.hosted(session, host, now() - DELETED_FOR)
        return [
            HostedServer(
                id=row.id, instance_name=servers.instance_name(row.number), vm_state=row.vm_state,
                task_state=row.task_state, power_state=row.power_state, deleted=bool(row.deleted),
                task_id=row.task_id,
            )
            for row in rows
        ]  # fmt: skip

    def power_changed(self, ctx: Context, host: str, changes: list[PowerChange]) -> None:
        def work(session: Session) -> None:
            for change in changes:
                self._follow(session, host, change)

        if changes:
            self.env.db.run(work)

    def _follow(self, session: Session, host: str, change: PowerChange) -> None:
        """Idle servers of that host take the state their guest has; busy ones have a task to say so."""
        try:
            server = servers.get(session, change.server_id)
        except ServerNotFound:
            return
        if server["host"] != host or server["task_state"] is not None:
            return
        power = (
            PowerState(change.power_state) if change.power_state in list(PowerState) else PowerState.NOSTATE
        )
        values: dict[str, object] = {"power_state": int(power)}
        if landed := SEEN.get((server["vm_state"], power)):
            values["vm_state"] = landed
        if power not in CONSOLE_POWER:
            console_tokens.revoke(session, change.server_id)
        if server["power_state"] != int(power) or "vm_state" in values:
            servers.change_if_idle(session, change.server_id, server["vm_state"], **values)
            server_ports.follow(self.env, session, change.server_id)
