"""What guests may know of themselves, for the metadata service, and the password that a guest leaves there."""

from __future__ import annotations

from sqlalchemy.orm import Session

from novalite.conductor.env import Env
from novalite.conductor.guest_spec import described, of_networks
from novalite.conductor.server_networks import offered
from novalite.context import Context
from novalite.db import interfaces, servers
from novalite.errors import ServerNotFound
from novalite.objects.guest_metadata import GuestFacts
from novalite.rpc.contracts.guest_metadata import GuestMetadata


class GuestMetadataEndpoint(GuestMetadata):
    """See the contract."""

    def __init__(self, env: Env) -> None:
        self.env = env

    def of_address(self, ctx: Context, host: str, network_id: str, address: str) -> GuestFacts | None:
        if not offered(self.env.conf):
            return None
        with self.env.db.read() as session:
            server_id = interfaces.at_address(session, host, network_id, address)
            return None if server_id is None else self._facts(session, server_id, host=host)

    def of_server(self, ctx: Context, server_id: str, project_id: str) -> GuestFacts | None:
        with self.env.db.read() as session:
            return self._facts(session, server_id, project_id)

    def leave_password(self, ctx: Context, server_id: str, password: str) -> bool:
        return self.env.db.run(lambda session: servers.leave_password(session, server_id, password))

    def _facts(
        self, session: Session, server_id: str, project_id: str | None = None, host: str | None = None
    ) -> GuestFacts | None:
        try:
            server = servers.get(session, server_id, project_id)
        except ServerNotFound:
            return None
        if host is not None and server["host"] != host:
            return None
        vifs = interfaces.vifs(session, server_id) if offered(self.env.conf) else ()
        spec = described(server).model_copy(update={"vifs": vifs, **of_networks(self.env, session, server)})
        return GuestFacts(server=spec, password=server["guest_password"] or "")
