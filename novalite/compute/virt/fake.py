"""A whole hypervisor in memory: for demos, for load, and as the hypervisor of most tests.

A guest is a few words, so hundreds per host and a thousand hosts per process are cheap.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from oslo_config import cfg

from novalite.compute.config_drive import ConfigDrives
from novalite.compute.virt import (
    fake_consoles,
    fake_disks,
    fake_images,
    fake_insight,
    fake_numa,
    fake_pci,
    fake_resize,
)
from novalite.compute.virt.driver import BaseImage, Guest, Watcher
from novalite.compute.virt.fake_faults import Faults
from novalite.compute.virt.fake_state import Journal
from novalite.errors import DriverError, GuestNotFound
from novalite.objects.diagnostics import GuestDiagnostics
from novalite.objects.flavors import Flavor
from novalite.objects.host_networks import Vif
from novalite.objects.hosts import HostInventory
from novalite.objects.servers import GuestSpec
from novalite.states import PowerState

BOOT = """\
SeaBIOS (version 1.16.2)
Booting from Hard Disk...
[    0.000000] Linux version 6.1.0-novalite (fake hypervisor) #{boot} SMP PREEMPT_DYNAMIC
[    0.000000] Command line: root=/dev/vda1 console=ttyS0
[    0.004711] Memory: {ram_mb}MB available
[    0.021337] smp: Brought up 1 node, {vcpus} CPU{s}
[    0.512044] virtio_blk virtio1: [vda] {root_mb} MB
[    0.901882] EXT4-fs (vda1): mounted filesystem with ordered data mode
[    1.204410] Run /sbin/init as init process
novalite-guest: up source={source} host={hostname} keys={keys} rootmib={root_mb}
"""
"""A boot as a serial console shows it; the last line is the one that the real test guest prints."""

DOWN = "novalite-guest: power button\nnovalite-guest: going down\n"
CRASH = "Kernel panic - not syncing: Attempted to kill init!\n"
_TEXT = {"b": BOOT, "d": DOWN, "c": CRASH, "n": fake_insight.NMI, "p": fake_insight.PASSWORD}
_HISTORY = 16


@dataclass(slots=True)
class FakeGuest:
    """One guest. `saved`: suspended, its memory on disk. `history` is a letter per thing its console
    shows: b boot, d shutdown, c crash, n NMI, p password changed. `image` and `rescue` are ids: of the
    image its root disk was made of, and of the one it is being rescued with. `vifs`: ids of the ports it is
    plugged into. `drive`: its config drive, by path. `aside`, `pins`: fake_resize, fake_numa. `devices`: PCI."""

    name: str
    hostname: str
    vcpus: int
    ram_mb: int
    root_mb: int
    keys: int
    state: int = PowerState.SHUTDOWN
    saved: bool = False
    history: str = ""
    image: str = ""
    rescue: str = ""
    vifs: list[str] = field(default_factory=list)
    drive: dict[str, str] = field(default_factory=dict)
    aside: dict[str, Any] | None = None
    devices: list[str] = field(default_factory=list)
    pins: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, spec: GuestSpec) -> FakeGuest:
        flavor = spec.flavor
        return cls(spec.instance_name, spec.hostname, flavor.vcpus, flavor.ram_mb, flavor.disk_gb * 1024,
                   1 if spec.public_key else 0, image=spec.image.id if spec.image else "",
                   vifs=[vif.port_id for vif in spec.vifs], pins=fake_numa.pins(spec.placed))

    def become(self, flavor: Flavor) -> None:
        """Its next boot is one of this flavor."""
        self.vcpus, self.ram_mb = flavor.vcpus, flavor.ram_mb

    def settle(self, flavor: Flavor) -> None:
        """The same after a resize that ended by halves."""
        fake_resize.settle(self, flavor)
        self.become(flavor)

    def plug(self, port_id: str) -> None:
        """It has that network card."""
        self.vifs = [*self.vifs, port_id] if port_id not in self.vifs else self.vifs

    def unplug(self, port_id: str) -> None:
        """It has it no more."""
        self.vifs = [one for one in self.vifs if one != port_id]

    def console(self) -> str:
        """The text of everything that happened to it (of the last 16 things)."""
        source = "config-drive" if self.drive else "none"
        facts = {**asdict(self), "s": "s" if self.vcpus > 1 else "", "source": source}
        boots = 0
        parts = []
        for letter in self.history:
            boots += letter == "b"
            parts.append(_TEXT[letter].format(boot=boots, **facts))
        return "".join(parts)


class FakeDriver(fake_consoles.Consoles, fake_pci.Devices):
    """Implements `driver.Driver`; see its docstrings. `fail` and `delay` make it behave badly."""

    name = "fake"

    def __init__(self, conf: cfg.ConfigOpts, host: str | None = None) -> None:
        self.conf, self.host = conf, host or conf.host
        options = conf.fake_driver
        self.needs_images = options.needs_images
        self.needs_networks = False
        self.drives = ConfigDrives(conf)
        self.faults = Faults(options.delays, self._path(options.failures_file))
        self.pulled = set()
        self._lock = threading.Lock()
        self._guests: dict[str, FakeGuest] = {}
        self._watcher: Watcher | None = None
        state_file = self._path(options.state_file)
        self._journal = Journal(state_file, asdict) if state_file else None

    def _path(self, option: str) -> Path | None:
        return Path(option.replace("{host}", self.host)) if option else None

    # --- misbehaving -------------------------------------------------------------------------

    def fail(self, operation: str, reason: str = "injected", times: int | None = None) -> None:
        """Let an operation fail; names as in `[fake_driver] delays`. `times` None: until `heal`."""
        self.faults.fail(operation, reason, times)

    def delay(self, operation: str, seconds: float) -> None:
        """Let an operation take this long."""
        self.faults.delay(operation, seconds)

    def heal(self) -> None:
        """Forget every failure and delay."""
        self.faults.heal()

    def crash(self, server_id: str) -> None:
        """The guest dies on its own, and the hypervisor says so."""
        self._on_its_own(server_id, PowerState.CRASHED, "c")

    def power_off(self, server_id: str) -> None:
        """Somebody inside the guest shuts it down, and the hypervisor says so."""
        self._on_its_own(server_id, PowerState.SHUTDOWN, "d")

    def _on_its_own(self, server_id: str, state: PowerState, letter: str) -> None:
        self._move(server_id, state, letter)
        if self._watcher is not None:
            self._watcher(server_id, state)

    # --- the driver --------------------------------------------------------------------------

    def start(self, watcher: Watcher) -> None:
        """Guests of an earlier life are back as they were."""
        self.faults.meet("connect")
        self._watcher = watcher
        if self._journal is not None:
            with self._lock:
                self._guests = {key: FakeGuest(**value) for key, value in self._journal.load().items()}

    def close(self) -> None:
        """Nothing is told to the watcher any more."""
        self._watcher = None

    def inventory(self) -> HostInventory:
        """As configured."""
        self.faults.meet("inventory")
        return fake_insight.inventory(self.conf, self.host, self.pci_devices())

    def guests(self) -> list[Guest]:
        """Every guest there is."""
        self.faults.meet("guests")
        with self._lock:
            return [Guest(key, g.name, PowerState(g.state)) for key, g in self._guests.items()]

    def spawn(self, spec: GuestSpec, base: BaseImage | None, progress: Callable[[str], None]) -> None:
        """Two sub-steps, disks and guest_start, each of which may be told to fail."""
        if self.power_state(spec.id) is PowerState.RUNNING:
            return
        self.faults.meet("spawn")
        try:
            progress("disks")
            self.faults.meet("disks")
            self._set(spec.id, self.guest_of(spec))
            progress("guest_start")
            self.faults.meet("guest_start")
            self._move(spec.id, PowerState.RUNNING, "b")
        except BaseException:
            self._set(spec.id, None)
            raise

    def destroy(self, spec: GuestSpec) -> None:
        """Gone."""
        self.faults.meet("destroy")
        self._set(spec.id, None)

    def guest_of(self, spec: GuestSpec) -> FakeGuest:
        """A guest as it would be made, off."""
        made = FakeGuest.of(spec)
        made.drive = fake_disks.drive(self.drives, spec)
        made.devices = self.plug_devices(spec)
        return made

    def guest(self, server_id: str) -> FakeGuest:
        """One guest as it is; GuestNotFound."""
        guest = self._guests.get(server_id)
        if guest is None:
            raise GuestNotFound(server_id=server_id)
        return guest

    def power_state(self, server_id: str) -> PowerState:
        """NOSTATE when there is no such guest."""
        guest = self._guests.get(server_id)
        return PowerState.NOSTATE if guest is None else PowerState(guest.state)

    def start_guest(self, spec: GuestSpec) -> None:
        """Boots unless it runs."""
        self._act("start", spec, PowerState.RUNNING, "b")

    def stop_guest(self, spec: GuestSpec, timeout: float) -> None:
        """Takes as long as `delays` says, at most `timeout` seconds."""
        self._act("stop", spec, PowerState.SHUTDOWN, "d" if timeout else "")

    def reboot_guest(self, spec: GuestSpec, hard: bool, timeout: float) -> None:
        """A hard reboot works from any state and settles what a resize left; a soft one needs a guest that runs."""
        if hard and spec.rescue is None:
            fake_disks.forget_rescue(self, spec)
        if hard and spec.id in self._guests:
            self._guests[spec.id].settle(spec.flavor)
            self._guests[spec.id].vifs = [vif.port_id for vif in spec.vifs]
            self._guests[spec.id].devices = self.plug_devices(spec)
            self._guests[spec.id].pins = fake_numa.pins(spec.placed)
        self._act("reboot", spec, PowerState.RUNNING, "b" if hard else "db", again=True)

    def pause_guest(self, spec: GuestSpec) -> None:
        """Frozen."""
        self._act("pause", spec, PowerState.PAUSED, needs=PowerState.RUNNING)

    def unpause_guest(self, spec: GuestSpec) -> None:
        """Goes on."""
        self._act("unpause", spec, PowerState.RUNNING, needs=PowerState.PAUSED)

    def suspend_guest(self, spec: GuestSpec) -> None:
        """Memory saved, off; like libvirt, the power state is that of a guest that is off."""
        if (guest := self._guests.get(spec.id)) and guest.saved:
            return
        self._act("suspend", spec, PowerState.SHUTDOWN, again=True, needs=PowerState.RUNNING, saved=True)

    def resume_guest(self, spec: GuestSpec) -> None:
        """Goes on where it was; boots when there is no saved memory."""
        guest = self._guests.get(spec.id)
        self._act("resume", spec, PowerState.RUNNING, "" if guest and guest.saved else "b")

    def rebuild_guest(self, spec: GuestSpec, base: BaseImage | None, keep_ephemeral: bool, start: bool,
                      progress: Callable[[str], None]) -> None:
        """A new guest in place of the old one."""
        fake_disks.rebuild(self, spec, start, progress)

    def rescue_guest(self, spec: GuestSpec, base: BaseImage | None, timeout: float,
                     progress: Callable[[str], None]) -> None:
        """Boots from the rescue image."""
        fake_disks.rescue(self, spec, timeout, progress)

    def unrescue_guest(self, spec: GuestSpec) -> None:
        """Boots from its own."""
        fake_disks.unrescue(self, spec)
    def grow_disks(self, spec: GuestSpec, old: Flavor, migration: str) -> None:
        """See Resizes."""
        self._change("resize_disks", spec.id, lambda guest: fake_resize.grow(guest, spec.flavor, migration))

    def redefine_guest(self, spec: GuestSpec, start: bool) -> None:
        """Takes the flavor's processors and memory."""
        self._change("resize_start", spec.id, lambda guest: guest.become(spec.flavor))
        self._guests[spec.id].devices = self.plug_devices(spec)
        self._guests[spec.id].pins = fake_numa.pins(spec.placed)
        if start:
            self._act("start", spec, PowerState.RUNNING, "b")

    def put_disks_back(self, spec: GuestSpec, migration: str) -> None:
        """See Resizes."""
        self._change("resize_put_back", spec.id, lambda guest: fake_resize.put_back(guest, migration))

    def drop_old_disks(self, spec: GuestSpec, migration: str) -> None:
        """See Resizes."""
        self._change("resize_confirm", spec.id, lambda guest: fake_resize.drop(guest, migration))

    def console_output(self, server_id: str, max_bytes: int) -> bytes:
        """A plausible boot for each time it booted."""
        self.faults.meet("console")
        return self.guest(server_id).console().encode()[-max_bytes:]

    # --- what not every hypervisor can -------------------------------------------------------

    def set_password(self, server_id: str, user: str, password: str) -> None:
        """Forgotten at once; its console shows that it happened."""
        self._while_running("set_password", server_id, "p")

    def inject_nmi(self, server_id: str) -> None:
        """Its kernel says so on the console."""
        self.faults.meet("nmi")
        self._move(server_id, self.power_state(server_id), "n")

    def diagnostics(self, server_id: str) -> GuestDiagnostics:
        """See fake_insight."""
        guest = self._while_running("diagnostics", server_id, "")
        return fake_insight.diagnostics(guest.vcpus, guest.ram_mb, guest.root_mb, guest.history.count("b"))

    def attach_interface(self, spec: GuestSpec, vif: Vif) -> None:
        """Plugged at once."""
        self._change("attach_interface", spec.id, lambda guest: guest.plug(vif.port_id))

    def detach_interface(self, spec: GuestSpec, vif: Vif) -> None:
        """Unplugged at once."""
        self._change("detach_interface", spec.id, lambda guest: guest.unplug(vif.port_id))

    def snapshot(self, spec: GuestSpec, to: Path, format: str, check: Callable[[], None]) -> None:
        """A disk with nothing on it but whose it is."""
        self.faults.meet("snapshot")
        if self.power_state(spec.id) is PowerState.NOSTATE:
            raise GuestNotFound(server_id=spec.id)
        check()
        to.write_bytes(fake_images.content(format, spec.id, spec.flavor.disk_gb))

    def forget_snapshot(self, server_id: str) -> None:
        """Nothing is ever left."""

    # --- guests ------------------------------------------------------------------------------

    def _while_running(self, operation: str, server_id: str, letter: str) -> FakeGuest:
        self.faults.meet(operation)
        guest = self._guests.get(server_id)
        if guest is None:
            raise GuestNotFound(server_id=server_id)
        if guest.state != PowerState.RUNNING:
            raise DriverError(reason=f"guest {server_id} is not running")
        if letter:
            self._move(server_id, PowerState.RUNNING, letter)
        return guest

    def _act(self, operation: str, spec: GuestSpec, state: PowerState, letters: str = "",
             again: bool = False, needs: PowerState | None = None, saved: bool = False) -> None:
        """Bring a guest into a state. Being in it already is success, unless it is to happen `again`."""
        self.faults.meet(operation)
        now = self.power_state(spec.id)
        if now is state and not again:
            return
        if needs is not None and now not in (needs, PowerState.NOSTATE):
            raise DriverError(reason=f"a guest that is {now.name.lower()} cannot {operation}")
        self._move(spec.id, state, letters, saved)

    def _move(self, server_id: str, state: PowerState, letters: str = "", saved: bool = False,
             **changes: str) -> None:
        """The guest is in that state, its console has shown that, and that of it has changed."""
        with self._lock:
            guest = self._guests.get(server_id)
            if guest is None:
                raise GuestNotFound(server_id=server_id)
            guest.state, guest.saved = int(state), saved
            for name, value in changes.items():
                setattr(guest, name, value)
            guest.history = (guest.history + letters)[-_HISTORY:]
            self._note(server_id)

    def _change(self, operation: str, server_id: str, change: Callable[[FakeGuest], None]) -> None:
        self.faults.meet(operation)
        with self._lock:
            guest = self._guests.get(server_id)
            if guest is None:
                raise GuestNotFound(server_id=server_id)
            change(guest)
            self._note(server_id)

    def _set(self, server_id: str, guest: FakeGuest | None) -> None:
        """This is the guest of that server now; None: there is none."""
        with self._lock:
            if guest is not None:
                self._guests[server_id] = guest
            elif self._guests.pop(server_id, None) is None:
                return
            self._note(server_id)

    def _note(self, server_id: str) -> None:
        if self._journal is not None:
            self._journal.note(server_id, self._guests)

