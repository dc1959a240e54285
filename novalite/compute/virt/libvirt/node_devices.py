"""The PCI devices of this host, as libvirt's node device driver tells them.

Format: libvirt documentation, "Node devices XML format". A guest's devices by `<hostdev>`: "Domain XML format".
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from xml.etree import ElementTree as ET

from novalite.compute.virt.libvirt.connection import NO_SUPPORT, Connection, module
from novalite.compute.virt.libvirt.xml.devices import HostDev
from novalite.errors import ConfigError
from novalite.objects.pci import PART, PLAIN, WHOLE, GivenDevice, PciDevice

PCI, NETWORK = 2, 16
"""VIR_CONNECT_LIST_NODE_DEVICES_CAP_PCI_DEV and _NET."""
GONE = 53
"""VIR_ERR_NO_NODE_DEVICE."""
MOST_DOMAINS = 0xFFFF
"""Addresses with larger domains are made up by hosts of their own, such as VMD, and cannot be given."""


def devices(connection: Connection) -> tuple[PciDevice, ...]:
    """All of them, by address. Raises ConfigError where libvirt has no such driver (qemu:///embed), DriverError and
    DriverUnavailable."""
    errors = module().libvirtError

    def told(native: Any, kind: int) -> list[str]:
        found = []
        for one in native.listAllDevices(kind):
            try:
                found.append(one.XMLDesc(0))
            except errors as error:  # it went while it was listed
                if error.get_error_code() != GONE:
                    raise
        return found

    def ask(native: Any) -> tuple[PciDevice, ...] | None:
        try:
            return parse(told(native, PCI), told(native, NETWORK))
        except errors as error:
            if error.get_error_code() != NO_SUPPORT:
                raise
            return None

    answer = connection.call("node devices", ask)
    if answer is None:
        raise ConfigError(reason=f"[pci] device_spec: {connection.uri} does not tell the devices of this host; "
                          "qemu:///system does")  # fmt: skip
    return answer


def parse(pci: Iterable[str], network: Iterable[str]) -> tuple[PciDevice, ...]:
    """Read <device> elements of both kinds."""
    interfaces: dict[str, str] = {}
    for text in network:
        tree = ET.fromstring(text)
        name = tree.findtext("capability/interface")
        if name:
            interfaces[tree.findtext("parent") or ""] = name
    found = (_device(ET.fromstring(text), interfaces) for text in pci)
    return tuple(sorted((one for one in found if one is not None), key=lambda one: one.address))


def _device(tree: ET.Element, interfaces: dict[str, str]) -> PciDevice | None:
    what = tree.find("capability[@type='pci']")
    if what is None or int(what.findtext("domain") or "0") > MOST_DOMAINS:
        return None
    above, below = (what.find(f"capability[@type='{kind}']") for kind in ("phys_function", "virt_functions"))
    parent = above.find("address") if above is not None else None
    node = what.find("numa")
    vendor, product = (what.find(name) for name in ("vendor", "product"))
    if vendor is None or product is None:
        return None
    return PciDevice(
        address=_address(*(what.findtext(part) or "0" for part in ("domain", "bus", "slot", "function"))),
        vendor_id=_id(vendor), product_id=_id(product),
        kind=PART if parent is not None else WHOLE if below is not None else PLAIN,
        class_id=(what.findtext("class") or "").removeprefix("0x"),
        numa_node=int(node.get("node", "0")) if node is not None else None,
        parent=None if parent is None else _address(
            *(parent.get(part, "0") for part in ("domain", "bus", "slot", "function"))
        ),
        driver=tree.findtext("driver/name"),
        interface=interfaces.get(tree.findtext("name") or ""),
    )  # fmt: skip


def _id(element: ET.Element) -> str:
    return f"{int(element.get('id', '0'), 16):04x}"


def _address(domain: str, bus: str, slot: str, function: str) -> str:
    """Numbers as libvirt writes them, decimal or 0x…."""
    numbers = (int(part, 0) for part in (domain, bus, slot, function))
    return "{:04x}:{:02x}:{:02x}.{:x}".format(*numbers)


def host_devices(given: Iterable[GivenDevice]) -> list[HostDev]:
    """What a guest is given, as its XML says it."""
    found = []
    for one in given:
        domain, bus, rest = one.address.split(":")
        slot, function = rest.split(".")
        found.append(HostDev(managed=one.managed, domain=f"0x{domain}", bus=f"0x{bus}", slot=f"0x{slot}",
                             function=f"0x{function}"))  # fmt: skip
    return found
