"""What hypervisors count, asked of the host of a server."""

from __future__ import annotations

from novalite.conductor.env import Env
from novalite.conductor.servers import scope
from novalite.context import Context
from novalite.db import servers
from novalite.db.models.base import from_iso, now
from novalite.errors import ServerNotReady
from novalite.objects.diagnostics import GuestDiagnostics
from novalite.rpc.contracts.diagnostics import Diagnostics
from novalite.rpc.contracts.guest_questions import GuestQuestions


class DiagnosticsEndpoint(Diagnostics):
    """See the contract."""

    def __init__(self, env: Env) -> None:
        self.env = env

    def show(self, ctx: Context, server_id: str) -> GuestDiagnostics:
        with self.env.db.read() as session:
            server = servers.get(session, server_id, scope(ctx))
        if server["host"] is None:
            raise ServerNotReady(server_id=server_id)
        found = self.env.client.of(GuestQuestions, host=server["host"]).diagnostics(ctx, server_id)
        launched = from_iso(server["launched_at"])
        uptime = int((now() - launched).total_seconds()) if launched else None
        return found.model_copy(update={"config_drive": bool(server["config_drive"]), "uptime": uptime})

