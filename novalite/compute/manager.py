"""The compute daemon of one hypervisor host: wires driver, work desk, reports and periodic jobs.

    manager = ComputeManager(conf, Client(bus))
    manager.start()                                  # the hypervisor is connected
    server = bus.serve("compute", manager.host, manager.endpoints()); server.start()
    manager.announce()                               # the conductor knows; recovery has run
    runner.add(*manager.periodics())
    ...
    server.stop(); manager.stop(grace=60)            # guests go on running

It has no database and no credentials for one.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from oslo_config import cfg

from novalite.compute import build
from novalite.compute.build import Bench
from novalite.compute.guest_consoles import GuestConsolesEndpoint
from novalite.compute.guest_interfaces import GuestInterfacesEndpoint
from novalite.compute.guest_questions import GuestQuestionsEndpoint
from novalite.compute.guests import GuestsEndpoint
from novalite.compute.host_images import HostImagesEndpoint
from novalite.compute.image_cache import ImageCache
from novalite.compute.lifecycle import LifecycleWatcher
from novalite.compute.networks import GuestNetworks, NetworkNewsEndpoint
from novalite.compute.periodic.console_passwords import CycleConsolePasswords
from novalite.compute.periodic.image_cache import AgeImageCache
from novalite.compute.periodic.pending_deletes import PendingDeletes
from novalite.compute.periodic.report_resources import ReportResources
from novalite.compute.periodic.running_deleted import RunningDeleted
from novalite.compute.periodic.sync_power_states import SyncPowerStates
from novalite.compute.recovery import Recovery
from novalite.compute.reporting import Reporter, may_pass
from novalite.compute.resources import Condition
from novalite.compute.unfinished import Unfinished
from novalite.compute.virt import load_driver
from novalite.compute.virt.driver import Driver
from novalite.compute.whereabouts import stay
from novalite.compute.work import Pools, WorkDesk
from novalite.context import Context, system
from novalite.errors import DriverUnavailable
from novalite.objects.hosts import Heartbeat
from novalite.objects.servers import HostWork
from novalite.periodic import Periodic
from novalite.rpc.client import Client
from novalite.rpc.contracts.base import Contract
from novalite.states import PowerState

LOG = logging.getLogger(__name__)


class ComputeManager:
    """One host. `driver`, `host` and `pools` replace what the configuration says, so that one process can
    be many hosts (`pools` are then shared and outlive the manager). `inline` is for tests that step
    through a flow: work is done before the cast returns, and a report is offered only once."""

    def __init__(
        self, conf: cfg.ConfigOpts, client: Client, driver: Driver | None = None,
        host: str | None = None, pools: Pools | None = None, inline: bool = False,
    ) -> None:  # fmt: skip
        self.conf, self.client, self.host = conf, client, host or conf.host
        self.driver = driver if driver is not None else load_driver(conf)
        options = conf.compute
        self._own_pools = pools is None
        if pools is None:
            threads = (options.max_concurrent_builds, options.workers)
            pools = Pools.inline() if inline else Pools.of_threads(*threads)
        self.pools = pools
        patience = 0.0 if inline else options.report_retry_seconds
        self._stopping = threading.Event()
        self.reporter = Reporter(client, self.host, patience, self._unwanted)
        self.watcher = LifecycleWatcher(self._look, self._in_hand, options.lifecycle_event_delay)
        self.desk = WorkDesk(self.host, self.pools, self.watcher.idle)
        self.unfinished = Unfinished(Path(options.instances_path), self.host)
        self.bench = Bench(self.driver, ImageCache(conf), self.unfinished)
        self.networks = GuestNetworks(conf, client, self.host, self.driver.needs_networks)
        self.guests = GuestsEndpoint(conf, self.bench, self.desk, self.reporter, self.networks)
        self.images = HostImagesEndpoint(self.bench, self.desk, client, self.host)
        self.consoles = GuestConsolesEndpoint(conf, self.driver)
        self._wire_periodics()

    def _wire_periodics(self) -> None:
        conf, driver, client, host, desk = self.conf, self.driver, self.client, self.host, self.desk
        self.resources = ReportResources(conf, driver, client, host, desk, Condition(conf, self.bench))
        self.sync = SyncPowerStates(driver, client, host, desk, self.reporter)
        self.cleanup = RunningDeleted(conf, driver, client, host, desk, self.reporter, self.unfinished)
        self.pending = PendingDeletes(conf, driver, client, host, desk, self.reporter, self.unfinished)
        self.passwords = CycleConsolePasswords(self.consoles)
        self.ageing = AgeImageCache(self.bench.cache)
        self.recovery = Recovery(conf, driver, client, host, desk, self.sync, self.cleanup, self.pending)

    # --- life --------------------------------------------------------------------------------

    def endpoints(self) -> list[Contract]:
        """What this daemon answers on the topic `compute` at its host."""
        interfaces = GuestInterfacesEndpoint(self.driver, self.networks)
        news = NetworkNewsEndpoint(self.networks)
        return [self.guests, self.images, GuestQuestionsEndpoint(self.driver), self.consoles, interfaces, news]

    def start(self) -> None:
        """Connect to the hypervisor, waiting for it as configured. Raises DriverUnavailable when given up, and
        ConfigError when the guests here are those of a host of another name."""
        limit = self.conf.compute.driver_start_timeout
        deadline = time.monotonic() + limit if limit else None
        while not self._stopping.is_set():
            try:
                self.driver.start(self.watcher.changed)
                self.guests.snapshots.clean_up()
                if self.driver.needs_images:  # real disks: nothing of them may be lost to a wrong name
                    stay(Path(self.conf.state_path, "compute_host"), self.host, self.driver.guests)
                self.networks.start()
                return
            except DriverUnavailable as error:
                if deadline is not None and time.monotonic() > deadline:
                    raise
                LOG.warning("Waiting for the hypervisor: %s", error)
            self._stopping.wait(self.conf.start_retry_interval)

    def announce(self, timeout: float | None = None) -> bool:
        """Tell the conductor that this host is up, once its RPC server listens; then recover.

        Waits for a conductor that is not there yet, at most `timeout` seconds (None: until stopped).
        False when it was not told.
        """
        ctx = system()
        if not self._insist(lambda: self.resources.started(ctx), "the conductor", timeout):
            return False
        if not self.networks.settle(self.conf.host_networks.ready_timeout):
            LOG.warning("The networks of guests are not ready yet; those that are to run are started all the same")
        try:
            self.recovery.run(ctx)
        except Exception as error:
            LOG.warning("Guests are compared with the conductor's view later, by periodic jobs: %s", error)
        return True

    def _insist(self, act: Callable[[], None], whom: str, timeout: float | None) -> bool:
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self._stopping.is_set():
            try:
                act()
                return True
            except Exception as error:
                if not may_pass(error) and not isinstance(error, DriverUnavailable):
                    raise
                LOG.warning("Waiting for %s: %s", whom, error)
            if deadline is not None and time.monotonic() > deadline:
                return False
            self._stopping.wait(self.conf.start_retry_interval)
        return False

    def stop(self, grace: float = 60.0) -> bool:
        """Finish what has begun within `grace` seconds, then let go of the hypervisor. Guests go on running.

        Call after the RPC server stopped. False when work was cut off: the conductor asks for it again.
        """
        self._stopping.set()
        self.watcher.close()
        finished = self.desk.close(grace)
        self.consoles.close()
        self.networks.stop()
        self.reporter.stop()
        if self._own_pools:
            self.pools.close()
        self.driver.close()
        return finished

    def health(self) -> dict[str, Any]:
        """For the daemon's health answer: work in hand, what is wrong with guests' networks, and the hypervisor when
        it does not answer."""
        problem = {"problem": "the hypervisor does not answer"} if self.resources.blind else {}
        networks = {"networks": why} if (why := self.networks.trouble()) else {}
        return {"busy": len(self.desk.busy()), "driver": self.driver.name, **networks, **problem}

    # --- periodic jobs -----------------------------------------------------------------------

    def heartbeat(self, ctx: Context | None = None) -> Heartbeat:
        """Send one heartbeat now."""
        return self.resources.run(ctx or system())

    def periodics(self, suffix: str = "") -> list[Periodic]:
        """Jobs for the runner; `suffix` tells several hosts of one process apart."""
        conf, options = self.conf, self.conf.compute
        return [
            Periodic(f"heartbeat{suffix}", self.resources.run, lambda: conf.report_interval),
            Periodic(f"sync_power_states{suffix}", self.sync.run, lambda: options.sync_power_state_interval),
            Periodic(f"running_deleted{suffix}", self.cleanup.run,
                     lambda: options.running_deleted_instance_poll_interval),
            Periodic(f"pending_deletes{suffix}", self.pending.run, lambda: options.instance_delete_interval),
            Periodic(f"image_cache{suffix}", self.ageing.run, lambda: options.image_cache_manager_interval),
            Periodic(f"console_passwords{suffix}", self.passwords.run, lambda: conf.vnc.password_cycle_interval),
        ]  # fmt: skip

    # --- called back -------------------------------------------------------------------------

    def _in_hand(self, server_id: str) -> bool:
        return self.desk.in_hand(server_id)

    def _look(self, server_ids: Sequence[str]) -> bool:
        """Report guests that are no longer as the conductor was told. A guest that is gone altogether is
        left to the periodic comparison: most often it was removed on request a moment ago."""
        changed = [one for one in server_ids
                   if (state := self.driver.power_state(one)) is not PowerState.NOSTATE
                   and int(state) != self.reporter.known_power(one)]  # fmt: skip
        if not changed:
            return True
        try:
            self.sync.tell(system(), changed)
        except Exception as error:
            LOG.warning("Guests that changed on their own will be reported later: %s", error)
            return False
        return True

    def _unwanted(self, work: HostWork) -> None:
        """The conductor's verdict on finished work: nobody wants that guest any more."""
        if work.verb == "destroy":
            return
        LOG.warning("Server %s is not wanted here any more; its guest is removed", work.server.id)
        try:
            build.remove(self.driver, self.unfinished, work.server)
            self.reporter.note_power(work.server.id, PowerState.NOSTATE)
        except Exception as error:
            LOG.error("The unwanted guest of server %s could not be removed, the next look for forgotten "
                      "guests tries again: %s", work.server.id, error)
