"""Try again to remove what is left of builds that a kill interrupted and of removals that failed.

Notes on disk tell of them (`unfinished.py`), because no hypervisor lists files without a guest. As for guests,
nothing is removed on a guess: the conductor is asked first whether the server belongs here after all.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from oslo_config import cfg

from novalite.compute import build
from novalite.compute.reporting import Reporter
from novalite.compute.unfinished import Unfinished
from novalite.compute.virt.driver import Driver
from novalite.compute.whereabouts import Standing, standing
from novalite.compute.work import Job, WorkDesk
from novalite.context import Context
from novalite.errors import NovaliteError
from novalite.objects.servers import GuestSpec
from novalite.rpc.client import Client
from novalite.states import PowerState

LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Pending:
    """How many servers there are notes of."""

    notes: int


class PendingDeletes:
    """See the module. Removals are work on that server like any other, so they cannot cross a build."""

    def __init__(
        self, conf: cfg.ConfigOpts, driver: Driver, client: Client, host: str, desk: WorkDesk,
        reporter: Reporter, unfinished: Unfinished,
    ) -> None:  # fmt: skip
        self.conf, self.driver, self.client, self.host = conf, driver, client, host
        self.desk, self.reporter, self.unfinished = desk, reporter, unfinished

    def run(self, ctx: Context) -> Pending:
        """Each note once."""
        found = self.unfinished.specs()
        for spec in found:
            if not self.desk.in_hand(spec.id):
                self.desk.submit(Job.own(spec.id, self._judge, ctx, spec))
        return Pending(notes=len(found))

    def _judge(self, ctx: Context, spec: GuestSpec) -> None:
        """HERE: the conductor asks for an interrupted build again, the driver replaces what it finds."""
        try:
            found = standing(self.client, ctx, self.host, spec.id)
            unknown = found is Standing.UNKNOWN and self.conf.compute.unknown_guest_action != "reap"
            if found is Standing.HERE or unknown:
                if unknown:
                    LOG.warning("Files of server %s, which %s, are left alone", spec.id, found.value)
                return
            LOG.warning("What is left of server %s, which %s, is removed", spec.id, found.value)
            build.remove(self.driver, self.unfinished, spec)
            self.reporter.note_power(spec.id, PowerState.NOSTATE)
        except NovaliteError as error:
            LOG.warning("Something is left of server %s; looked at again later: %s", spec.id, error)
