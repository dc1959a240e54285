"""Work a conductor repeats on its own account: one file per job, listed in JOBS.

    class ReclaimDeleted:
        name = "reclaim_deleted"              # in logs and metrics, no other job may have it

        def __init__(self, env: Env) -> None: ...

        def every(self) -> float:             # seconds between runs, 0: off; read again after each run
            return self.env.conf.reclaim_instance_interval

        def run(self, ctx: Context) -> Any:   # `ctx` is the cloud itself; find work by one bounded statement

- Options (with 0 = off) are read in `every` and `run`, never kept, so that a reload changes them.
- All conductors run all jobs, at the same time if chance wants it. What is found may be gone a moment later, so
  a job changes rows by statements that lose a race honestly, and begins actions with `begin`, which answers
  False for a server that was busy, changed or gone.
- Tests call `run(system())` on a Cloud: `tests/flows/test_auto_confirm.py` is the one to copy.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Protocol

from sqlalchemy.orm import Session

from novalite.conductor.env import Env
from novalite.conductor.periodic.audit_placement import AuditPlacement
from novalite.conductor.periodic.confirm_resizes import ConfirmResizes
from novalite.conductor.periodic.console_tokens import ForgetConsoleTokens
from novalite.conductor.periodic.image_requests import AskForImages
from novalite.conductor.periodic.offload_shelved import OffloadShelved
from novalite.conductor.periodic.place_routers import PlaceRouters
from novalite.conductor.periodic.poll_rebooting import PollRebooting
from novalite.conductor.periodic.poll_rescued import PollRescued
from novalite.conductor.periodic.reclaim_deleted import ReclaimDeleted
from novalite.conductor.periodic.usage_audit import UsageAudits
from novalite.conductor.servers import ServersEndpoint
from novalite.context import Context
from novalite.db import servers
from novalite.errors import Conflict, NotFound
from novalite.objects.servers import Accepted, ServerAction
from novalite.periodic import Periodic

LOG = logging.getLogger(__name__)


class Job(Protocol):
    """What a job looks like; see the module."""

    name: str

    def every(self) -> float:
        """Seconds between runs; 0: off."""

    def run(self, ctx: Context) -> Any:
        """One run."""


JOBS: tuple[type, ...] = (
    AskForImages,
    AuditPlacement,
    ConfirmResizes,
    ForgetConsoleTokens,
    OffloadShelved,
    PlaceRouters,
    PollRebooting,
    PollRescued,
    ReclaimDeleted,
    UsageAudits,
)
"""Every job; each is made with the conductor's Env."""


def periodics(env: Env) -> list[Periodic]:
    """The jobs as the daemon's runner takes them."""
    jobs: list[Job] = [job(env) for job in JOBS]
    return [Periodic(job.name, job.run, job.every) for job in jobs]


def begin(
    env: Env, ctx: Context, server_id: str, verb: str, still: Callable[[Session], bool] = lambda _: True, **params: Any
) -> bool:
    """Begin an action of states.ACTIONS as the cloud; False when the server is not to be had for it any more.

    `still` is asked while the server's row is held: whether it is what the job found, and not merely in the same
    state again.
    """
    asked = ServerAction(server_id=server_id, verb=verb, params=params)

    def work(session: Session) -> Accepted:
        servers.hold(session, server_id)
        if not still(session):
            raise Conflict("it is no longer what it was")
        return ServersEndpoint(env).act_in(session, ctx, asked)

    try:
        accepted = env.db.run(work)
    except (Conflict, NotFound) as error:
        LOG.info("Server %s: no %s: %s", server_id, verb, error)
        return False
    if accepted.task_id:
        env.tasks.poke([accepted.task_id])
    return True
