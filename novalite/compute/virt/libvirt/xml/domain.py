"""A guest as libvirt's <domain>, built from what was asked for. Pure: nothing here touches the host."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar
from xml.etree import ElementTree as ET

from novalite import __version__
from novalite.compute.virt.libvirt.hardware import Hardware
from novalite.compute.virt.libvirt.xml import devices, numa
from novalite.compute.virt.libvirt.xml.cpu import Cpu
from novalite.compute.virt.libvirt.xml.element import Element, at, child, element, flag, many
from novalite.compute.virt.libvirt.xml.numa import MemoryBacking, NumaTune
from novalite.compute.virt.libvirt.xml.tuning import CpuTune
from novalite.objects.servers import GuestSpec

NAMESPACE = "urn:novalite:guest:1"
"""Marks the guests that novalite made, and holds what an operator at `virsh dumpxml` wants to know."""

ET.register_namespace("novalite", NAMESPACE)


def _own(path: str) -> str:
    return "/".join(f"{{{NAMESPACE}}}{tag}" if tag[0] != "@" else tag for tag in path.split("/"))


@element
class Mark(Element):
    """novalite's own element in <metadata>."""

    tag: ClassVar[str] = f"{{{NAMESPACE}}}guest"
    server_id: str = at("@id")
    name: str = at(_own("name"), default="")
    project_id: str = at(_own("project/@id"), default="")
    user_id: str = at(_own("user/@id"), default="")
    flavor: str = at(_own("flavor/@name"), default="")
    flavor_id: str = at(_own("flavor/@id"), default="")
    vcpus: int = at(_own("flavor/@vcpus"), default=0)
    ram_mb: int = at(_own("flavor/@ram_mb"), default=0)
    disk_gb: int = at(_own("flavor/@disk_gb"), default=0)
    ephemeral_gb: int = at(_own("flavor/@ephemeral_gb"), default=0)
    swap_mb: int = at(_own("flavor/@swap_mb"), default=0)
    image_id: str | None = at(_own("image/@id"), default=None)
    created_at: str | None = at(_own("created_at"), default=None)

    @classmethod
    def from_libvirt(cls, text: str) -> Mark:
        """Read what virDomainGetMetadata answers: libvirt takes the namespace off."""
        tree = ET.fromstring(text)
        for node in tree.iter():
            node.tag = f"{{{NAMESPACE}}}{node.tag.rpartition('}')[2]}"
        return cls.parse(tree)


@element
class Entry(Element):
    """One SMBIOS string."""

    tag: ClassVar[str] = "entry"
    name: str = at("@name")
    value: str = at(".")


@element
class Timer(Element):
    """One clock source of the guest."""

    tag: ClassVar[str] = "timer"
    name: str = at("@name")
    tick_policy: str | None = at("@tickpolicy", default=None)
    present: bool | None = at("@present", default=None)


@element
class Domain(Element):
    """<domain>. Memory in KiB."""

    tag: ClassVar[str] = "domain"
    type: str = at("@type")
    name: str = at("name")
    uuid: str = at("uuid")
    marks: list[Mark] = many("metadata", Mark, factory=list)
    memory_unit: str = at("memory/@unit", default="KiB")
    memory: int = at("memory")
    backing: MemoryBacking | None = child(MemoryBacking, default=None)
    placement: str | None = at("vcpu/@placement", default="static")
    cpus: str | None = at("vcpu/@cpuset", default=None)
    vcpus: int = at("vcpu")
    cputune: CpuTune | None = child(CpuTune, default=None)
    numatune: NumaTune | None = child(NumaTune, default=None)
    sysinfo_type: str | None = at("sysinfo/@type", default=None)
    sysinfo: list[Entry] = many("sysinfo/system", Entry, factory=list)
    firmware: str | None = at("os/@firmware", default=None)
    arch: str | None = at("os/type/@arch", default=None)
    machine: str | None = at("os/type/@machine", default=None)
    os_type: str = at("os/type", default="hvm")
    smbios: str | None = at("os/smbios/@mode", default=None)
    acpi: bool = flag("features/acpi", default=False)
    apic: bool = flag("features/apic", default=False)
    cpu: Cpu | None = child(Cpu, default=None)
    clock: str = at("clock/@offset", default="utc")
    timers: list[Timer] = many("clock", Timer, factory=list)
    on_poweroff: str = at("on_poweroff", default="destroy")
    on_reboot: str = at("on_reboot", default="restart")
    on_crash: str = at("on_crash", default="destroy")
    emulator: str | None = at("devices/emulator", default=None)
    devices: list[Element] = many("devices", *devices.ALL, factory=list)

    @property
    def mark(self) -> Mark | None:
        """novalite's mark; None for a guest that somebody else made."""
        return self.marks[0] if self.marks else None


@dataclass(frozen=True)
class LocalDisk:
    """A disk image file as the guest gets it. `boots` marks the one to start from; `device` is disk, cdrom or
    floppy; `bus` None: the usual one."""

    path: str
    format: str
    boots: bool = False
    device: str = "disk"
    bus: str | None = None


# Letters a disk gets by its bus; IDE names are kept apart, as guests of that age expect.
_LETTERS = {"virtio": "vd", "ide": "hd", "fdc": "fd"}
_DEVICES = {"disk": devices.Disk, "cdrom": devices.CdRom, "floppy": devices.Floppy}
NEVER = "1970-01-01T00:00:01"
_X86 = ("x86_64", "i686")


