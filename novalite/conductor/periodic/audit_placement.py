"""The books of hosts are compared with who lives there, and put right: see db/placement/audit.py.

What is found here should not be; each is a warning in the log.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import NamedTuple, TypeVar

from sqlalchemy.orm import Session

from novalite.conductor.env import Env
from novalite.context import Context
from novalite.db.placement import audit

LOG = logging.getLogger(__name__)
T = TypeVar("T")


class Audited(NamedTuple):
    """How many of each kind one run put right."""

    orphans: int
    healed: int
    recounted: int


class AuditPlacement:
    """See the module."""

    name = "audit_placement"

    def __init__(self, env: Env) -> None:
        self.env = env

    def every(self) -> float:
        return float(self.env.conf.placement.audit_interval)

    def run(self, ctx: Context) -> Audited:
        """What another conductor put right meanwhile is not counted."""
        with self.env.db.read() as session:
            orphans, placeless = audit.orphans(session), audit.placeless(session)
        given = self._each(orphans, audit.give_back, "%s held a place on host %s for nothing; it is free again")
        healed = self._each(placeless, audit.heal, "Server %s is on host %s and held nothing of it; now it does")
        with self.env.db.read() as session:
            drifted = audit.drifted(session)
        counted = [host for host in drifted if self._done(audit.recount, host)]
        for host in counted:
            LOG.warning("Host %s did not count as used what its claims add up to; now it does", host)
        self.env.feed.changed([*(one.host for one in (*given, *healed)), *counted])
        return Audited(len(given), len(healed), len(counted))

    def _each(
        self, found: list[audit.Held], work: Callable[[Session, audit.Held], bool], sentence: str
    ) -> list[audit.Held]:
        done = [one for one in found if self._done(work, one)]
        for one in done:
            LOG.warning(sentence, one.holder, one.host)
        return done

    def _done(self, work: Callable[[Session, T], bool], one: T) -> bool:
        return self.env.db.run(lambda session: work(session, one))
