"""Why servers are where they are, and where new ones would go.

A decision is kept with the task that asked for it, one for each task, so they go when the server is purged.
"""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import select

from novalite.conductor import create_request, server_groups, server_networks
from novalite.conductor.env import Env
from novalite.conductor.servers import resolve, scope
from novalite.context import Context
from novalite.db import server_groups as db_groups
from novalite.db import servers
from novalite.db.models.compute import Task
from novalite.errors import BadRequest, NotFound, ServerGroupNotFound
from novalite.objects.base import Record
from novalite.objects.scheduling import Explanation, RequestSpec
from novalite.objects.servers import CreateServers
from novalite.rpc.contracts.hosts import Scheduler
from novalite.rpc.contracts.placement_decisions import PlacementDecisions

LOOKED_AT = 50
"""Tasks of a server that are looked through, the newest first."""


class PlacementDecisionsEndpoint(PlacementDecisions):
    """See the contract for each method's meaning and errors."""

    def __init__(self, env: Env) -> None:
        self.env = env

    def last(self, ctx: Context, server_id: str) -> Record:
        query = (
            select(Task.action, Task.request_id, Task.journal)
            .where(Task.server_id == server_id)
            .order_by(Task.created_at.desc(), Task.id)
            .limit(LOOKED_AT)
        )
        with self.env.db.read() as session:
            servers.get(session, server_id, scope(ctx))
            rows = session.execute(query).all()
        for action, request_id, journal in rows:
            decision = ((journal or {}).get("facts") or {}).get("decision")
            if decision:
                return _told(action, request_id, journal, decision)
        raise NotFound(f"No decision is kept on where server {server_id} goes.")

    def what_if(self, ctx: Context, body: CreateServers, count: int = 1, most_hosts: int = 100) -> Explanation:
        with self.env.db.read() as session:
            resolved = resolve(self.env, session, ctx, body)
            if resolved.image:
                create_request.check_image(resolved.image, resolved.flavor)
            create_request.check_place(session, body)
            physical = []
            if not isinstance(body.networks, str):
                asked = body.model_copy(update={"security_groups": ()})
                plan = server_networks.plan(session, self.env.conf, ctx, asked)
                physical = server_networks.physical(session, plan.ports)
            wanted = create_request.request_spec(session, ctx, body, resolved, physical)
            group_id = server_groups.group_of(body.scheduler_hints)
            if group_id and db_groups.find(session, group_id, scope(ctx)) is None:
                raise BadRequest(ServerGroupNotFound(group_id=group_id).sentence)
            group = server_groups.placement(session, "", body.scheduler_hints)
        spec = RequestSpec(**{**wanted, "count": count}, group=group)
        return self.env.client.of(Scheduler).explain(ctx, spec, most_hosts)


def _told(action: str, request_id: str, journal: Record, decision: Record) -> Record:
    claimed = (journal.get("done") or {}).get("claim")
    made_at = datetime.fromtimestamp(decision["made_at"], UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        **decision,
        "made_at": made_at,
        "action": action,
        "request_id": request_id,
        "placed": bool(decision["candidates"]),
        "host": claimed["host"] if isinstance(claimed, dict) else claimed,
    }
