"""Build a server: choose a host, claim it, have it built there, settle. Another host when one fails."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from sqlalchemy.orm import Session

from novalite.conductor import claiming, placement, server_groups, server_ports
from novalite.conductor.commits import Shared
from novalite.conductor.env import Env
from novalite.conductor.guest_spec import guest_spec
from novalite.conductor.task import CommitStep, Flow, HostStep, Step, Task
from novalite.db import allocations, servers
from novalite.db.models.base import now
from novalite.errors import ClaimLost, HostDown, NoValidHost, NovaliteError
from novalite.objects.scheduling import RequestSpec
from novalite.objects.servers import HostWork
from novalite.rpc.contracts.compute import Guests
from novalite.states import ACTIVE, SCHEDULING, SPAWNING, PowerState


class CandidatesLost(NovaliteError):
    """Every host that was proposed changed before it could be claimed: propose again."""

    message = "All {count} proposed hosts were taken by other requests."


def select(env: Env, task: Task) -> dict[str, Any]:
    """Ask the scheduler; keeps the candidates and why others were refused."""
    wanted = task.args["spec"]
    with env.db.read() as session:
        group = server_groups.placement(session, task.server_id, wanted.get("hints"))
    spec = RequestSpec(**wanted, excluded=task.facts.get("excluded", {}), group=group)
    answer = env.placement.select(task.ctx, spec, _siblings(task))
    task.facts["decision"] = placement.decision(spec, answer)
    if not answer.selections:
        raise NoValidHost(reason=_why(task, answer.summary))
    return {
        "candidates": [c.model_dump(exclude={"weights"}) for c in answer.selections[0].candidates],
        "summary": answer.summary,
    }


def _siblings(task: Task) -> placement.Siblings | None:
    """The others of its request, the first time that a host is chosen."""
    said = task.args.get("siblings")
    again = task.facts.keys() & {"rounds", "failures"}
    return placement.Siblings(**said) if said and not again else None


def _why(task: Task, summary: str) -> str:
    """How the hosts already tried failed, and the refusals: a fault is cut off at its end."""
    tried = task.facts.get("failures", [])
    return " ".join([*(f"An attempt failed: {one}" for one in tried[-3:]), summary]).strip()


def claim(env: Env, task: Task, session: Session) -> str:
    """Take capacity on the best candidate that still has it; answers the host."""
    spec = task.args["spec"]
    server = task.load_server(session)
    amount = allocations.Amount(server["vcpus"], server["ram_mb"], server["disk_gb"])
    candidates = task.done["select"]["candidates"]
    forced = spec.get("forced_host") is not None
    group = None if forced else server_groups.placement(session, task.server_id, spec.get("hints"), lock=True)
    for candidate in candidates:
        host = candidate["host"]
        if host in task.facts.get("excluded", {}) or not (group is None or group.allows(host)):
            continue
        try:
            zone = claiming.take(session, task.server_id, candidate, amount, spec, force=forced)
        except ClaimLost:
            continue
        _place(task, session, host, candidate["node"], zone)
        return str(host)
    raise CandidatesLost(count=len(candidates))


def shared(task: Task) -> Shared | None:
    """Its best candidate, where a claim of room there is all it takes: no group to look at, no host that is forced."""
    spec = RequestSpec(**task.args["spec"])
    candidates = task.done["select"]["candidates"]
    if spec.forced_host or server_groups.group_of(spec.hints) or not claiming.room_is_enough(spec):
        return None
    best = next((one for one in candidates if one["host"] not in task.facts.get("excluded", {})), None)
    if best is None:
        return None
    amount = allocations.Amount(spec.flavor.vcpus, spec.flavor.ram_mb, spec.disk_gb)
    want = allocations.Want(task.server_id, best["host"], best["generation"], amount)
    ports = (task.args.get("networks") or {}).get("ports")
    networks = sorted({str(port["network_id"]) for port in ports or ()})
    return Shared(want, f"{spec.project_id} {' '.join(networks)}" if ports else "")


def _place(task: Task, session: Session, host: str, node: str, zone: str) -> None:
    place = {"host": host, "node": node, "availability_zone": zone, "task_state": SPAWNING}
    servers.change_if_owned(session, task.server_id, task.id, **place)
    task.server = {**task.load_server(session), **place}
    task.touched.add(host)


def release(env: Env, task: Task, session: Session) -> None:
    """Nothing of this server is on any host any more."""
    task.touched.update(allocations.release(session, task.server_id))
    servers.change_if_owned(
        session, task.server_id, task.id, host=None, node=None, availability_zone=None, task_state=SCHEDULING
    )


def spawn(env: Env, task: Task, work: HostWork) -> None:
    """Ask the host to build."""
    env.client.of(Guests, host=task.wait_host).spawn(task.ctx, work)


def discard(env: Env, task: Task) -> None:
    """Make sure that a build that was given up leaves no guest; its host may be dead and is told again
    by its own recovery then. A host that reported the failure has cleaned up already."""
    host = task.done.get("claim")
    if host and not task.facts.pop("reported", False):
        discard_on(env, task, host)


def discard_on(env: Env, task: Task, host: str) -> None:
    """Tell a host that the server's guest is not to be there, and wait for nothing."""
    with env.db.read() as session:
        task.load_server(session)
    work = HostWork(task_id=task.id, attempt=task.attempt, verb="discard", server=guest_spec(env, task, host))
    with suppress(NovaliteError):  # recovery of that host compares its guests with ours
        env.client.of(Guests, host=host).destroy(task.ctx, work)


