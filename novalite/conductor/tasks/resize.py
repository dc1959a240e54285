"""Resize: room for the new flavor beside the old, guest off, disks grown (the old ones kept), started again. All on the
server's own host; where that is not allowed the flow of a migration takes it to another (`migrate.py`).

What fails before a host was asked is simply taken back. After that the flow turns round: its forward steps count as
done, and `put_back` has the host restore the old disks, flavor and power state, before the records follow.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from novalite.conductor import claiming, create_request, pci_requests, placement, resizing, topology
from novalite.conductor.env import Env
from novalite.conductor.task import Asked, CommitStep, Flow, HostStep, Prepared, Step, Task
from novalite.conductor.tasks import migrate
from novalite.conductor.tasks.create_server import CandidatesLost
from novalite.context import Context
from novalite.db import allocations, flavors, hosts, numa, pci, server_migrations, servers
from novalite.db.models.base import now
from novalite.errors import (
    BadRequest,
    ClaimLost,
    FlavorNotFound,
    NotFound,
    NoValidHost,
    NovaliteError,
    from_wire,
)
from novalite.objects import numa_request
from novalite.objects.base import Record
from novalite.objects.flavors import Flavor
from novalite.objects.images import Image
from novalite.objects.migrations import FAILED, FINISHED, MIGRATING, POST_MIGRATING, PRE_MIGRATING
from novalite.objects.scheduling import RequestSpec
from novalite.objects.servers import HostWork
from novalite.rpc.contracts.compute import Guests
from novalite.states import ACTIVE, ERROR, RESIZE_FINISH, RESIZE_MIGRATED, RESIZE_MIGRATING, RESIZED

# --- accepting -------------------------------------------------------------------------------


def prepare(env: Env, session: Session, asked: Asked) -> Prepared:
    """Check the new flavor against the server, its image and the quota, and write the migration."""
    server = asked.server
    old, new = Flavor(**server["flavor"]), _flavor(session, asked.ctx, asked.params["flavor_id"])
    image = _image(env, session, asked.ctx, server)
    check(old, new, image, bool(server["image_id"]))
    resizing.charge(session, env.conf, server, new)
    if not env.conf.allow_resize_to_same_host:
        return migrate.to_another_host(env, session, asked, "resize", new)
    spec = request_spec(env, server, new)
    left, _ = resizing.give_up(session, server)  # of a resize whose server was reset by hand
    numbers = flavors.numbers(session, (old.flavor_id, new.flavor_id))
    migration = server_migrations.create(
        session, server_id=server["id"], project_id=server["project_id"], user_id=server["user_id"],
        migration_type="resize", status=PRE_MIGRATING, source_host=server["host"], source_node=server["node"],
        old_flavor_number=numbers.get(old.flavor_id), new_flavor_number=numbers.get(new.flavor_id),
        old_flavor=old.model_dump(mode="json"), new_flavor=new.model_dump(mode="json"),
    )  # fmt: skip
    return Prepared(
        args={
            "migration": migration,
            "source": server["host"],
            "before": server["vm_state"],
            "old": old.model_dump(mode="json"),
            "new": new.model_dump(mode="json"),
            "spec": spec.model_dump(mode="json"),
        },
        changes={
            **left,
            **resizing.takes_either(old, new),
            "migration_id": migration,
            "old_vm_state": server["vm_state"],
        },
    )


def _flavor(session: Session, ctx: Context, flavor_id: str) -> Flavor:
    try:
        flavor = Flavor(**flavors.get(session, ctx, flavor_id))
    except FlavorNotFound as error:
        raise BadRequest(error.sentence) from error
    if flavor.disabled:
        raise BadRequest(f"Flavor {flavor_id} is disabled.")
    return flavor


def _image(env: Env, session: Session, ctx: Context, server: Record) -> Image | None:
    """What the server was made of, while it is there to be asked: a server outlives its image."""
    if not server["image_id"]:
        return None
    try:
        found: Image = env.images.get(ctx, server["image_id"], session=session)
        return found
    except NotFound:
        return None


def check(old: Flavor, new: Flavor, image: Image | None, has_image: bool) -> None:
    """Raise BadRequest when a server of the flavor `old` cannot become one of `new`."""
    if new.flavor_id == old.flavor_id:
        raise BadRequest("When resizing, instances must change flavor: this one has the same flavor already.")
    for what, before, after in (
        ("disk", old.disk_gb, new.disk_gb),
        ("ephemeral disk", old.ephemeral_gb, new.ephemeral_gb),
    ):
        if after < before:
            raise BadRequest(
                f"Server disk was unable to be resized because: the {what} of the new flavor ({after} GB) is "
                f"smaller than that of the server ({before} GB), and disks cannot shrink."
            )
    create_request.check_flavor(new)
    if image is not None and has_image and image.status == "active":
        create_request.check_image(image, new)


def request_spec(env: Env, server: Record, new: Flavor) -> RequestSpec:
    """What the scheduler is asked: as for a new server of that flavor, on the server's own host."""
    properties = server["image_properties"] or {}
    cells = numa_request.asked(new, properties, server["scheduler_hints"])
    return RequestSpec(
        server_id=server["id"],
        flavor=new,
        project_id=server["project_id"],
        availability_zone=server["pinned_availability_zone"],
        requested_host=server["host"],
        requested_node=server["node"],
        image_properties=properties,
        pci_requests=pci_requests.nearer(pci_requests.requests(env.conf, new, properties), cells),
        numa=cells,
    )


