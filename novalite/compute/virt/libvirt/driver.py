"""The hypervisor protocol answered by QEMU through libvirt: what is done in which order, and what undoes it.

Guests outlive this daemon and libvirtd. What is true is asked of libvirt each time, never remembered.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from oslo_config import cfg

from novalite.compute.config_drive import ConfigDrives
from novalite.compute.host_cells import Division, there
from novalite.compute.virt.driver import BaseImage, Guest, Watcher
from novalite.compute.virt.libvirt import (
    acceleration,
    asking,
    capabilities,
    consoles,
    diagnostics,
    disks,
    embedded,
    exchange,
    node_devices,
    resize,
    screens,
    snapshots,
    states,
    vifs,
)
from novalite.compute.virt.libvirt.connection import Connection
from novalite.compute.virt.libvirt.events import Events
from novalite.compute.virt.libvirt.guest import Domain, read_mark
from novalite.compute.virt.libvirt.hardware import Hardware, HostFacts, decide
from novalite.compute.virt.libvirt.xml.domain import domain
from novalite.errors import ConfigError, DriverError, DriverUnavailable, GuestNotFound, NovaliteError
from novalite.objects.diagnostics import GuestDiagnostics
from novalite.objects.hosts import HostInventory
from novalite.objects.servers import GuestSpec
from novalite.states import PowerState

LOG = logging.getLogger(__name__)

SETTLED = 5.0
"""Seconds after which a restarted libvirtd has found its guests again."""


AGENT_PATIENCE = 30.0
"""Seconds the agent inside a guest may take; libvirt itself gives up on a dead one after five."""


@dataclass(frozen=True)
class _Ready:
    """What is known once libvirt has been reached."""

    host: capabilities.Host
    facts: HostFacts


class LibvirtDriver(resize.Resizing, vifs.Plugging, screens.Showing):
    """Implements `novalite.compute.virt.driver.Driver`; see its docstrings."""

    name = "libvirt"
    needs_images = True
    needs_networks = True

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self.conf = conf
        settings = conf.libvirt
        self.disks = disks.Disks(
            Path(conf.compute.instances_path),
            filesystem=conf.compute.default_ephemeral_format,
            preallocate=settings.preallocate_images == "space",
            timeout=settings.disk_command_timeout,
            drives=ConfigDrives(conf),
        )
        self.events = Events(self.power_state, self._is_ours)
        self.connection = Connection(
            settings.connection_uri,
            call_timeout=settings.call_timeout,
            wait=settings.connection_wait,
            keepalive=settings.keepalive_interval,
            on_open=self.events.attach,
            on_return=self._after_return,
        )
        self._embedded = embedded.root(settings.connection_uri)
        self._logs = consoles.Rotation(
            self.disks.path,
            settings.console_log_max_bytes * (1 if self._embedded else 2),
            settings.console_log_backups,
            settings.console_log_check_interval,
        )
        self._ready: _Ready | None = None
        self._watcher: Watcher = lambda server_id, state: None
        self._ours: set[str] = set()
        if settings.cpu_mode == "custom" and not settings.cpu_model:
            raise ConfigError(reason="[libvirt] cpu_mode = custom needs cpu_model")

    # --- life ---------------------------------------------------------------------------------

    def start(self, watcher: Watcher) -> None:
        """Connect and find out what the host can do; raises DriverUnavailable."""
        try:
            self.disks.path.mkdir(parents=True, exist_ok=True)
            self.connection.open()
            self._ready = self._find_out()
        except OSError as error:
            raise DriverUnavailable(reason=f"{self.disks.path} cannot be made: {error.strerror}") from error
        except NovaliteError as error:
            self.connection.close()
            if isinstance(error, DriverUnavailable):
                raise
            raise DriverUnavailable(reason=error.sentence) from error
        self._watcher = watcher
        self.events.start(self._tell)
        self._logs.start()

    def close(self) -> None:
        """Let go; guests go on running."""
        self._logs.stop()
        self.events.stop()
        self.connection.close()

    def inventory(self) -> HostInventory:
        """What this host has now."""
        return capabilities.inventory(self.connection, self._known().host, self.disks, self.conf)

    # --- looking ------------------------------------------------------------------------------

    def guests(self) -> list[Guest]:
        """Every guest with novalite's mark."""

        def look(native: object) -> list[Guest]:
            found = []
            for one in native.listAllDomains():  # type: ignore[attr-defined]
                if read_mark(one) is not None:
                    found.append(Guest(one.UUIDString(), one.name(), states.power(*one.state())))
            return found

        found = self.connection.call("guests", look)
        self._ours |= {guest.server_id for guest in found}
        return found

    def power_state(self, server_id: str) -> PowerState:
        """NOSTATE when there is no such guest; SHUTDOWN also for a suspended one, whose memory is on disk."""
        return self._domain(server_id).power()

    def console_output(self, server_id: str, max_bytes: int) -> bytes:
        """The end of the serial console's log; GuestNotFound when the server has no files here."""
        if not self.disks.exist(server_id):
            raise GuestNotFound(server_id=server_id)
        return consoles.tail(self._log(server_id), max_bytes)

    # --- making and removing ------------------------------------------------------------------

    def spawn(self, spec: GuestSpec, base: BaseImage | None, progress: Callable[[str], None]) -> None:
        """Disks, definition, start. Raises what `check` and `decide` refuse before anything is made."""
        disks.check(spec, base)
        hardware = self.machine(spec)
        guest = self._domain(spec.id)
        if guest.active():
            return
        self._ours.add(spec.id)
        try:
            guest.undefine()
            progress("create-disks")
            self.disks.build(spec, base)
            progress("define-guest")
            self.define(guest, spec, hardware)
            progress("start-guest")
            guest.start()
        except BaseException as error:
            LOG.warning("Server %s: spawn failed and is undone: %s", spec.id, error)
            self._undo_spawn(spec)
            raise

    def destroy(self, spec: GuestSpec) -> None:
        """Stop the guest and remove it, its disks and logs; absence is success."""
        guest = self._domain(spec.id)
        guest.kill()
        guest.undefine()
        self.disks.remove(spec.id)
        if self._embedded:  # a daemon's own logs are rotated by the system; these by nobody
            (self._embedded / "log" / "qemu" / f"{spec.instance_name}.log").unlink(missing_ok=True)

    def rebuild_guest(
        self, spec: GuestSpec, base: BaseImage | None, keep_ephemeral: bool, start: bool,
        progress: Callable[[str], None],
    ) -> None:  # fmt: skip
        """New disks, then started or left off; see `exchange.py`."""
        exchange.rebuild(self, spec, base, keep_ephemeral, start, progress)

    def rescue_guest(
        self, spec: GuestSpec, base: BaseImage | None, timeout: float, progress: Callable[[str], None]
    ) -> None:
        """Start from a rescue disk; see `exchange.py`."""
        exchange.rescue(self, spec, base, timeout, progress)

    def unrescue_guest(self, spec: GuestSpec) -> None:
        """Start from its own disks; see `exchange.py`."""
        exchange.unrescue(self, spec)

    # --- power --------------------------------------------------------------------------------

    def start_guest(self, spec: GuestSpec) -> None:
        """Start a guest that is defined but off; running is success, paused goes on."""
        guest = self._domain(spec.id)
        if guest.require()[0] == states.State.PAUSED:
            guest.unpause()
        elif resize.is_half_done(self.disks, spec):
            self._hard_reboot(spec)
        guest.start(self.conf.libvirt.save_timeout if guest.has_saved_memory() else None)

    def stop_guest(self, spec: GuestSpec, timeout: float) -> None:
        """Power button, then force after `timeout` seconds. A paused guest hears no button."""
        guest = self._domain(spec.id)
        state, _ = guest.require()
        if timeout > 0 and state in (states.State.RUNNING, states.State.BLOCKED):
            asking.wait_for_shutdown(self.events, guest, timeout)
        guest.kill()

    def reboot_guest(self, spec: GuestSpec, hard: bool, timeout: float) -> None:
        """Soft: power button and a fresh start in the same QEMU; hard when that does not come to pass."""
        if not hard and timeout > 0 and asking.soft_reboot(self.events, self._domain(spec.id), timeout):
            return
        self._hard_reboot(spec)

    def pause_guest(self, spec: GuestSpec) -> None:
        """Freeze; already paused is success."""
        guest = self._domain(spec.id)
        if guest.require()[0] != states.State.PAUSED:
            guest.pause()

    def unpause_guest(self, spec: GuestSpec) -> None:
        """Go on; already running is success."""
        guest = self._domain(spec.id)
        if guest.require()[0] not in (states.State.RUNNING, states.State.BLOCKED):
            guest.unpause()

    def suspend_guest(self, spec: GuestSpec) -> None:
        """Save memory to disk and stop; already suspended is success."""
        guest = self._domain(spec.id)
        if guest.require()[0] in states.ACTIVE:
            guest.save(self.conf.libvirt.save_timeout)
        elif not guest.has_saved_memory():
            raise DriverError(reason=f"guest {spec.id} is off, so it has no memory to save")

    def resume_guest(self, spec: GuestSpec) -> None:
        """Restore from saved memory; already running is success."""
        guest = self._domain(spec.id)
        state, _ = guest.require()
        if state == states.State.PAUSED:
            guest.unpause()
        elif state not in states.ACTIVE:
            if not guest.has_saved_memory():
                raise DriverError(
                    reason=f"the saved memory of guest {spec.id} is gone; a hard reboot starts it afresh"
                )
            guest.start(self.conf.libvirt.save_timeout)

    # --- what not every hypervisor can --------------------------------------------------------

    def set_password(self, server_id: str, user: str, password: str) -> None:
        """By the QEMU guest agent, which the image property hw_qemu_guest_agent gives a channel."""
        self._domain(server_id).set_password(user, password, AGENT_PATIENCE)

    def inject_nmi(self, server_id: str) -> None:
        """A kernel that is told so dumps its memory."""
        self._domain(server_id).inject_nmi()

    def diagnostics(self, server_id: str) -> GuestDiagnostics:
        """What libvirt counts."""
        return diagnostics.ask(self.connection, server_id, self._known().facts.virt_type)

    # --- images -------------------------------------------------------------------------------

    def snapshot(self, spec: GuestSpec, to: Path, format: str, check: Callable[[], None]) -> None:
        """See driver.Snapshots."""
        guest, disk = self._domain(spec.id), self.disks.folder(spec.id) / "disk"
        snapshots.take(spec, snapshots.shot(guest, disk, to, format, self.conf.libvirt, check))

    def forget_snapshot(self, server_id: str) -> None:
        """See driver.Snapshots."""
        snapshots.end(self._domain(server_id), self.disks.folder(server_id) / "disk")

    # --- inside -------------------------------------------------------------------------------

    def _domain(self, server_id: str) -> Domain:
        return Domain(self.connection, server_id)

    def machine(self, spec: GuestSpec) -> Hardware:
        """The machine that `spec` asks for, in a plain rescue that of the rescue image; raises what `decide`
        refuses."""
        if spec.rescue is not None and not spec.rescue.stable:
            spec = spec.model_copy(update={"image_properties": spec.rescue.properties})
        if spec.placed is not None:
            there(self._known().host.capabilities.numa, spec.placed)
        return decide(spec, self.conf.libvirt, self.conf.vnc, self._known().facts)

    def define(self, guest: Domain, spec: GuestSpec, hardware: Hardware) -> None:
        """Define the guest, also anew, with the disks that are there."""
        attached = self.disks.attached(spec)
        cards = vifs.interfaces(spec, hardware)
        given = node_devices.host_devices(spec.pci_devices)
        guest.define(domain(spec, hardware, attached, str(self._log(spec.id)), cards, given).to_xml())
        self._ours.add(spec.id)

    def _log(self, server_id: str) -> Path:
        return self.disks.folder(server_id) / consoles.NAME

    def _known(self) -> _Ready:
        if self._ready is None:
            raise DriverUnavailable(reason="the driver has not been started")
        return self._ready

    def _find_out(self) -> _Ready:
        host = capabilities.ask(self.connection)
        if self.conf.pci.device_spec:
            node_devices.devices(self.connection)  # where they are not told, that is said at start
        virt_type = self._virt_type(host.capabilities)
        modes: dict[str, str] = self.conf.libvirt.disk_cachemodes
        cache = modes.get("file") or ("none" if disks.direct_io(self.disks.path) else "writeback")
        LOG.info("%s %s on %s: guests run with virt_type=%s, cache=%s",
                 host.type, host.version, host.name, virt_type, cache)
        shared, floating = Division.of(self.conf.compute).floating(host.capabilities.numa)
        return _Ready(host, HostFacts(virt_type, host.capabilities.arch, cache, shared, floating))

    def _virt_type(self, found: capabilities.Capabilities) -> str:
        chosen: str = self.conf.libvirt.virt_type
        if chosen == "auto":
            verdict = acceleration.kvm(found.arch, found.emulator)
            chosen = "kvm" if verdict.works else "qemu"
            LOG.info("virt_type=auto: %s, because %s", chosen, verdict.why)
        if chosen == "qemu" and self.conf.libvirt.cpu_mode == "host-passthrough":
            raise ConfigError(reason="[libvirt] cpu_mode = host-passthrough needs KVM, but virt_type is qemu")
        if chosen not in found.domain_types:
            raise DriverUnavailable(
                reason=f"libvirt runs no guests of type {chosen} here, only {found.domain_types}; "
                "apt-get install qemu-system, or set [libvirt] virt_type"
            )
        return chosen

    def _is_ours(self, server_id: str) -> bool:
        """Guests we know, also when they have just been removed; others by their mark."""
        if server_id not in self._ours and self._domain(server_id).mark() is not None:
            self._ours.add(server_id)
        return server_id in self._ours

    def _tell(self, server_id: str, state: PowerState) -> None:
        self._watcher(server_id, state)
        if state is PowerState.NOSTATE:
            self._ours.discard(server_id)

    def _after_return(self) -> None:
        """libvirtd was away, and its events are lost: have every guest's state told.

        And once more a little later, because a libvirtd that has just started finds its guests one
        by one, and says nothing of those that are dead by then.
        """
        self._tell_all()
        again = threading.Timer(SETTLED, self._tell_all)
        again.daemon = True
        again.start()

    def _tell_all(self) -> None:
        try:
            for guest in self.guests():
                self.events.tell(guest.server_id)
        except NovaliteError as error:  # away again: its next return tells all
            LOG.info("Guests could not be listed: %s", error)

    def _undo_spawn(self, spec: GuestSpec) -> None:
        try:
            self.destroy(spec)
        except Exception as error:
            LOG.error("Server %s: what its failed build left could not be removed: %s", spec.id, error)

    def _hard_reboot(self, spec: GuestSpec) -> None:
        """From any state, also undefined, as long as the disks are there."""
        guest = self._domain(spec.id)
        if not self.disks.exist(spec.id):
            raise GuestNotFound(server_id=spec.id)
        hardware = self.machine(spec)
        if not resize.is_half_done(self.disks, spec):
            self.disks.attached(spec)
        guest.kill()
        resize.restore_half_done(self.disks, spec)
        if guest.state() is not None:
            guest.forget_saved_memory()
        self.define(guest, spec, hardware)
        guest.start()
        self.disks.unstage(spec.id)
        if spec.rescue is None:
            self.disks.remove_rescue(spec.id)
