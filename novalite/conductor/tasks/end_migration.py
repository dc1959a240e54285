"""What becomes of a server on its new host: confirmed, so that the old guest goes, or taken back to it.

`confirm_resize.prepare` and `revert_resize.prepare` hand their tasks over to these flows when the migration has
brought the server to another host. The old guest is there, off, all the while.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from novalite.conductor import resizing, server_ports
from novalite.conductor.env import Env
from novalite.conductor.task import CommitStep, Flow, HostStep, Task
from novalite.conductor.tasks import moving, power
from novalite.conductor.tasks.delete_server import destroy
from novalite.db import allocations, hosts, server_migrations, servers
from novalite.errors import NovaliteError
from novalite.objects.base import Record
from novalite.objects.flavors import Flavor
from novalite.objects.migrations import CONFIRMED, FINISHED, REVERTED
from novalite.states import ACTIVE, PowerState

CONFIRM, REVERT = "confirm_migration", "revert_migration"


def moved(migration: Record) -> bool:
    """Whether the server is on another host than before."""
    return bool(migration["dest_host"] != migration["source_host"])


def not_yet(env: Env, task: Task, session: Session, error: NovaliteError) -> bool:
    """It still waits to be confirmed or taken back; the action's event says why."""
    server_migrations.change(session, task.args["migration"], status=FINISHED)
    servers.release(session, task.server_id, task.id, **resizing.takes(Flavor(**task.args["new"])))
    return False


# --- confirm ---------------------------------------------------------------------------------


def confirmed(env: Env, task: Task, session: Session) -> None:
    """It has its new place only, and runs or not as was last seen."""
    task.touched.update(allocations.release_aside(session, task.args["migration"]))
    server_migrations.change(session, task.args["migration"], status=CONFIRMED)
    landed = resizing.landed(task.load_server(session)["power_state"], task.args["before"])
    servers.release(session, task.server_id, task.id, **resizing.OVER, **landed)


CONFIRM_MIGRATION = Flow(
    CONFIRM,
    (
        HostStep(
            "remove",
            host=lambda task: task.args["source"],
            ask=destroy,
            verb=lambda task: "destroy",
            timeout="action_timeout",
            lost="skip",  # it removes what does not live there when it is back
        ),
        CommitStep("settle", confirmed),
    ),
    not_yet,
)


# --- revert ----------------------------------------------------------------------------------


def start_again(env: Env, task: Task) -> None:
    """The guest on the new host was stopped in vain."""
    if "home" not in task.done and task.args["ran"]:
        moving.ask_later(env, task, task.args["there"], "start")


def stop_again(env: Env, task: Task) -> None:
    """The old guest was started in vain."""
    if "home" not in task.done:
        moving.ask_later(env, task, task.args["source"], "stop")


def ports_home(env: Env, task: Task, session: Session) -> None:
    """The old host has the networks of the guest that is to start there."""
    server_ports.move(env, session, task.server_id, task.args["source"])


def ports_there(env: Env, task: Task, session: Session) -> None:
    """Undo of it."""
    if "home" not in task.done:
        server_ports.move(env, session, task.server_id, task.args["there"])


def home(env: Env, task: Task, session: Session) -> None:
    """From here on it lives on its old host again, whatever happens."""
    moving.give_back(env, task, session)
    server_migrations.change(session, task.args["migration"], status=REVERTED)
    power_state = (task.done["restore"] or {}).get("power_state")
    servers.change_if_owned(
        session, task.server_id, task.id, **resizing.OVER, **resizing.columns(Flavor(**task.args["old"])),
        **resizing.landed(power_state, task.args["before"]),
        host=task.args["source"], node=task.args["source_node"],
        availability_zone=hosts.zone(session, task.args["source"]),
    )  # fmt: skip


def reverted(env: Env, task: Task, session: Session) -> None:
    """Nothing is left on the other host."""
    servers.release(session, task.server_id, task.id)


def failed(env: Env, task: Task, session: Session, error: NovaliteError) -> bool:
    """A server that is back stays so: what is left on the other host, that removes by itself."""
    if "home" not in task.done:
        return not_yet(env, task, session, error)
    servers.release(session, task.server_id, task.id)
    return False


def revert_args(server: Record) -> dict[str, Any]:
    """What the flow needs to know beside the arguments of a reverted resize."""
    return {"there": server["host"], "ran": server["power_state"] == PowerState.RUNNING}


REVERT_MIGRATION = Flow(
    REVERT,
    (
        HostStep(
            "power_off",
            host=lambda task: task.args["there"],
            ask=power.ask,
            verb=lambda task: "stop",
            timeout="action_timeout",
            undo=start_again,
            lost="skip",
        ),
        CommitStep("ports", ports_home, undo=ports_there),
        HostStep(
            "restore",
            host=lambda task: task.args["source"],
            ask=power.ask,
            verb=lambda task: "start" if task.args["before"] == ACTIVE else "stop",
            timeout="action_timeout",
            undo=stop_again,
        ),
        CommitStep("home", home),
        HostStep(
            "remove",
            host=lambda task: task.args["there"],
            ask=destroy,
            verb=lambda task: "destroy",
            timeout="action_timeout",
            lost="skip",
        ),
        CommitStep("settle", reverted),
    ),
    failed,
)
