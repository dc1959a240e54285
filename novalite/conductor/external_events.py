"""Events of other services about servers.

`power-update` tells that somebody else switched a machine: the server follows by its own start or stop, when it
is idle and not yet so. `network-vif-deleted` tells that a port is no more: it is taken from the guest. Nothing is
kept of ports that other events about networks would have to refresh. Volumes and devices a server has none as long
as the cloud has no such service. What changes nothing is noted in the log.
"""

from __future__ import annotations

import logging
from typing import Any

from sqlalchemy import select

from novalite.conductor.env import Env
from novalite.conductor.periodic import begin
from novalite.conductor.server_networks import offered
from novalite.context import Context
from novalite.db.models.compute import Server
from novalite.objects.base import Record
from novalite.rpc.contracts.external_events import ExternalEvents
from novalite.states import ACTIVE, STOPPED

LOG = logging.getLogger(__name__)

POWER = {"POWER_ON": (STOPPED, "start"), "POWER_OFF": (ACTIVE, "stop")}
"""Tag of a power-update: the vm_state it concerns, and the action that follows."""
TAGGED = frozenset({"power-update", "volume-extended", "volume-reimaged", "accelerator-request-bound"})
"""Events that say nothing without a tag."""


class ExternalEventsEndpoint(ExternalEvents):
    """See the contract."""

    def __init__(self, env: Env) -> None:
        self.env = env

    def deliver(self, ctx: Context, events: list[Record]) -> list[int]:
        with self.env.db.read() as session:
            wanted = {event["server_uuid"] for event in events}
            query = select(Server.id, Server.host, Server.vm_state, Server.task_state)
            rows = session.execute(query.where(Server.id.in_(wanted), Server.deleted.is_(False)))
            servers = {row.id: row for row in rows}
        codes = [judge(event, servers.get(event["server_uuid"])) for event in events]
        for event, code in zip(events, codes, strict=True):
            server_id = event["server_uuid"]
            LOG.info("Event %s %s of server %s: %d", event["name"], event.get("tag") or "", server_id, code)
            if code == 200:
                self._follow(ctx, event, servers[server_id])
        return codes

    def _follow(self, ctx: Context, event: Record, known: Any) -> None:
        if event["name"] == "power-update":
            vm_state, verb = POWER[event["tag"]]
            if (known.vm_state, known.task_state) == (vm_state, None):
                begin(self.env, ctx, known.id, verb)
        elif event["name"] == "network-vif-deleted" and event.get("tag") and offered(self.env.conf):
            begin(self.env, ctx, known.id, "detach_interface", port_id=event["tag"])


def judge(event: Record, server: object) -> int:
    """The code of one event; `server` is its row, if there is one."""
    if server is None:
        return 404
    if getattr(server, "host", None) is None:
        return 422
    tag = event.get("tag")
    if (event["name"] in TAGGED and not tag) or (event["name"] == "power-update" and tag not in POWER):
        return 400
    return 200