# --- forward ---------------------------------------------------------------------------------


def select(env: Env, task: Task) -> dict[str, Any]:
    """Ask the scheduler; keeps the candidates."""
    spec = RequestSpec(**task.args["spec"])
    answer = env.placement.select(task.ctx, spec)
    task.facts["decision"] = placement.decision(spec, answer)
    if not answer.selections:
        raise NoValidHost(reason=answer.summary)
    return {"candidates": [c.model_dump(exclude={"weights"}) for c in answer.selections[0].candidates]}


def claim(env: Env, task: Task, session: Session) -> dict[str, Any]:
    """Take room for the new flavor, while the old place is kept by the migration; answers host and node."""
    source, migration = task.args["source"], task.args["migration"]
    wanted = resizing.amount(Flavor(**task.args["new"]))
    allocations.set_aside(session, task.server_id, migration, source)
    candidates = task.done["select"]["candidates"]
    for candidate in candidates:
        host = candidate["host"]
        try:
            claiming.take(session, task.server_id, candidate, wanted, task.args["spec"])
        except ClaimLost:
            continue
        place = {"dest_host": host, "dest_node": candidate["node"], "dest_ip": hosts.address(session, host)}
        server_migrations.change(session, migration, status=MIGRATING, **place)
        servers.change_if_owned(session, task.server_id, task.id, task_state=RESIZE_MIGRATING)
        task.touched.update((source, host))
        return {"host": host, "node": candidate["node"]}
    raise CandidatesLost(count=len(candidates))


def guest_is_off(env: Env, task: Task, session: Session) -> None:
    """The old guest stands still: what comes next are disks."""
    server_migrations.change(session, task.args["migration"], status=POST_MIGRATING)
    servers.change_if_owned(session, task.server_id, task.id, task_state=RESIZE_MIGRATED, power_state=4)


def disks_are_there(env: Env, task: Task, session: Session) -> None:
    """The disks are as the new flavor wants them, the old ones aside."""
    servers.change_if_owned(session, task.server_id, task.id, task_state=RESIZE_FINISH)


def settle(env: Env, task: Task, session: Session) -> None:
    """It waits to be confirmed. A flow that was turned round fails here, when the host has put everything back."""
    if back := task.facts.get("back"):
        raise from_wire(back)
    place, report = task.done["claim"], task.done["start"]
    asked_for = task.args["params"].get("disk_config")
    servers.release(
        session,
        task.server_id,
        task.id,
        **resizing.columns(Flavor(**task.args["new"])),
        **({"disk_config": asked_for} if asked_for else {}),
        host=place["host"],
        node=place["node"],
        vm_state=RESIZED,
        power_state=int(report["power_state"] or 0),
        old_flavor=task.args["old"],
        launched_at=now(),
        progress=100,
    )
    server_migrations.change(session, task.args["migration"], status=FINISHED)


# --- the host --------------------------------------------------------------------------------


