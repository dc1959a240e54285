"""Reaching a server from a route: may the caller touch it, load it, wake its tasks."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from novalite.api.policy import authorize
from novalite.api.routing import Call
from novalite.api.runtime import runtime
from novalite.api.schemas import is_uuid
from novalite.context import Context
from novalite.errors import InvalidServerState, NovaliteError, ServerLocked, ServerNotFound
from novalite.objects.base import Record
from novalite.objects.servers import Accepted
from novalite.rpc.contracts.servers import Servers, Tasks

LOG = logging.getLogger(__name__)


def load(call: Call, server_id: str, rule: str | None = None, deleted: bool = False) -> Record:
    """The record of a server the caller may see, checked against `rule`. One call to the conductor.

    ServerNotFound for an unknown and for a foreign id alike.
    """
    check_id(server_id)
    record = runtime().peer(Servers).show(call.ctx, server_id, deleted)
    if rule is not None:
        authorize(rule, record)
    return record


def guard(call: Call, server_id: str, rule: str) -> None:
    """Check `rule` for a server that is not loaded.

    The conductor keeps callers inside their project, so a rule about projects needs no look at the
    server; one that an operator made depend on, say, its owner does. Nor does the conductor keep in
    those who see all projects: services, and admins whom an operator's policy may trust less.
    """
    check_id(server_id)
    if must_look(call, rule):
        load(call, server_id, rule)
    else:
        authorize(rule)


def must_look(call: Call, rule: str) -> bool:
    """Whether only the server itself tells if the caller passes `rule`."""
    policy = runtime().policy
    if policy.passes_anyway(rule, call.ctx):
        return False
    return call.ctx.sees_all_projects or policy.looks_at_target(rule)


def check_id(server_id: str) -> None:
    """Clients try names as ids: a name is a 404 that needs no call."""
    if not is_uuid(server_id):
        raise ServerNotFound(server_id=server_id)


def poke(ctx: Context, *accepted: Accepted | Sequence[str]) -> None:
    """Ask for attention to tasks just written. Losing the message costs one sweep, so it never fails."""
    ids: list[str] = []
    for one in accepted:
        ids += [one.task_id] if isinstance(one, Accepted) and one.task_id else []
        ids += one if not isinstance(one, Accepted) else []
    if not ids:
        return
    try:
        runtime().peer(Tasks).poke(ctx, ids)
    except NovaliteError as error:
        LOG.warning("tasks %s wait for the next sweep: %s", ", ".join(ids), error)


def require(call: Call, server: Record, verb: str, vm_states: tuple[str, ...]) -> None:
    """The server may be changed now: it is not locked for the caller, idle, and in one of these states.

    For changes that another service carries out; raises ServerLocked or InvalidServerState.
    """
    if server["locked_by"] and not call.ctx.is_admin:
        raise ServerLocked(server_id=server["id"])
    for attr, fits in (("vm_state", server["vm_state"] in vm_states), ("task_state", not server["task_state"])):
        if not fits:
            raise InvalidServerState(verb=verb, server_id=server["id"], attr=attr, state=server[attr])
