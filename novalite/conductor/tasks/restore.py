"""Bring a soft-deleted server back: there must be room for it in the quota again, then its guest is started."""

from __future__ import annotations

from contextlib import suppress

from sqlalchemy.orm import Session

from novalite.conductor import quota
from novalite.conductor.env import Env
from novalite.conductor.guest_spec import guest_spec
from novalite.conductor.task import Asked, CommitStep, Flow, HostStep, Prepared, Task
from novalite.conductor.tasks.power import ask
from novalite.db import servers
from novalite.errors import NovaliteError
from novalite.objects.servers import HostWork
from novalite.rpc.contracts.compute import Guests
from novalite.states import ACTIVE, RESCUED, PowerState


def prepare(env: Env, session: Session, asked: Asked) -> Prepared:
    """Raise OverQuota unless the project may have the server again. It counts from now on."""
    server = asked.server
    each = {"instances": 1, "cores": server["vcpus"], "ram": server["ram_mb"]}
    quota.check(session, env.conf, server["project_id"], each, server["user_id"], counted=True)
    return Prepared()


def stop_again(env: Env, task: Task) -> None:
    """The server stays deleted, so its guest must not run. A host that does not hear this finds out itself."""
    with env.db.read() as session:
        task.load_server(session)
    work = HostWork(task_id=task.id, attempt=task.attempt, verb="stop", server=guest_spec(env, task))
    with suppress(NovaliteError):
        env.client.of(Guests, host=task.args["host"]).power(task.ctx, work)


def settle(env: Env, task: Task, session: Session) -> None:
    """It runs again, as what it was: a server that was deleted while it was rescued is rescued still."""
    landed = RESCUED if task.load_server(session)["rescue"] else ACTIVE
    reported = (task.done["start"] or {}).get("power_state")
    power = PowerState.RUNNING if reported is None else reported
    servers.release(session, task.server_id, task.id, vm_state=landed, power_state=int(power))


def failed(env: Env, task: Task, session: Session, error: NovaliteError) -> bool:
    """It stays soft-deleted; the action's event says why."""
    servers.release(session, task.server_id, task.id, power_state=int(PowerState.SHUTDOWN))
    return False


RESTORE = Flow(
    "restore",
    (
        HostStep(
            "start",
            host=lambda task: task.args["host"],
            ask=ask,
            verb=lambda task: "start",
            timeout="action_timeout",
            undo=stop_again,
        ),
        CommitStep("settle", settle),
    ),
    failed,
    prepare,
)
