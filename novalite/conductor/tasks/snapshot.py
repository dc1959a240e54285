"""Make an image of a server, which stays what it is: createImage, and createBackup, which removes older backups."""

from __future__ import annotations

import logging
from typing import Any

from sqlalchemy.orm import Session

from novalite.conductor import quota, server_images
from novalite.conductor.env import Env
from novalite.conductor.task import Asked, CommitStep, Flow, HostStep, Prepared, Step, Task
from novalite.db import servers
from novalite.errors import NovaliteError
from novalite.states import IMAGE_PENDING_UPLOAD, IMAGE_SNAPSHOT, IMAGE_UPLOADING

LOG = logging.getLogger(__name__)


def prepare(env: Env, session: Session, asked: Asked) -> Prepared:
    """The image's record. `params`: name, metadata; of a backup also backup_type and rotation, and with rotation 0
    there is no image, because it would be removed at once."""
    params, server, ctx = asked.params, asked.server, asked.ctx
    metadata = params.get("metadata") or {}
    quota.check_metadata(session, env.conf, server["project_id"], len(metadata))
    backup = _backup(asked)
    if backup and not backup["rotation"]:
        return Prepared(args={"backup": backup})
    kind = "backup" if backup else "snapshot"
    more = {"backup_type": backup["type"]} if backup else {}
    owner = ctx.project_id or server["project_id"]
    image = server_images.create(
        env, session, ctx, server, params["name"], owner, kind, {**metadata, **more}
    )  # fmt: skip
    return Prepared(args={"image_id": image.id, "backup": backup}, facts={"image_id": image.id})


def _backup(asked: Asked) -> dict[str, Any] | None:
    if asked.verb != "createBackup":
        return None
    owner = asked.ctx.project_id or asked.server["project_id"]
    return {"type": asked.params["backup_type"], "rotation": asked.params["rotation"], "owner": owner}


def begin(env: Env, task: Task, session: Session) -> None:
    """A backup is called one all along; a snapshot is no longer pending."""
    if task.args["verb"] == "createImage":
        servers.change_if_owned(session, task.server_id, task.id, task_state=IMAGE_SNAPSHOT)


def rotate(env: Env, task: Task) -> list[str]:
    """Remove this server's oldest backups of the same type beyond `rotation`; answers their ids.

    The one just made is the newest, whatever the clocks say. Only images of its owner count: anybody could give
    an image of his own the same properties.
    """
    backup = task.args.get("backup")
    if not backup:
        return []
    wanted = {"instance_uuid": task.server_id, "image_type": "backup", "backup_type": backup["type"]}
    older = [i.id for i in env.images.owned(backup["owner"], wanted) if i.id != task.args.get("image_id")]
    removed = []
    for image_id in older[max(0, backup["rotation"] - 1) :]:
        if env.images.discard(image_id):
            removed.append(image_id)
        else:
            LOG.warning("Backup %s of server %s is protected and stays", image_id, task.server_id)
    return removed


def settle(env: Env, task: Task, session: Session) -> None:
    """The server is free again."""
    _release(task, session, (task.done["snapshot"] or {}).get("power_state"))


def failed(env: Env, task: Task, session: Session, error: NovaliteError) -> bool:
    """The same, without an image; the action's event says why."""
    server_images.discard(env, task, session)
    _release(task, session, task.facts.get("power_state"))
    return False


def _release(task: Task, session: Session, power: int | None) -> None:
    values = {} if power is None else {"power_state": int(power)}
    servers.release(session, task.server_id, task.id, **values)


SNAPSHOT = Flow(
    "snapshot",
    (
        CommitStep("begin", begin),
        HostStep(
            "snapshot",
            host=lambda task: task.args["host"] if task.args.get("image_id") else None,
            ask=server_images.ask(IMAGE_PENDING_UPLOAD, IMAGE_UPLOADING),
            verb=lambda task: "snapshot",
            timeout="snapshot_timeout",
        ),
        CommitStep("verify", server_images.verify),
        Step("rotate", rotate),
        CommitStep("settle", settle),
    ),
    failed,
    prepare,
    server_images.abandon,
)
