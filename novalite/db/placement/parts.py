"""Parts of hosts that are providers by themselves, below their hosts: NUMA cells and PCI devices, as hosts report them.

They are read from what the core keeps of them (`hosts.numa`, `pci_devices`, and what claims say), and nobody changes
them by the Placement API. A device that can be split is one provider with its parts, below the cell that it is near.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID, uuid5

from sqlalchemy import select
from sqlalchemy.orm import Session

from novalite.db.models.compute import Host
from novalite.db.models.pci import PciDevice
from novalite.objects import cpu_sets, numa
from novalite.objects.pci import KnownDevice, givable
from novalite.objects.placement import Inventory, Provider

THREADS, MEMORY = "NUMA_THREAD", "NUMA_MEMORY_MB"
"""Standard classes: of a cell's dedicated CPUs, and of its memory, what servers with a topology take."""
CELL, DEVICE = "HW_NUMA_ROOT", "COMPUTE_MANAGED_PCI_DEVICE"
"""Standard traits of the two kinds."""
_CLASS = re.compile(r"CUSTOM_PCI_([0-9A-F]{4})_([0-9A-F]{4})\Z")
_COLUMNS = tuple(KnownDevice.model_fields)


def cell_uuid(host_uuid: str, cell: int) -> str:
    """The uuid of a cell's provider, always the same."""
    return str(uuid5(UUID(host_uuid), f"numa:{cell}"))


def device_uuid(host_uuid: str, address: str) -> str:
    """The same of a device."""
    return str(uuid5(UUID(host_uuid), f"pci:{address}"))


def class_of(device: KnownDevice) -> str:
    """The resource class that devices like this one are counted in."""
    return class_name(device.vendor_id, device.product_id)


def class_name(vendor_id: str, product_id: str) -> str:
    """The same, given what they are."""
    return f"CUSTOM_PCI_{vendor_id}_{product_id}".upper()


def whole_of(device: KnownDevice) -> str:
    """The address of the device that it is, or is a part of."""
    return device.parent or device.address


# --- what they are -------------------------------------------------------------------------------


def of_hosts(session: Session, hosts: Iterable[Mapping[str, Any]], every: bool) -> list[Provider]:
    """Providers below these hosts, which are rows with uuid, node, host, version, numa and numa_used; `every`: they are
    all hosts. One statement."""
    rows = list(hosts)
    devices = _devices(session, None if every else [row["host"] for row in rows]) if rows else {}
    found: list[Provider] = []
    for row in rows:
        cells = {cell.uuid: cell for cell in _cells(row)} if row["numa"] else {}
        found += cells.values()
        if row["host"] in devices:
            found += _wholes(row, devices[row["host"]], cells)
    return found


