"""A guest gets other disks: new ones for good (rebuild), or one to be rescued from, and its own back."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from novalite.compute.virt.driver import REPLACE_ROOT, BaseImage
from novalite.compute.virt.libvirt import disks
from novalite.compute.virt.libvirt.guest import Domain
from novalite.errors import DriverError, GuestNotFound
from novalite.objects.servers import GuestSpec

if TYPE_CHECKING:
    from novalite.compute.virt.libvirt.driver import LibvirtDriver

LOG = logging.getLogger(__name__)


def rebuild(
    driver: LibvirtDriver, spec: GuestSpec, base: BaseImage | None, keep_ephemeral: bool, start: bool,
    progress: Callable[[str], None],
) -> None:  # fmt: skip
    """The new disks are made while the guest still runs on its old ones, which go at one moment."""
    disks.check(spec, base)
    hardware = driver.machine(spec)
    guest = Domain(driver.connection, spec.id)
    try:
        progress("create-disks")
        driver.disks.stage(spec, base, keep_ephemeral)
        progress(REPLACE_ROOT)
    except BaseException:
        driver.disks.unstage(spec.id)
        raise
    guest.kill()
    guest.undefine()
    driver.disks.adopt(spec.id)
    progress("define-guest")
    driver.define(guest, spec, hardware)
    if start:
        progress("start-guest")
        guest.start()


def rescue(
    driver: LibvirtDriver, spec: GuestSpec, base: BaseImage | None, timeout: float,
    progress: Callable[[str], None],
) -> None:  # fmt: skip
    """Asked again it starts over from a fresh disk. What the guest was is known only until it is stopped."""
    if base is None:
        raise DriverError(reason=f"the rescue image of guest {spec.id} is not in the cache of this host")
    if not driver.disks.exist(spec.id):
        raise GuestNotFound(server_id=spec.id)
    hardware = driver.machine(spec)
    guest = Domain(driver.connection, spec.id)
    ran, again = guest.active(), driver.disks.rescued(spec.id)
    try:
        progress("create-disks")
        driver.disks.make_rescue(spec, base)
        progress("stop-guest")
        if ran:
            driver.stop_guest(spec, timeout)
        if guest.state() is not None:
            guest.forget_saved_memory()
        progress("define-guest")
        driver.define(guest, spec, hardware)
        progress("start-guest")
        guest.start()
    except BaseException:
        _as_it_was(driver, spec, ran, again)
        raise


def unrescue(driver: LibvirtDriver, spec: GuestSpec) -> None:
    """The rescue disk is the last to go: without it, this has been done."""
    own = spec.model_copy(update={"rescue": None})
    guest = Domain(driver.connection, spec.id)
    if driver.disks.rescued(spec.id) or not guest.active():
        hardware = driver.machine(own)
        driver.disks.attached(own)
        guest.kill()
        driver.define(guest, own, hardware)
        guest.start()
        driver.disks.remove_rescue(spec.id)


def _as_it_was(driver: LibvirtDriver, spec: GuestSpec, ran: bool, again: bool) -> None:
    """Undo a rescue as far as it came; an error of this is logged, because another one is on its way.

    `ran`: the guest ran before; `again`: as a rescued one, of an earlier try.
    """
    own = spec.model_copy(update={"rescue": None})
    guest = Domain(driver.connection, spec.id)
    try:
        if again or not (ran and guest.active()):  # else it never stopped
            guest.kill()
            driver.define(guest, own, driver.machine(own))
            if ran:
                guest.start()
        driver.disks.remove_rescue(spec.id)
    except Exception as error:
        LOG.error("Guest %s could not be put back after its rescue failed: %s", spec.id, error)
