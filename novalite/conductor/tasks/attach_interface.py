"""Give a guest one more interface: the port is the server's from the acceptance on, the host is asked while the caller
waits. What fails gives the port back."""

from __future__ import annotations

import logging
from typing import Any

from sqlalchemy.orm import Session

from novalite.conductor import server_networks, server_ports
from novalite.conductor.env import Env
from novalite.conductor.guest_spec import guest_spec
from novalite.conductor.task import Asked, CommitStep, Flow, Prepared, Step, Task
from novalite.db import interfaces, servers
from novalite.errors import BadRequest, DriverUnsupported, NovaliteError, ServerNotReady
from novalite.objects.base import Record
from novalite.objects.host_networks import Vif
from novalite.objects.server_network_errors import InterfaceNotAttached
from novalite.rpc.contracts.interfaces import GuestInterfaces

LOG = logging.getLogger(__name__)


def prepare(env: Env, session: Session, asked: Asked) -> Prepared:
    """The port is taken or made. `params`: port_id, net_id, fixed_ips and tag; see the contract for errors."""
    server = asked.server
    wanted = server_networks.for_one(session, env.conf, asked.ctx, server, asked.params)
    there = interfaces.of_server(session, server["id"])
    index = max((port["index"] for port in there), default=-1) + 1
    server_ports.afford(env, session, server["project_id"], [wanted])
    port_id = server_ports.plug_one(session, server, server["host"], index, wanted, None)
    (vif,) = [one for one in interfaces.vifs(session, server["id"]) if one.port_id == port_id]
    env.news.after_commit(session, {server["host"] or ""}, {vif.network_id})
    return Prepared(args={"port": port_id, "vif": vif.model_dump(mode="json")}, facts={"port_id": port_id})


def vif_of(task: Task) -> Vif:
    """The interface that the task is about."""
    return Vif(**task.args["vif"])


def host_of(env: Env, task: Task) -> Any:
    """Whom to ask; loads the server for `guest_spec`."""
    with env.db.read() as session:
        server = task.load_server(session)
    if server["host"] is None:
        raise ServerNotReady(server_id=task.server_id)
    return env.client.of(GuestInterfaces, host=server["host"])


def plug(env: Env, task: Task) -> None:
    """Ask the host and wait."""
    host_of(env, task).attach(task.ctx, guest_spec(env, task), vif_of(task))


def unplug(env: Env, task: Task) -> None:
    """See that the guest is without it: a host that failed may have come half-way. One that cannot is left alone, for
    the port is gone all the same and the guest's next definition is without it."""
    try:
        pull(env, task)
    except NovaliteError as error:
        LOG.warning("Port %s may still be plugged into server %s: %s", task.args["port"], task.server_id, error)


def pull(env: Env, task: Task) -> None:
    """Ask the host to take the interface away, and wait."""
    host = host_of(env, task)
    spec, vif = guest_spec(env, task), vif_of(task)
    left = tuple(one for one in spec.vifs if one.port_id != vif.port_id)
    host.detach(task.ctx, spec.model_copy(update={"vifs": left}), vif)


def port_of(session: Session, task: Task) -> list[Record]:
    """The port of the task, while it is the server's."""
    return [one for one in interfaces.of_server(session, task.server_id) if one["port_id"] == task.args["port"]]


def settle(env: Env, task: Task, session: Session) -> None:
    """The guest has it."""
    servers.release(session, task.server_id, task.id)


def failed(env: Env, task: Task, session: Session, error: NovaliteError) -> bool:
    """The port is as before; the action's event says why."""
    server_ports.let_go(env, session, port_of(session, task))
    servers.release(session, task.server_id, task.id)
    return False


def told(server_id: str, error: NovaliteError) -> NovaliteError:
    """What the caller is told of a failure: what a hypervisor cannot do at all is a bad request of this cloud."""
    if isinstance(error, DriverUnsupported):
        return BadRequest(error.sentence)
    return InterfaceNotAttached(server_id=server_id, reason=error.sentence)


ATTACH_INTERFACE = Flow(
    "attach_interface",
    (Step("plug", plug, undo=unplug), CommitStep("settle", settle)),
    failed,
    prepare,
)
