"""Interfaces of servers that are there: list, attach and detach, and their groups and addresses."""

from __future__ import annotations

from sqlalchemy.orm import Session

from novalite.conductor import server_interfaces, server_ports
from novalite.conductor.env import Env
from novalite.conductor.servers import ServersEndpoint, scope
from novalite.conductor.tasks.attach_interface import told
from novalite.context import Context
from novalite.db import interfaces, servers
from novalite.db import tasks as db_tasks
from novalite.db.networks import hosts
from novalite.errors import Conflict, from_wire
from novalite.objects.base import Record
from novalite.objects.network_errors import PortNotFound
from novalite.objects.servers import Accepted, ServerAction
from novalite.rpc.contracts.interfaces import Interfaces


class InterfacesEndpoint(Interfaces):
    """See the contract for each method's meaning and errors."""

    def __init__(self, env: Env) -> None:
        self.env = env

    def page(self, ctx: Context, server_id: str) -> list[Record]:
        with self.env.db.read() as session:
            found = interfaces.of_server(session, server_id)
            if not found:
                servers.get(session, server_id, scope(ctx))
        return [shown(one) for one in found]

    def attach(self, ctx: Context, server_id: str, wanted: Record) -> Record:
        accepted = self._act(ctx, server_id, "attach_interface", wanted)
        assert accepted.task_id is not None
        self.env.tasks.run_here(accepted.task_id)
        with self.env.db.read() as session:
            task = db_tasks.get(session, accepted.task_id)
            found = interfaces.of_server(session, server_id)
        if task and task["error"]:
            raise told(server_id, from_wire(task["error"]))
        port_id = accepted.facts["port_id"]
        made = [shown(one) for one in found if one["port_id"] == port_id]
        if not made:
            raise Conflict(f"The attachment of port {port_id} to instance {server_id} was ended by another request.")
        return made[0]

    def detach(self, ctx: Context, server_id: str, port_id: str) -> Accepted:
        return self._act(ctx, server_id, "detach_interface", {"port_id": port_id})

    def _act(self, ctx: Context, server_id: str, verb: str, params: Record) -> Accepted:
        return ServersEndpoint(self.env).act(ctx, ServerAction(server_id=server_id, verb=verb, params=params))

    def groups(self, ctx: Context, server_id: str) -> list[Record]:
        with self.env.db.read() as session:
            servers.get(session, server_id, scope(ctx))
            return server_interfaces.groups(session, server_id)

    def change_groups(self, ctx: Context, server_id: str, name: str, add: bool) -> None:
        def work(session: Session) -> None:
            server_interfaces.change_groups(session, self._held(session, ctx, server_id), name, add)

        self.env.db.run(work)

    def add_fixed_ip(self, ctx: Context, server_id: str, network_id: str) -> None:
        def work(session: Session) -> None:
            server_interfaces.add_fixed_ip(session, self._held(session, ctx, server_id), network_id)

        self.env.db.run(work)

    def remove_fixed_ip(self, ctx: Context, server_id: str, address: str) -> None:
        def work(session: Session) -> None:
            server_interfaces.remove_fixed_ip(session, self._held(session, ctx, server_id), address)

        self.env.db.run(work)

    def change_floating_ip(
        self, ctx: Context, server_id: str, address: str, add: bool, fixed_address: str | None = None
    ) -> None:
        def work(session: Session) -> None:
            server = self._held(session, ctx, server_id)
            server_interfaces.change_floating_ip(session, server, address, add, fixed_address)

        self.env.db.run(work)

    def _held(self, session: Session, ctx: Context, server_id: str) -> Record:
        """The server, to be changed in its interfaces; its host and others are told when that is done."""
        servers.hold(session, server_id)
        server = servers.get(session, server_id, scope(ctx))
        found = interfaces.of_server(session, server_id)
        server_ports.tell(self.env, session, found, hosts.of_networks(session, {port["net_id"] for port in found}))
        return server


def shown(interface: Record) -> Record:
    """An interface as it is answered."""
    return {key: value for key, value in interface.items() if key not in ("index", "made", "host")}


def one_of(found: list[Record], port_id: str) -> Record:
    """The interface with that port; PortNotFound."""
    for interface in found:
        if interface["port_id"] == port_id:
            return interface
    raise PortNotFound(port_id=port_id)
