"""What a host is told of a server: the row, its flavor copy, and a way to fetch its image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy.orm import Session

from novalite.conductor import pci_requests, server_ports, topology
from novalite.conductor.server_networks import offered
from novalite.db import interfaces, numa, pci
from novalite.objects.base import Record
from novalite.objects.flavors import Flavor
from novalite.objects.images import Image, ImageSource
from novalite.objects.servers import GuestSpec, Rescue
from novalite.states import RESCUED

if TYPE_CHECKING:
    from novalite.conductor.env import Env
    from novalite.conductor.task import Task


def guest_spec(env: Env, task: Task, host: str | None = None) -> GuestSpec:
    """The spec of the task's server, which must be loaded, for a host: by default the one that is being asked."""
    server = task.server
    assert server is not None
    work: Record = {"image": _source(env, task), "rescue": _rescue(env, task, server)}
    where = host or task.wait_host or server["host"]
    if where and topology.wanted(server, task.args.get("new")):
        with env.db.read() as session:
            holders = [one for one in (task.server_id, task.args.get("migration") or server["migration_id"]) if one]
            work["placed"] = numa.held(session, where, holders)
    if pci_requests.wanted([server["flavor"], server["old_flavor"], task.args.get("old"), task.args.get("new")]):
        migration = task.args.get("migration") or server["migration_id"]
        with env.db.read() as session:
            work["pci_devices"] = pci.given(session, where, task.server_id, migration) if where else ()
    spec = described(server).model_copy(update={**work, "vifs": server_ports.vifs(env, task.server_id)})
    if not spec.config_drive:
        return spec
    with env.db.read() as session:
        return spec.model_copy(update={"admin_pass": task.secret, **of_networks(env, session, server)})


def described(server: Record) -> GuestSpec:
    """What the server's own record says."""
    wanted = topology.of(server) if topology.wanted(server) else None
    return GuestSpec(
        id=server["id"],
        name=server["name"],
        hostname=server["hostname"],
        instance_name=server["instance_name"],
        project_id=server["project_id"],
        user_id=server["user_id"],
        flavor=Flavor(**server["flavor"]),
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
        image_id=server["image_id"],
        reservation_id=server["reservation_id"],
        root_device_name=server["root_device_name"],
        dedicated_cpus=wanted.dedicated if wanted else (),
    )


def of_networks(env: Env, session: Session, server: Record) -> Record:
    """Fields of a spec that only a guest reads: `security_groups` and `floating_ips`. Two statements."""
    if not offered(env.conf):
        return {"security_groups": tuple(server["security_groups"] or ())}
    server_id = server["id"]
    addresses = interfaces.addresses(session, [server_id]).get(server_id, {})
    return {
        "security_groups": tuple(interfaces.group_names(session, [server_id]).get(server_id, ())),
        "floating_ips": tuple(one["addr"] for shown in addresses.values() for one in shown
                              if one["OS-EXT-IPS:type"] == "floating"),
    }  # fmt: skip


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
