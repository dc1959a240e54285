"""Actions one host carries out on a guest: start, stop, reboot, pause, suspend and their opposites."""

from __future__ import annotations

from sqlalchemy.orm import Session

from novalite.conductor.env import Env
from novalite.conductor.task import CommitStep, Flow, HostStep, Task
from novalite.db import servers
from novalite.errors import NovaliteError
from novalite.objects.servers import HostWork
from novalite.rpc.contracts.compute import Guests
from novalite.states import ACTIONS


def ask(env: Env, task: Task, work: HostWork) -> None:
    """Ask the host for the verb."""
    env.client.of(Guests, host=task.wait_host).power(task.ctx, work)


def settle(env: Env, task: Task, session: Session) -> None:
    """The server is what the verb makes of it, with the power state its host saw."""
    rule = ACTIONS[task.args["verb"]]
    reported = (task.done["host"] or {}).get("power_state")
    power = reported if reported is not None else rule.power
    values = {} if power is None else {"power_state": int(power)}
    if task.args["verb"] == "reboot_hard":  # from its own disks, also after a rescue that nobody ended
        values["rescue"] = None  # type: ignore[assignment]
    if rule.lands_in:
        values["vm_state"] = rule.lands_in  # type: ignore[assignment]
    servers.release(session, task.server_id, task.id, **values)


def failed(env: Env, task: Task, session: Session, error: NovaliteError) -> bool:
    """The server is free again, with the power state its host saw, if it did; the action's event says why."""
    power = task.facts.get("power_state")
    values = {} if power is None else {"power_state": int(power)}
    servers.release(session, task.server_id, task.id, **values)
    return False


POWER = Flow(
    "power",
    (
        HostStep(
            "host",
            host=lambda task: task.args["host"],
            ask=ask,
            verb=lambda task: str(task.args["verb"]),
            timeout="action_timeout",
        ),
        CommitStep("settle", settle),
    ),
    failed,
)
