"""Does a guest still belong here? The conductor is asked, and only its plain word removes a guest."""

from __future__ import annotations

import logging
from collections.abc import Callable
from enum import Enum
from pathlib import Path

from novalite.compute.virt.driver import Guest
from novalite.context import Context
from novalite.errors import ConfigError, ServerNotFound
from novalite.objects.flavors import Flavor
from novalite.objects.servers import GuestSpec
from novalite.rpc.client import Client
from novalite.rpc.contracts.servers import Servers
from novalite.states import DELETED, MIGRATING, REBUILD_TASKS, RESIZE_REVERTING, RESIZE_TASKS, RESIZED

LOG = logging.getLogger(__name__)


class Standing(Enum):
    """What the conductor says of a server that a guest here claims to be."""

    HERE = "lives on this host"
    DELETED = "was deleted"
    ELSEWHERE = "does not live on this host"
    UNKNOWN = "is unknown to the conductor"


_MOVING = (*RESIZE_TASKS, *REBUILD_TASKS, RESIZE_REVERTING, MIGRATING)
"""task_states of servers that two hosts may be at work on; an evacuation is a rebuild elsewhere."""


def standing(client: Client, ctx: Context, host: str, server_id: str) -> Standing:
    """Ask. A server that is moving counts as HERE: both ends of a move have a right to their guest.

    Raises what the call raises (RpcTimeout, …): no answer is no leave to remove anything.
    """
    try:
        server = client.of(Servers).show(ctx, server_id, deleted=True)
    except ServerNotFound:
        return Standing.UNKNOWN
    if server.get("vm_state") == DELETED:
        return Standing.DELETED
    moving = server.get("vm_state") == RESIZED or server.get("task_state") in _MOVING
    if moving or "host" not in server or server["host"] == host:
        return Standing.HERE
    return Standing.ELSEWHERE


def stay(note: Path, host: str, guests: Callable[[], list[Guest]]) -> None:
    """Note the name of this host; raises ConfigError when it has guests from under another name.

    Under a new name they would all "not live on this host" and be removed.
    """
    known = note.read_text().strip() if note.exists() else host
    if known != host and (found := guests()):
        raise ConfigError(
            reason=f"{len(found)} guests here belong to host {known}, and would be removed by host {host}. "
            f"Set [DEFAULT] host = {known}; or, if they are to be given up, remove {note}."
        )
    try:
        note.parent.mkdir(parents=True, exist_ok=True)
        note.write_text(f"{host}\n")
    except OSError as error:
        LOG.warning("The name of this host could not be noted, so a change of it will not be noticed: %s", error)


def bare_spec(server_id: str, instance_name: str) -> GuestSpec:
    """Enough of a spec to start or remove a guest of which only id and name are known."""
    nothing = Flavor(flavor_id="", name="", vcpus=1, ram_mb=1, disk_gb=0)
    return GuestSpec(id=server_id, name=instance_name, hostname=instance_name, instance_name=instance_name,
                     project_id="", user_id="", flavor=nothing)
