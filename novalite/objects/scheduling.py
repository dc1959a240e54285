"""What is asked of the scheduler and what it answers."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from novalite.objects.base import Message
from novalite.objects.flavors import Flavor
from novalite.objects.numa import GuestTopology
from novalite.objects.pci import PciRequest


class GroupRequest(Message):
    """The server group of a request: its policy, and how many of its other members each host carries.

    `max_per_host` is how many members anti-affinity allows on one host.
    """

    policy: str
    max_per_host: int = 1
    hosts: dict[str, int] = Field(default_factory=dict)

    def allows(self, host: str) -> bool:
        """Whether one more member may be on this host."""
        if self.policy == "anti-affinity":
            return self.hosts.get(host, 0) < self.max_per_host
        return self.policy != "affinity" or not self.hosts or host in self.hosts


class RequestSpec(Message):
    """conductor -> scheduler: find hosts for `count` servers of one kind.

    `excluded` are hosts already tried (host -> reason); `same_host`/`different_host` are hosts,
    resolved by the conductor from the servers named in the hints. `ignored_hosts` are never taken, whatever filters
    are enabled; `physical_networks` are those that carry the networks asked for. `group` is read when the request
    is sent. `pci_requests`: devices of hosts that each server is to have for itself; `numa`: cells and CPUs.
    """

    server_id: str
    flavor: Flavor
    count: int = 1
    project_id: str | None = None
    availability_zone: str | None = None
    forced_host: str | None = None
    forced_node: str | None = None
    requested_host: str | None = None
    requested_node: str | None = None
    excluded: dict[str, str] = Field(default_factory=dict)
    ignored_hosts: tuple[str, ...] = ()
    same_host: tuple[str, ...] | None = None
    different_host: tuple[str, ...] = ()
    group: GroupRequest | None = None
    hints: dict[str, Any] = Field(default_factory=dict)
    image_id: str | None = None
    image_properties: dict[str, str] = Field(default_factory=dict)
    physical_networks: tuple[str, ...] = ()
    pci_requests: tuple[PciRequest, ...] = ()
    numa: GuestTopology | None = None

    @property
    def vcpus(self) -> int:
        """vCPUs that one server takes of what a host's shared CPUs give: not those that have a CPU of their own."""
        return self.flavor.vcpus if self.numa is None else self.numa.vcpus

    @property
    def disk_gb(self) -> int:
        """Local disk one server takes: root, ephemeral and swap (rounded up to GB)."""
        return self.flavor.disk_gb + self.flavor.ephemeral_gb + -(-self.flavor.swap_mb // 1024)


class Candidate(Message):
    """One host that passed, with the generation that was seen, its final weight and (the chosen one) what that is made
    of, by weigher."""

    host: str
    node: str
    generation: int
    weight: float = 0.0
    weights: dict[str, float] = Field(default_factory=dict)


class Selection(Message):
    """One server's pick: best first, then alternates in order of preference."""

    candidates: tuple[Candidate, ...]


class Verdict(Message):
    """One host: either `refused_by` and `why`, or its `rank` (1 is best) and where that comes from."""

    host: str
    node: str
    refused_by: str | None = None
    why: str | None = None
    rank: int | None = None
    weight: float = 0.0
    weights: dict[str, float] = Field(default_factory=dict)


class Selections(Message):
    """scheduler -> conductor: one Selection per server asked for, and why others were refused.

    `refused` counts hosts by filter name in filter order; `considered` is how many hosts there were.
    Fewer selections than asked for means that no further host had room; then `nearly` says what would have to be
    otherwise, and `verdicts` tell of some hosts that each filter refused. `problem` is why a request of several
    makes no sense, when that is so.
    """

    selections: tuple[Selection, ...]
    considered: int
    refused: dict[str, int] = Field(default_factory=dict)
    nearly: tuple[str, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    problem: str | None = None

    @property
    def summary(self) -> str:
        """One sentence for the fault: counts by filter, no host names."""
        if not self.considered:
            return "There are no compute hosts."
        said = ", ".join(f"{name}: {n} refused" for name, n in self.refused.items() if n)
        nearly = f" {self.nearly[0]}" if self.nearly else ""
        return f"{self.considered} hosts were considered; {said or 'none had room'}.{nearly}"


class ManySpecs(Message):
    """conductor -> scheduler: requests that came at the same moment, each for one server."""

    specs: tuple[RequestSpec, ...]


class ManySelections(Message):
    """scheduler -> conductor: an answer for each, in order."""

    answers: tuple[Selections, ...]


class Explanation(Message):
    """scheduler -> conductor: what would become of a request, without anything being proposed or claimed.

    `fits` is how many servers of the kind there is room for, counted to `fits_counted_to`; `hosts` are those that
    pass, best first, and some of those refused by each filter. `nearly`: see Selections.
    """

    considered: int
    passed: int
    fits: int
    fits_counted_to: int
    refused: dict[str, int] = Field(default_factory=dict)
    nearly: tuple[str, ...] = ()
    hosts: tuple[Verdict, ...] = ()
    hosts_left_out: int = 0