def settle(env: Env, task: Task, session: Session) -> None:
    """The guest runs."""
    report = task.done["build"]
    power = report["power_state"] if report["power_state"] is not None else PowerState.RUNNING
    servers.release(
        session,
        task.server_id,
        task.id,
        vm_state=ACTIVE,
        power_state=int(power),
        launched_at=now(),
        progress=100,
        **server_ports.access_addresses(env, task, session),
    )


def failed(env: Env, task: Task, session: Session, error: NovaliteError) -> bool:
    """Try again where that can help, else ERROR with the reason."""
    final = elsewhere(env, task, error)
    if final is None:
        return True
    servers.fail(session, task.server_id, task.id, servers.fault(final.sentence, 500, final.sentence))
    return False


def elsewhere(env: Env, task: Task, error: NovaliteError) -> NovaliteError | None:
    """None when steps were put back to be done again on another host; else the error that ends the attempts.

    For flows with the steps select, claim, ports and build.
    """
    conf = env.conf.conductor
    if isinstance(error, CandidatesLost):
        rounds = task.facts["rounds"] = task.facts.get("rounds", 0) + 1
        if rounds < conf.claim_rounds:
            task.restart("select")
            return None
        return NoValidHost(reason=error.sentence)
    if host := task.done.get("claim"):
        task.facts.setdefault("excluded", {})[host] = error.sentence
        failures = task.facts.setdefault("failures", [])
        failures.append(error.sentence)
        if len(failures) < conf.max_attempts and not task.args["spec"].get("forced_host"):
            # What else was proposed may be as dead as a host that fell silent meanwhile.
            task.restart(*(["select"] if isinstance(error, HostDown) else []), "claim", "ports", "build")
            return None
        if len(failures) > 1:
            return NoValidHost(
                reason=f"Exceeded maximum number of retries ({conf.max_attempts}). {error.sentence}"
            )
    return error


CREATE_SERVER = Flow(
    "create",
    (
        Step("select", select),
        CommitStep("claim", claim, undo=release, shared=shared),
        CommitStep("ports", server_ports.plug, undo=server_ports.unplug),
        HostStep(
            "build",
            host=lambda task: task.done["claim"],
            ask=spawn,
            verb=lambda task: "spawn",
            timeout="instance_build_timeout",
            undo=discard,
        ),
        CommitStep("settle", settle),
    ),
    failed,
)
