"""The hints `numaOpts`, `vcpuAffinity` and `hyperThreadAffinity` in the words of extra specs.

`numaOpts`: 0 nothing, 1 one cell for memory and CPUs, 2 the devices in that cell as well. `vcpuAffinity`: one word for
all vCPUs or one for each, 0 bound to a CPU, 1 not. `hyperThreadAffinity`: whom vCPUs share the threads of a core with:
any (anybody), internal (one another), none (nobody), sync (the guest's cores are the host's), lock (sync, and scheduled
in real time). Which goes with which is checked as their documentation says; why they mean what they mean here:
decisions/0017-numa.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from novalite.errors import BadRequest
from novalite.objects import cpu_sets

HINTS = ("numaOpts", "vcpuAffinity", "hyperThreadAffinity")
BOUND, FLOATING = "0", "1"
CELLS: dict[str, dict[str, str]] = {
    "0": {},
    "1": {"hw:numa_nodes": "1"},
    "2": {"hw:numa_nodes": "1", "hw:pci_numa_affinity_policy": "required"},
}
OWN = {"hw:cpu_policy": "dedicated"}
THREADS: dict[str, tuple[str | None, dict[str, str]]] = {
    "any": (None, {}),
    "internal": (BOUND, {**OWN, "hw:cpu_thread_policy": "require"}),
    "none": (FLOATING, {**OWN, "hw:cpu_thread_policy": "isolate"}),
    "sync": (FLOATING, {**OWN, "hw:cpu_thread_policy": "require"}),
    "lock": (
        FLOATING,
        {**OWN, "hw:cpu_thread_policy": "require", "hw:cpu_realtime": "yes", "hw:emulator_threads_policy": "isolate"},
    ),
}
"""What `vcpuAffinity` must be with it, and what it means."""


def translated(hints: Mapping[str, Any], vcpus: int) -> dict[str, str]:
    """The extra specs that hints stand for. Raises BadRequest for what makes no sense."""
    found: dict[str, str] = {}
    if (cells := hints.get("numaOpts")) is not None:
        found |= _word("numaOpts", cells, CELLS)
    affinity = _affinity(hints.get("vcpuAffinity"), vcpus)
    threads = hints.get("hyperThreadAffinity")
    demanded, more = (None, {}) if threads is None else _word("hyperThreadAffinity", threads, THREADS)
    if demanded is not None and any(one != demanded for one in affinity):
        raise BadRequest(f"With hint hyperThreadAffinity={threads}, vcpuAffinity must be {demanded} for every vCPU.")
    if demanded is None and BOUND in affinity:
        bound = [cpu for cpu, one in enumerate(affinity) if one == BOUND]
        whole = len(bound) == len(affinity)
        more = OWN if whole else {"hw:cpu_policy": "mixed", "hw:cpu_dedicated_mask": cpu_sets.spell(bound)}
    return {**found, **more}


def _word(name: str, value: Any, meanings: Mapping[str, Any]) -> Any:
    text = _single(value).lower()
    if text not in meanings:
        raise BadRequest(f"The hint {name} must be one of {', '.join(meanings)}, not '{text[:60]}'.")
    return meanings[text]


def _single(value: Any) -> str:
    """A hint as text: clients send `["1"]` as well as 1."""
    if isinstance(value, list | tuple) and len(value) == 1:
        value = value[0]
    return str(value).strip().strip("[]\"' ")


def _affinity(value: Any, vcpus: int) -> list[str]:
    """One word for each vCPU; empty when nothing is said."""
    if value is None:
        return []
    text = ",".join(str(one) for one in value) if isinstance(value, list | tuple) else str(value)
    words = [part.strip().strip("[]\"' ") for part in text.split(",")]
    if any(word not in (BOUND, FLOATING) for word in words) or len(words) not in (1, vcpus):
        raise BadRequest(f"Hint vcpuAffinity must be 0 or 1, once or for each of {vcpus} vCPUs, not '{text[:60]}'.")
    return words if len(words) == vcpus else words * vcpus
