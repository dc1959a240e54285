"""Delete a server: its guest, then what it holds, then the row's life."""

from __future__ import annotations

from sqlalchemy.orm import Session

from novalite.conductor import resizing, server_ports
from novalite.conductor.env import Env
from novalite.conductor.server_groups import group_of
from novalite.conductor.task import CommitStep, Flow, HostStep, Task
from novalite.conductor.tasks import create_server
from novalite.db import allocations, server_groups, servers
from novalite.db.placement import consumers
from novalite.errors import NovaliteError
from novalite.objects.servers import HostWork
from novalite.rpc.contracts.compute import Guests


def destroy(env: Env, task: Task, work: HostWork) -> None:
    """Ask the host to remove guest and disks. The other host of a server that was being moved, or waited to be
    confirmed, is told too and not waited for: it removes what is left by itself when it next looks."""
    if other := task.args.get("other"):
        create_server.discard_on(env, task, other)
    env.client.of(Guests, host=task.wait_host).destroy(task.ctx, work)


def settle(env: Env, task: Task, session: Session) -> None:
    """Give back what it held; a host that was dead removes the guest when it is back."""
    task.touched.update(allocations.release(session, task.server_id))
    server = task.load_server(session)
    task.touched.update(resizing.end_with_server(session, server))
    consumers.forget(session, task.server_id)
    server_ports.give_back(env, session, task.server_id)
    if group_of(server["scheduler_hints"]):
        server_groups.leave(session, task.server_id)
    servers.mark_deleted(session, task.server_id)


def failed(env: Env, task: Task, session: Session, error: NovaliteError) -> bool:
    """The host refused: ERROR with the reason; deleting may be tried again."""
    servers.fail(session, task.server_id, task.id, servers.fault(error.sentence, 500, error.sentence))
    return False


DELETE_SERVER = Flow(
    "delete",
    (
        HostStep(
            "destroy",
            host=lambda task: task.args.get("host"),
            ask=destroy,
            verb=lambda task: "destroy",
            timeout="action_timeout",
            lost="skip",
        ),
        CommitStep("settle", settle),
    ),
    failed,
)
