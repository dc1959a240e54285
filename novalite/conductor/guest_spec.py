"""What a host is told of a server: the row, its flavor copy, and a way to fetch its image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from novalite.conductor import server_ports
from novalite.objects.base import Record
from novalite.objects.flavors import Flavor
from novalite.objects.images import Image, ImageSource
from novalite.objects.servers import GuestSpec, Rescue
from novalite.states import RESCUED

if TYPE_CHECKING:
    from novalite.conductor.env import Env
    from novalite.conductor.task import Task


def guest_spec(env: Env, task: Task) -> GuestSpec:
    """The spec of the task's server, which must be loaded."""
    server = task.server
    assert server is not None
    return GuestSpec(
        id=server["id"],
        name=server["name"],
        hostname=server["hostname"],
        instance_name=server["instance_name"],
        project_id=server["project_id"],
        user_id=server["user_id"],
        flavor=Flavor(**server["flavor"]),
        image=_source(env, task),
        image_properties=server["image_properties"] or {},
        metadata=server["metadata"] or {},
        key_name=server["key_name"],
        public_key=server["public_key"],
        user_data=server["user_data"],
        config_drive=bool(server["config_drive"]),
        availability_zone=server["availability_zone"],
        launch_index=server["launch_index"],
        created_at=server["created_at"],
        personality=tuple(server["personality"] or ()),
        rescue=_rescue(env, task, server),
        vifs=server_ports.vifs(env, task.server_id),
    )


def _rescue(env: Env, task: Task, server: Record) -> Rescue | None:
    """How it is rescued, or is to be: see `conductor.tasks.rescue.how`."""
    found = task.args.get("rescue")
    if found is None and server["vm_state"] == RESCUED:
        found = server["rescue"]
    if found is None:
        return None
    image = task.args.get("rescue_image")
    return Rescue(
        stable=found["stable"],
        device=found["device"],
        bus=found["bus"],
        properties=found["properties"],
        image=env.images.source(task.ctx, Image(**image)) if image else None,
    )


def _source(env: Env, task: Task) -> ImageSource | None:
    """Where to fetch the image, with a token made now: only flows that build a disk carry an image."""
    image = task.args.get("image")
    return env.images.source(task.ctx, Image(**image)) if image else None
