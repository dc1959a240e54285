"""What is plugged into a guest, as declarations; one class per libvirt device element."""

from __future__ import annotations

from typing import ClassVar

from novalite.compute.virt.libvirt.xml.element import Element, at, child, element, flag
from novalite.compute.virt.libvirt.xml.tuning import IoTune


@element
class Disk(Element):
    """A disk in a file. The format is always written out: probing a guest's disk would trust its content."""

    tag: ClassVar[str] = "disk"
    type: str = at("@type", default="file")
    device: str = at("@device", default="disk")
    driver: str = at("driver/@name", default="qemu")
    format: str = at("driver/@type")
    cache: str | None = at("driver/@cache", default=None)
    source: str = at("source/@file")
    target: str = at("target/@dev")
    bus: str = at("target/@bus")
    iotune: IoTune | None = child(IoTune, default=None)
    serial: str | None = at("serial", default=None)
    boot_order: int | None = at("boot/@order", default=None)


@element
class CdRom(Disk):
    """The same as a read-only disc."""

    device: str = at("@device", default="cdrom")
    readonly: bool = flag("readonly", default=True)


@element
class Floppy(Disk):
    """The same as a floppy disk."""

    device: str = at("@device", default="floppy")


@element
class Controller(Element):
    """A bus that disks hang on, where the default one will not do."""

    tag: ClassVar[str] = "controller"
    type: str = at("@type")
    index: int = at("@index", default=0)
    model: str | None = at("@model", default=None)


@element
class Interface(Element):
    """A network card. `type` "bridge" joins `bridge`; "ethernet" expects the tap device to be there."""

    tag: ClassVar[str] = "interface"
    type: str = at("@type")
    mac: str = at("mac/@address")
    bridge: str | None = at("source/@bridge", default=None)
    tap: str | None = at("target/@dev", default=None)
    managed: str | None = at("target/@managed", default=None)
    model: str = at("model/@type")
    mtu: int | None = at("mtu/@size", default=None)


@element
class Serial(Element):
    """The first serial port, kept in a log. Appending is what lets the log survive a migration."""

    tag: ClassVar[str] = "serial"
    type: str = at("@type", default="pty")
    log: str = at("log/@file")
    append: str = at("log/@append", default="on")
    port: int = at("target/@port", default=0)


@element
class Channel(Element):
    """A named pipe between host and guest; the guest agent's by default."""

    tag: ClassVar[str] = "channel"
    type: str = at("@type", default="unix")
    kind: str = at("target/@type", default="virtio")
    name: str = at("target/@name", default="org.qemu.guest_agent.0")


@element
class Graphics(Element):
    """A VNC server on a port of libvirt's choice. One that has a `passwd` asks for it, also when another is set
    later; `passwd_valid_to` (UTC, ISO) is when it stops letting in."""

    tag: ClassVar[str] = "graphics"
    type: str = at("@type", default="vnc")
    autoport: bool = at("@autoport", default=True)
    port: int | None = at("@port", default=None)
    keymap: str | None = at("@keymap", default=None)
    passwd: str | None = at("@passwd", default=None)
    passwd_valid_to: str | None = at("@passwdValidTo", default=None)
    listen_type: str = at("listen/@type", default="address")
    listen: str | None = at("listen/@address", default=None)


@element
class Video(Element):
    """The graphics card; `vram` in KiB."""

    tag: ClassVar[str] = "video"
    model: str = at("model/@type")
    vram: int | None = at("model/@vram", default=None)


@element
class Input(Element):
    """A pointer with absolute coordinates, so that a VNC client's pointer and the guest's agree."""

    tag: ClassVar[str] = "input"
    type: str = at("@type", default="tablet")
    bus: str = at("@bus", default="usb")


@element
class Rng(Element):
    """Randomness from the host: `bytes` per `period` milliseconds."""

    tag: ClassVar[str] = "rng"
    model: str = at("@model", default="virtio")
    bytes: int | None = at("rate/@bytes", default=None)
    period: int | None = at("rate/@period", default=None)
    backend: str = at("backend/@model", default="random")
    source: str = at("backend", default="/dev/urandom")


@element
class Watchdog(Element):
    """What happens to a guest that stops feeding it."""

    tag: ClassVar[str] = "watchdog"
    model: str = at("@model", default="i6300esb")
    action: str = at("@action")


@element
class MemBalloon(Element):
    """Lets the host read memory statistics every `period` seconds."""

    tag: ClassVar[str] = "memballoon"
    model: str = at("@model", default="virtio")
    period: int | None = at("stats/@period", default=None)


@element
class HostDev(Element):
    """A PCI device of the host. `managed`: taken from the host's driver at start, and given back at the end."""

    tag: ClassVar[str] = "hostdev"
    mode: str = at("@mode", default="subsystem")
    type: str = at("@type", default="pci")
    managed: bool = at("@managed", default=True)
    domain: str = at("source/address/@domain")
    bus: str = at("source/address/@bus")
    slot: str = at("source/address/@slot")
    function: str = at("source/address/@function")


ALL = (Disk, Controller, Interface, HostDev, Serial, Channel, Input, Graphics, Video, Watchdog, MemBalloon, Rng)
"""Every class, for reading; a CD-ROM is read as the Disk it is."""

