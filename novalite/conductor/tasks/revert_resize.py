"""Take a resize back: old disks, old flavor, old power state, then the new place goes. What fails leaves the resize
waiting, to be taken back again."""

from __future__ import annotations

from sqlalchemy.orm import Session

from novalite.conductor import resizing
from novalite.conductor.env import Env
from novalite.conductor.task import Asked, CommitStep, Flow, HostStep, Prepared, Task
from novalite.conductor.tasks import end_migration
from novalite.conductor.tasks.resize import ask
from novalite.db import server_migrations, servers
from novalite.errors import NovaliteError
from novalite.objects.flavors import Flavor
from novalite.objects.migrations import FINISHED, REVERTED, REVERTING
from novalite.objects.servers import HostWork
from novalite.states import ACTIVE


def prepare(env: Env, session: Session, asked: Asked) -> Prepared:
    """There must be a finished resize (BadRequest), and quota for what the old flavor takes more (OverQuota)."""
    server = asked.server
    migration = resizing.unconfirmed(session, server)
    old, new = Flavor(**server["old_flavor"]), Flavor(**server["flavor"])
    resizing.charge(session, env.conf, server, old)
    server_migrations.change(session, migration["uuid"], status=REVERTING)
    return Prepared(
        args={
            "migration": migration["uuid"],
            "source": migration["source_host"],
            "source_node": migration["source_node"],
            "before": server["old_vm_state"],
            "old": server["old_flavor"],
            "new": server["flavor"],
            **end_migration.revert_args(server),
        },
        flow=end_migration.REVERT if end_migration.moved(migration) else "",
        changes=resizing.takes_either(old, new),
    )


def power_off(env: Env, task: Task, work: HostWork) -> None:
    """Ask the host to stop the guest."""
    ask(env, task, work, task.args["new"], start=False)


def restore(env: Env, task: Task, work: HostWork) -> None:
    """Ask the host to put the old disks back and to start the guest, if it ran before it was resized."""
    ask(env, task, work, task.args["old"], start=task.args["before"] == ACTIVE)


def settle(env: Env, task: Task, session: Session) -> None:
    """The server is what it was."""
    migration = server_migrations.get(session, task.args["migration"])
    if migration is not None:
        task.touched.update(resizing.return_place(session, task.server_id, migration))
        server_migrations.change(session, migration["uuid"], status=REVERTED)
    servers.release(
        session,
        task.server_id,
        task.id,
        **resizing.OVER,
        **resizing.columns(Flavor(**task.args["old"])),
        **resizing.landed((task.done["restore"] or {}).get("power_state"), task.args["before"]),
        host=task.args["source"],
        node=task.args["source_node"],
    )


def failed(env: Env, task: Task, session: Session, error: NovaliteError) -> bool:
    """It waits to be confirmed or taken back, as before; the action's event says why."""
    power = task.facts.get("power_state")
    server_migrations.change(session, task.args["migration"], status=FINISHED)
    servers.release(
        session,
        task.server_id,
        task.id,
        **resizing.takes(Flavor(**task.args["new"])),
        **({} if power is None else {"power_state": int(power)}),
    )
    return False


REVERT_RESIZE = Flow(
    "revert_resize",
    (
        HostStep(
            "power_off",
            host=lambda task: task.args["host"],
            ask=power_off,
            verb=lambda task: "resize_power_off",
            timeout="action_timeout",
        ),
        HostStep(
            "restore",
            host=lambda task: task.args["source"],
            ask=restore,
            verb=lambda task: "resize_put_back",
            timeout="resize_timeout",
        ),
        CommitStep("settle", settle),
    ),
    failed,
    prepare,
)
