"""Take a shelved server off its host: guest and disks go, its image stays, and so does the record."""

from __future__ import annotations

from sqlalchemy.orm import Session

from novalite.conductor import server_ports
from novalite.conductor.env import Env
from novalite.conductor.task import CommitStep, Flow, HostStep, Task
from novalite.conductor.tasks.delete_server import destroy
from novalite.db import allocations, servers
from novalite.errors import NovaliteError
from novalite.states import SHELVED_OFFLOADED, PowerState


def settle(env: Env, task: Task, session: Session) -> None:
    """It is on no host. A host that was dead removes the guest when it is back."""
    task.touched.update(allocations.release(session, task.server_id))
    server_ports.move(env, session, task.server_id, None)
    servers.release(
        session,
        task.server_id,
        task.id,
        vm_state=SHELVED_OFFLOADED,
        power_state=int(PowerState.NOSTATE),
        host=None,
        node=None,
    )


def failed(env: Env, task: Task, session: Session, error: NovaliteError) -> bool:
    """It stays shelved on its host; the next look for such servers tries again."""
    servers.release(session, task.server_id, task.id)
    return False


OFFLOAD = Flow(
    "offload",
    (
        HostStep(
            "destroy",
            host=lambda task: task.args["host"],
            ask=destroy,
            verb=lambda task: "destroy",
            timeout="action_timeout",
            lost="skip",
        ),
        CommitStep("settle", settle),
    ),
    failed,
)
