"""What flows that take a server to another host share: where it may go, and the places it holds meanwhile.

The server's old place is kept by the migration (`allocations.set_aside`), the new one is claimed as the server's own.
Its record names the old host until the flow says otherwise, so that either end may be given up at any moment.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from sqlalchemy import select as sql_select
from sqlalchemy.orm import Session

from novalite.conductor import (
    claiming,
    create_request,
    pci_requests,
    resizing,
    server_groups,
    server_networks,
    server_ports,
)
from novalite.conductor.env import Env
from novalite.conductor.guest_spec import guest_spec
from novalite.conductor.task import Asked, Task
from novalite.conductor.tasks import create_server
from novalite.db import allocations, flavors, hosts, server_migrations, servers
from novalite.db.models.compute import Server
from novalite.errors import ClaimLost, NovaliteError
from novalite.objects.base import Record
from novalite.objects.flavors import Flavor
from novalite.objects.images import Image
from novalite.objects.migrations import MIGRATING, PRE_MIGRATING
from novalite.objects.servers import CreateServers, HostWork
from novalite.rpc.contracts.compute import Guests

# --- accepting -------------------------------------------------------------------------------


def living(session: Session, hints: dict[str, Any]) -> dict[str, Any]:
    """The hints without servers that are gone, or on no host: they are no reason not to come there."""
    found = dict(hints)
    for name in ("same_host", "different_host"):
        named = [hints[name]] if isinstance(hints.get(name), str) else list(hints.get(name) or ())
        if named:
            there = sql_select(Server.id).where(
                Server.id.in_(named), Server.deleted.is_(False), Server.host.is_not(None)
            )
            found[name] = list(session.scalars(there))
    return {name: value for name, value in found.items() if value}


def exists(session: Session, host: str) -> bool:
    """Whether there is such a compute host."""
    return hosts.zone(session, host) is not None


def spec(
    env: Env, session: Session, asked: Asked, flavor: Flavor, host: str | None = None, forced: bool = False
) -> dict[str, Any]:
    """What the scheduler is asked: as for a new server like this one of that flavor, in the zone that it was asked
    for. `forced`: on that host, whatever the filters say."""
    server = asked.server
    body = CreateServers(
        name=server["name"], flavor_id=flavor.flavor_id,
        availability_zone=server["pinned_availability_zone"],
        forced_host=host if forced else None, requested_host=None if forced else host,
        scheduler_hints=living(session, server["scheduler_hints"] or {}),
    )  # fmt: skip
    like = Image(id=server["image_id"] or "", properties=server["image_properties"] or {})
    devices = pci_requests.requests(env.conf, flavor, like.properties)
    resolved = create_request.Resolved(flavor, like, server["public_key"], devices)
    physical = server_networks.physical_of(session, server["id"])
    made = create_request.request_spec(session, asked.ctx, body, resolved, physical)
    more = {"server_id": server["id"], "project_id": server["project_id"], "ignored_hosts": [server["host"]]}
    return {**made, **more}


def begin(
    session: Session, asked: Asked, kind: str, spec: dict[str, Any], new: Flavor
) -> tuple[Record, Record]:
    """Write the migration; answers (arguments of the task, columns of the server)."""
    server, old = asked.server, Flavor(**asked.server["flavor"])
    left, _ = resizing.give_up(session, server)  # of a resize whose server was reset by hand
    numbers = flavors.numbers(session, (old.flavor_id, new.flavor_id))
    before, after = old.model_dump(mode="json"), new.model_dump(mode="json")
    migration = server_migrations.create(
        session, server_id=server["id"], project_id=server["project_id"], user_id=server["user_id"],
        migration_type=kind, status=PRE_MIGRATING, source_host=server["host"], source_node=server["node"],
        old_flavor_number=numbers.get(old.flavor_id), new_flavor_number=numbers.get(new.flavor_id),
        old_flavor=before, new_flavor=after,
    )  # fmt: skip
    args = {
        "migration": migration,
        "source": server["host"],
        "source_node": server["node"],
        "before": server["vm_state"],
        "old": before,
        "new": after,
        "spec": spec,
    }
    return args, {**left, **resizing.takes_either(old, new), "migration_id": migration}


# --- the places ------------------------------------------------------------------------------


def select(env: Env, task: Task) -> dict[str, Any]:
    """Ask the scheduler for any host but the one it is on."""
    task.facts.setdefault("excluded", {}).setdefault(task.args["source"], "it is to leave this host")
    return create_server.select(env, task)


def claim(task: Task, session: Session, busy: str) -> str:
    """Take a place on the best candidate that still has one; answers the host. `busy`: the task_state from now on."""
    wanted, amount = task.args["spec"], resizing.amount(Flavor(**task.args["new"]))
    forced = wanted.get("forced_host") is not None
    group = None if forced else server_groups.placement(session, task.server_id, wanted.get("hints"), lock=True)
    allocations.set_aside(session, task.server_id, task.args["migration"], task.args["source"])
    candidates = task.done["select"]["candidates"]
    for candidate in candidates:
        host = candidate["host"]
        if host in task.facts["excluded"] or not (group is None or group.allows(host)):
            continue
        try:
            zone = claiming.take(session, task.server_id, candidate, amount, wanted, force=forced)
        except ClaimLost:
            continue
        place = {"dest_host": host, "dest_node": candidate["node"], "dest_ip": hosts.address(session, host)}
        server_migrations.change(session, task.args["migration"], status=MIGRATING, **place)
        servers.change_if_owned(session, task.server_id, task.id, task_state=busy)
        task.touched.update((task.args["source"], host))
        task.facts["place"] = {"node": candidate["node"], "availability_zone": zone}
        return str(host)
    raise create_server.CandidatesLost(count=len(candidates))


def give_back(env: Env, task: Task, session: Session) -> None:
    """It has its old place only, and its ports are there. Repeatable."""
    server_ports.move(env, session, task.server_id, task.args["source"])
    migration = server_migrations.get(session, task.args["migration"])
    if migration is not None:
        task.touched.update(resizing.return_place(session, task.server_id, migration))


def arrived(task: Task) -> dict[str, Any]:
    """The columns of a server that is where it was taken to."""
    return {"host": task.done["claim"], **task.facts["place"]}


# --- the hosts -------------------------------------------------------------------------------


def build(env: Env, task: Task, work: HostWork) -> None:
    """Ask the new host to build what `work` says. A guest that runs there already is none of this server's by right:
    the host refuses then."""
    server = work.server.model_copy(update={"availability_zone": task.facts["place"]["availability_zone"]})
    told = work.model_copy(update={"server": server, "params": {"fresh": True}})
    env.client.of(Guests, host=task.wait_host).spawn(task.ctx, told)


def discard(env: Env, task: Task) -> None:
    """There is no guest on the new host, or will not be when it next looks."""
    if host := task.done.get("claim"):
        create_server.discard_on(env, task, host)


def ask_later(env: Env, task: Task, host: str, verb: str) -> None:
    """Have a guest started or stopped that a flow leaves as it was before; nobody waits for it, as the host tells
    of what it sees."""
    with env.db.read() as session:
        task.load_server(session)
    work = HostWork(task_id=task.id, attempt=task.attempt, verb=verb, server=guest_spec(env, task, host))
    with suppress(NovaliteError):  # the comparison of power states tells how it is
        env.client.of(Guests, host=host).power(task.ctx, work)
