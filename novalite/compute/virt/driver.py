"""What a hypervisor can be asked, as small protocols by capability.

Every method may be asked twice with the same effect. Methods block the calling thread, raise
errors from `novalite.errors` (GuestNotFound, DriverError, DriverUnavailable, DriverUnsupported) and
never touch the bus.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from novalite.errors import DriverUnsupported
from novalite.objects.diagnostics import GuestDiagnostics
from novalite.objects.flavors import Flavor
from novalite.objects.host_networks import Vif
from novalite.objects.hosts import HostInventory
from novalite.objects.servers import GuestSpec
from novalite.pump import End
from novalite.states import PowerState


@dataclass(frozen=True)
class Guest:
    """One guest that novalite made on this host, as the hypervisor sees it."""

    server_id: str
    name: str
    power_state: PowerState


@dataclass(frozen=True)
class BaseImage:
    """An image in the host's cache: verified, read-only, in the format that was found in it."""

    path: Path
    format: str
    virtual_size: int


REPLACE_ROOT = "replace-disks"
"""Sub-step of a rebuild from which on the old root disk is gone."""

Watcher = Callable[[str, PowerState], None]
"""Told (server_id, state) when a guest changes state on its own; must return quickly."""


@runtime_checkable
class Snapshots(Protocol):
    """A hypervisor that can make images of its guests' root disks."""

    def snapshot(self, spec: GuestSpec, to: Path, format: str, check: Callable[[], None]) -> None:
        """Write the root disk as it is now into a new file, whole and of this format (raw, qcow2), whatever state
        the guest is in, and without stopping it. `check` is called often and may raise to end it.

        A guest whose image says `os_require_quiesce` has its file systems frozen meanwhile, or it fails; others
        where that is possible. Working files are made beside `to`; the caller removes the folder.
        """

    def forget_snapshot(self, server_id: str) -> None:
        """End what an interrupted snapshot left running in the hypervisor; nothing is success."""


@runtime_checkable
class Driver(Protocol):
    """A hypervisor. `needs_images` is False for drivers that build no disks, `needs_networks` for those whose guests
    have no network cards that this host would have to connect."""

    name: str
    needs_images: bool
    needs_networks: bool

    def start(self, watcher: Watcher) -> None:
        """Connect; raises DriverUnavailable. Later losses are repaired by the driver itself."""

    def close(self) -> None:
        """Let go of the hypervisor; guests go on running."""

    def inventory(self) -> HostInventory:
        """What this host has now."""

    def guests(self) -> list[Guest]:
        """Every guest novalite made here, running or not; guests of others are not listed."""

    def spawn(self, spec: GuestSpec, base: BaseImage | None, progress: Callable[[str], None]) -> None:
        """Disks and guest, started. `progress` is told the name of each sub-step as it begins.

        A guest of that id that already runs is success; leftovers of an interrupted build are replaced.
        On failure nothing is left behind.
        """

    def destroy(self, spec: GuestSpec) -> None:
        """Stop the guest and remove it, its disks and logs; absence is success."""

    def power_state(self, server_id: str) -> PowerState:
        """NOSTATE when there is no such guest."""

    def start_guest(self, spec: GuestSpec) -> None:
        """Start a guest that is defined but off; already running is success."""

    def stop_guest(self, spec: GuestSpec, timeout: float) -> None:
        """Ask the guest to shut down (ACPI), force it off after `timeout` seconds (0: at once)."""

    def reboot_guest(self, spec: GuestSpec, hard: bool, timeout: float) -> None:
        """Soft: ask the guest, fall back to hard after `timeout`. Hard: define anew and start, from any state."""

    def pause_guest(self, spec: GuestSpec) -> None:
        """Freeze; already paused is success."""

    def unpause_guest(self, spec: GuestSpec) -> None:
        """Go on; already running is success."""

    def suspend_guest(self, spec: GuestSpec) -> None:
        """Save memory to disk and stop; already suspended is success."""

    def resume_guest(self, spec: GuestSpec) -> None:
        """Restore from saved memory; already running is success."""

    def console_output(self, server_id: str, max_bytes: int) -> bytes:
        """The end of the serial console's log."""


# --- what not every hypervisor can; those that cannot lack the method ------------------------


@runtime_checkable
class SetsPasswords(Protocol):
    """Can reach into a running guest."""

    def set_password(self, server_id: str, user: str, password: str) -> None:
        """GuestAgentMissing when nobody in the guest listens; DriverError when it refuses."""


