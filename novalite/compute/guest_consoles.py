"""The endpoint that shows proxies to the screens and serial consoles of the guests of this host.

A screen is a VNC server of the hypervisor's, or, as serial consoles always are, passed on by `console_relay`.
"""

from __future__ import annotations

import logging
import secrets
import string
import threading
import time
from collections import defaultdict

from oslo_config import cfg

from novalite.compute.console_relay import ConsoleRelay
from novalite.compute.virt.driver import Driver, GivesSerial, GivesStreams, ShowsScreens
from novalite.context import Context
from novalite.errors import ConsoleTypeUnavailable, NovaliteError, ServerNotReady
from novalite.objects.consoles import NOVNC, SERIAL, ConsoleAddress, ConsoleEntrance
from novalite.rpc.contracts.consoles import GuestConsoles
from novalite.states import CONSOLE_POWER

LOG = logging.getLogger(__name__)
WILDCARDS = ("0.0.0.0", "::")
PASSWORD_LENGTH = 8
"""All that VNC looks at (RFC 6143, 7.2.2)."""
SHARED = 0.5
"""Part of its life in which a password is given to further connections too, instead of being changed while the first
is still at the door."""


class GuestConsolesEndpoint(GuestConsoles):
    """See the contract."""

    def __init__(self, conf: cfg.ConfigOpts, driver: Driver) -> None:
        self.conf, self.driver = conf, driver
        self.relay = ConsoleRelay(conf)
        self._passwords: dict[str, tuple[str, float]] = {}
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def address(self, ctx: Context, server_id: str, kind: str) -> ConsoleAddress:
        self._require(server_id)
        if kind == NOVNC and self.conf.vnc.enabled:
            if isinstance(self.driver, ShowsScreens):
                return self._screen(self.driver, server_id)
            if isinstance(self.driver, GivesStreams):
                return self.relay.address()
        if kind == SERIAL and self.conf.serial_console.enabled and isinstance(self.driver, GivesSerial):
            return self.relay.address()
        raise ConsoleTypeUnavailable(kind=kind)

    def admit(self, ctx: Context, server_id: str, kind: str) -> ConsoleEntrance:
        address = self.address(ctx, server_id, kind)
        ticket = password = ""
        if kind == NOVNC and isinstance(self.driver, ShowsScreens):
            password = self._password(self.driver, server_id)
        elif kind == NOVNC:
            assert isinstance(self.driver, GivesStreams)
            screens = self.driver
            ticket = self.relay.ticket(lambda: screens.open_screen(server_id))
        else:
            assert isinstance(self.driver, GivesSerial)
            serial = self.driver
            ticket = self.relay.ticket(lambda: serial.open_serial(server_id))
        return ConsoleEntrance(
            server_id=server_id, kind=kind, address=address, ticket=ticket, password=password
        )

    def cycle_passwords(self, ctx: Context) -> int:
        """Give every guest's VNC server a password that nobody learns; answers to how many. Those that were let in
        stay, and a password that was just given out keeps its time."""
        if not isinstance(self.driver, ShowsScreens) or not (self.conf.vnc.enabled and self.conf.vnc.password):
            return 0
        changed = 0
        for guest in self.driver.guests():
            if guest.power_state not in CONSOLE_POWER:
                continue
            with self._locks[guest.server_id]:
                if self._passwords.get(guest.server_id, ("", 0.0))[1] > time.monotonic():
                    continue
                self._passwords.pop(guest.server_id, None)
                changed += self._lock_out(self.driver, guest.server_id)
        return changed

    @staticmethod
    def _lock_out(driver: ShowsScreens, server_id: str) -> bool:
        try:
            return driver.set_screen_password(server_id, _password(), 0)
        except NovaliteError as error:  # it may just have ended
            LOG.info("The password of the screen of server %s was not changed: %s", server_id, error)
            return False

    def close(self) -> None:
        """End the consoles that are passed on."""
        self.relay.close()

    def _require(self, server_id: str) -> None:
        if self.driver.power_state(server_id) not in CONSOLE_POWER:
            raise ServerNotReady(server_id=server_id)

    def _screen(self, driver: ShowsScreens, server_id: str) -> ConsoleAddress:
        listen, port = driver.screen(server_id)
        host = self.conf.vnc.server_proxyclient_address
        return ConsoleAddress(host=host or reachable(listen, self.conf), port=port)

    def _password(self, driver: ShowsScreens, server_id: str) -> str:
        """One that lets in from now on; "" for a guest whose VNC server asks for none."""
        if not self.conf.vnc.password:
            return ""
        lifetime = float(self.conf.vnc.password_ttl)
        with self._locks[server_id]:
            password, until = self._passwords.get(server_id, ("", 0.0))
            if until - time.monotonic() > lifetime * (1 - SHARED):
                return password
            password = _password()
            if not driver.set_screen_password(server_id, password, lifetime):
                return ""
            self._passwords[server_id] = (password, time.monotonic() + lifetime)
        return password


def reachable(listen: str, conf: cfg.ConfigOpts) -> str:
    """Where others reach what listens there."""
    return str(conf.compute.my_ip) if listen in WILDCARDS else listen


def _password() -> str:
    letters = string.ascii_letters + string.digits
    return "".join(secrets.choice(letters) for _ in range(PASSWORD_LENGTH))
