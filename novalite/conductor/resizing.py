"""What a server is before, during and after a resize: pure columns, and the places it holds meanwhile.

From the acceptance of a resize until it is confirmed or taken back, the server counts in quotas with the larger
of what the two flavors take while a flow is at work, and with its new flavor while it waits to be confirmed. Its
old place on a host is kept by the migration (`allocations.set_aside`), the new one is the server's own.
"""

from __future__ import annotations

from typing import Any

from oslo_config.cfg import ConfigOpts
from sqlalchemy.orm import Session

from novalite.conductor import quota
from novalite.db import allocations, server_migrations
from novalite.errors import BadRequest
from novalite.objects.base import Record
from novalite.objects.flavors import Flavor
from novalite.objects.migrations import CONFIRMED, CONFIRMING, FAILED, FINISHED, REVERTING, UNCONFIRMED
from novalite.objects.scheduling import RequestSpec
from novalite.states import ACTIVE, STOPPED, PowerState

OVER: dict[str, Any] = {"migration_id": None, "old_flavor": None, "old_vm_state": None}
"""Columns of a server that has no resize to go back from."""


def amount(flavor: Flavor) -> allocations.Amount:
    """What a server of that flavor takes from a host."""
    return allocations.Amount(flavor.vcpus, flavor.ram_mb, RequestSpec(server_id="", flavor=flavor).disk_gb)


def takes(flavor: Flavor) -> dict[str, int]:
    """The columns that say what a server takes."""
    taken = amount(flavor)
    return {"vcpus": taken.vcpus, "ram_mb": taken.ram_mb, "disk_gb": taken.disk_gb}


def takes_either(one: Flavor, other: Flavor) -> dict[str, int]:
    """The same while it may end with either flavor: the larger number of each, so that no end needs more quota."""
    first, second = takes(one), takes(other)
    return {name: max(first[name], second[name]) for name in first}


def columns(flavor: Flavor) -> dict[str, Any]:
    """The columns of a server of that flavor."""
    return {"flavor_id": flavor.flavor_id, "flavor": flavor.model_dump(mode="json"), **takes(flavor)}


def charge(session: Session, conf: ConfigOpts, server: Record, to: Flavor) -> None:
    """Raise OverQuota unless the project and the user may have what `to` takes more than the server does now."""
    more = {"cores": to.vcpus - server["vcpus"], "ram": to.ram_mb - server["ram_mb"]}
    if any(delta > 0 for delta in more.values()):
        quota.check(session, conf, server["project_id"], more, server["user_id"])


def landed(power: int | None, before: str | None) -> dict[str, Any]:
    """vm_state and power_state of a server that is back to normal, by what its host saw of its guest; when it saw
    nothing, by the state that the server had before the resize."""
    if power is None:
        power = int(PowerState.SHUTDOWN if before == STOPPED else PowerState.RUNNING)
    return {"vm_state": ACTIVE if power == PowerState.RUNNING else STOPPED, "power_state": power}


def ends(session: Session, server: Record) -> set[str]:
    """Hosts that may have a guest of the server by right: its own, and both ends of a move that is not over."""
    uuid = server["migration_id"]
    found = server_migrations.get(session, uuid) if uuid else None
    moved = (found["source_host"], found["dest_host"]) if found else ()
    return {host for host in (server["host"], *moved) if host}


def unconfirmed(session: Session, server: Record) -> Record:
    """The migration that waits to be confirmed or taken back; BadRequest when there is none."""
    found = server_migrations.get(session, server["migration_id"]) if server["migration_id"] else None
    if found is None or found["status"] != FINISHED or not server["old_flavor"]:
        raise BadRequest("Instance has not been resized.")
    return found


def give_up(session: Session, server: Record) -> tuple[dict[str, Any], list[str]]:
    """End a resize or move that nobody goes on with, because an administrator reset the server's state or a new
    one begins: the server keeps the flavor that its record has, and the room for that. Answers columns of the
    server to set, and the hosts that changed. Files are put in order by its host when it next touches the guest.
    """
    uuid = server["migration_id"]
    found = server_migrations.get(session, uuid) if uuid else None
    if found is None:
        return {}, []
    if found["status"] not in UNCONFIRMED:
        return {**OVER}, []
    hosts: set[str] = set()
    if found["status"] in (FINISHED, CONFIRMING, REVERTING):
        hosts.update(allocations.release_aside(session, uuid))
    else:
        hosts.update(return_place(session, server["id"], found))
    status = CONFIRMED if found["status"] in (FINISHED, CONFIRMING) else FAILED
    server_migrations.change(session, uuid, status=status)
    return {**OVER, **takes(Flavor(**server["flavor"]))}, sorted(hosts)


def return_place(session: Session, server_id: str, migration: Record) -> list[str]:
    """The server's new place is given back and its old one is its own again, if it came to that; repeatable."""
    held = allocations.holds(session, migration["uuid"])
    if migration["source_host"] not in held:
        return []
    freed = allocations.release(session, server_id)
    allocations.take_back(session, server_id, migration["uuid"], migration["source_host"])
    return [*freed, migration["source_host"]]


def end_with_server(session: Session, server: Record) -> list[str]:
    """The server is being deleted: nothing is kept for it any more. Answers the hosts that changed."""
    uuid = server["migration_id"]
    if not uuid:
        return []
    if not server_migrations.move(session, uuid, (FINISHED, CONFIRMING), CONFIRMED):
        server_migrations.move(session, uuid, UNCONFIRMED, FAILED)
    return allocations.release_aside(session, uuid)
