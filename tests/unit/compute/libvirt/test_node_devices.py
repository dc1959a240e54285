"""The host's PCI devices out of libvirt's words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from novalite.compute.virt.libvirt.connection import NO_SUPPORT
from novalite.compute.virt.libvirt.node_devices import GONE, devices, parse
from novalite.errors import ConfigError
from novalite.objects.pci import PciDevice

libvirt = pytest.importorskip("libvirt")


def device(name: str, bus: int, slot: int, function: int, more: str = "", domain: int = 0, ids: str = "") -> str:
    ids = ids or "<product id='0x10ed'>82599 VF</product><vendor id='0x8086'>Intel</vendor>"
    return f"""<device><name>{name}</name><parent>pci_0000_80_01_0</parent><driver><name>ixgbe</name></driver>
      <capability type='pci'><class>0x020000</class><domain>{domain}</domain><bus>{bus}</bus><slot>{slot}</slot>
      <function>{function}</function>{ids}{more}<iommuGroup number='1'/></capability></device>"""


PARTS = """<capability type='virt_functions' maxCount='63'>
  <address domain='0x0000' bus='0x81' slot='0x10' function='0x1'/></capability><numa node='1'/>"""
WHOLE = """<capability type='phys_function'>
  <address domain='0x0000' bus='0x81' slot='0x00' function='0x1'/></capability><numa node='1'/>"""
INTERFACE = """<device><name>net_eth4</name><parent>pci_0000_81_00_1</parent>
  <capability type='net'><interface>eth4</interface><address>52:54:00:00:00:01</address></capability></device>"""


def test_functions_parts_and_plain_devices():
    plain = "<product id='0x1eb8'/><vendor id='0x10de'/>"
    found = parse(
        [
            device("pci_0000_81_10_1", 0x81, 0x10, 1, WHOLE),
            device("pci_0000_81_00_1", 0x81, 0, 1, PARTS, ids="<product id='0x154d'/><vendor id='0x8086'/>"),
            device("pci_0001_0a_1f_7", 10, 31, 7, domain=1, ids=plain),
            device("pci_10000_00_00_0", 0, 0, 0, domain=0x10000),
            device("pci_0000_00_00_0", 0, 0, 0, ids="<product id='0x1'/>"),
        ],
        [INTERFACE],
    )
    shared = {"class_id": "020000", "driver": "ixgbe", "vendor_id": "8086"}
    whole = "0000:81:00.1"
    assert found == (
        PciDevice(**shared, address=whole, product_id="154d", kind="type-PF", numa_node=1, interface="eth4"),
        PciDevice(**shared, address="0000:81:10.1", product_id="10ed", kind="type-VF", numa_node=1, parent=whole),
        PciDevice(**{**shared, "vendor_id": "10de"}, address="0001:0a:1f.7", product_id="1eb8"),
    )


class Native:
    """A libvirt that answers what it is told; a number is an error of that code."""

    uri = "qemu:///embed"

    def __init__(self, *answers: str | int) -> None:
        self.answers = answers

    def call(self, what: str, work: Callable[[Any], Any]) -> Any:
        return work(self)

    def listAllDevices(self, kind: int) -> list[Any]:
        return [self._one(answer) for answer in self.answers] if kind == 2 else []

    def _one(self, answer: str | int) -> Any:
        if answer == NO_SUPPORT:
            raise error(NO_SUPPORT)
        return Told(answer)


class Told:
    def __init__(self, answer: str | int) -> None:
        self.answer = answer

    def XMLDesc(self, flags: int) -> str:
        if isinstance(self.answer, int):
            raise error(self.answer)
        return self.answer


def error(code: int) -> Exception:
    made: Exception = libvirt.libvirtError("as told")
    made.err = (code, 0, "as told", 2, None, None, None, 0, 0)  # type: ignore[attr-defined]
    return made


def test_what_goes_while_it_is_listed_is_left_out_and_a_libvirt_without_devices_is_told_from_one_that_fails():
    one = device("pci_0000_81_10_1", 0x81, 0x10, 1)
    assert [found.address for found in devices(Native(one, GONE))] == ["0000:81:10.1"]  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="embed does not tell the devices of this host"):
        devices(Native(NO_SUPPORT))  # type: ignore[arg-type]
    with pytest.raises(libvirt.libvirtError):
        devices(Native(1))  # type: ignore[arg-type]