def ask(env: Env, task: Task, work: HostWork, flavor: Record, start: bool) -> None:
    """Ask the host for its part, with the flavor that the guest is to have afterwards."""
    params = {"migration": task.args["migration"], "old_flavor": task.args["old"], "start": start}
    given = {**_devices(env, task, flavor), **_placed(env, task, flavor)}
    server = work.server.model_copy(update={"flavor": Flavor(**flavor), **given})
    told = work.model_copy(update={"server": server, "params": params})
    env.client.of(Guests, host=task.wait_host).resize(task.ctx, told)


def _devices(env: Env, task: Task, flavor: Record) -> Record:
    """The field of a spec, when one of the flavors has devices: the server may have two places on this host, and those
    of the old flavor are its migration's."""
    if not pci_requests.wanted([task.args["old"], task.args["new"]]) or task.wait_host is None:
        return {}
    holder = task.args["migration"] if flavor == task.args["old"] else task.server_id
    with env.db.read() as session:
        return {"pci_devices": pci.given(session, task.wait_host, holder)}


def _placed(env: Env, task: Task, flavor: Record) -> Record:
    """The same for cells and CPUs."""
    server = task.server
    if server is None or task.wait_host is None or not topology.wanted(server, task.args["new"], task.args["old"]):
        return {}
    holder = task.args["migration"] if flavor == task.args["old"] else task.server_id
    with env.db.read() as session:
        return {"placed": numa.held(session, task.wait_host, [holder])}


def _ask_for(flavor: str) -> Any:
    def asking(env: Env, task: Task, work: HostWork) -> None:
        ask(env, task, work, task.args[flavor], start=task.args["before"] == ACTIVE)

    return asking


# --- backward --------------------------------------------------------------------------------


def failed(env: Env, task: Task, session: Session, error: NovaliteError) -> bool:
    """Choose again, turn round, or settle the server as it was."""
    if isinstance(error, CandidatesLost):
        rounds = task.facts["rounds"] = task.facts.get("rounds", 0) + 1
        if rounds < env.conf.conductor.claim_rounds:
            task.restart("select")
            return True
        error = NoValidHost(reason=error.sentence)
    if "claim" in task.done and "back" not in task.facts:
        task.facts["back"] = error.to_wire()
        for step in FORWARD:
            task.done.setdefault(step, None)
        return True
    _as_before(env, task, session, error)
    return False


def _as_before(env: Env, task: Task, session: Session, error: NovaliteError) -> None:
    """Room and records are those of the old flavor; in ERROR when the host could not put the guest back."""
    migration = server_migrations.get(session, task.args["migration"])
    if migration is not None:
        task.touched.update(resizing.return_place(session, task.server_id, migration))
        server_migrations.change(session, migration["uuid"], status=FAILED)
    values: dict[str, Any] = {**resizing.OVER, **resizing.takes(Flavor(**task.args["old"]))}
    if back := task.facts.get("back"):
        report = task.done.get("put_back")
        if report is not None:
            values |= resizing.landed(report["power_state"], task.args["before"])
        else:
            why = f"{from_wire(back).sentence} Putting the server back failed: {error.sentence}"
            values |= {"vm_state": ERROR, "fault": servers.fault(why, 500, why), "progress": 0}
    servers.release(session, task.server_id, task.id, **values)


FORWARD = ("power_off", "off", "disks", "grown", "start")
"""Steps that a flow that turns round does not do any more."""

RESIZE = Flow(
    "resize",
    (
        Step("select", select),
        CommitStep("claim", claim),
        HostStep(
            "power_off",
            host=lambda task: task.args["source"],
            ask=_ask_for("old"),
            verb=lambda task: "resize_power_off",
            timeout="resize_timeout",
        ),
        CommitStep("off", guest_is_off),
        HostStep(
            "disks",
            host=lambda task: task.done["claim"]["host"],
            ask=_ask_for("new"),
            verb=lambda task: "resize_disks",
            timeout="resize_timeout",
        ),
        CommitStep("grown", disks_are_there),
        HostStep(
            "start",
            host=lambda task: task.done["claim"]["host"],
            ask=_ask_for("new"),
            verb=lambda task: "resize_start",
            timeout="resize_timeout",
        ),
        HostStep(
            "put_back",
            host=lambda task: task.args["source"] if "back" in task.facts else None,
            ask=_ask_for("old"),
            verb=lambda task: "resize_put_back",
            timeout="resize_timeout",
        ),
        CommitStep("settle", settle),
    ),
    failed,
    prepare,
)
