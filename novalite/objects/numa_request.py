"""What flavor, image and hints of a server ask of the cells and CPUs of its host, checked. None for most servers.

Extra specs and image properties are those of the public guides ("CPU topologies", "Huge pages", "Real time"); where
both name a thing, one of them wins or they must agree, as the guides say. `novalite:numa_together` is our own.
The hints `numaOpts`, `vcpuAffinity` and `hyperThreadAffinity` say the same in other words (`objects.numa_hints`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from novalite.errors import BadRequest
from novalite.objects import cpu_sets
from novalite.objects.flavors import Flavor
from novalite.objects.numa import ANY, ISOLATE, LARGE, PREFER, REQUIRE, SHARE, SMALL, GuestCell, GuestTopology
from novalite.objects.numa_hints import HINTS, translated

TOGETHER = "novalite:numa_together"
"""Extra spec: cells of the guest may lie in one cell of the host (yes, no)."""
SPECS = (
    "hw:numa_nodes", "hw:cpu_policy", "hw:cpu_dedicated_mask", "hw:cpu_thread_policy", "hw:emulator_threads_policy",
    "hw:mem_page_size", "hw:cpu_realtime", "hw:cpu_realtime_mask", "hw:pci_numa_affinity_policy", TOGETHER,
)  # fmt: skip
_CELL = ("hw:numa_cpus.", "hw:numa_mem.")
POLICIES = ("shared", "dedicated", "mixed")
PCI_POLICIES = ("required", "preferred", "legacy", "socket")
TRUE, FALSE = ("true", "yes", "on", "1", "t", "y"), ("false", "no", "off", "0", "f", "n", "")
MOST_CELLS = 64
UNITS = {"": 1, "k": 1, "m": 1024, "g": 1024**2, "t": 1024**3}
_SIZE = re.compile(r"(\d{1,12})\s*([kKmMgGtT]?)(?:i?[bB])?")


def asked(
    flavor: Flavor, properties: Mapping[str, str], hints: Mapping[str, Any] | None = None
) -> GuestTopology | None:
    """The topology that a server asks for; None when it asks for nothing of the kind. Raises BadRequest."""
    if not of_interest(flavor.extra_specs, properties, hints or {}):
        return None
    said = Said(flavor, properties, translated(hints or {}, flavor.vcpus))
    dedicated = _dedicated(said)
    realtime = _realtime(said, dedicated)
    pages = _pages(said)
    cells = _cells(said)
    threads, emulator = _threads(said, dedicated), _emulator(said, dedicated)
    pci = said.choice("pci_numa_affinity_policy", PCI_POLICIES)
    if not (cells or dedicated or pages):
        return None
    cells = cells or (GuestCell(cpus=tuple(range(flavor.vcpus)), memory_mb=flavor.ram_mb),)
    if pages and pages.isdecimal() and any(cell.memory_mb * 1024 % int(pages) for cell in cells):
        raise BadRequest(f"The memory of flavor {flavor.name} cannot be made of pages of {pages} kB.")
    return GuestTopology(
        cells=cells, dedicated=dedicated, realtime=realtime, threads=threads, emulator=emulator,
        pages=pages, together=_flag(said.flavor.get(TOGETHER, ""), TOGETHER), pci=pci,
    )  # fmt: skip


def of_interest(specs: Mapping[str, str], properties: Mapping[str, str], hints: Mapping[str, Any]) -> bool:
    """Whether something of the kind is said at all: quickly told, for the many servers that say nothing."""
    return (
        any(key in SPECS or key.startswith(_CELL) for key in specs)
        or any(key.startswith("hw_") and _spec(key) in SPECS for key in properties)
        or any(key.startswith(("hw_numa_cpus.", "hw_numa_mem.")) for key in properties)
        or any(name in hints for name in HINTS)
    )


def _spec(key: str) -> str:
    return key.replace("_", ":", 1)


class Said:
    """The words of flavor and image; hints count as the image's where that says nothing."""

    def __init__(self, flavor: Flavor, properties: Mapping[str, str], hints: Mapping[str, str]) -> None:
        self.size, self.flavor = flavor, flavor.extra_specs
        self.image = {**hints, **{_spec(key): str(value) for key, value in properties.items() if key[:3] == "hw_"}}
        for key, value in hints.items():
            if self.image[key].strip().lower() != value:
                raise BadRequest(f"A scheduler hint asks for {key}={value}, the image for {self.image[key]}.")

    def both(self, name: str) -> tuple[str | None, str | None]:
        """What flavor and image say of hw:NAME; None for nothing."""
        key = f"hw:{name}"
        return self.flavor.get(key, "").strip().lower() or None, self.image.get(key, "").strip().lower() or None

    def choice(self, name: str, words: Iterable[str]) -> str | None:
        """One of these words, on which flavor and image must agree."""
        of_flavor, of_image = self.both(name)
        for one in (of_flavor, of_image):
            if one is not None and one not in words:
                raise BadRequest(f"hw:{name} must be one of {', '.join(words)}, not '{one[:60]}'.")
        if of_flavor and of_image and of_flavor != of_image:
            raise self.forbidden(name)
        return of_flavor or of_image

    def one(self, name: str) -> str | None:
        """What only one of them may say, or both the same."""
        of_flavor, of_image = self.both(name)
        if of_flavor and of_image and of_flavor != of_image:
            raise self.forbidden(name)
        return of_flavor or of_image

    def forbidden(self, name: str) -> BadRequest:
        """The image may not say otherwise."""
        return BadRequest(
            f"Image property hw_{name} is not permitted to override the value of hw:{name} set against the flavor."
        )


