"""Shelve a server: stop it, keep its disk as an image, and with `shelved_offload_time = 0` take it off its host."""

from __future__ import annotations

from contextlib import suppress

from sqlalchemy.orm import Session

from novalite.conductor import server_images
from novalite.conductor.env import Env
from novalite.conductor.guest_spec import guest_spec
from novalite.conductor.task import Asked, CommitStep, Flow, HostStep, Prepared, Task
from novalite.conductor.tasks import offload, power
from novalite.conductor.tasks.delete_server import destroy
from novalite.db import servers
from novalite.db.models.base import iso, now
from novalite.errors import ActionFailed, NovaliteError
from novalite.objects.servers import HostWork
from novalite.rpc.contracts.compute import Guests
from novalite.states import (
    ACTIVE,
    PAUSED,
    SHELVED,
    SHELVING_IMAGE_PENDING_UPLOAD,
    SHELVING_IMAGE_UPLOADING,
    SHELVING_OFFLOADING,
    STOPPED,
    PowerState,
)


def prepare(env: Env, session: Session, asked: Asked) -> Prepared:
    """The image's record. It belongs to the server's project, whoever asks: it is the server's disk."""
    server = asked.server
    name = f"{server['name'][:247]}-shelved"
    image = server_images.create(env, session, asked.ctx, server, name, server["project_id"])
    return Prepared(args={"image_id": image.id, "before": server["vm_state"]})


def start_again(env: Env, task: Task) -> None:
    """A guest that was stopped in vain is started; nobody waits for it, as its host tells when it runs."""
    if task.args["before"] != ACTIVE or "shelved" in task.done:
        return
    with env.db.read() as session:
        task.load_server(session)
    work = HostWork(task_id=task.id, attempt=task.attempt, verb="start", server=guest_spec(env, task))
    with suppress(NovaliteError):  # the comparison of power states tells that it is off
        env.client.of(Guests, host=task.args["host"]).power(task.ctx, work)


def shelved(env: Env, task: Task, session: Session) -> str | None:
    """From here on the image is the server. Answers the host to leave at once, if it is to."""
    at_once = env.conf.shelved_offload_time == 0
    kept = {"image_id": task.args["image_id"], "at": iso(now()), "host": task.args["host"]}
    values = {"vm_state": SHELVED, "power_state": int(PowerState.SHUTDOWN), "shelved": kept}
    if at_once:
        values["task_state"] = SHELVING_OFFLOADING
    if not servers.change_if_owned(session, task.server_id, task.id, **values):
        raise ActionFailed(verb="shelve", server_id=task.server_id, reason="it is being deleted")
    host: str = task.args["host"]
    return host if at_once else None


def settle(env: Env, task: Task, session: Session) -> None:
    """It is shelved, or off its host already."""
    if task.done["shelved"]:
        offload.settle(env, task, session)
    else:
        servers.release(session, task.server_id, task.id)


def failed(env: Env, task: Task, session: Session, error: NovaliteError) -> bool:
    """What was shelved stays shelved. Before that the server is what it was, but a paused one that was stopped
    is stopped."""
    values: dict[str, object] = {}
    if "shelved" not in task.done:
        server_images.discard(env, task, session)
        if "stop" in task.done and task.args["before"] != ACTIVE:
            values["power_state"] = int(PowerState.SHUTDOWN)
            if task.args["before"] == PAUSED:
                values["vm_state"] = STOPPED
    servers.release(session, task.server_id, task.id, **values)
    return False


def abandon(env: Env, task: Task, session: Session) -> None:
    """The task ends here. Once the server is shelved, the image is the server's and no longer the task's."""
    if "shelved" not in task.done:
        server_images.discard(env, task, session)


SHELVE = Flow(
    "shelve",
    (
        HostStep(
            "stop",
            host=lambda task: task.args["host"],
            ask=power.ask,
            verb=lambda task: "stop",
            timeout="action_timeout",
            undo=start_again,
        ),
        HostStep(
            "snapshot",
            host=lambda task: task.args["host"],
            ask=server_images.ask(SHELVING_IMAGE_PENDING_UPLOAD, SHELVING_IMAGE_UPLOADING),
            verb=lambda task: "snapshot",
            timeout="snapshot_timeout",
        ),
        CommitStep("verify", server_images.verify),
        CommitStep("shelved", shelved),
        HostStep(
            "offload",
            host=lambda task: task.done["shelved"],
            ask=destroy,
            verb=lambda task: "destroy",
            timeout="action_timeout",
            lost="skip",
        ),
        CommitStep("settle", settle),
    ),
    failed,
    prepare,
    abandon,
)
