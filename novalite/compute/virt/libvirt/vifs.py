"""Network cards of guests. libvirt makes the tap when the guest starts and joins it to the bridge, which
`networks/on_host` has made; rules for what passes through the tap are there before it is."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from novalite.compute.virt.libvirt import states
from novalite.compute.virt.libvirt.connection import module
from novalite.compute.virt.libvirt.guest import Domain
from novalite.compute.virt.libvirt.hardware import Hardware
from novalite.compute.virt.libvirt.xml import devices
from novalite.errors import DriverError, GuestNotFound
from novalite.networks.on_host import names
from novalite.objects.host_networks import Vif
from novalite.objects.servers import GuestSpec

if TYPE_CHECKING:
    from novalite.compute.virt.libvirt.driver import LibvirtDriver

LETTING_GO = 20.0
"""Seconds a guest may take to let go of a card: its kernel has to agree."""
LOOK = 0.2


def interface(vif: Vif, hardware: Hardware) -> devices.Interface:
    """A network card as libvirt is told of it."""
    return devices.Interface(
        type="bridge",
        mac=vif.mac,
        bridge=names.bridge(vif.network_id),
        tap=names.tap(vif.port_id),
        model=hardware.vif_model,
        mtu=vif.mtu,
    )


def interfaces(spec: GuestSpec, hardware: Hardware) -> list[devices.Interface]:
    """All of a guest's, in order."""
    return [interface(vif, hardware) for vif in spec.vifs]


class Plugging:
    """The part of the driver that fulfils `driver.PlugsInterfaces`; see there."""

    def attach_interface(self: LibvirtDriver, spec: GuestSpec, vif: Vif) -> None:  # type: ignore[misc]
        """Into the definition, and into the machine when it runs. A failure leaves neither."""
        guest = Domain(self.connection, spec.id)
        xml = interface(vif, self.machine(spec)).to_xml()
        try:
            for flag in _places(guest):
                if not _has(guest, vif.mac, flag):
                    _change(guest, "attach", xml, flag)
        except BaseException:
            _undo(lambda: self.detach_interface(spec, vif))
            raise

    def detach_interface(self: LibvirtDriver, spec: GuestSpec, vif: Vif) -> None:  # type: ignore[misc]
        """From the machine first: what the guest does not let go of it keeps."""
        guest = Domain(self.connection, spec.id)
        if guest.state() is None:
            return
        xml = interface(vif, self.machine(spec)).to_xml()
        for flag in reversed(_places(guest)):
            if _has(guest, vif.mac, flag):
                _change(guest, "detach", xml, flag)
                _wait_until_gone(guest, vif, flag)


def _change(guest: Domain, verb: str, xml: str, place: int) -> None:
    def change(domain: Any) -> None:
        getattr(domain, f"{verb}DeviceFlags")(xml, place)

    guest.ask(f"{verb} interface", change)


def _places(guest: Domain) -> list[int]:
    """Where a guest has devices: its definition, and the running machine. GuestNotFound when there is none."""
    libvirt = module()
    running = guest.require()[0] in states.ACTIVE
    live = [libvirt.VIR_DOMAIN_AFFECT_LIVE] if running else []
    return [libvirt.VIR_DOMAIN_AFFECT_CONFIG, *live]


def _has(guest: Domain, mac: str, place: int) -> bool:
    inactive = module().VIR_DOMAIN_XML_INACTIVE if place == module().VIR_DOMAIN_AFFECT_CONFIG else 0
    text: str = guest.ask("devices", lambda domain: domain.XMLDesc(inactive))
    return any(node.get("address") == mac for node in ET.fromstring(text).findall("devices/interface/mac"))


def _wait_until_gone(guest: Domain, vif: Vif, place: int) -> None:
    deadline = time.monotonic() + LETTING_GO
    while _has(guest, vif.mac, place):
        if time.monotonic() > deadline:
            raise DriverError(reason=f"guest {guest.server_id} does not let go of its network card {vif.mac}")
        time.sleep(LOOK)


def _undo(detach: Callable[[], None]) -> None:
    try:
        detach()
    except (DriverError, GuestNotFound):
        return  # the error that is on its way says enough; the next definition is without the card