def _cells(row: Mapping[str, Any]) -> Iterable[Provider]:
    used = numa.use(row["numa_used"])
    pinned, taken = set(cpu_sets.parse(used.pinned)), {cell.id: cell for cell in used.cells}
    for cell in numa.topology(row["numa"]).cells:
        use = taken.get(cell.id) or numa.CellUse(id=cell.id)
        dedicated = set(cpu_sets.parse(cell.dedicated))
        memory = cell.memory_mb + sum(pool.total * pool.size_kb // 1024 for pool in cell.pages)
        in_use = use.memory_mb + sum(number * size // 1024 for size, number in use.pages.items())
        inventories = {}
        if dedicated:
            inventories[THREADS] = _all_of(len(dedicated), len(dedicated & pinned))
        if memory:
            inventories[MEMORY] = _all_of(memory, in_use)
        yield _part(row, cell_uuid(row["uuid"], cell.id), f"NUMA{cell.id}", inventories, CELL, row["uuid"])


def _wholes(
    row: Mapping[str, Any], devices: list[KnownDevice], cells: Mapping[str, Provider]
) -> Iterable[Provider]:
    free = {device.address for device in givable(devices)}
    wholes: dict[str, list[KnownDevice]] = defaultdict(list)
    for device in devices:
        wholes[whole_of(device)].append(device)
    for address, parts in sorted(wholes.items()):
        inventories: dict[str, Inventory] = {}
        for name in sorted({class_of(device) for device in parts}):
            alike = [device for device in parts if class_of(device) == name]
            held = sum(device.holder is not None for device in alike)
            idle = sum(device.address in free for device in alike)
            inventories[name] = _all_of(len(alike), held, reserved=len(alike) - held - idle)
        node = next((device.numa_node for device in parts if device.numa_node is not None), None)
        near = None if node is None else cell_uuid(row["uuid"], node)
        parent = near if near in cells else row["uuid"]
        yield _part(row, device_uuid(row["uuid"], address), address, inventories, DEVICE, str(parent))


def _all_of(total: int, used: int, reserved: int = 0) -> Inventory:
    return Inventory(total=total, used=used, reserved=reserved, max_unit=total)


def _part(
    row: Mapping[str, Any], uuid: str, what: str, inventories: dict[str, Inventory], trait: str, parent: str
) -> Provider:
    return Provider(
        uuid=uuid, name=f"{row['node']}_{what}", generation=row["version"], root=row["uuid"], parent=parent,
        part_of=row["host"], inventories=inventories, traits=frozenset({trait}),
    )  # fmt: skip


def _devices(session: Session, hosts: list[str] | None) -> dict[str, list[KnownDevice]]:
    query = select(PciDevice.host, *(getattr(PciDevice, name) for name in _COLUMNS))
    if hosts is not None:
        query = query.where(PciDevice.host.in_(hosts))
    found: dict[str, list[KnownDevice]] = defaultdict(list)
    for host, *facts in session.execute(query.order_by(PciDevice.address)):
        found[host].append(KnownDevice(**dict(zip(_COLUMNS, facts, strict=True))))
    return found


# --- who has them --------------------------------------------------------------------------------


def held(
    session: Session, holders: Iterable[str], places: Iterable[tuple[str, str, str | None]]
) -> dict[str, dict[str, dict[str, int]]]:
    """By holder and provider: how much it has. `places` are (holder, uuid of the host, Placed as text). One
    statement."""
    found: dict[str, dict[str, dict[str, int]]] = defaultdict(lambda: defaultdict(lambda: defaultdict(int)))
    for holder, host_uuid, text in places:
        for cell in numa.placed(text).cells if text else ():
            mine = found[holder][cell_uuid(host_uuid, cell.host_cell)]
            if cell.pins:
                mine[THREADS] += len(cell.pins)
            mine[MEMORY] += cell.memory_mb
    query = select(PciDevice.holder, Host.uuid, *(getattr(PciDevice, name) for name in _COLUMNS if name != "holder"))
    query = query.join(Host, Host.host == PciDevice.host).where(PciDevice.holder.in_(list(holders)))
    names = [name for name in _COLUMNS if name != "holder"]
    for holder, host_uuid, *facts in session.execute(query):
        device = KnownDevice(**dict(zip(names, facts, strict=True)))
        found[str(holder)][device_uuid(host_uuid, whole_of(device))][class_of(device)] += 1
    return {holder: {one: dict(some) for one, some in mine.items()} for holder, mine in found.items()}


# --- names ---------------------------------------------------------------------------------------


def device_classes(session: Session, names: Iterable[str] | None = None) -> set[str]:
    """Resource classes of devices that hosts have; of these names, or all."""
    query = select(PciDevice.vendor_id, PciDevice.product_id).distinct()
    if names is not None:
        said = [match.groups() for name in names if (match := _CLASS.match(name))]
        if not said:
            return set()
        query = query.where(PciDevice.vendor_id.in_([vendor.lower() for vendor, _ in said]))
    found = {class_name(vendor, product) for vendor, product in session.execute(query)}
    return found if names is None else found & set(names)
