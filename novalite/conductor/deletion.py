"""What DELETE means for a server: gone for good, or kept for a while so that it can be restored.

With [conductor] reclaim_instance_interval a server that could be brought back is stopped and kept as
SOFT_DELETED. What cannot be brought back is deleted as if there were no such option: a server that never ran,
one without a guest (shelved), one in the middle of a change (resized, being rebuilt, …).
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from novalite.conductor import resizing, server_images
from novalite.conductor.env import Env
from novalite.context import Context
from novalite.db import console_tokens, servers
from novalite.db import tasks as db_tasks
from novalite.objects.base import Record
from novalite.objects.servers import Accepted
from novalite.states import (
    ACTIVE,
    ERROR,
    PAUSED,
    RESCUED,
    SOFT_DELETED,
    SOFT_DELETING,
    STOPPED,
    SUSPENDED,
)

RECOVERABLE = (ACTIVE, STOPPED, PAUSED, SUSPENDED, RESCUED, ERROR)
"""vm_states whose guest is still whole when it has been stopped."""
INTERRUPTIBLE = frozenset({"power", "signal", "change_password", "restore", "snapshot"})
"""Kinds of tasks that may end half-way without harm to the guest's disks or to the books."""


def begin(env: Env, session: Session, ctx: Context, server: Record, force: bool = False) -> Accepted:
    """Write down that the server is to go; `force` means for good, whatever the configuration says."""
    running = db_tasks.open_of_server(session, server["id"], "delete")
    if running:
        return Accepted(server_id=server["id"], task_id=running)
    if not force and env.conf.conductor.reclaim_instance_interval > 0:
        kept = _begin_soft(env, session, ctx, server["id"])
        if kept is not None:
            return kept
    return for_good(env, session, ctx, server)


def for_good(env: Env, session: Session, ctx: Context, server: Record) -> Accepted:
    """Open the task that deletes, and end every other: what they did is made gone."""
    server_id = server["id"]
    console_tokens.revoke(session, server_id)
    server_images.abandon_tasks(env, session, server)
    server_images.forget_shelved(env, session, server)
    db_tasks.cancel_others(session, server_id)
    # Read again: a build that was claiming a host has either committed by now or never will.
    host = servers.get(session, server_id)["host"]
    task_id = _open(env, session, ctx, "delete", server, host, other=_other_host(session, server, host))
    servers.begin_delete(session, server_id, task_id)
    return Accepted(server_id=server_id, task_id=task_id)


def _begin_soft(env: Env, session: Session, ctx: Context, server_id: str) -> Accepted | None:
    """Open the task that stops the server and keeps it; None when it could not be brought back."""
    servers.hold(session, server_id)  # an action that is accepted meanwhile must be seen
    server = servers.get(session, server_id)
    under_way = db_tasks.open_kinds(session, server_id)
    if "soft_delete" in under_way:
        return Accepted(server_id=server_id, task_id=under_way["soft_delete"])
    if server["vm_state"] == SOFT_DELETED and not under_way:
        return Accepted(server_id=server_id)
    if not _recoverable(server, under_way):
        return None
    console_tokens.revoke(session, server_id)
    server_images.abandon_tasks(env, session, server)
    db_tasks.cancel_others(session, server_id)
    task_id = _open(env, session, ctx, "soft_delete", server, server["host"])
    servers.begin_delete(session, server_id, task_id, SOFT_DELETING)
    return Accepted(server_id=server_id, task_id=task_id)


def _recoverable(server: Record, under_way: dict[str, str]) -> bool:
    if not under_way.keys() <= INTERRUPTIBLE or server["host"] is None or server["launched_at"] is None:
        return False
    return server["vm_state"] in (*RECOVERABLE, SOFT_DELETED)


def _other_host(session: Session, server: Record, host: str | None) -> str | None:
    """Where else there may be a guest of it: the other end of a move that is not over."""
    others = resizing.ends(session, server) - {host}
    return others.pop() if others else None


def _open(
    env: Env, session: Session, ctx: Context, kind: str, server: Record, host: str | None, **more: Any
) -> str:
    args = {"host": host, **more}
    return db_tasks.open_task(
        session, ctx, kind, "delete", server["id"], server["project_id"], env.tasks.look_at(), args
    )
