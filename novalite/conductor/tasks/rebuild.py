"""Rebuild a server: new disks from an image on the host where it is, with the capacity it has.

Accepting it writes everything the answer shows: the new image with its properties, and what else was asked
for. The scheduler is not asked: the flavor stays, and properties of the new image that the host cannot offer
are refused by its driver before the old disk is touched.

When it fails the server is in ERROR with the reason. While the old root disk was not touched its image and
properties come back with it, and the guest is as it was; otherwise, or when the host never said, the server is
of the new image. A hard reboot starts what is there; another rebuild makes it anew.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from novalite.conductor import create_request, quota, topology
from novalite.conductor.env import Env
from novalite.conductor.task import Asked, CommitStep, Flow, HostStep, Prepared, Task
from novalite.db import keypairs, servers
from novalite.db.models.base import now
from novalite.errors import BadRequest, KeypairNotFound, NovaliteError
from novalite.objects.flavors import Flavor
from novalite.objects.servers import HostWork
from novalite.rpc.contracts.compute import Guests
from novalite.states import ACTIVE, STOPPED, PowerState

CHANGEABLE = (
    "name", "metadata", "access_ip_v4", "access_ip_v6", "disk_config", "description", "key_name", "user_data",
    "trusted_image_certificates", "hostname", "personality",
)  # fmt: skip
"""Columns that the request may set along with the image."""


def prepare(env: Env, session: Session, asked: Asked) -> Prepared:
    """`params`: image_id, keep_ephemeral, and `changes` of CHANGEABLE. Raises BadRequest and OverQuota."""
    server, changes = asked.server, dict(asked.params.get("changes", {}))
    if unknown := set(changes) - set(CHANGEABLE):
        raise BadRequest(f"A rebuild cannot change {', '.join(sorted(unknown))}.")
    image = create_request.find_image(env, session, asked.ctx, asked.params["image_id"])
    create_request.check_image(image, Flavor(**server["flavor"]))
    topology.check_rebuild(server, image.properties)
    project = server["project_id"]
    quota.check_metadata(session, env.conf, project, len(changes.get("metadata") or {}))
    quota.check_files(session, env.conf, project, changes.get("personality") or ())
    if "key_name" in changes:
        changes["public_key"] = _public_key(session, asked)
    if create_request.needs_config_drive(image):
        changes["config_drive"] = True
    columns = create_request.image_columns(image)
    work = {"keep_ephemeral": bool(asked.params.get("keep_ephemeral")), "start": server["vm_state"] != STOPPED}
    args = {
        "image": image.model_dump(mode="json"),
        "params": work,
        "before": {key: server[key] for key in columns},
    }
    return Prepared(args=args, changes={**changes, **columns, "progress": 0, "rescue": None})


def _public_key(session: Session, asked: Asked) -> str | None:
    """Of the caller's own key pair: keys belong to users."""
    name = asked.params["changes"]["key_name"]
    if name is None:
        return None
    try:
        return str(keypairs.get(session, asked.ctx.user_id or "", name)["public_key"])
    except KeypairNotFound as error:
        raise BadRequest("Invalid key_name provided.") from error


def ask(env: Env, task: Task, work: HostWork) -> None:
    """Ask the host for new disks."""
    env.client.of(Guests, host=task.wait_host).rebuild(task.ctx, work)


def settle(env: Env, task: Task, session: Session) -> None:
    """Active, or off when it was stopped."""
    start = task.args["params"]["start"]
    power = (task.done["host"] or {}).get("power_state")
    if power is None:
        power = PowerState.RUNNING if start else PowerState.SHUTDOWN
    values: dict[str, Any] = {"vm_state": ACTIVE if start else STOPPED, "power_state": int(power)}
    servers.release(session, task.server_id, task.id, launched_at=now(), progress=100, **values)


def failed(env: Env, task: Task, session: Session, error: NovaliteError) -> bool:
    """See the module."""
    values: dict[str, Any] = {}
    if (power := task.facts.get("power_state")) is not None:
        values["power_state"] = int(power)
    if task.facts.get("reported") and not task.facts.get("host", {}).get("replaced"):
        values |= task.args["before"]
    if values:
        servers.change_if_owned(session, task.server_id, task.id, **values)
    servers.fail(session, task.server_id, task.id, servers.fault(error.sentence, 500, error.sentence))
    return False


REBUILD = Flow(
    "rebuild",
    (
        HostStep(
            "host",
            host=lambda task: task.args["host"],
            ask=ask,
            verb=lambda task: "rebuild",
            timeout="instance_build_timeout",
        ),
        CommitStep("settle", settle),
    ),
    failed,
    prepare,
)