def domain(
    spec: GuestSpec,
    hardware: Hardware,
    disks: Sequence[LocalDisk],
    console_log: str,
    interfaces: Sequence[devices.Interface] = (),
    host_devices: Sequence[devices.HostDev] = (),
) -> Domain:
    """The whole guest. Its name is `spec.instance_name`, its UUID the server's id."""
    x86 = hardware.arch in _X86
    return Domain(
        type=hardware.virt_type,
        name=spec.instance_name,
        uuid=spec.id,
        marks=[mark(spec)],
        memory=spec.flavor.ram_mb * 1024,
        backing=numa.backing(hardware.placed) if hardware.placed else None,
        vcpus=spec.flavor.vcpus,
        cpus=hardware.floating,
        cputune=hardware.cpu_tune,
        numatune=numa.tune(hardware.placed) if hardware.placed else None,
        sysinfo_type="smbios" if x86 else None,
        sysinfo=smbios(spec) if x86 else [],
        smbios="sysinfo" if x86 else None,
        firmware="efi" if hardware.uefi else None,
        arch=hardware.arch,
        machine=hardware.machine,
        acpi=True,
        apic=x86,
        cpu=Cpu(
            mode=hardware.cpu_mode,
            match="exact" if hardware.cpu_mode == "custom" else None,
            model=hardware.cpu_model,
            sockets=hardware.topology.sockets,
            cores=hardware.topology.cores,
            threads=hardware.topology.threads,
            cells=numa.cells(hardware.placed) if hardware.placed else [],
        ),
        timers=_timers() if x86 else [],
        devices=[*_storage(hardware, disks), *interfaces, *host_devices, *_others(hardware, console_log)],
    )


def mark(spec: GuestSpec) -> Mark:
    """What novalite writes on a guest to know it again."""
    return Mark(
        server_id=spec.id,
        name=spec.name,
        project_id=spec.project_id,
        user_id=spec.user_id,
        flavor=spec.flavor.name,
        flavor_id=spec.flavor.flavor_id,
        vcpus=spec.flavor.vcpus,
        ram_mb=spec.flavor.ram_mb,
        disk_gb=spec.flavor.disk_gb,
        ephemeral_gb=spec.flavor.ephemeral_gb,
        swap_mb=spec.flavor.swap_mb,
        image_id=spec.image.id if spec.image else None,
        created_at=spec.created_at,
    )


def smbios(spec: GuestSpec) -> list[Entry]:
    """The machine as the guest's firmware tells it.

    cloud-init looks for its OpenStack data source when the product is "OpenStack Compute"
    (cloud-init documentation, "OpenStack" data source, "Discovery").
    """
    strings = {
        "manufacturer": "novalite",
        "product": "OpenStack Compute",
        "version": __version__,
        "serial": spec.id,
        "uuid": spec.id,
        "family": "Virtual Machine",
    }
    return [Entry(name=name, value=value) for name, value in strings.items()]


def _timers() -> list[Timer]:
    """Clocks that keep time when the host is busy; HPET costs much and gains nothing."""
    return [
        Timer(name="pit", tick_policy="delay"),
        Timer(name="rtc", tick_policy="catchup"),
        Timer(name="hpet", present=False),
    ]


def _storage(hardware: Hardware, disks: Sequence[LocalDisk]) -> list[Element]:
    found: list[Element] = []
    buses: dict[str, int] = {}
    usual = {"disk": hardware.disk_bus, "cdrom": hardware.cdrom_bus, "floppy": "fdc"}
    for number, disk in enumerate(disks):
        bus = disk.bus or usual[disk.device]
        prefix = _LETTERS.get(bus, "sd")
        nth = buses[prefix] = buses.get(prefix, -1) + 1
        found.append(
            _DEVICES[disk.device](
                format=disk.format,
                cache=hardware.disk_cache,
                source=disk.path,
                target=f"{prefix}{chr(ord('a') + nth)}",
                bus=bus,
                iotune=hardware.io_tune if disk.device == "disk" else None,
                boot_order=number + 1 if disk.boots else None,
            )
        )
    if "scsi" in (*usual.values(), *(disk.bus for disk in disks)):
        found.append(devices.Controller(type="scsi", model=hardware.scsi_model))
    return found


def _others(hardware: Hardware, console_log: str) -> list[Element]:
    found: list[Element] = [devices.Serial(log=console_log)]
    if hardware.guest_agent:
        found.append(devices.Channel())
    if hardware.vnc_listen:
        if hardware.pointer:
            found.append(devices.Input())
        found.append(_screen(hardware))
    if hardware.video_model:
        vram = hardware.video_ram_mb * 1024 if hardware.video_ram_mb else None
        found.append(devices.Video(model=hardware.video_model, vram=vram))
    if hardware.watchdog:
        found.append(devices.Watchdog(action=hardware.watchdog))
    found.append(devices.MemBalloon(period=hardware.balloon_period))
    if hardware.rng:
        rng = devices.Rng(source=hardware.rng_source, bytes=hardware.rng_bytes, period=hardware.rng_period)
        found.append(rng)
    return found


def _screen(hardware: Hardware) -> devices.Graphics:
    """With a password that has never let anybody in: each connection will have one set for it (guest_consoles)."""
    locked = hardware.vnc_password
    return devices.Graphics(
        listen=hardware.vnc_listen,
        keymap=hardware.vnc_keymap,
        passwd="expired" if locked else None,
        passwd_valid_to=NEVER if locked else None,
    )
