"""What this host has, from libvirt's capabilities, its own files and the configuration."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from xml.etree import ElementTree as ET

from oslo_config import cfg

from novalite.compute.virt.libvirt import node_devices
from novalite.compute.virt.libvirt.connection import Connection
from novalite.compute.virt.libvirt.disks import Disks
from novalite.compute.virt.uptime import uptime
from novalite.errors import DriverError
from novalite.objects import cpu_sets
from novalite.objects.hosts import HostInventory
from novalite.objects.numa import HostCell, HostTopology, Pages

ALL_CELLS = -1  # VIR_NODE_MEMORY_STATS_ALL_CELLS


@dataclass(frozen=True)
class Capabilities:
    """The parts of libvirt's <capabilities> that do not change while the host is up."""

    arch: str
    cpu_info: dict[str, Any] = field(default_factory=dict)
    emulator: str | None = None
    domain_types: tuple[str, ...] = ()
    supported: tuple[tuple[str, str, str], ...] = ()
    numa: HostTopology | None = None


def parse(text: str) -> Capabilities:
    """Read <capabilities>. `emulator` and `domain_types` are those for full guests of the host's own kind."""
    tree = ET.fromstring(text)
    cpu = tree.find("host/cpu")
    arch = (cpu.findtext("arch") if cpu is not None else None) or os.uname().machine
    hvm = [guest for guest in tree.findall("guest") if guest.findtext("os_type") == "hvm"]
    native = next((node for guest in hvm for node in guest.findall("arch") if node.get("name") == arch), None)
    kinds = () if native is None else tuple(d.get("type", "") for d in native.findall("domain"))
    return Capabilities(
        arch=arch,
        cpu_info=_cpu_info(tree, cpu, arch),
        emulator=None if native is None else native.findtext("emulator"),
        domain_types=kinds,
        supported=tuple(_supported(tree)),
        numa=_topology(tree),
    )


def _topology(tree: ET.Element) -> HostTopology | None:
    """The cells with CPUs or memory of their own; None when libvirt does not tell of any."""
    cells = tuple(_cell(node) for node in tree.findall("host/topology/cells/cell"))
    return HostTopology(cells=cells) if cells else None


def _cell(node: ET.Element) -> HostCell:
    listed = node.findall("cpus/cpu")
    # Of CPUs that are offline nothing but the number is told; a host that tells no more of any has them all.
    cpus = [cpu for cpu in listed if cpu.get("socket_id") is not None] or listed
    pools = sorted((int(pages.get("size", "4")), int(pages.text or "0")) for pages in node.findall("pages"))
    small = pools[0] if pools else (4, int(node.findtext("memory", "0")) // 4)
    cores = {cpu.get("siblings", "") for cpu in cpus}
    threads = sorted(text for text in cores if len(cpu_sets.parse(text)) > 1)
    return HostCell(
        id=int(node.get("id", "0")),
        socket=int(cpus[0].get("socket_id", "0")) if cpus else 0,
        memory_mb=small[0] * small[1] // 1024,
        page_kb=small[0],
        cpus=cpu_sets.spell(int(cpu.get("id", "0")) for cpu in cpus),
        cores=tuple(threads),
        pages=tuple(Pages(size_kb=size, total=total) for size, total in pools[1:] if total),
    )


def _supported(tree: ET.Element) -> Iterator[tuple[str, str, str]]:
    """Every (architecture, hypervisor, mode) of guests."""
    for guest in tree.findall("guest"):
        mode = guest.findtext("os_type") or "hvm"
        for arch in guest.findall("arch"):
            for domain in arch.findall("domain"):
                yield arch.get("name", ""), domain.get("type", ""), mode


def _cpu_info(tree: ET.Element, cpu: ET.Element | None, arch: str) -> dict[str, Any]:
    """In the shape of the hypervisors API: arch, model, vendor, topology, features."""
    if cpu is None:
        return {"arch": arch}
    info: dict[str, Any] = {"arch": arch}
    info |= {key: text for key in ("model", "vendor") if (text := cpu.findtext(key))}
    cells, topology = tree.find("host/topology/cells"), cpu.find("topology")
    info["topology"] = {"cells": int(cells.get("num", "1")) if cells is not None else 1}
    if topology is not None:
        info["topology"] |= {key: int(topology.get(key, "1")) for key in ("sockets", "cores", "threads")}
    info["features"] = sorted(name for f in cpu.findall("feature") if (name := f.get("name")))
    return info


@dataclass(frozen=True)
class Host:
    """Facts of the hypervisor that are asked once per connection."""

    name: str
    type: str
    version: int
    capabilities: Capabilities


def ask(connection: Connection) -> Host:
    """Ask libvirt who it is; its first answer takes seconds while it tries every emulator."""
    text = connection.call("capabilities", lambda native: native.getCapabilities())
    name, kind, version = connection.call(
        "host", lambda native: (native.getHostname(), native.getType(), native.getVersion())
    )
    return Host(name, kind, version, parse(text))


def inventory(connection: Connection, host: Host, disks: Disks, conf: cfg.ConfigOpts) -> HostInventory:
    """The host's resources now. Memory from getMemoryStats: getInfo may misreport it."""
    memory, cpus = connection.call(
        "resources", lambda native: (native.getMemoryStats(ALL_CELLS, 0), native.getCPUMap(0))
    )
    try:
        disk_gb, free_gb = disks.size_gb()
    except OSError as error:
        raise DriverError(reason=f"{disks.path} cannot be looked at: {error.strerror}") from error
    compute = conf.compute
    return HostInventory(
        host=conf.host,
        node=host.name,
        hypervisor_type=host.type,
        hypervisor_version=host.version,
        host_ip=compute.my_ip,
        vcpus=sum(1 for online in cpus[1] if online),
        ram_mb=memory["total"] // 1024,
        disk_gb=disk_gb,
        reserved_vcpus=compute.reserved_host_cpus,
        reserved_ram_mb=compute.reserved_host_memory_mb,
        reserved_disk_gb=-(-compute.reserved_host_disk_mb // 1024),
        cpu_ratio=compute.cpu_allocation_ratio,
        ram_ratio=compute.ram_allocation_ratio,
        disk_ratio=compute.disk_allocation_ratio,
        disk_available_least_gb=free_gb - disks.promised_gb(),
        cpu_info=host.capabilities.cpu_info,
        supported_instances=host.capabilities.supported,
        numa=host.capabilities.numa,
        pci_devices=node_devices.devices(connection) if conf.pci.device_spec else (),
        uptime=uptime(),
    )
