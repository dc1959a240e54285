"""Delete a server so that it can be restored: its guest is stopped, everything it holds is kept."""

from __future__ import annotations

from sqlalchemy.orm import Session

from novalite.conductor import resizing
from novalite.conductor.env import Env
from novalite.conductor.task import CommitStep, Flow, HostStep, Task
from novalite.conductor.tasks.power import ask
from novalite.db import servers
from novalite.errors import GuestNotFound, NovaliteError
from novalite.states import SOFT_DELETED, PowerState


def settle(env: Env, task: Task, session: Session) -> None:
    """From now on it counts for no quota. The guest on a dead host is stopped when that host is back. A resize can
    no longer be taken back."""
    columns, hosts = resizing.give_up(session, task.load_server(session))
    task.touched.update(hosts)
    reported = (task.done["stop"] or {}).get("power_state")
    power = PowerState.SHUTDOWN if reported is None else reported
    columns |= {"vm_state": SOFT_DELETED, "power_state": int(power)}
    servers.release(session, task.server_id, task.id, **columns)


def failed(env: Env, task: Task, session: Session, error: NovaliteError) -> bool:
    """A guest that is not there is as good as stopped. Else ERROR with the reason; it may be tried again."""
    if isinstance(error, GuestNotFound):
        task.error = None
        columns, hosts = resizing.give_up(session, task.load_server(session))
        task.touched.update(hosts)
        columns |= {"vm_state": SOFT_DELETED, "power_state": 0}
        servers.release(session, task.server_id, task.id, **columns)
    else:
        servers.fail(session, task.server_id, task.id, servers.fault(error.sentence, 500, error.sentence))
    return False


SOFT_DELETE = Flow(
    "soft_delete",
    (
        HostStep(
            "stop",
            host=lambda task: task.args["host"],
            ask=ask,
            verb=lambda task: "stop",
            timeout="action_timeout",
            lost="skip",
        ),
        CommitStep("settle", settle),
    ),
    failed,
)