@runtime_checkable
class SendsNmi(Protocol):
    """Can press the button that makes a kernel dump its memory."""

    def inject_nmi(self, server_id: str) -> None:
        """What the guest makes of it is its own affair."""


@runtime_checkable
class Diagnoses(Protocol):
    """Counts what a guest does."""

    def diagnostics(self, server_id: str) -> GuestDiagnostics:
        """Of a guest that runs."""


@runtime_checkable
class PlugsInterfaces(Protocol):
    """Gives guests network cards, and takes them away, running or not."""

    def attach_interface(self, spec: GuestSpec, vif: Vif) -> None:
        """The guest has this card, also after its next start; having it already is success. A failure leaves it
        without."""

    def detach_interface(self, spec: GuestSpec, vif: Vif) -> None:
        """The guest has it no more, and nothing is left of it on the host; not having it is success. DriverError
        when the guest does not let go of it: then it keeps it."""


@runtime_checkable
class ShowsScreens(Protocol):
    """Its guests have VNC servers on ports of this host."""

    def screen(self, server_id: str) -> tuple[str, int]:
        """(address, port) of the VNC server of a guest that runs; ConsoleTypeUnavailable when it has none."""

    def set_screen_password(self, server_id: str, password: str, seconds: float) -> bool:
        """From now on this password lets in, for `seconds` (0: not even now); whoever is in stays. False when that
        VNC server asks for none."""


@runtime_checkable
class GivesSerial(Protocol):
    """Lets somebody type into the serial console of a guest."""

    def open_serial(self, server_id: str) -> End:
        """What the guest writes from now on can be read here, and what is written it reads. Who had it open
        before loses it. Closed by the caller; it ends when the guest does."""


@runtime_checkable
class GivesStreams(Protocol):
    """Shows the screens of its guests through this daemon, not on ports of their own."""

    def open_screen(self, server_id: str) -> End:
        """A VNC server (RFC 6143), from its first word on."""


def able(driver: Any, capability: Any, what: str) -> Any:
    """The driver as one that can do more; DriverUnsupported when it cannot do `what`."""
    if not isinstance(driver, capability):
        raise DriverUnsupported(what=what)
    return driver


@runtime_checkable
class Rebuilds(Protocol):
    """Gives a guest new disks."""

    def rebuild_guest(
        self, spec: GuestSpec, base: BaseImage | None, keep_ephemeral: bool, start: bool,
        progress: Callable[[str], None],
    ) -> None:
        """New disks in place of the old ones, from any state, also when nothing is left of the guest; then
        started, or left off. Failing before the sub-step REPLACE_ROOT leaves the guest as it was; failing later
        leaves the new disks and a guest that is off."""


@runtime_checkable
class Rescues(Protocol):
    """Starts a guest from another disk and back."""

    def rescue_guest(
        self, spec: GuestSpec, base: BaseImage | None, timeout: float, progress: Callable[[str], None]
    ) -> None:
        """Stop the guest (within `timeout` seconds, then forced) and start it as `spec.rescue` says, from a fresh
        disk of `base`. A failure leaves it as it was."""

    def unrescue_guest(self, spec: GuestSpec) -> None:
        """Start from its own disks again, and remove the rescue disk. Not being rescued is success."""


@runtime_checkable
class Resizes(Protocol):
    """A driver that can give a guest another flavor and take that back.

    `migration` names one resize, so that an order of another one is never taken for it. The old disks
    are kept, untouched, from `grow_disks` until one of the last two.
    """

    def grow_disks(self, spec: GuestSpec, old: Flavor, migration: str) -> None:
        """The guest is off: make its disks as `spec.flavor` wants them and keep those of the flavor `old`.
        Raises FlavorDiskTooSmall."""

    def redefine_guest(self, spec: GuestSpec, start: bool) -> None:
        """The guest, off, becomes one of `spec.flavor` with the disks it has; started when asked."""

    def put_disks_back(self, spec: GuestSpec, migration: str) -> None:
        """The guest is off: it has the disks of before that resize again, and nothing of the others is left. Also
        when they were made only in part, or not at all. DriverError when the resize was confirmed already."""

    def drop_old_disks(self, spec: GuestSpec, migration: str) -> None:
        """The disks of before that resize go; the guest is not touched. DriverError when they were put back."""
