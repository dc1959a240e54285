"""What image and flavor ask the machine to be, checked: a bad value is refused before anything is made.

Property names and values are those of the public "Useful image properties" and "Flavors: extra
specs" documents. Where both name a thing, the image wins.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from novalite.compute.virt.libvirt.xml.cpu import Topology, Wanted, arrange
from novalite.compute.virt.libvirt.xml.numa import pins
from novalite.compute.virt.libvirt.xml.tuning import CpuTune, IoTune
from novalite.errors import BadRequest, ImageUnacceptable
from novalite.objects.numa import Placed
from novalite.objects.servers import GuestSpec

CHOICES: dict[str, tuple[str, ...]] = {
    "hw_disk_bus": ("virtio", "scsi", "sata", "ide", "usb"),
    "hw_cdrom_bus": ("virtio", "scsi", "sata", "ide", "usb"),
    "hw_scsi_model": (
        "virtio-scsi", "lsilogic", "lsisas1068", "lsisas1078", "auto", "buslogic", "ibmvscsi", "vmpvscsi",
    ),
    "hw_vif_model": ("virtio", "e1000", "e1000e", "rtl8139", "ne2k_pci", "pcnet", "vmxnet3", "igb"),
    "hw_video_model": ("vga", "virtio", "cirrus", "qxl", "bochs", "vmvga", "gop", "xen", "none"),
    "hw_rng_model": ("virtio",),
    "hw_watchdog_action": ("none", "pause", "poweroff", "reset", "disabled"),
    "hw_firmware_type": ("bios", "uefi"),
    "hw_pointer_model": ("usbtablet",),
}
"""Legal values of image properties that name a device."""

TRUE, FALSE = ("true", "yes", "on", "1", "t", "y"), ("false", "no", "off", "0", "f", "n", "")

CPU_QUOTAS = {
    "shares": (2, 262_144),
    "period": (1_000, 1_000_000),
    "quota": (-1, 17_592_186_044_415),
}
"""Ranges of quota:cpu_* (libvirt, "Domain XML format", cputune)."""

IO_QUOTAS = tuple(item.name for item in fields(IoTune))
"""The quota:disk_* keys, without their prefix."""


@dataclass(frozen=True)
class HostFacts:
    """What the guest's machine depends on beyond the request: this host and its settings. `shared`: CPUs over which
    vCPUs float, as text, by cell; `floating`: over which guests without cells do, empty where CPUs are not divided."""

    virt_type: str
    arch: str | None = None
    disk_cache: str | None = None
    shared: Mapping[int, str] = field(default_factory=dict)
    floating: str = ""


@dataclass(frozen=True)
class Hardware:
    """A machine, decided. None means: leave it to the hypervisor."""

    virt_type: str
    arch: str | None
    machine: str | None
    uefi: bool
    cpu_mode: str | None
    cpu_model: str | None
    topology: Topology
    cpu_tune: CpuTune | None
    placed: Placed | None
    floating: str | None
    disk_bus: str
    cdrom_bus: str
    scsi_model: str | None
    disk_cache: str | None
    io_tune: IoTune | None
    vif_model: str
    vnc_listen: str | None
    vnc_keymap: str | None
    vnc_password: bool
    pointer: bool
    video_model: str | None
    video_ram_mb: int | None
    rng: bool
    rng_source: str
    rng_bytes: int | None
    rng_period: int | None
    watchdog: str | None
    guest_agent: bool
    balloon_period: int | None


def decide(spec: GuestSpec, settings: Any, screen: Any, host: HostFacts) -> Hardware:
    """The machine for `spec`; `settings` is the section [libvirt], `screen` the section [vnc].

    Raises ImageUnacceptable for a bad image property, BadRequest for a bad extra spec.
    """
    asked = Asked(spec)
    machine = asked.text("hw_machine_type") or settings.machine_type or None
    cpu_mode = _cpu_mode(settings, host)
    vnc = screen.server_listen if screen.enabled else None
    rng = asked.choice("hw_rng_model") is not None and asked.extra_flag("hw_rng:allowed", True)
    scsi = asked.choice("hw_scsi_model", "virtio-scsi")
    return Hardware(
        virt_type=host.virt_type,
        arch=host.arch,
        machine=machine,
        uefi=asked.choice("hw_firmware_type") == "uefi",
        cpu_mode=cpu_mode,
        cpu_model=settings.cpu_model or None if cpu_mode == "custom" else None,
        topology=_topology(asked),
        cpu_tune=_cpu_tune(asked, host),
        placed=spec.placed,
        floating=(host.floating or None) if spec.placed is None else None,
        disk_bus=asked.choice("hw_disk_bus", settings.disk_bus) or settings.disk_bus,
        cdrom_bus=asked.choice("hw_cdrom_bus") or _cdrom_bus(host.arch, machine),
        scsi_model=None if scsi == "auto" else scsi,
        disk_cache=host.disk_cache,
        io_tune=_io_tune(asked),
        vif_model=asked.choice("hw_vif_model", "virtio") or "virtio",
        vnc_listen=vnc,
        vnc_keymap=screen.keymap or None,
        vnc_password=screen.password,
        pointer=bool(vnc) and asked.choice("hw_pointer_model", settings.pointer_model) == "usbtablet",
        video_model=asked.choice("hw_video_model", settings.video_model if vnc else None),
        video_ram_mb=_video_ram(asked),
        rng=rng,
        rng_source=settings.rng_dev_path,
        rng_bytes=asked.extra_number("hw_rng:rate_bytes", 1) if rng else None,
        rng_period=asked.extra_number("hw_rng:rate_period", 1) if rng else None,
        watchdog=_watchdog(asked),
        guest_agent=asked.flag("hw_qemu_guest_agent"),
        balloon_period=settings.mem_stats_period_seconds or None,
    )


class Asked:
    """Image properties and extra specs of one server, read with their errors."""

    def __init__(self, spec: GuestSpec) -> None:
        self.spec = spec
        self.image = spec.image_properties
        self.extra = spec.flavor.extra_specs

    def bad_image(self, key: str, wanted: str) -> ImageUnacceptable:
        """The error for a property that is not as `wanted`."""
        image_id = self.spec.image.id if self.spec.image else "none"
        reason = f"{key} must be {wanted}, not '{self.image.get(key)}'."
        return ImageUnacceptable(image_id=image_id, reason=reason)

    def bad_extra(self, key: str, wanted: str) -> BadRequest:
        """The error for an extra spec that is not as `wanted`."""
        name = self.spec.flavor.name
        return BadRequest(f"Extra spec {key} of flavor {name} must be {wanted}, not '{self.extra.get(key)}'.")

    def text(self, key: str) -> str | None:
        """An image property as it is; None when absent or empty."""
        return self.image.get(key, "").strip() or None

    def choice(self, key: str, default: str | None = None) -> str | None:
        """An image property that must be one of CHOICES."""
        value = self.text(key)
        if value is not None and value not in CHOICES[key]:
            raise self.bad_image(key, f"one of {', '.join(CHOICES[key])}")
        return value if value is not None else default

    def flag(self, key: str) -> bool:
        """An image property that says yes or no; absent is no."""
        value = self.image.get(key, "").strip().lower()
        if value not in TRUE + FALSE:
            raise self.bad_image(key, "true or false")
        return value in TRUE

    def number(self, key: str, least: int = 1) -> int | None:
        """An image property that is a whole number from `least` up."""
        value = _whole(self.image.get(key))
        if key in self.image and (value is None or value < least):
            raise self.bad_image(key, f"a whole number from {least} up")
        return value

    def extra_flag(self, key: str, default: bool) -> bool:
        """An extra spec that says yes or no."""
        value = self.extra.get(key, str(default)).strip().lower()
        if value not in TRUE + FALSE:
            raise self.bad_extra(key, "true or false")
        return value in TRUE

    def extra_number(self, key: str, least: int, most: int | None = None) -> int | None:
        """An extra spec that is a whole number from `least` to `most`."""
        value = _whole(self.extra.get(key))
        if key in self.extra and (value is None or value < least or (most is not None and value > most)):
            raise self.bad_extra(key, f"a whole number from {least} {'up' if most is None else f'to {most}'}")
        return value


def _whole(text: str | None) -> int | None:
    try:
        return int(text) if text is not None else None
    except ValueError:
        return None


def _cpu_mode(settings: Any, host: HostFacts) -> str | None:
    """host-passthrough and host-model describe real processors; emulation does not have one."""
    mode: str = settings.cpu_mode or ("host-model" if host.virt_type == "kvm" else "none")
    return None if mode == "none" else mode


def _topology(asked: Asked) -> Topology:
    def wish(part: str) -> int | None:
        of_image = asked.number(f"hw_cpu_{part}")
        of_flavor = asked.extra_number(f"hw:cpu_{part}", 1)
        return of_image if of_image is not None else of_flavor

    def limit(part: str) -> int:
        of_flavor = asked.extra_number(f"hw:cpu_max_{part}", 1) or 65536
        return min(asked.number(f"hw_cpu_max_{part}") or of_flavor, of_flavor)

    vcpus = asked.spec.flavor.vcpus
    near = asked.spec.placed.threads if asked.spec.placed else 1
    # vCPUs that share a core of the host do so in the guest as well, which its scheduler should know.
    threads = wish("threads") or (near if near > 1 and vcpus % near == 0 else None)
    most = Topology(limit("sockets"), limit("cores"), limit("threads"))
    found = arrange(vcpus, Wanted(wish("sockets"), wish("cores"), threads), most)
    if found is None:
        raise BadRequest(
            f"{vcpus} virtual CPUs cannot be arranged in at most {most.sockets} sockets of at most "
            f"{most.cores} cores with at most {most.threads} threads, as image and flavor demand."
        )
    return found


def _cdrom_bus(arch: str | None, machine: str | None) -> str:
    if arch not in (None, "x86_64", "i686"):
        return "scsi"
    return "sata" if machine and "q35" in machine else "ide"


def _video_ram(asked: Asked) -> int | None:
    """MB. A guest's owner may use the host's memory for this only as far as the flavor says."""
    most = asked.extra_number("hw_video:ram_max_mb", 0)
    wanted = asked.number("hw_video_ram")
    if most is None or wanted is None:
        return None
    if wanted > most:
        raise asked.bad_image("hw_video_ram", f"at most {most} with flavor {asked.spec.flavor.name}")
    return wanted


def _watchdog(asked: Asked) -> str | None:
    action = asked.choice("hw_watchdog_action")
    if action is None:
        action = asked.extra.get("hw:watchdog_action", "disabled").strip()
        if action not in CHOICES["hw_watchdog_action"]:
            raise asked.bad_extra("hw:watchdog_action", f"one of {', '.join(CHOICES['hw_watchdog_action'])}")
    return None if action == "disabled" else action


def _cpu_tune(asked: Asked, host: HostFacts) -> CpuTune | None:
    values = {name: asked.extra_number(f"quota:cpu_{name}", *CPU_QUOTAS[name]) for name in CPU_QUOTAS}
    found = pins(asked.spec.placed, host.shared) if asked.spec.placed else []
    return CpuTune(**values, pins=found) if found or _any(list(values.values())) else None


def _io_tune(asked: Asked) -> IoTune | None:
    values = {name: asked.extra_number(f"quota:disk_{name}", 0) for name in IO_QUOTAS}
    for unit in ("bytes", "iops"):
        total, either = f"total_{unit}_sec", (f"read_{unit}_sec", f"write_{unit}_sec")
        if values[total] and any(values[name] for name in either):
            raise asked.bad_extra(f"quota:disk_{total}", f"absent where {' or '.join(either)} is set")
    return IoTune(**values) if _any(list(values.values())) else None


def _any(values: Sequence[int | None]) -> bool:
    return any(value is not None for value in values)