def _flag(text: str, name: str) -> bool:
    value = text.strip().lower()
    if value not in TRUE + FALSE:
        raise BadRequest(f"{name} must be true or false, not '{text[:60]}'.")
    return value in TRUE


# --- CPUs ------------------------------------------------------------------------------------------


def _cpu_policy(said: Said) -> str:
    """The flavor's word; the image's where that says nothing, and never against it."""
    of_flavor, of_image = said.both("cpu_policy")
    for one in (of_flavor, of_image):
        if one is not None and one not in POLICIES:
            raise BadRequest(f"hw:cpu_policy must be one of {', '.join(POLICIES)}, not '{one[:60]}'.")
    if of_flavor and of_image and of_flavor != of_image:
        raise said.forbidden("cpu_policy")
    return of_flavor or of_image or "shared"


def _dedicated(said: Said) -> tuple[int, ...]:
    """vCPUs that get a CPU of their own."""
    policy, everything = _cpu_policy(said), tuple(range(said.size.vcpus))
    mask = said.flavor.get("hw:cpu_dedicated_mask") or said.image.get("hw:cpu_dedicated_mask")
    if policy != "mixed":
        if mask:
            raise BadRequest("hw:cpu_dedicated_mask makes sense with hw:cpu_policy=mixed only.")
        return everything if policy == "dedicated" else ()
    if not mask:
        mask = said.flavor.get("hw:cpu_realtime_mask") or said.image.get("hw:cpu_realtime_mask")
    if not mask:
        raise BadRequest("hw:cpu_policy=mixed needs hw:cpu_dedicated_mask, which says which vCPUs are dedicated.")
    found = _mask("hw:cpu_dedicated_mask", mask, everything)
    if not found or len(found) == len(everything):
        raise BadRequest(
            "hw:cpu_dedicated_mask must leave at least one vCPU dedicated and one shared; "
            "otherwise hw:cpu_policy is dedicated or shared."
        )
    return found


def _mask(name: str, text: str, everything: tuple[int, ...]) -> tuple[int, ...]:
    """vCPUs of a mask; one that only takes away begins with all of them."""
    positive = [part for part in text.split(",") if part.strip() and not part.strip().startswith("^")]
    try:
        found = cpu_sets.parse(text if positive else f"{cpu_sets.spell(everything)},{text}")
    except ValueError as error:
        raise BadRequest(f"{name} is no set of vCPUs: {error}.") from error
    if found and found[-1] > everything[-1]:
        raise BadRequest(f"{name} names vCPU {found[-1]}, and the flavor has {len(everything)} vCPUs.")
    return found


def _threads(said: Said, dedicated: tuple[int, ...]) -> str | None:
    of_flavor, of_image = said.both("cpu_thread_policy")
    for one in (of_flavor, of_image):
        if one is not None and one not in (PREFER, ISOLATE, REQUIRE):
            raise BadRequest(f"hw:cpu_thread_policy must be one of prefer, isolate, require, not '{one[:60]}'.")
    if of_flavor in (ISOLATE, REQUIRE) and of_image not in (None, of_flavor):
        raise said.forbidden("cpu_thread_policy")
    policy = of_image or of_flavor
    if policy and not dedicated:
        raise BadRequest("Cannot set cpu thread pinning policy in a non dedicated cpu pinning policy")
    return policy


def _emulator(said: Said, dedicated: tuple[int, ...]) -> str | None:
    policy = said.choice("emulator_threads_policy", (ISOLATE, SHARE))
    if policy == ISOLATE and len(dedicated) != said.size.vcpus:
        raise BadRequest("An isolated CPU emulator threads option requires a dedicated CPU policy option.")
    return policy if dedicated else None


