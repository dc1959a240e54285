"""Take an interface from a guest: the host first, then its port. What fails leaves both as they are."""

from __future__ import annotations

from sqlalchemy.orm import Session

from novalite.conductor import server_ports
from novalite.conductor.env import Env
from novalite.conductor.task import Asked, CommitStep, Flow, Prepared, Step, Task
from novalite.conductor.tasks.attach_interface import port_of, pull
from novalite.db import interfaces, servers
from novalite.errors import NovaliteError
from novalite.objects.network_errors import PortNotFound


def prepare(env: Env, session: Session, asked: Asked) -> Prepared:
    """`params`: port_id, one of the server's (else PortNotFound); or `vif`, as it was before somebody deleted the
    port."""
    port_id, vif = asked.params["port_id"], asked.params.get("vif")
    if vif is None:
        found = [one for one in interfaces.vifs(session, asked.server["id"]) if one.port_id == port_id]
        if not found:
            raise PortNotFound(port_id=port_id)
        vif = found[0].model_dump(mode="json")
    return Prepared(args={"port": port_id, "vif": vif})


def settle(env: Env, task: Task, session: Session) -> None:
    """The port is gone if it was made for the server, else as before the server took it."""
    server_ports.let_go(env, session, port_of(session, task))
    servers.release(session, task.server_id, task.id)


def failed(env: Env, task: Task, session: Session, error: NovaliteError) -> bool:
    """The guest still has it; the action's event says why."""
    servers.release(session, task.server_id, task.id)
    return False


DETACH_INTERFACE = Flow(
    "detach_interface",
    (Step("pull", pull), CommitStep("settle", settle)),
    failed,
    prepare,
)
