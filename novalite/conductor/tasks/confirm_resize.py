"""Confirm a resize: the old disks go, then the old place. What fails leaves the resize to be confirmed again."""

from __future__ import annotations

from sqlalchemy.orm import Session

from novalite.conductor import resizing
from novalite.conductor.env import Env
from novalite.conductor.task import Asked, CommitStep, Flow, HostStep, Prepared, Task
from novalite.conductor.tasks import end_migration
from novalite.conductor.tasks.resize import ask
from novalite.db import allocations, server_migrations, servers
from novalite.errors import NovaliteError
from novalite.objects.migrations import CONFIRMED, CONFIRMING, FINISHED
from novalite.objects.servers import HostWork


def prepare(env: Env, session: Session, asked: Asked) -> Prepared:
    """There must be a finished resize: BadRequest otherwise."""
    server = asked.server
    migration = resizing.unconfirmed(session, server)
    server_migrations.change(session, migration["uuid"], status=CONFIRMING)
    return Prepared(
        args={
            "migration": migration["uuid"],
            "source": migration["source_host"],
            "before": server["old_vm_state"],
            "old": server["old_flavor"],
            "new": server["flavor"],
        },
        flow=end_migration.CONFIRM if end_migration.moved(migration) else "",
    )


def drop(env: Env, task: Task, work: HostWork) -> None:
    """Ask the host to let go of the old disks."""
    ask(env, task, work, task.args["new"], start=False)


def settle(env: Env, task: Task, session: Session) -> None:
    """The server has its new place only, and runs or not as its host says."""
    task.touched.update(allocations.release_aside(session, task.args["migration"]))
    server_migrations.change(session, task.args["migration"], status=CONFIRMED)
    power = (task.done["drop"] or {}).get("power_state")
    landed = resizing.landed(power, task.args["before"])
    servers.release(session, task.server_id, task.id, **resizing.OVER, **landed)


def failed(env: Env, task: Task, session: Session, error: NovaliteError) -> bool:
    """Still to be confirmed; the action's event says why it was not."""
    server_migrations.change(session, task.args["migration"], status=FINISHED)
    servers.release(session, task.server_id, task.id)
    return False


CONFIRM_RESIZE = Flow(
    "confirm_resize",
    (
        HostStep(
            "drop",
            host=lambda task: task.args["source"],
            ask=drop,
            verb=lambda task: "resize_confirm",
            timeout="action_timeout",
        ),
        CommitStep("settle", settle),
    ),
    failed,
    prepare,
)
