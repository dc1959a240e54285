"""The heartbeat: this host is alive, what it is busy with, and what it has when that changed."""

from __future__ import annotations

import logging

from oslo_config import cfg

from novalite.compute.resources import Condition, InventoryNews, inventory
from novalite.compute.virt.driver import Driver
from novalite.compute.work import WorkDesk
from novalite.context import Context
from novalite.errors import DriverError, DriverUnavailable
from novalite.objects.hosts import Heartbeat, HostInventory
from novalite.rpc.client import Client
from novalite.rpc.contracts.hosts import Hosts, Services

LOG = logging.getLogger(__name__)
BINARY = "nova-compute"


class ReportResources:
    """Sends heartbeats; the first word of all is `started`."""

    def __init__(
        self, conf: cfg.ConfigOpts, driver: Driver, client: Client, host: str, desk: WorkDesk, condition: Condition
    ) -> None:
        self.condition = condition
        self.conf, self.driver, self.client, self.host, self.desk = conf, driver, client, host, desk
        self.service_id: str | None = None
        self._news = InventoryNews()
        self._count = 0
        self.blind = False

    def started(self, ctx: Context) -> None:
        """Say that this host is up and listening. Raises what driver and conductor raise, and ConfigError."""
        found = inventory(self.driver, self.conf, self.host, self.condition, strict=True)
        self.service_id = self.client.of(Hosts).started(ctx, found)
        self._news.told(found)

    def run(self, ctx: Context) -> Heartbeat:
        """One heartbeat; raises what the conductor's call raises."""
        found = self._look()
        news = found if found is not None and self._news.worth_telling(found) else None
        self._count += 1
        beat = Heartbeat(binary=BINARY, host=self.host, service_id=self.service_id, report_count=self._count,
                         busy=self.desk.busy(), inventory=news)  # fmt: skip
        self.service_id = self.client.of(Services).heartbeat(ctx, beat)
        self._news.told(news)
        return beat

    def _look(self) -> HostInventory | None:
        """None while the hypervisor is away: the daemon is alive all the same, and its guests may be too."""
        try:
            found = inventory(self.driver, self.conf, self.host, self.condition)
        except (DriverUnavailable, DriverError) as error:
            if not self.blind:
                LOG.error("The hypervisor does not say what it has: %s", error)
            self.blind = True
            return None
        if self.blind:
            LOG.info("The hypervisor answers again")
        self.blind = False
        return found
