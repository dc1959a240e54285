"""Consoles of servers: who may see them for how long, and how a proxy gets in.

A token is bound to its server, and to the host, address and port at which the console was when it was made. What
ends it is written in the transaction that begins the end (`states.ENDS_CONSOLES`); what opens it is asked of the
host for each connection, so that nothing kept here lets anybody in.
"""

from __future__ import annotations

import logging

from sqlalchemy.orm import Session

from novalite.conductor.env import Env
from novalite.conductor.servers import scope
from novalite.context import Context
from novalite.db import console_tokens, servers
from novalite.errors import (
    ConsoleTokenInvalid,
    GuestNotFound,
    InvalidServerState,
    ServerNotFound,
    ServerNotReady,
)
from novalite.objects.base import Record
from novalite.objects.consoles import ConsoleAddress, ConsoleEntrance, ConsoleToken, ConsoleWanted
from novalite.rpc.contracts.consoles import Consoles, GuestConsoles
from novalite.states import CONSOLE_POWER, CONSOLE_TASKS

LOG = logging.getLogger(__name__)
VERBS = {"novnc": "get_vnc_console", "serial": "get_serial_console"}


class ConsolesEndpoint(Consoles):
    """See the contract."""

    def __init__(self, env: Env) -> None:
        self.env = env

    def open(self, ctx: Context, wanted: ConsoleWanted) -> None:
        with self.env.db.read() as session:
            server = servers.get(session, wanted.server_id, scope(ctx))
        _check(server, wanted.kind)
        host: str = server["host"]
        try:
            address = self._host(host).address(ctx, wanted.server_id, wanted.kind)
        except GuestNotFound as error:
            raise ServerNotReady(server_id=wanted.server_id) from error
        options = self.env.conf.consoles

        def work(session: Session) -> None:
            servers.hold(session, wanted.server_id)  # an action that is accepted from here on finds the token
            now = servers.get(session, wanted.server_id, scope(ctx))
            _check(now, wanted.kind)
            if now["host"] != host:
                raise ServerNotReady(server_id=wanted.server_id)
            console_tokens.add(
                session, wanted, host, address, ctx.user_id, options.token_ttl, options.tokens_per_server
            )

        self.env.db.run(work)

    def show(self, ctx: Context, digest: str) -> ConsoleToken:
        with self.env.db.read() as session:
            return _told(console_tokens.find(session, digest))

    def enter(self, ctx: Context, digest: str) -> ConsoleEntrance:
        once: bool = self.env.conf.consoles.one_time_tokens

        def work(session: Session) -> Record:
            token = console_tokens.find(session, digest)
            self._fits(session, token)
            if once:
                console_tokens.spend(session, digest)
            return token

        token = self.env.db.run(work) if once else self._looked_up(digest)
        try:
            entrance = self._host(token["host"]).admit(ctx, token["server_id"], token["kind"])
        except (GuestNotFound, ServerNotReady) as error:
            raise ConsoleTokenInvalid() from error
        if entrance.address != _told(token).address:
            LOG.info("A token of server %s is void: its console is elsewhere now", token["server_id"])
            raise ConsoleTokenInvalid()
        return entrance

    def _looked_up(self, digest: str) -> Record:
        with self.env.db.read() as session:
            token = console_tokens.find(session, digest)
            self._fits(session, token)
        return token

    @staticmethod
    def _fits(session: Session, token: Record) -> None:
        """The server is where it was, and its guest runs."""
        try:
            server = servers.get(session, token["server_id"])
            _check(server, token["kind"])
        except (ServerNotFound, ServerNotReady, InvalidServerState) as error:
            raise ConsoleTokenInvalid() from error
        if server["host"] != token["host"]:
            raise ConsoleTokenInvalid()

    def _host(self, name: str) -> GuestConsoles:
        return self.env.client.of(GuestConsoles, host=name)


def _check(server: Record, kind: str) -> None:
    """The guest runs, and nothing is under way that ends it."""
    task = server["task_state"]
    if task is not None and task not in CONSOLE_TASKS:
        raise InvalidServerState(verb=VERBS[kind], server_id=server["id"], attr="task_state", state=task)
    if server["host"] is None or server["power_state"] not in CONSOLE_POWER:
        raise ServerNotReady(server_id=server["id"])


def _told(token: Record) -> ConsoleToken:
    address = ConsoleAddress(host=token["address"], port=token["port"], tls=bool(token["tls"]))
    return ConsoleToken(server_id=token["server_id"], kind=token["kind"], address=address)
