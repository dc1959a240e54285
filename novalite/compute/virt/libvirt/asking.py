"""Asking a guest to go down by itself: it may be deaf, slow, or still in its firmware."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from novalite.compute.virt.libvirt import states
from novalite.compute.virt.libvirt.events import Events
from novalite.compute.virt.libvirt.guest import Domain
from novalite.errors import DriverError, GuestNotFound

LOG = logging.getLogger(__name__)

PRESS_AGAIN = 10.0
"""Seconds after which the power button is pressed once more: a guest that boots does not hear it."""


def wait_for_shutdown(events: Events, guest: Domain, timeout: float) -> None:
    """Return when the guest is off or time is over."""
    deadline = time.monotonic() + timeout
    press_at = 0.0
    with events.watching(guest.server_id) as signal:
        while guest.active() and (now := time.monotonic()) < deadline:
            if now >= press_at:
                _press(guest.press_power_button)
                press_at = now + PRESS_AGAIN
            signal.wait(min(1.0, deadline - now))


def soft_reboot(events: Events, guest: Domain, timeout: float) -> bool:
    """True when the guest went down by itself and was started again."""
    if guest.require()[0] not in (states.State.RUNNING, states.State.BLOCKED):
        return False
    deadline = time.monotonic() + timeout
    press_at = 0.0
    with events.watching(guest.server_id) as signal:
        while (now := time.monotonic()) < deadline and not signal.rebooted:
            if not guest.active():  # it went off altogether
                guest.start()
                return True
            if now >= press_at:
                _press(guest.ask_to_reboot)
                press_at = now + PRESS_AGAIN
            signal.wait(min(1.0, deadline - now))
        return signal.rebooted


def _press(button: Callable[[], None]) -> None:
    """A button that cannot be pressed is no failure: the guest is forced when time is over."""
    try:
        button()
    except (DriverError, GuestNotFound) as error:
        LOG.info("The guest could not be asked: %s", error)
