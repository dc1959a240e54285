"""What of a host's cells may be given to guests: its CPUs, divided as the operator says, and its pages. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from novalite.errors import ConfigError, DriverError
from novalite.objects import cpu_sets
from novalite.objects.numa import HostCell, HostTopology, Placed

_PAIR = re.compile(r"\s*(node|size|count)\s*:\s*(\d{1,12})\s*([kKmMgG]?)[iI]?[bB]?\s*")
_UNITS = {"": 1, "k": 1, "m": 1024, "g": 1024**2}


@dataclass(frozen=True)
class Division:
    """The options of [compute]: sets of CPUs, and pages kept for the host by (cell, size in kB)."""

    shared: frozenset[int] = frozenset()
    dedicated: frozenset[int] = frozenset()
    reserved: dict[tuple[int, int], int] = field(default_factory=dict)

    @classmethod
    def of(cls, options: Any) -> Division:
        """Read them. Raises ConfigError for what makes no sense on any host."""
        shared, dedicated = _cpus(options, "cpu_shared_set"), _cpus(options, "cpu_dedicated_set")
        if both := shared & dedicated:
            raise ConfigError(
                reason=f"[compute] CPUs {cpu_sets.spell(both)} are in cpu_shared_set and in cpu_dedicated_set"
            )
        return cls(shared, dedicated, dict(_reserved(line) for line in options.reserved_huge_pages))

    @property
    def divides(self) -> bool:
        """Whether it says anything of CPUs; else all that the hypervisor counts are shared."""
        return bool(self.shared or self.dedicated)

    def check(self, found: HostTopology) -> None:
        """Raises ConfigError for CPUs and pages that the host does not have."""
        has = {cpu for cell in found.cells for cpu in cpu_sets.parse(cell.cpus)}
        for name, cpus in (("cpu_shared_set", self.shared), ("cpu_dedicated_set", self.dedicated)):
            if missing := cpus - has:
                raise ConfigError(
                    reason=f"[compute] {name} names CPUs {cpu_sets.spell(missing)}, "
                    f"but those that are online here are {cpu_sets.spell(has)}"
                )
        pools = {(cell.id, pool.size_kb): pool.total for cell in found.cells for pool in cell.pages}
        for (cell, size_kb), count in self.reserved.items():
            if pools.get((cell, size_kb), 0) < count:
                raise ConfigError(
                    reason=f"[compute] reserved_huge_pages keeps {count} pages of {size_kb} kB in cell {cell}, "
                    f"which has {pools.get((cell, size_kb), 0)}"
                )

    def apply(self, found: HostTopology) -> HostTopology:
        """The cells with what may be given. Shared are those that are named, else all that are not dedicated."""
        return HostTopology(cells=tuple(self._cell(cell) for cell in found.cells))

    def floating(self, found: HostTopology | None) -> tuple[dict[int, str], str]:
        """CPUs over which vCPUs float: by cell, and for guests without cells, which are kept to none where the
        operator divides nothing."""
        shared = {cell.id: cell.shared for cell in self.apply(found).cells} if found else {}
        return shared, cpu_sets.join(shared.values()) if self.divides else ""

    def _cell(self, cell: HostCell) -> HostCell:
        cpus = set(cpu_sets.parse(cell.cpus))
        shared = cpus & self.shared if self.shared else cpus - self.dedicated
        pages = tuple(
            pool.model_copy(update={"total": max(0, pool.total - self.reserved.get((cell.id, pool.size_kb), 0))})
            for pool in cell.pages
        )
        dedicated = cpu_sets.spell(cpus & self.dedicated)
        return cell.model_copy(update={"shared": cpu_sets.spell(shared), "dedicated": dedicated, "pages": pages})


def there(found: HostTopology | None, placed: Placed) -> None:
    """Raises DriverError unless the host has the cells and CPUs of a guest's place: it may have lost some."""
    cells = {cell.id: set(cpu_sets.parse(cell.cpus)) for cell in found.cells} if found else {}
    for cell in placed.cells:
        if cell.host_cell not in cells:
            raise DriverError(reason=f"this host has no NUMA cell {cell.host_cell}")
    if missing := placed.cpus - set().union(*cells.values()):
        raise DriverError(reason=f"this host has no CPUs {cpu_sets.spell(missing)}")


def counts(found: HostTopology) -> dict[str, int]:
    """The fields of an inventory that count CPUs."""
    return {
        "vcpus": sum(len(cpu_sets.parse(cell.shared)) for cell in found.cells),
        "pcpus": sum(len(cpu_sets.parse(cell.dedicated)) for cell in found.cells),
    }


def _cpus(options: Any, name: str) -> frozenset[int]:
    try:
        return frozenset(cpu_sets.parse(options[name]))
    except ValueError as error:
        raise ConfigError(reason=f"[compute] {name} = {options[name]}: {error}") from error


def _reserved(line: str) -> tuple[tuple[int, int], int]:
    """node:0,size:2MB,count:64 -> ((0, 2048), 64)"""
    said: dict[str, int] = {}
    for part in line.split(","):
        pair = _PAIR.fullmatch(part)
        if pair is None or pair[1] in said or (pair[3] and pair[1] != "size"):
            raise ConfigError(reason=f"[compute] reserved_huge_pages = {line}: it must be node:0,size:2048,count:64")
        said[pair[1]] = int(pair[2]) * _UNITS[pair[3].lower()]
    if said.keys() != {"node", "size", "count"}:
        raise ConfigError(reason=f"[compute] reserved_huge_pages = {line}: node, size and count must be there")
    return (said["node"], said["size"]), said["count"]
