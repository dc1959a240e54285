"""An administrator says what a server is, whatever was being done to it.

What was under way ends here and now and is not undone: it may be the undoing that hangs. A conductor that is at
work on it finds at its next write that the task is over; a host that still does something reports to nobody, and
the next comparison of power states says what came of it. A server that was rescued is so no longer: a hard reboot
starts its guest from its own disks. A resize is neither confirmed nor taken back: the server keeps the flavor that
its record has, and the room for that.
"""

from __future__ import annotations

from sqlalchemy.orm import Session

from novalite.conductor import resizing, server_images, server_ports
from novalite.conductor.env import Env
from novalite.context import Context
from novalite.db import servers
from novalite.db import tasks as db_tasks
from novalite.errors import TaskReset
from novalite.objects.base import Record
from novalite.states import ERROR


def reset(
    env: Env, session: Session, ctx: Context, server_id: str, project: str | None, state: str
) -> tuple[Record, list[str]]:
    """Set the vm_state (`active` or `error`), end every open task; answers the server as it was, and the hosts
    where room was given back. Raises ServerNotFound.
    """
    servers.hold(session, server_id)
    server = servers.get(session, server_id, project)
    server_images.abandon_tasks(env, session, server)
    ended = TaskReset(state=state)
    db_tasks.end_open(session, server_id, ended)
    fault = {"fault": servers.fault(ended.sentence, 500, ended.sentence)} if state == ERROR else {}
    columns, hosts = resizing.give_up(session, server)
    if server["migration_id"]:
        server_ports.move(env, session, server_id, server["host"])
    columns |= {"vm_state": state, "task_state": None, "task_id": None, "rescue": None, **fault}
    servers.change(session, server_id, **columns)
    db_tasks.record_done(session, ctx, "resetState", server_id, server["project_id"])
    return server, hosts
