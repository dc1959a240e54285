"""After a restart: compare the guests that are here with what the conductor believes.

Running guests are left untouched. Work that was interrupted is asked for again by the conductor as
soon as it hears `Hosts.started`; what is left for this module is what nobody will ask about: guests
and half-built disks that no longer belong here, guests that stopped while nobody looked.
"""

from __future__ import annotations

import logging

from oslo_config import cfg

from novalite.compute.periodic.pending_deletes import PendingDeletes
from novalite.compute.periodic.running_deleted import RunningDeleted
from novalite.compute.periodic.sync_power_states import SyncPowerStates
from novalite.compute.virt.driver import Driver, Guest
from novalite.compute.whereabouts import bare_spec
from novalite.compute.work import Job, WorkDesk
from novalite.context import Context
from novalite.errors import NovaliteError
from novalite.objects.servers import HostedServer
from novalite.rpc.client import Client
from novalite.rpc.contracts.servers import HostedServers
from novalite.states import ACTIVE, RESCUED, RESIZED, PowerState

LOG = logging.getLogger(__name__)
_OFF = (PowerState.SHUTDOWN, PowerState.CRASHED)


def to_start(known: list[HostedServer], guests: list[Guest]) -> list[Guest]:
    """Guests that are off although their server should run, and nobody is at work on it."""
    wanted = {s.id for s in known if _runs(s) and s.task_state is None and not s.deleted}
    return [guest for guest in guests if guest.server_id in wanted and guest.power_state in _OFF]


def _runs(server: HostedServer) -> bool:
    """Active and rescued servers do; a resized one waits to be confirmed as it was before, on or off: what was last
    seen of it tells."""
    if server.vm_state == RESIZED:
        return server.power_state == PowerState.RUNNING
    return server.vm_state in (ACTIVE, RESCUED)


class Recovery:
    """Runs once per start of the daemon."""

    def __init__(
        self, conf: cfg.ConfigOpts, driver: Driver, client: Client, host: str, desk: WorkDesk,
        sync: SyncPowerStates, cleanup: RunningDeleted, pending: PendingDeletes,
    ) -> None:  # fmt: skip
        self.conf, self.driver, self.client, self.host, self.desk = conf, driver, client, host, desk
        self.sync, self.cleanup, self.pending = sync, cleanup, pending

    def run(self, ctx: Context) -> None:
        """Raises what driver and conductor raise; the periodic jobs make up for a run that was cut off."""
        self.cleanup.run(ctx)
        self.pending.run(ctx)
        if self.conf.compute.resume_guests_state_on_host_boot:
            self._resume(ctx)
        self.sync.run(ctx)

    def _resume(self, ctx: Context) -> None:
        known = self.client.of(HostedServers).on_host(ctx, self.host)
        for guest in to_start(known, self.driver.guests()):
            LOG.info("Guest %s should be running and is started", guest.server_id)
            self.desk.submit(Job.own(guest.server_id, self._start, ctx, guest))

    def _start(self, ctx: Context, guest: Guest) -> None:
        """In its turn: something else may have been done to it since it was seen."""
        if self.driver.power_state(guest.server_id) not in _OFF:
            return
        try:
            self.driver.start_guest(bare_spec(guest.server_id, guest.name))
        except NovaliteError as error:
            LOG.error("Guest %s could not be started: %s", guest.server_id, error)
        self.sync.tell(ctx, [guest.server_id])
