"""PCI devices as messages: what hosts have, what is free of it, what is asked for, what was given.

Kinds are those of the public documentation (Compute guide, "Attaching physical PCI devices to guests"): `type-PCI` a
device without SR-IOV, `type-PF` one that can be split (a physical function), `type-VF` a part of one (a virtual
function).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from novalite.objects.base import Message

Kind = Literal["type-PCI", "type-PF", "type-VF"]
Policy = Literal["legacy", "required", "preferred", "socket"]
PLAIN: Kind = "type-PCI"
WHOLE: Kind = "type-PF"
PART: Kind = "type-VF"
ALIAS_SPEC = "pci_passthrough:alias"
"""The extra spec of a flavor that asks for devices: `gpu:1,nic:2`."""


class PciDevice(Message):
    """compute -> conductor: one device that may be given to guests.

    `address` is domain:bus:slot.function in hexadecimal, `parent` that of the physical function of a part.
    `class_id` and `driver` are for people. `interface` is the network interface the host has of it, if any.
    `numa_node` None: the host does not say. `managed`: the hypervisor takes it from the host's driver and gives it
    back.
    """

    address: str
    vendor_id: str
    product_id: str
    kind: Kind = "type-PCI"
    class_id: str = ""
    numa_node: int | None = None
    parent: str | None = None
    driver: str | None = None
    interface: str | None = None
    physical_network: str | None = None
    trusted: bool = False
    managed: bool = True


class KnownDevice(PciDevice):
    """A device as the conductor keeps it. `holder`: the server, or the migration, that has it; `alias`: what it was
    asked for by. `gone`: the host does not offer it any more; it is kept only because somebody has it."""

    holder: str | None = None
    alias: str | None = None
    gone: bool = False


class GivenDevice(Message):
    """conductor -> compute: one device that a guest has."""

    address: str
    vendor_id: str
    product_id: str
    kind: Kind = "type-PCI"
    alias: str = ""
    managed: bool = True


class PciPool(Message):
    """Devices of a host that are alike, and how many of them are `free`.

    `function`: the physical function that they are, or are parts of; whoever takes one kind of a function takes the
    other away. Empty for devices without SR-IOV.
    """

    vendor_id: str
    product_id: str
    kind: Kind = "type-PCI"
    numa_node: int | None = None
    function: str = ""
    free: int = 0


class PciMatch(Message):
    """What a device must be; None is "no matter"."""

    kind: Kind = "type-PCI"
    vendor_id: str | None = None
    product_id: str | None = None


class PciRequest(Message):
    """`count` devices for each server, each as one of `any_of` says, near the guest as `policy` says."""

    alias: str
    count: int
    any_of: tuple[PciMatch, ...]
    policy: Policy = "legacy"


def givable(devices: Iterable[KnownDevice]) -> list[KnownDevice]:
    """Those that may be given: offered, nobody's, and no part or whole of one that is somebody's."""
    found = sorted(devices, key=lambda one: one.address)
    whole = {one.address for one in found if one.holder and one.kind == WHOLE}
    split = {one.parent for one in found if one.holder and one.kind == PART}
    return [
        one for one in found
        if not (one.holder or one.gone or one.address in split or (one.kind == PART and one.parent in whole))
    ]


def pool_of(device: PciDevice) -> PciPool:
    """The pool that a device is counted in, empty."""
    function = {WHOLE: device.address, PART: device.parent or ""}.get(device.kind, "")
    return PciPool(vendor_id=device.vendor_id, product_id=device.product_id, kind=device.kind,
                   numa_node=device.numa_node, function=function)  # fmt: skip


def pooled(devices: Iterable[KnownDevice]) -> dict[PciPool, list[KnownDevice]]:
    """Devices that may be given, by pool; the pools say how many they are, in the order of their first device."""
    found: dict[PciPool, list[KnownDevice]] = {}
    for one in givable(devices):
        found.setdefault(pool_of(one), []).append(one)
    return {pool.model_copy(update={"free": len(members)}): members for pool, members in found.items()}
