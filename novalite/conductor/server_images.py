"""Images made of servers: the record that is there before any byte, the order to the host, the proof afterwards.

A flow that makes one keeps its id in `task.args["image_id"]`. The record is written when the action is accepted, so
that the caller can be told its id; whoever ends the flow without success removes it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from sqlalchemy.orm import Session

from novalite.conductor.env import Env
from novalite.conductor.task import Task
from novalite.context import Context, system
from novalite.db import tasks as db_tasks
from novalite.errors import ImageNotFound, ImageUploadFailed
from novalite.objects.base import Record
from novalite.objects.images import Image
from novalite.objects.servers import HostWork
from novalite.rpc.contracts.compute import Guests

ENCRYPTION_AND_SIGNATURE = (
    "cinder_encryption_key_id", "cinder_encryption_key_deletion_policy", "img_signature",
    "img_signature_hash_method", "img_signature_key_type", "img_signature_certificate_uuid",
)  # fmt: skip
"""Properties that speak of the bytes of one image and are wrong for every other."""


def properties(
    ctx: Context, server: Record, image_type: str, metadata: dict[str, str], left_out: tuple[str, ...]
) -> dict[str, str]:
    """Of an image of the server: those of the image it was built from, what the caller added, where it is from.

    What kind of image it is, the caller may say of a snapshot; a backup must be found again.
    """
    inherited = {
        key: value
        for key, value in (server["image_properties"] or {}).items()
        if key not in left_out and key not in ENCRYPTION_AND_SIGNATURE
    }
    own = {
        "instance_uuid": server["id"],
        "user_id": ctx.user_id or server["user_id"],
        "image_type": metadata.get("image_type", image_type) if image_type == "snapshot" else image_type,
        "base_image_ref": server["image_id"] or "",
        "image_location": "snapshot",
        "image_state": "available",
        "owner_id": server["project_id"],
        "owner_user_name": ctx.user_name,
        "owner_project_name": ctx.project_name,
    }
    return {**inherited, **metadata, **{key: value for key, value in own.items() if value is not None}}


def create(
    env: Env, session: Session, ctx: Context, server: Record, name: str, owner: str, image_type: str = "snapshot",
    metadata: dict[str, str] | None = None,
) -> Image:  # fmt: skip
    """The queued image. A server needs at least the disk it was made of, and the memory its base image asks for."""
    conf = env.conf.images
    base = Image(id="")
    if server["image_id"]:
        with suppress(ImageNotFound):
            base = env.images.get(system(), server["image_id"], session=session)
    left_out = tuple(conf.non_inheritable_image_properties)
    values = {
        "name": name,
        "owner": owner,
        "visibility": "private",
        "disk_format": conf.snapshot_image_format,
        "container_format": "bare",
        "min_disk": max(base.min_disk, int(server["flavor"].get("disk_gb") or 0)),
        "min_ram": base.min_ram,
        "properties": properties(ctx, server, image_type, metadata or {}, left_out),
    }
    made: Image = env.images.create(ctx, values, session=session)
    return made


def ask(pending: str, uploading: str) -> Callable[[Env, Task, HostWork], None]:
    """The order to the host, which tells the two task_states on its way."""

    def order(env: Env, task: Task, work: HostWork) -> None:
        image = env.images.get(system(), task.args["image_id"])
        target = env.images.target(task.ctx, image, env.conf.conductor.snapshot_timeout)
        params = {**work.params, "image": target.model_dump(mode="json"), "states": [pending, uploading]}
        guests = env.client.of(Guests, host=task.wait_host)
        guests.snapshot(task.ctx, work.model_copy(update={"params": params}))

    return order


def verify(env: Env, task: Task, session: Session) -> None:
    """The image has its bytes, and those that the host sent. Raises ImageUploadFailed, ImageNotFound."""
    image_id = task.args.get("image_id")
    if image_id is None:
        return
    image: Image = env.images.get(system(), image_id, session=session)
    if image.status != "active":
        raise ImageUploadFailed(image_id=image_id, reason=f"it is {image.status} after its upload")
    said = (task.done["snapshot"] or {}).get("facts", {}).get("sha512")
    if said and image.os_hash_algo == "sha512" and image.os_hash_value != said:
        raise ImageUploadFailed(image_id=image_id, reason="its bytes arrived changed")


def discard(env: Env, task: Task, session: Session) -> None:
    """There is no image of this task."""
    if task.args.get("image_id"):
        env.images.discard(task.args["image_id"], session=session)


def abandon(env: Env, task: Task, session: Session) -> None:
    """The task ends here: an image without its bytes would wait for them for ever. One that has them is whole."""
    image_id = task.args.get("image_id")
    if image_id is None:
        return
    with suppress(ImageNotFound):
        if env.images.get(system(), image_id, session=session).status != "active":
            env.images.discard(image_id, session=session)


def abandon_tasks(env: Env, session: Session, server: Record) -> None:
    """Call before every open task of a server is ended without being undone: flows give back what is theirs."""
    if server["task_state"] is None:
        return
    for row in db_tasks.all_open(session, server["id"]):
        flow = env.tasks.flows.get(row["kind"])
        if flow is not None and flow.abandon is not None:
            flow.abandon(env, Task.of(row), session)


def forget_shelved(env: Env, session: Session, server: Record) -> None:
    """The server is being deleted, and with it the image that it was shelved to."""
    kept: dict[str, Any] = server["shelved"] or {}
    if kept.get("image_id"):
        env.images.discard(kept["image_id"], session=session)
