"""Cold migration, and a resize that leaves its host: stopped, its root disk sent to the image service, built of that on
another host; then it waits to be confirmed or taken back.

Hosts need no way to one another, and no shared disk: the image service carries the disk, as it does for a shelved
server. The old guest stays whole on its host, off, until the migration is confirmed, so whatever fails is simply
taken back: the new guest goes, the old one is started again. The image goes when the new guest is there, or not.

What an image cannot carry refuses the migration: an ephemeral disk. Swap is made anew.
"""

from __future__ import annotations

from sqlalchemy.orm import Session

from novalite.conductor import resizing, server_images, server_ports
from novalite.conductor.env import Env
from novalite.conductor.task import Asked, CommitStep, Flow, HostStep, Prepared, Step, Task
from novalite.conductor.tasks import create_server, moving, power
from novalite.context import system
from novalite.db import server_migrations, servers, services
from novalite.db.models.base import now
from novalite.errors import BadRequest, HostNotFound, NoValidHost, NovaliteError, ServerNotMovable
from novalite.objects.base import Record
from novalite.objects.flavors import Flavor
from novalite.objects.migrations import COLD, FAILED, FINISHED, POST_MIGRATING
from novalite.objects.servers import HostWork
from novalite.states import (
    ACTIVE,
    RESIZE_FINISH,
    RESIZE_MIGRATED,
    RESIZE_MIGRATING,
    RESIZE_PREP,
    RESIZED,
)

# --- accepting -------------------------------------------------------------------------------


def prepare(env: Env, session: Session, asked: Asked) -> Prepared:
    """`params`: `host` (None: any other). BadRequest for a host that does not exist, for the one it is on, and when
    there is no other; ServerNotMovable for disks that cannot be moved."""
    server, host = asked.server, asked.params.get("host")
    if host is not None and not moving.exists(session, host):
        raise BadRequest(HostNotFound(host=host).sentence)
    if host == server["host"]:
        raise BadRequest("Cannot migrate to the host where the server exists.")
    return to_another_host(env, session, asked, COLD, Flavor(**server["flavor"]), host)


def to_another_host(
    env: Env, session: Session, asked: Asked, kind: str, new: Flavor, host: str | None = None
) -> Prepared:
    """Accept a move, a migration or a resize by its `kind`. Errors as `prepare`."""
    server = asked.server
    if server["flavor"].get("ephemeral_gb"):
        raise ServerNotMovable(server_id=server["id"], reason="its ephemeral disk cannot be taken along")
    _check_others(env, session, server)
    args, changes = moving.begin(session, asked, kind, moving.spec(env, session, asked, new, host), new)
    name = f"{server['name'][:245]}-migrating"
    image = server_images.create(env, session, asked.ctx, server, name, server["project_id"])
    return Prepared(
        args={**args, "image_id": image.id},
        changes={**changes, "old_vm_state": server["vm_state"]},
        flow=MIGRATE.kind,
    )


def _check_others(env: Env, session: Session, server: Record) -> None:
    """There is another host at all: what the scheduler thinks of it, it says later."""
    alive = env.conf.service_down_time, env.tasks.now()
    for service in services.page(session, services.Service.binary == services.COMPUTE):
        if service["host"] != server["host"] and not service["disabled"] and services.is_up(service, *alive):
            return
    raise BadRequest(NoValidHost(reason="There is no other host that is up.").sentence)


# --- forward ---------------------------------------------------------------------------------


def claim(env: Env, task: Task, session: Session) -> str:
    """A place on another host."""
    return moving.claim(task, session, RESIZE_MIGRATING)


def leave(env: Env, task: Task, session: Session) -> None:
    """The disk is with the image service, whole, and the ports are on the new host. Raises what `verify` raises."""
    server_images.verify(env, task, session)
    server_ports.move(env, session, task.server_id, task.done["claim"])
    server_migrations.change(session, task.args["migration"], status=POST_MIGRATING)
    servers.change_if_owned(session, task.server_id, task.id, task_state=RESIZE_MIGRATED)


