"""Unshelve: a server that is still on its host is started; one that was offloaded is built elsewhere from its image.

The second way has the steps of a creation, and as many attempts. The image goes in the transaction that makes the
server ACTIVE; until then it is the server.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from novalite.conductor import create_request, pci_requests, server_ports
from novalite.conductor.env import Env
from novalite.conductor.task import Asked, CommitStep, Flow, HostStep, Prepared, Step, Task
from novalite.conductor.tasks import create_server, power
from novalite.conductor.tasks.moving import living
from novalite.context import system
from novalite.db import allocations, hosts, servers
from novalite.db.models.base import now
from novalite.errors import Conflict, ImageNotFound, NovaliteError
from novalite.objects.base import Record
from novalite.objects.flavors import Flavor
from novalite.objects.images import Image
from novalite.objects.servers import CreateServers, HostWork
from novalite.states import ACTIVE, SHELVED, SHELVED_OFFLOADED, UNSHELVING, PowerState

OFFLOADED_ONLY = (
    "Specifying an availability zone or a host is only possible while a server is SHELVED_OFFLOADED; "
    "instance {id} is {status}."
)


def prepare(env: Env, session: Session, asked: Asked) -> Prepared:
    """`params`: `availability_zone` (None: of no zone any more; absent: as it was) and `host`."""
    server, params = asked.server, asked.params
    kept: dict[str, Any] = server["shelved"] or {}
    args = {"image_id": kept.get("image_id"), "before": server["vm_state"]}
    if server["vm_state"] == SHELVED:
        if params:
            raise Conflict(OFFLOADED_ONLY.format(id=server["id"], status="SHELVED"))
        return Prepared(args=args)
    image = _image(env, session, server, args["image_id"])
    zone = params["availability_zone"] if "availability_zone" in params else server["pinned_availability_zone"]
    spec = _spec(env, session, asked, image, zone, params.get("host"))
    place = {"availability_zone": server["availability_zone"]}
    more = {"image": image.model_dump(mode="json"), "spec": spec, "place": place}
    return Prepared(args={**args, **more}, changes={"pinned_availability_zone": zone})


def _image(env: Env, session: Session, server: Record, image_id: str | None) -> Image:
    """The server's disk. Conflict when somebody removed it."""
    try:
        image: Image = env.images.get(system(), image_id or "", session=session)
    except ImageNotFound as error:
        raise Conflict(
            f"Instance {server['id']} cannot be unshelved: its image {image_id} could not be found."
        ) from error
    if image.status != "active":
        raise Conflict(f"Instance {server['id']} cannot be unshelved: its image {image_id} is {image.status}.")
    return image


def _spec(
    env: Env, session: Session, asked: Asked, image: Image, zone: str | None, host: str | None
) -> dict[str, Any]:
    """What the scheduler is asked. Raises BadRequest for a place that does not exist, Conflict for one that
    contradicts itself."""
    server = asked.server
    body = CreateServers(
        name=server["name"], flavor_id=server["flavor_id"], availability_zone=zone, requested_host=host,
        scheduler_hints=living(session, server["scheduler_hints"] or {}),
    )  # fmt: skip
    create_request.check_place(session, body)
    if host and zone and hosts.zone(session, host) != zone:
        raise Conflict(f'Host "{host}" is not in the availability zone "{zone}".')
    properties = {"properties": server["image_properties"] or {}}
    flavor = Flavor(**server["flavor"])
    devices = pci_requests.requests(env.conf, flavor, properties["properties"])
    like = image.model_copy(update=properties)
    resolved = create_request.Resolved(flavor, like, server["public_key"], devices)
    made = create_request.request_spec(session, asked.ctx, body, resolved)
    return {**made, "server_id": server["id"], "project_id": server["project_id"]}


def offloaded(task: Task) -> bool:
    """Whether the server has no host and is to be built."""
    return "spec" in task.args


def choose(env: Env, task: Task) -> dict[str, Any] | None:
    """Ask the scheduler for a server that has no host."""
    return create_server.select(env, task) if offloaded(task) else None


def claim(env: Env, task: Task, session: Session) -> str:
    """A place on the best host that still has one; the host the server is on when it never left."""
    if offloaded(task):
        return create_server.claim(env, task, session)
    host: str = task.args["host"]
    return host


def release(env: Env, task: Task, session: Session) -> None:
    """A server that was offloaded is on no host any more."""
    if offloaded(task):
        task.touched.update(allocations.release(session, task.server_id))
        nowhere = {"host": None, "node": None, "task_state": UNSHELVING, **task.args["place"]}
        servers.change_if_owned(session, task.server_id, task.id, **nowhere)


def bind(env: Env, task: Task, session: Session) -> None:
    """The ports of a server that was offloaded are on its new host."""
    if offloaded(task):
        server_ports.move(env, session, task.server_id, task.done["claim"])


def unbind(env: Env, task: Task, session: Session) -> None:
    """They are on none, as they were."""
    if offloaded(task):
        server_ports.move(env, session, task.server_id, None)


def ask(env: Env, task: Task, work: HostWork) -> None:
    """Build, or start."""
    (create_server.spawn if offloaded(task) else power.ask)(env, task, work)


def discard(env: Env, task: Task) -> None:
    """A build that was given up leaves no guest; one that was only to be started stays, off or not."""
    if offloaded(task):
        create_server.discard(env, task)


def settle(env: Env, task: Task, session: Session) -> None:
    """It runs, and its disk is on a host again."""
    reported = task.done["build"]["power_state"]
    moment = {"launched_at": now()} if offloaded(task) else {}
    owned = servers.release(
        session,
        task.server_id,
        task.id,
        vm_state=ACTIVE,
        power_state=int(PowerState.RUNNING if reported is None else reported),
        shelved=None,
        **moment,
    )
    if owned and task.args["image_id"]:
        env.images.discard(task.args["image_id"], session=session)


def failed(env: Env, task: Task, session: Session, error: NovaliteError) -> bool:
    """Try another host where that can help; else the server is shelved as it was, and the fault says why."""
    values: dict[str, Any] = {}
    if offloaded(task):
        final = create_server.elsewhere(env, task, error)
        if final is None:
            return True
        error, values = final, {"vm_state": SHELVED_OFFLOADED, "power_state": int(PowerState.NOSTATE)}
    elif (power_state := task.facts.get("power_state")) is not None:
        values = {"power_state": int(power_state)}
    fault = servers.fault(error.sentence, 500, error.sentence)
    servers.release(session, task.server_id, task.id, fault=fault, **values)
    return False


UNSHELVE = Flow(
    "unshelve",
    (
        Step("select", choose),
        CommitStep("claim", claim, undo=release),
        CommitStep("ports", bind, undo=unbind),
        HostStep(
            "build",
            host=lambda task: task.done["claim"],
            ask=ask,
            verb=lambda task: "spawn" if offloaded(task) else "start",
            timeout="instance_build_timeout",
            undo=discard,
        ),
        CommitStep("settle", settle),
    ),
    failed,
    prepare,
)
