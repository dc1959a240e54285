"""What the fake driver does where a real one would exchange disks: rebuild, rescue and back."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from novalite.compute.config_drive import ConfigDrives
from novalite.compute.virt.driver import REPLACE_ROOT
from novalite.errors import GuestNotFound
from novalite.objects.servers import GuestSpec
from novalite.states import PowerState

if TYPE_CHECKING:
    from novalite.compute.virt.fake import FakeDriver


def drive(drives: ConfigDrives, spec: GuestSpec) -> dict[str, str]:
    """What the newest format on its config drive says, by path; nothing where it has none."""
    if not spec.config_drive:
        return {}
    files = drives.files(spec).items()
    return {path: content.decode(errors="replace") for path, content in files
            if path.startswith(("openstack/latest/", "openstack/content/"))}  # fmt: skip


def rebuild(driver: FakeDriver, spec: GuestSpec, start: bool, progress: Callable[[str], None]) -> None:
    """Fails as told at `rebuild`, at `disks`, before the old guest is gone, or at `guest_start`, after."""
    driver.faults.meet("rebuild")
    progress("create-disks")
    driver.faults.meet("disks")
    progress(REPLACE_ROOT)
    driver._set(spec.id, driver.guest_of(spec))
    if start:
        progress("guest_start")
        driver.faults.meet("guest_start")
        driver._move(spec.id, PowerState.RUNNING, "b")


def rescue(driver: FakeDriver, spec: GuestSpec, timeout: float, progress: Callable[[str], None]) -> None:
    """Fails as told at `rescue`, or at `rescue_start`, after which the guest is as it was."""
    assert spec.rescue is not None and spec.rescue.image is not None
    driver.faults.meet("rescue")
    before = driver.guest(spec.id)
    state, letters = PowerState(before.state), "d" if timeout else ""
    progress("create-disks")
    if state is PowerState.RUNNING:
        driver._move(spec.id, PowerState.SHUTDOWN, letters)
    try:
        progress("start-guest")
        driver.faults.meet("rescue_start")
    except BaseException:
        if state is PowerState.RUNNING:
            driver._move(spec.id, state, "b")
        raise
    driver._move(spec.id, PowerState.RUNNING, "b", rescue=spec.rescue.image.id)


def unrescue(driver: FakeDriver, spec: GuestSpec) -> None:
    """Fails as told at `unrescue`."""
    driver.faults.meet("unrescue")
    if driver.guest(spec.id).rescue:
        driver._move(spec.id, PowerState.RUNNING, "b", rescue="")


def forget_rescue(driver: FakeDriver, spec: GuestSpec) -> None:
    """Its next boot is from its own disk."""
    with suppress(GuestNotFound):
        guest = driver.guest(spec.id)
        if guest.rescue:
            driver._move(spec.id, PowerState(guest.state), rescue="")