def build(env: Env, task: Task, work: HostWork) -> None:
    """Ask the new host for a guest of the new flavor whose disk is that image."""
    image = env.images.get(system(), task.args["image_id"])
    guest = {"image": env.images.source(task.ctx, image), "flavor": Flavor(**task.args["new"])}
    moving.build(env, task, work.model_copy(update={"server": work.server.model_copy(update=guest)}))


def built(env: Env, task: Task, session: Session) -> None:
    """The guest is there; it is off again, if it was off before."""
    servers.change_if_owned(session, task.server_id, task.id, task_state=RESIZE_FINISH)


def settle(env: Env, task: Task, session: Session) -> None:
    """It waits to be confirmed, on its new host."""
    report = task.done["stop"] or task.done["build"]
    asked_for = task.args["params"].get("disk_config")
    server_images.discard(env, task, session)
    server_migrations.change(session, task.args["migration"], status=FINISHED)
    servers.release(
        session, task.server_id, task.id, **moving.arrived(task), **resizing.columns(Flavor(**task.args["new"])),
        **({"disk_config": asked_for} if asked_for else {}), vm_state=RESIZED,
        power_state=int(report["power_state"] or 0), old_flavor=task.args["old"], launched_at=now(), progress=100,
    )  # fmt: skip


# --- backward --------------------------------------------------------------------------------


def release(env: Env, task: Task, session: Session) -> None:
    """It has its old place only."""
    moving.give_back(env, task, session)
    servers.change_if_owned(session, task.server_id, task.id, task_state=RESIZE_PREP)


def start_again(env: Env, task: Task) -> None:
    """A guest that was stopped in vain runs again."""
    if task.args["before"] == ACTIVE:
        moving.ask_later(env, task, task.args["source"], "start")


def failed(env: Env, task: Task, session: Session, error: NovaliteError) -> bool:
    """Choose again while nothing was done but choosing; else it is what it was, where it was."""
    if isinstance(error, create_server.CandidatesLost) and "power_off" not in task.done:
        rounds = task.facts["rounds"] = task.facts.get("rounds", 0) + 1
        if rounds < env.conf.conductor.claim_rounds:
            task.restart("select")
            return True
    server_images.discard(env, task, session)
    server_migrations.change(session, task.args["migration"], status=FAILED)
    as_before = {**resizing.OVER, **resizing.takes(Flavor(**task.args["old"]))}
    servers.release(session, task.server_id, task.id, **as_before)
    return False


def abandon(env: Env, task: Task, session: Session) -> None:
    """The task ends here: nobody needs its image any more."""
    server_images.discard(env, task, session)


MIGRATE = Flow(
    "migrate",
    (
        Step("select", moving.select),
        CommitStep("claim", claim, undo=release),
        HostStep(
            "power_off",
            host=lambda task: task.args["source"],
            ask=power.ask,
            verb=lambda task: "stop",
            timeout="action_timeout",
            undo=start_again,
        ),
        HostStep(
            "snapshot",
            host=lambda task: task.args["source"],
            ask=server_images.ask(RESIZE_MIGRATING, RESIZE_MIGRATING),
            verb=lambda task: "snapshot",
            timeout="snapshot_timeout",
        ),
        CommitStep("leave", leave),
        HostStep(
            "build",
            host=lambda task: task.done["claim"],
            ask=build,
            verb=lambda task: "spawn",
            timeout="instance_build_timeout",
            undo=moving.discard,
        ),
        CommitStep("built", built),
        HostStep(
            "stop",
            host=lambda task: None if task.args["before"] == ACTIVE else task.done["claim"],
            ask=power.ask,
            verb=lambda task: "stop",
            timeout="action_timeout",
        ),
        CommitStep("settle", settle),
    ),
    failed,
    prepare,
    abandon,
)
