"""Live migration: accepted by no host of this release, and refused before anything changes.

Guests that run are not moved: neither driver can send the memory of one to another host. What is asked is checked
as ever, so that a client hears what is wrong with its request first.
"""

from __future__ import annotations

from sqlalchemy.orm import Session

from novalite.conductor import pci_requests
from novalite.conductor.env import Env
from novalite.conductor.task import Asked, Flow, Prepared, Task
from novalite.conductor.tasks import moving
from novalite.db import servers
from novalite.errors import BadRequest, HostNotFound, MigrationPreCheckError, NovaliteError


def prepare(env: Env, session: Session, asked: Asked) -> Prepared:
    """BadRequest for a host that does not exist and for the one it is on; MigrationPreCheckError for all others."""
    host, server = asked.params.get("host"), asked.server
    if host is not None and not moving.exists(session, host):
        raise BadRequest(HostNotFound(host=host).sentence)
    if host == server["host"]:
        raise BadRequest(f"Unable to migrate instance ({server['id']}) to current host ({host}).")
    if pci_requests.wanted([server["flavor"]]):
        raise MigrationPreCheckError(reason="it has PCI devices of its host, which cannot go along; migrate it cold.")
    raise MigrationPreCheckError(reason="the hypervisors of this cloud cannot move a guest that runs; migrate it cold.")


def failed(env: Env, task: Task, session: Session, error: NovaliteError) -> bool:
    """Nothing was done, so the server is as it was."""
    servers.release(session, task.server_id, task.id)
    return False


LIVE_MIGRATE = Flow("live_migrate", (), failed, prepare)
