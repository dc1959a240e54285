"""Tell the conductor about guests that changed power state on their own and were missed by events."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from novalite.compute.reporting import Reporter
from novalite.compute.virt.driver import Driver
from novalite.compute.work import WorkDesk
from novalite.context import Context
from novalite.objects.servers import HostedServer, PowerChange
from novalite.rpc.client import Client
from novalite.rpc.contracts.servers import HostedServers
from novalite.states import SEEN, PowerState

LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class PowerSync:
    """What one run saw."""

    checked: int
    drifted: int


def drifted(known: list[HostedServer], actual: dict[str, PowerState]) -> list[HostedServer]:
    """Idle servers whose guest is not in the power state that the conductor has, or not in one that fits
    the server's state: a failed action may have left it so."""

    def off(server: HostedServer) -> bool:
        state = actual.get(server.id, PowerState.NOSTATE)
        return server.power_state != state or (server.vm_state, state) in SEEN

    return [s for s in known if not s.deleted and s.task_state is None and off(s)]


class SyncPowerStates:
    """Compare every guest with what the conductor believes."""

    def __init__(self, driver: Driver, client: Client, host: str, desk: WorkDesk, reporter: Reporter) -> None:
        self.driver, self.client, self.host = driver, client, host
        self.desk, self.reporter = desk, reporter

    def run(self, ctx: Context) -> PowerSync:
        """Raises what driver and conductor raise; the next run tries again."""
        known = self.client.of(HostedServers).on_host(ctx, self.host)
        actual = {guest.server_id: guest.power_state for guest in self.driver.guests()}
        suspects = [server.id for server in drifted(known, actual) if not self.desk.in_hand(server.id)]
        if suspects:
            LOG.info("%d of %d guests changed power state on their own", len(suspects), len(known))
            self.tell(ctx, suspects)
        return PowerSync(checked=len(known), drifted=len(suspects))

    def tell(self, ctx: Context, server_ids: list[str]) -> None:
        """Report the power states that these guests have at this moment."""
        changes = [PowerChange(server_id=one, power_state=int(self.driver.power_state(one)))
                   for one in server_ids]  # fmt: skip
        self.client.of(HostedServers).power_changed(ctx, self.host, changes)
        for change in changes:
            self.reporter.note_power(change.server_id, change.power_state)
