"""Evacuate: the host of a server is down, so it is built anew of its image on another; its disks are lost.

It keeps its identity, address and flavor, and a place on the lost host until it has its new one. That host removes
what is left of the guest when it comes back (`compute.periodic.running_deleted`); before the server has arrived its
record names the lost host, so that a host that comes back too soon keeps its guest.

When no host will do the server is in ERROR on the lost host with the reason; it can be evacuated again, or used
again when that host is back.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from novalite.conductor import resizing, server_ports
from novalite.conductor.env import Env
from novalite.conductor.task import Asked, CommitStep, Flow, HostStep, Prepared, Step, Task
from novalite.conductor.tasks import create_server, moving, power
from novalite.context import system
from novalite.db import allocations, server_migrations, servers, services
from novalite.db.models.base import now
from novalite.errors import (
    BadRequest,
    ComputeServiceInUse,
    ImageNotFound,
    NotFound,
    NovaliteError,
    ServerNotMovable,
)
from novalite.objects.base import Record
from novalite.objects.flavors import Flavor
from novalite.objects.images import Image
from novalite.objects.migrations import DONE, EVACUATION, FAILED
from novalite.states import ACTIVE, POWERING_OFF, REBUILD_SPAWNING, REBUILDING, STOPPED, PowerState


def prepare(env: Env, session: Session, asked: Asked) -> Prepared:
    """`params`: `host` (None: any), `force` (whatever the filters say), `stop` (it is off afterwards).

    NotFound for a host that does not exist, BadRequest for the one it is on, ComputeServiceInUse while that lives,
    ServerNotMovable without the image.
    """
    server, params = asked.server, asked.params
    host = params.get("host")
    if host is not None and not moving.exists(session, host):
        raise NotFound(f"Compute host {host} not found.")
    if host == server["host"]:
        raise BadRequest("The target host can't be the same one.")
    if services.compute_is_up(session, server["host"], env.conf.service_down_time, env.tasks.now()):
        raise ComputeServiceInUse(host=server["host"])
    image = _image(env, session, server)
    flavor = Flavor(**server["flavor"])
    wanted = moving.spec(env, session, asked, flavor, host, bool(params.get("force")))
    args, changes = moving.begin(session, asked, EVACUATION, wanted, flavor)
    more = {"image": image.model_dump(mode="json"), "stop": _ends_off(server, params)}
    return Prepared(args={**args, **more}, changes={**changes, "progress": 0, "rescue": None})


def _ends_off(server: Record, params: dict[str, Any]) -> bool:
    return bool(params.get("stop")) or server["vm_state"] == STOPPED


def _image(env: Env, session: Session, server: Record) -> Image:
    """What it is built of: nothing else is left of it."""
    image_id = server["image_id"]
    if not image_id:
        raise ServerNotMovable(server_id=server["id"], reason="it was made of no image")
    try:
        image: Image = env.images.get(system(), image_id, session=session)
    except ImageNotFound as error:
        raise ServerNotMovable(server_id=server["id"], reason=error.sentence) from error
    if image.status != "active":
        raise ServerNotMovable(server_id=server["id"], reason=f"its image {image_id} is {image.status}")
    return image


def claim(env: Env, task: Task, session: Session) -> str:
    """A place on another host, and the ports there."""
    host = moving.claim(task, session, REBUILD_SPAWNING)
    server_ports.move(env, session, task.server_id, host)
    return host


def release(env: Env, task: Task, session: Session) -> None:
    """Its place is on the lost host again, unless it has arrived."""
    if "moved" not in task.done:
        moving.give_back(env, task, session)
        servers.change_if_owned(session, task.server_id, task.id, task_state=REBUILDING)


def discard(env: Env, task: Task) -> None:
    """A build that was given up leaves no guest."""
    if "moved" not in task.done:
        moving.discard(env, task)


def moved(env: Env, task: Task, session: Session) -> None:
    """From here on it lives on its new host, whatever happens."""
    task.touched.update(allocations.release_aside(session, task.args["migration"]))
    server_migrations.change(session, task.args["migration"], status=DONE)
    off = {"task_state": POWERING_OFF} if task.args["stop"] else {}
    power_state = int((task.done["build"] or {}).get("power_state") or PowerState.RUNNING)
    servers.change_if_owned(
        session, task.server_id, task.id, **resizing.OVER, **moving.arrived(task), **off,
        vm_state=ACTIVE, power_state=power_state, launched_at=now(), progress=100,
    )  # fmt: skip


def settle(env: Env, task: Task, session: Session) -> None:
    """Running, or off as it is to be."""
    off = {"vm_state": STOPPED, "power_state": int(PowerState.SHUTDOWN)} if task.args["stop"] else {}
    servers.release(session, task.server_id, task.id, **off)


def failed(env: Env, task: Task, session: Session, error: NovaliteError) -> bool:
    """Try another host where that can help; else it is in ERROR on the lost one. A server that has arrived and
    could not be switched off runs."""
    if "moved" in task.done:
        if "stop" in task.done:
            settle(env, task, session)
        else:
            servers.release(session, task.server_id, task.id)
        return False
    final = create_server.elsewhere(env, task, error)
    if final is None:
        return True
    server_migrations.change(session, task.args["migration"], status=FAILED)
    servers.change_if_owned(session, task.server_id, task.id, **resizing.OVER)
    servers.fail(session, task.server_id, task.id, servers.fault(final.sentence, 500, final.sentence))
    return False


EVACUATE = Flow(
    "evacuate",
    (
        Step("select", moving.select),
        CommitStep("claim", claim, undo=release),
        HostStep(
            "build",
            host=lambda task: task.done["claim"],
            ask=moving.build,
            verb=lambda task: "spawn",
            timeout="instance_build_timeout",
            undo=discard,
        ),
        CommitStep("moved", moved),
        HostStep(
            "stop",
            host=lambda task: task.done["claim"] if task.args["stop"] else None,
            ask=power.ask,
            verb=lambda task: "stop",
            timeout="action_timeout",
        ),
        CommitStep("settle", settle),
    ),
    failed,
    prepare,
)
