"""One domain: every question and order of it is a deadline-bound call that may be asked twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from novalite.compute.virt.libvirt import states
from novalite.compute.virt.libvirt.connection import Connection, module
from novalite.compute.virt.libvirt.xml.domain import NAMESPACE, Mark
from novalite.errors import DriverError, GuestAgentMissing, GuestNotFound, NovaliteError
from novalite.states import PowerState

T = TypeVar("T")

METADATA_ELEMENT = 2  # VIR_DOMAIN_METADATA_ELEMENT


class Domain:
    """The domain whose UUID is the server's id. It need not exist; methods say what then."""

    def __init__(self, connection: Connection, server_id: str) -> None:
        self.connection = connection
        self.server_id = server_id

    def state(self) -> tuple[int, int] | None:
        """libvirt's (state, reason); None when there is no such domain."""
        try:
            found: list[int] = self.ask("state", lambda domain: domain.state())
        except GuestNotFound:
            return None
        return found[0], found[1]

    def power(self) -> PowerState:
        """The power state; NOSTATE when there is no such domain."""
        found = self.state()
        return states.power(*found) if found else PowerState.NOSTATE

    def active(self) -> bool:
        """True while there is a QEMU process of it."""
        found = self.state()
        return found is not None and found[0] in states.ACTIVE

    def require(self) -> tuple[int, int]:
        """The state; GuestNotFound when there is no such domain."""
        found = self.state()
        if found is None:
            raise GuestNotFound(server_id=self.server_id)
        return found

    def mark(self) -> Mark | None:
        """novalite's mark; None when there is no such domain or somebody else made it."""
        try:
            return self.ask("metadata", read_mark)
        except GuestNotFound:
            return None

    def define(self, xml: str) -> None:
        """Define, or redefine with the same name."""
        self.connection.call("define", lambda native: native.defineXML(xml), server_id=self.server_id)

    def start(self, seconds: float | None = None) -> None:
        """Start, from saved memory where there is some. Running already is success."""
        if not self.active():
            self._order("start", lambda domain: domain.create(), self.active, seconds)

    def kill(self) -> None:
        """End QEMU; off or absent is success."""
        if self.active():
            self._order("destroy", lambda domain: domain.destroy(), lambda: not self.active())

    def press_power_button(self) -> None:
        """ACPI power button: the guest may shut down."""
        flags = module().VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN
        self.ask("shutdown", lambda domain: domain.shutdownFlags(flags))

    def ask_to_reboot(self) -> None:
        """ACPI power button, after which libvirt starts the guest again in the same QEMU."""
        flags = module().VIR_DOMAIN_REBOOT_ACPI_POWER_BTN
        self.ask("reboot", lambda domain: domain.reboot(flags))

    def pause(self) -> None:
        """Stop its CPUs."""
        self.ask("suspend", lambda domain: domain.suspend())

    def unpause(self) -> None:
        """Let its CPUs go on."""
        self.ask("resume", lambda domain: domain.resume())

    def inject_nmi(self) -> None:
        """A non-maskable interrupt on its first CPU."""
        self.ask("NMI", lambda domain: domain.injectNMI(0))

    def set_password(self, user: str, password: str, seconds: float) -> None:
        """By the agent inside. GuestAgentMissing when it is not configured, not connected, or does not answer."""
        libvirt = module()
        missing = (libvirt.VIR_ERR_ARGUMENT_UNSUPPORTED, libvirt.VIR_ERR_AGENT_UNRESPONSIVE)

        def ask(domain: Any) -> None:
            try:
                domain.setUserPassword(user, password, 0)
            except libvirt.libvirtError as error:
                if error.get_error_code() not in missing:
                    raise
                raise GuestAgentMissing(server_id=self.server_id, reason=error.get_error_message()) from error

        self.ask("set a password", ask, seconds)

    def has_saved_memory(self) -> bool:
        """True when its memory was saved and not yet restored."""
        return bool(self.ask("saved memory", lambda domain: domain.hasManagedSaveImage()))

    def save(self, seconds: float) -> None:
        """Save its memory and stop it; it is to run, not to be paused, when it is restored."""
        flags = module().VIR_DOMAIN_SAVE_RUNNING
        self.ask("save", lambda domain: domain.managedSave(flags), seconds)

    def forget_saved_memory(self) -> None:
        """Remove saved memory; none is success."""
        if self.has_saved_memory():
            self._order(
                "forget saved memory",
                lambda domain: domain.managedSaveRemove(),
                lambda: not self.has_saved_memory(),
            )

    def undefine(self) -> None:
        """Remove the domain with everything libvirt keeps of it; absence is success."""
        libvirt = module()
        names = ("MANAGED_SAVE", "SNAPSHOTS_METADATA", "CHECKPOINTS_METADATA", "NVRAM", "TPM")
        flags = 0
        for name in names:  # newer ones are missing from older libraries
            flags |= getattr(libvirt, f"VIR_DOMAIN_UNDEFINE_{name}", 0)
        if self.state() is not None:
            self._order("undefine", lambda domain: domain.undefineFlags(flags), lambda: self.state() is None)

    def ask(self, what: str, work: Callable[[Any], T], seconds: float | None = None) -> T:
        """`work(libvirt's domain)` with a deadline; GuestNotFound when there is no such domain."""

        def on_domain(native: Any) -> T:
            return work(native.lookupByUUIDString(self.server_id))

        return self.connection.call(what, on_domain, seconds=seconds, server_id=self.server_id)

    def _order(
        self, what: str, work: Callable[[Any], Any], done: Callable[[], bool], seconds: float | None = None
    ) -> None:
        """Do it; an error does not count when what was wanted is so, as when the guest ended meanwhile."""
        try:
            self.ask(what, work, seconds)
        except (DriverError, GuestNotFound):
            try:
                came_true = done()
            except NovaliteError:
                came_true = False
            if not came_true:
                raise


def read_mark(domain: Any) -> Mark | None:
    """The mark on libvirt's domain object; None for a guest that somebody else made."""
    libvirt = module()
    try:
        text = domain.metadata(METADATA_ELEMENT, NAMESPACE)
    except libvirt.libvirtError as error:
        if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN_METADATA:
            return None
        raise
    return Mark.from_libvirt(text)
