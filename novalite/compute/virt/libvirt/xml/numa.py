"""Where a guest's memory lies and what pages it is made of; and the guest's place in the words of <domain>."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from novalite.compute.virt.libvirt.xml.cpu import GuestCell
from novalite.compute.virt.libvirt.xml.element import Element, at, element, flag, many
from novalite.compute.virt.libvirt.xml.tuning import EmulatorPin, VcpuPin, VcpuSched
from novalite.objects import cpu_sets
from novalite.objects.numa import Placed


@element
class MemNode(Element):
    """On which cell of the host a cell of the guest lies."""

    tag: ClassVar[str] = "memnode"
    cell: int = at("@cellid")
    mode: str = at("@mode", default="strict")
    nodes: str = at("@nodeset")


@element
class NumaTune(Element):
    """<numatune>"""

    tag: ClassVar[str] = "numatune"
    mode: str = at("memory/@mode", default="strict")
    nodes: str = at("memory/@nodeset")
    cells: list[MemNode] = many("", MemNode, factory=list)


@element
class HugePages(Element):
    """Pages of which some cells of the guest are made. Size in KiB."""

    tag: ClassVar[str] = "page"
    size: int = at("@size")
    unit: str = at("@unit", default="KiB")
    cells: str = at("@nodeset")


@element
class MemoryBacking(Element):
    """<memoryBacking>"""

    tag: ClassVar[str] = "memoryBacking"
    pages: list[HugePages] = many("hugepages", HugePages, factory=list)
    unshared: bool = flag("nosharepages", default=False)
    locked: bool = flag("locked", default=False)


def cells(placed: Placed) -> list[GuestCell]:
    """The guest's own cells."""
    return [
        GuestCell(id=at, cpus=cpu_sets.spell(cell.cpus), memory=cell.memory_mb * 1024)
        for at, cell in enumerate(placed.cells)
    ]


def tune(placed: Placed) -> NumaTune:
    """Their memory is where it was counted, or the guest does not start."""
    nodes = [cell.host_cell for cell in placed.cells]
    return NumaTune(
        nodes=cpu_sets.spell(nodes), cells=[MemNode(cell=at, nodes=str(node)) for at, node in enumerate(nodes)]
    )


def backing(placed: Placed) -> MemoryBacking | None:
    """Larger pages; for guests that are scheduled in real time, memory that is neither swapped nor merged."""
    pages = []
    if placed.large and placed.page_kb:
        pages.append(HugePages(size=placed.page_kb, cells=cpu_sets.spell(range(len(placed.cells)))))
    realtime = bool(placed.realtime)
    return MemoryBacking(pages=pages, unshared=realtime, locked=realtime) if pages or realtime else None


def pins(placed: Placed, shared: Mapping[int, str]) -> list[Element]:
    """Each vCPU on its CPU, or on those that are `shared` in its cell (by cell, as text). The rest of QEMU: on a CPU of
    its own, on shared CPUs where it is to be and there are some, or where the vCPUs are."""
    found: list[Element] = []
    everything: set[int] = set()
    for cell in placed.cells:
        own = dict(cell.pins)
        for vcpu in cell.cpus:
            where = str(own[vcpu]) if vcpu in own else shared.get(cell.host_cell, "")
            everything |= set(cpu_sets.parse(where))
            if where:
                found.append(VcpuPin(vcpu=vcpu, cpuset=where))
    floating = cpu_sets.join(shared.values())
    rest = floating if placed.emulator_shared and floating else cpu_sets.spell(everything)
    if placed.emulator is not None:
        rest = str(placed.emulator)
    found.sort(key=lambda one: one.vcpu if isinstance(one, VcpuPin) else 0)
    if rest:
        found.append(EmulatorPin(cpuset=rest))
    if placed.realtime:
        found.append(VcpuSched(vcpus=cpu_sets.spell(placed.realtime)))
    return found
