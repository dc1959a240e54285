"""Limits on what a guest may take: CPU time, and disk traffic per disk (flavor `quota:*`)."""

from __future__ import annotations

from typing import ClassVar

from novalite.compute.virt.libvirt.xml.element import Element, at, element, many


@element
class VcpuPin(Element):
    """On which CPUs of the host a vCPU runs."""

    tag: ClassVar[str] = "vcpupin"
    vcpu: int = at("@vcpu")
    cpuset: str = at("@cpuset")


@element
class EmulatorPin(Element):
    """On which the rest of QEMU runs."""

    tag: ClassVar[str] = "emulatorpin"
    cpuset: str = at("@cpuset")


@element
class VcpuSched(Element):
    """vCPUs that are scheduled in real time."""

    tag: ClassVar[str] = "vcpusched"
    vcpus: str = at("@vcpus")
    scheduler: str = at("@scheduler", default="fifo")
    priority: int = at("@priority", default=1)


@element
class CpuTune(Element):
    """<cputune>: `shares` is a weight, `quota` microseconds of CPU per `period` and vCPU."""

    tag: ClassVar[str] = "cputune"
    shares: int | None = at("shares", default=None)
    period: int | None = at("period", default=None)
    quota: int | None = at("quota", default=None)
    pins: list[Element] = many("", VcpuPin, EmulatorPin, VcpuSched, factory=list)


@element
class IoTune(Element):
    """<iotune> of one disk: bytes and operations per second, with bursts and their length in seconds."""

    tag: ClassVar[str] = "iotune"
    total_bytes_sec: int | None = at("total_bytes_sec", default=None)
    read_bytes_sec: int | None = at("read_bytes_sec", default=None)
    write_bytes_sec: int | None = at("write_bytes_sec", default=None)
    total_iops_sec: int | None = at("total_iops_sec", default=None)
    read_iops_sec: int | None = at("read_iops_sec", default=None)
    write_iops_sec: int | None = at("write_iops_sec", default=None)
    total_bytes_sec_max: int | None = at("total_bytes_sec_max", default=None)
    read_bytes_sec_max: int | None = at("read_bytes_sec_max", default=None)
    write_bytes_sec_max: int | None = at("write_bytes_sec_max", default=None)
    total_iops_sec_max: int | None = at("total_iops_sec_max", default=None)
    read_iops_sec_max: int | None = at("read_iops_sec_max", default=None)
    write_iops_sec_max: int | None = at("write_iops_sec_max", default=None)
    size_iops_sec: int | None = at("size_iops_sec", default=None)
