"""Networks of this host kept as the conductor wants them: asked for when it says so, before a guest starts, and
once in a while. One thread does it; builds wait for it, with a deadline.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oslo_config import cfg

from novalite.context import Context, system
from novalite.errors import NetworksNotReady, NovaliteError
from novalite.objects.host_networks import ANY, CarriedRouter, HostNetworks
from novalite.objects.servers import GuestSpec
from novalite.rpc.client import Client
from novalite.rpc.contracts.host_networks import NetworkNews, WantedNetworks

if TYPE_CHECKING:
    from novalite.networks.on_host.host import NetworkHost
    from novalite.networks.on_host.plan import Host

LOG = logging.getLogger(__name__)

STARTING = {"spawn", "rebuild", "rescue", "unrescue", "start", "reboot_hard", "reboot", "resume", "resize_start"}
"""Verbs after which a guest runs that may not have run before."""
CALM = 0.5
"""Seconds between two rounds that nobody waits for: hosts of a busy network would otherwise ask all the time."""
AGAIN = 2.0
"""Seconds after which what failed is tried again."""


def settings(conf: cfg.ConfigOpts) -> Host:
    """What the operator decided for this host."""
    from novalite.networks.on_host.plan import Host

    own = conf.host_networks
    return Host(
        address=own.tunnel_address or str(conf.compute.my_ip),
        vxlan_port=own.vxlan_port,
        interfaces=dict(own.physical_interfaces),
        lease=own.dhcp_lease_seconds,
        namespace=own.namespace,
        switch=own.switch,
        datapath=own.openvswitch_datapath,
        ovsdb=own.ovsdb,
    )


def _machine(conf: cfg.ConfigOpts) -> NetworkHost:
    from novalite.networks.on_host.host import NetworkHost  # a host without network cards starts without it

    return NetworkHost(settings(conf), Path(conf.state_path) / "networks")


def _obstacle(conf: cfg.ConfigOpts) -> str | None:
    from novalite.networks.on_host.host import obstacle

    return obstacle(settings(conf))


class GuestNetworks:
    """`needed` False, for a driver whose guests have no real network cards: nothing is made, nobody waits, and the
    conductor is told once that these networks are pretended.

    Tests give `machine`, and `obstacle` as a sentence.
    """

    def __init__(
        self, conf: cfg.ConfigOpts, client: Client, host: str, needed: bool,
        machine: Any = None, obstacle: Callable[[], str | None] | None = None,
    ) -> None:  # fmt: skip
        self.conf, self.host, self.needed = conf, host, needed
        self._conductor = client.of(WantedNetworks)
        self._machine: Any = machine or (_machine(conf) if needed else None)
        self._find_obstacle = obstacle or partial(_obstacle, conf)
        self.problem: str | None = None
        self._wanted: HostNetworks | None = None
        self._ports: frozenset[str] = frozenset()
        self._refused: Mapping[str, str] = {}
        self._carried: tuple[CarriedRouter, ...] = ()
        self._untold = self._unfinished = False
        self._error = "the conductor has not been asked yet"
        self._lock = threading.Lock()
        self._turn = threading.Condition(self._lock)
        self._asked = self._begun = self._ended = 0
        self._urgent = False
        self._stopping = False
        self._thread: threading.Thread | None = None

    # --- life ---------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to keep them. What stands in the way is said in the log; guests without networks do not mind."""
        if not self.needed or self._thread is not None:
            return
        self.problem = self._find_obstacle()
        if self.problem is not None:
            LOG.warning("Guests with networks will be refused on this host: %s", self.problem)
            return
        self._thread = threading.Thread(target=self._keep, name="guest-networks", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Change nothing more; all stays as it is."""
        with self._lock:
            self._stopping = True
            self._turn.notify_all()
        if self._thread is not None:
            self._thread.join(10)

    def poke(self, urgent: bool = False) -> int:
        """Ask the conductor soon, or at once; answers the number of the round that will have done so."""
        with self._lock:
            self._asked = self._begun + 1
            self._urgent = self._urgent or urgent
            self._turn.notify_all()
            return self._asked

    def settle(self, timeout: float) -> bool:
        """Ask now, and wait at most `timeout` seconds until it is done. True where there is nothing to do."""
        if not self.needed:
            self._pretend()
        if self._thread is None:
            return True
        number, deadline = self.poke(urgent=True), time.monotonic() + timeout
        with self._lock:
            return self._wait_for(number, deadline - time.monotonic()) and not self._error

    def _pretend(self) -> None:
        own = self.conf.host_networks
        if not own.routers:
            return
        address = own.tunnel_address or str(self.conf.compute.my_ip)
        try:
            self._conductor.of_host(system(), self.host, address, "", (ANY,))
        except NovaliteError as error:
            LOG.warning("No conductor heard that the networks of this host are pretended: %s", error)

    def trouble(self) -> str:
        """What is wrong with them, in words; empty when nothing is."""
        if self.problem or self._thread is None:
            return self.problem or ""
        unserved = self._machine.unserved
        return self._error or (f"guests cannot read about themselves: {unserved}" if unserved else "")

    # --- guests -------------------------------------------------------------------------------

    def ready(self, spec: GuestSpec, check: Callable[[], None] = lambda: None) -> None:
        """Return when every network of the guest is there. Raises NetworksNotReady when that cannot be, or takes too
        long, and what `check` raises, which is called often."""
        ports = {vif.port_id for vif in spec.vifs}
        if not self.needed or not ports:
            return
        if self._thread is None:
            raise NetworksNotReady(server_id=spec.id, reason=self.problem or "this host is not started")
        if ports <= self._ports:
            return
        number, deadline = self.poke(urgent=True), time.monotonic() + self.conf.host_networks.ready_timeout
        while True:
            check()
            with self._lock:
                self._wait_for(number, 1.0)
                if ports <= self._ports:
                    return
                answered, error = self._ended >= number, self._error
                if answered and not error:
                    raise NetworksNotReady(server_id=spec.id, reason=self._why(spec, ports - self._ports))
            if self._stopping or time.monotonic() > deadline:
                raise NetworksNotReady(server_id=spec.id, reason=error or "it takes too long")
            if answered:
                number = self._begun + 1

    def _wait_for(self, number: int, seconds: float) -> bool:
        """Until that round is over, or everything is; with the lock held."""
        return self._turn.wait_for(lambda: self._ended >= number or self._stopping, seconds)

    def _why(self, spec: GuestSpec, missing: Iterable[str]) -> str:
        nets = {vif.port_id: vif.network_id for vif in spec.vifs}
        for port in sorted(missing):
            if nets[port] in self._refused:
                return f"network {nets[port]}: {self._refused[nets[port]]}"
        return f"the conductor knows no port {min(missing)} on this host"

    # --- the thread ---------------------------------------------------------------------------

    def _keep(self) -> None:
        due = calm = 0.0
        while True:
            with self._lock:
                while (left := self._next(due, calm) - time.monotonic()) > 0 and not self._stopping:
                    self._turn.wait(left)
                if self._stopping:
                    return
                told, self._urgent = self._asked > self._begun, False
                self._begun += 1
                number = self._begun
            good = self._round(thorough=not told)
            with self._lock:
                self._ended = number
                self._turn.notify_all()
            now = time.monotonic()
            due, calm = now + (self.conf.host_networks.sync_interval if good else AGAIN), now + CALM

    def _next(self, due: float, calm: float) -> float:
        """When the next round begins, as things are."""
        if self._asked <= self._begun:
            return due
        return 0.0 if self._urgent else min(due, calm)

    def _round(self, thorough: bool) -> bool:
        """Ask and make it so; True when that was done. `thorough`: look also whether all that was made is there."""
        try:
            known = "" if self._wanted is None or self._error else self._wanted.version
            address = self._machine.settings.address
            said = self._conductor.of_host(system(), self.host, address, known, self._physical())
            if said is None and not thorough and not self._unfinished:
                return self._tell() and not self._machine.unserved
            wanted = said if said is not None else self._wanted
            assert wanted is not None
            plan = self._machine.apply(wanted, thorough)
        except Exception as error:
            if not isinstance(error, NovaliteError):
                LOG.exception("Networks of this host could not be made")
            known_error = isinstance(error, NovaliteError)
            self._failed(str(error) if known_error else f"an unexpected {type(error).__name__}")
            return False
        for network, why in plan.refused.items():
            if self._refused.get(network) != why:
                LOG.warning("%s cannot be had on this host: %s", network, why)
        with self._lock:
            self._wanted, self._ports = wanted, frozenset(plan.ports)
            self._refused, self._error = plan.refused, ""
        self._untold = self._untold or bool(self._carried or plan.carried)
        self._carried, self._unfinished = plan.carried, plan.unfinished
        return self._tell() and not plan.unfinished and not self._machine.unserved

    def _physical(self) -> tuple[str, ...] | None:
        """Physical networks from where this host carries routers; None when it carries none."""
        own = self.conf.host_networks
        return tuple(sorted(own.physical_interfaces)) if own.routers else None

    def _tell(self) -> bool:
        """Say which routers are carried, if that was not heard yet; guests wait for none of it."""
        if not self._untold:
            return True
        try:
            self._conductor.carried(system(), self.host, self._carried)
        except NovaliteError as error:
            LOG.warning("No conductor heard which routers this host carries, trying again: %s", error)
            return False
        self._untold = False
        return True

    def _failed(self, why: str) -> None:
        if why != self._error:
            LOG.warning("Networks of this host are not as they should be, trying again: %s", why)
        with self._lock:
            self._error = why


class NetworkNewsEndpoint(NetworkNews):
    """See the contract."""

    def __init__(self, networks: GuestNetworks) -> None:
        self.networks = networks

    def changed(self, ctx: Context) -> None:
        self.networks.poke()
