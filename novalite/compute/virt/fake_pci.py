"""PCI devices that are not there: made of `[fake_driver] pci_devices`, plugged into guests, and pulled out by tests."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from novalite.errors import ConfigError, DriverError
from novalite.objects.pci import PART, WHOLE, PciDevice
from novalite.objects.servers import GuestSpec

if TYPE_CHECKING:
    from novalite.compute.virt.fake import FakeDriver

MOST = 32
"""Devices of one line; parts: 256 altogether."""


def made(lines: Sequence[str]) -> tuple[PciDevice, ...]:
    """The devices of these lines of configuration: each line is a bus of its own. Raises ConfigError."""
    found: list[PciDevice] = []
    for bus, line in enumerate(lines, 1):
        try:
            found += _bus(bus, json.loads(line))
        except (ValueError, TypeError, AttributeError) as error:
            raise ConfigError(reason=f"[fake_driver] pci_devices = {line}: {error}") from error
    return tuple(found)


def _bus(bus: int, said: dict[str, Any]) -> list[PciDevice]:
    count, parts = int(said.pop("count", 1)), int(said.pop("parts", 0))
    part_id = said.pop("part_product_id", said.get("product_id"))
    if not (0 < count <= MOST and 0 <= parts * count <= 256):
        raise ValueError(f"count must be 1 to {MOST}, parts 0 to 256 altogether")
    if unknown := said.keys() - PciDevice.model_fields.keys():
        raise ValueError(f"a device has no {', '.join(sorted(unknown))}")
    found = []
    for number in range(count):
        address = f"0000:{bus:02x}:{number:02x}.0"
        facts = {"kind": WHOLE, **said} if parts else said
        found.append(PciDevice(**{"class_id": "020000" if parts else "030200", **facts, "address": address}))
        for part in range(number * parts, (number + 1) * parts):
            where = f"0000:{0x80 + bus:02x}:{part // 8:02x}.{part % 8}"
            one = {**facts, "kind": PART, "product_id": part_id, "parent": address, "address": where}
            found.append(PciDevice(**{"class_id": "020000", **one}))
    return found


class Devices:
    """The part of the fake driver that has devices."""

    pulled: set[str]
    """Addresses of devices that were pulled out of the machine."""

    def pci_devices(self: FakeDriver) -> tuple[PciDevice, ...]:  # type: ignore[misc]
        """What is plugged into the machine."""
        return tuple(one for one in made(self.conf.fake_driver.pci_devices) if one.address not in self.pulled)

    def plug_devices(self: FakeDriver, spec: GuestSpec) -> list[str]:  # type: ignore[misc]
        """Addresses of the devices of a guest. As on a real host, each is there and nobody else's, and no part of one
        that is somebody's: DriverError otherwise."""
        there = {one.address: one for one in self.pci_devices()} if spec.pci_devices else {}
        used = {one for key, guest in self._guests.items() if key != spec.id for one in guest.devices}
        split = {there[one].parent for one in used if one in there} - {None}
        mine = [one.address for one in spec.pci_devices]
        for address in mine:
            if address not in there:
                raise DriverError(reason=f"there is no PCI device {address}")
            if address in used | split or there[address].parent in used:
                raise DriverError(reason=f"PCI device {address} is in use by another guest")
        return mine
