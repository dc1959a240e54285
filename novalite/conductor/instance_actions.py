"""The task journal as users see it: os-instance-actions."""

from __future__ import annotations

import hashlib
from typing import Any

from sqlalchemy import and_, func, or_

from novalite.conductor.env import Env
from novalite.conductor.servers import scope
from novalite.context import Context
from novalite.db import servers, tasks
from novalite.db.models.base import from_iso
from novalite.db.tasks import Task
from novalite.errors import ActionNotFound, MarkerNotFound
from novalite.objects.base import Record
from novalite.rpc.contracts.servers import InstanceActions


class InstanceActionsEndpoint(InstanceActions):
    """See the contract."""

    def __init__(self, env: Env) -> None:
        self.env = env

    def page(
        self,
        ctx: Context,
        server_id: str,
        limit: int | None = None,
        marker: str | None = None,
        changes_since: str | None = None,
        changes_before: str | None = None,
    ) -> list[Record]:
        with self.env.db.read() as session:
            servers.get(session, server_id, scope(ctx), deleted=None)
            where: list[Any] = []
            changed = func.coalesce(Task.updated_at, Task.created_at)
            if changes_since:
                where.append(changed >= from_iso(changes_since))
            if changes_before:
                where.append(changed <= from_iso(changes_before))
            if marker:
                position = tasks.action_position(session, server_id, marker)
                if position is None:
                    raise MarkerNotFound(marker=marker)
                created, task_id = position
                where.append(
                    or_(Task.created_at < created, and_(Task.created_at == created, Task.id < task_id))
                )
            found = tasks.actions(session, server_id, where, limit)
        for action in found:
            del action["events"], action["state"]
        return found

    def show(self, ctx: Context, server_id: str, request_id: str) -> Record:
        with self.env.db.read() as session:
            server = servers.get(session, server_id, scope(ctx), deleted=None)
            found = tasks.actions(session, server_id, [Task.request_id == request_id], 1)
        if not found:
            raise ActionNotFound(request_id=request_id, server_id=server_id)
        action = found[0]
        action["events"] = [_event(event, server["project_id"]) for event in reversed(action["events"] or [])]
        del action["state"]
        return action


def _event(event: Record, project_id: str) -> Record:
    host = event.get("host")
    return {
        "event": event["event"],
        "start_time": event["start_time"],
        "finish_time": event["finish_time"],
        "result": event["result"],
        "traceback": event.get("traceback"),
        "details": event.get("details"),
        "host": host,
        "host_id": hashlib.sha224(f"{project_id}{host}".encode()).hexdigest() if host else "",
    }
