"""Start, stop, reboot, pause, unpause, suspend, resume: a row per verb, and how long a guest is given."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from typing import Any

from oslo_config import cfg

from novalite.compute.reporting import Outcome
from novalite.compute.virt.driver import Driver, Rescues, SendsNmi, able
from novalite.errors import DriverError, DriverUnsupported, NovaliteError
from novalite.objects.servers import GuestSpec, HostWork
from novalite.states import PowerState

LOG = logging.getLogger(__name__)

PowerVerb = Callable[[Driver, GuestSpec, float], None]

POWER: dict[str, PowerVerb] = {
    "start": lambda driver, spec, timeout: driver.start_guest(spec),
    "stop": lambda driver, spec, timeout: driver.stop_guest(spec, timeout),
    "reboot": lambda driver, spec, timeout: driver.reboot_guest(spec, False, timeout),
    "reboot_hard": lambda driver, spec, timeout: driver.reboot_guest(spec, True, timeout),
    "pause": lambda driver, spec, timeout: driver.pause_guest(spec),
    "unpause": lambda driver, spec, timeout: driver.unpause_guest(spec),
    "suspend": lambda driver, spec, timeout: _suspend(driver, spec),
    "resume": lambda driver, spec, timeout: driver.resume_guest(spec),
    "trigger_crash_dump": lambda driver, spec, timeout: _inject_nmi(driver, spec),
    "unrescue": lambda driver, spec, timeout: able(driver, Rescues, "rescue").unrescue_guest(spec),
}
"""What each verb of states.ACTIONS asks of the driver."""

MAX_TIMEOUT = 3600.0


def perform(driver: Driver, conf: cfg.ConfigOpts, work: HostWork, outcome: Outcome) -> None:
    """Do the verb; the outcome carries the power state seen afterwards, also when the verb failed."""
    act = POWER.get(work.verb)
    if act is None:
        raise DriverUnsupported(what=f"the action {work.verb}")
    outcome.step(work.verb)
    try:
        act(driver, work.server, patience(conf, work))
    finally:
        outcome.power_state = seen(driver, work.server.id)


def _suspend(driver: Driver, spec: GuestSpec) -> None:
    if spec.pci_devices:
        raise DriverError(reason="a guest with PCI devices cannot be suspended, because their state cannot be saved")
    driver.suspend_guest(spec)


def _inject_nmi(driver: Driver, spec: GuestSpec) -> None:
    if not isinstance(driver, SendsNmi):
        raise DriverUnsupported(what="sending an NMI")
    driver.inject_nmi(spec.id)


def seen(driver: Driver, server_id: str) -> PowerState | None:
    """The power state now; None when the hypervisor does not say."""
    try:
        return driver.power_state(server_id)
    except NovaliteError as error:
        LOG.warning("The power state of server %s is not known: %s", server_id, error)
        return None


def patience(conf: cfg.ConfigOpts, work: HostWork) -> float:
    """Seconds a guest may take to shut down or reboot by itself before it is forced.

    The request says so first, then the flavor's and the image's `os_shutdown_timeout` (the image
    property is in the public list of image properties), then the configuration.
    """
    spec = work.server
    said = (
        work.params.get("timeout"),
        spec.flavor.extra_specs.get("os_shutdown_timeout"),
        spec.image_properties.get("os_shutdown_timeout"),
    )
    for value in said:
        if value is not None and (seconds := _seconds(value, spec.id)) is not None:
            return seconds
    rebooting = work.verb.startswith("reboot")
    return float(conf.compute.reboot_timeout if rebooting else conf.compute.shutdown_timeout)


def _seconds(value: Any, server_id: str) -> float | None:
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        seconds = math.nan
    if not seconds >= 0:  # also what is not a number
        LOG.warning("Server %s: a shutdown timeout of %r is ignored", server_id, value)
        return None
    return min(seconds, MAX_TIMEOUT)
