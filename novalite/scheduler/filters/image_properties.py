"""Images say for what they are made: an architecture, a hypervisor, a mode of guests."""

from __future__ import annotations

import operator
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from novalite.objects.hosts import HostRow
from novalite.objects.scheduling import RequestSpec
from novalite.scheduler.columns import Hosts, Mask

ARCHITECTURE = ("hw_architecture", "img_architecture", "architecture")
HYPERVISOR = ("img_hv_type", "hypervisor_type")
MODE = ("hw_vm_mode", "vm_mode")
VERSION = ("img_hv_requested_version", "hypervisor_version_requires")
SAME = {"amd64": "x86_64", "x64": "x86_64", "i386": "i686", "i586": "i686", "arm64": "aarch64"}
"""Names of architectures that mean another one."""
_SIGNS = {"<": operator.lt, "<=": operator.le, "==": operator.eq, "=": operator.eq, "!=": operator.ne,
          ">=": operator.ge, ">": operator.gt}  # fmt: skip
_PART = re.compile(r"\s*(<=|>=|==|!=|<|>|=)?\s*(\d+(?:\.\d+){0,2})\s*$")

Kinds = Sequence[Sequence[str]]
Wanted = tuple[str | None, str | None, str | None]


class ImagePropertiesFilter:
    """Hosts that support guests of that kind, by a hypervisor of a version that the image accepts.

    A host that does not say what it supports is taken by its processor and its hypervisor. An image that does not
    name its architecture is taken to be of `image_properties_default_architecture`, when that is set.
    """

    static = True

    def __init__(self, conf: Any) -> None:
        self.default = conf.scheduler.image_properties_default_architecture

    def passes(self, hosts: Hosts, spec: RequestSpec) -> Mask:
        mask: Mask = True
        wanted = self._wanted(spec)
        if any(wanted):
            told = hosts.worded("supported_instances", lambda kinds: _offers(kinds, wanted))
            silent = hosts.worded("supported_instances", lambda kinds: not kinds)
            if np.any(silent):
                told |= silent & self._guessed(hosts, wanted)
            mask = told
        version = _first(spec, VERSION)
        if version:
            mask = mask & hosts.valued(hosts.hypervisor_version, lambda number: _accepts(version, number))
        return mask

    def _wanted(self, spec: RequestSpec) -> Wanted:
        machine = _first(spec, ARCHITECTURE) or self.default
        return SAME.get(machine, machine) if machine else None, _first(spec, HYPERVISOR), _first(spec, MODE)

    def _guessed(self, hosts: Hosts, wanted: Wanted) -> Mask:
        machine, hypervisor, _ = wanted
        mask = np.ones(len(hosts), dtype=bool)
        if machine:
            mask &= hosts.worded("cpu_info", lambda cpu: str(cpu.get("arch", machine)).lower() == machine)
        if hypervisor:
            mask &= hosts.worded("hypervisor_type", lambda kind: str(kind).lower() == hypervisor)
        return mask

    def why(self, host: HostRow, spec: RequestSpec) -> str:
        wanted = self._wanted(spec)
        version = _first(spec, VERSION)
        if version and not _accepts(version, host.hypervisor_version):
            return f"needs hypervisor version {version}, has {dotted(host.hypervisor_version)}"
        kinds = "; ".join(" ".join(kind) for kind in host.supported_instances)
        kinds = kinds or f"{host.cpu_info.get('arch', '')} {host.hypervisor_type}".strip()
        return f"needs {' '.join(part for part in wanted if part)} guests, supports {kinds}"


def _first(spec: RequestSpec, names: Sequence[str]) -> str | None:
    for name in names:
        if value := spec.image_properties.get(name):
            return str(value).lower()
    return None


def _offers(kinds: Kinds, wanted: Wanted) -> bool:
    return any(
        all(part is None or part == str(has).lower() for part, has in zip(wanted, kind, strict=False))
        for kind in kinds
    )


def dotted(number: int) -> str:
    """6002001 as 6.2.1."""
    return f"{number // 1_000_000}.{number // 1000 % 1000}.{number % 1000}"


def _accepts(wanted: str, number: float) -> bool:
    """Whether a version is in a range such as `>=6.0, <8`; what cannot be read accepts nothing."""
    has = (int(number) // 1_000_000, int(number) // 1000 % 1000, int(number) % 1000)
    for part in wanted.split(","):
        said = _PART.match(part)
        if said is None:
            return False
        asked = tuple(int(one) for one in said[2].split("."))
        if not _SIGNS[said[1] or "=="](has[: len(asked)], asked):
            return False
    return True
