"""Once per period, note for every host how many servers ran on it: what os-instance_usage_audit_log shows."""

from __future__ import annotations

import logging
import time
from datetime import datetime

from sqlalchemy.orm import Session

from novalite.conductor.env import Env
from novalite.conductor.usage import last_period
from novalite.context import Context
from novalite.db import usage
from novalite.db.models.base import now

LOG = logging.getLogger(__name__)
LOOK_EVERY = 600.0
"""Seconds between looks for hosts without an audit of the last period."""


class UsageAudits:
    """A host is audited in one transaction, so an audit is either there and whole, or still to be done."""

    name = "usage_audit"

    def __init__(self, env: Env) -> None:
        self.env = env

    def every(self) -> float:
        """Off unless the operator wants audits."""
        return LOOK_EVERY if self.env.conf.conductor.instance_usage_audit else 0.0

    def run(self, ctx: Context) -> int:
        """Answers how many hosts were audited."""
        begin, end = last_period(self.env.conf.conductor.instance_usage_audit_period, now())
        with self.env.db.read() as session:
            left = set(usage.hosts(session, end)) - set(usage.audited(session, begin, end))
        return sum(self._audit(host, begin, end) for host in sorted(left))

    def _audit(self, host: str, begin: datetime, end: datetime) -> bool:
        began = time.monotonic()

        def work(session: Session) -> bool:
            servers = usage.ran_on(session, host, begin, end)
            took = time.monotonic() - began
            message = f"Instance usage audit ran for host {host}, {servers} instances in {took:.2f} seconds."
            values = {"state": "done", "servers": servers, "errors": 0, "message": message[:255]}
            return usage.note_audit(session, host, begin, end, **values)

        return self.env.db.run(work)