def _realtime(said: Said, dedicated: tuple[int, ...]) -> tuple[int, ...]:
    """vCPUs that are scheduled in real time: those of the mask that are dedicated."""
    wanted = said.flavor.get("hw:cpu_realtime") or said.image.get("hw:cpu_realtime", "")
    if not _flag(wanted, "hw:cpu_realtime"):
        return ()
    if not dedicated:
        raise BadRequest("Cannot set realtime policy in a non dedicated cpu pinning policy")
    mask = said.image.get("hw:cpu_realtime_mask") or said.flavor.get("hw:cpu_realtime_mask")
    offloaded = "isolate" in said.both("emulator_threads_policy") or "share" in said.both("emulator_threads_policy")
    found = _mask("hw:cpu_realtime_mask", mask, tuple(range(said.size.vcpus))) if mask else dedicated
    if not found or not set(found) <= set(dedicated):
        raise BadRequest("hw:cpu_realtime_mask must name vCPUs that are dedicated.")
    if len(found) == said.size.vcpus and not offloaded:
        raise BadRequest(
            "Use of realtime CPUs requires either one or more non-realtime CPU(s) or offloaded emulator threads."
        )
    return found


# --- memory ----------------------------------------------------------------------------------------


def _pages(said: Said) -> str | None:
    """The size of pages: the flavor's; an image may choose where the flavor says large or any."""
    of_flavor, of_image = said.both("mem_page_size")
    if of_image and of_flavor not in (LARGE, ANY):
        against = of_flavor or "<None>"
        raise BadRequest(f"Page size {of_image} forbidden against '{against}'.")
    text = of_image or of_flavor
    if text is None or text in (SMALL, LARGE, ANY):
        return text
    size = _SIZE.fullmatch(text)
    if size is None or int(size[1]) == 0:
        raise BadRequest(f"Invalid memory page size '{text[:60]}'")
    return str(int(size[1]) * UNITS[size[2].lower()])


# --- cells -----------------------------------------------------------------------------------------


def _cells(said: Said) -> tuple[GuestCell, ...]:
    """The guest's own cells, told one by one or dealt out evenly; none when it asks for none."""
    text = said.one("numa_nodes")
    named = sorted({key for key in (*said.flavor, *said.image) if key.startswith(_CELL)})
    if text is None:
        if named:
            raise BadRequest(f"{named[0]} makes sense with hw:numa_nodes only.")
        return ()
    if not text.isdecimal() or not 1 <= int(text) <= MOST_CELLS:
        raise BadRequest(f"hw:numa_nodes must be an integer from 1 to {MOST_CELLS}, not '{text[:60]}'.")
    count = int(text)
    return _told(said, count, named) if named else _dealt(said, count)


def _dealt(said: Said, count: int) -> tuple[GuestCell, ...]:
    vcpus, ram_mb = said.size.vcpus, said.size.ram_mb
    if vcpus % count or ram_mb % count:
        raise BadRequest(
            "Instance CPUs and/or memory cannot be evenly distributed across instance NUMA nodes. "
            "Explicit assignment of CPUs and memory to nodes is required"
        )
    each = vcpus // count
    cpus = (tuple(range(at * each, (at + 1) * each)) for at in range(count))
    return tuple(GuestCell(cpus=some, memory_mb=ram_mb // count) for some in cpus)


def _told(said: Said, count: int, named: list[str]) -> tuple[GuestCell, ...]:
    everything = tuple(range(said.size.vcpus))
    for key in named:
        number = key.rpartition(".")[2]
        if not number.isdecimal() or int(number) >= count:
            raise BadRequest(f"{key} is of a cell that hw:numa_nodes={count} does not have.")
    cells = []
    for at in range(count):
        cpus, memory = said.one(f"numa_cpus.{at}"), said.one(f"numa_mem.{at}")
        if cpus is None or memory is None:
            raise BadRequest(f"CPU and memory allocation must be provided for all NUMA nodes; of {at} one is missing.")
        if not memory.isdecimal() or not 0 < int(memory) <= said.size.ram_mb:
            raise BadRequest(f"hw:numa_mem.{at} must be MB of memory up to those of the flavor, not '{memory[:60]}'.")
        cells.append(GuestCell(cpus=_mask(f"hw:numa_cpus.{at}", cpus, everything), memory_mb=int(memory)))
    seen = [cpu for cell in cells for cpu in cell.cpus]
    if len(set(seen)) != len(seen):
        raise BadRequest(f"CPU number {next(cpu for cpu in seen if seen.count(cpu) > 1)} is assigned to two nodes")
    if missing := set(everything) - set(seen):
        raise BadRequest(f"CPU number(s) {cpu_sets.spell(missing)} are not assigned to any node")
    if (total := sum(cell.memory_mb for cell in cells)) != said.size.ram_mb:
        raise BadRequest(f"{total} MB of memory assigned to nodes, but expected {said.size.ram_mb} MB")
    return tuple(cells)
