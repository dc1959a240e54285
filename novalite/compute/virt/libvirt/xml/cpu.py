"""The guest's processor: model, and how its vCPUs look as sockets, cores and threads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from novalite.compute.virt.libvirt.xml.element import Element, at, element, many


@element
class GuestCell(Element):
    """One NUMA cell as the guest sees it. Memory in KiB."""

    tag: ClassVar[str] = "cell"
    id: int = at("@id")
    cpus: str = at("@cpus")
    memory: int = at("@memory")
    unit: str = at("@unit", default="KiB")


@element
class Cpu(Element):
    """<cpu>; without `mode` the hypervisor's default model is used."""

    tag: ClassVar[str] = "cpu"
    mode: str | None = at("@mode", default=None)
    match: str | None = at("@match", default=None)
    model: str | None = at("model", default=None)
    sockets: int | None = at("topology/@sockets", default=None)
    dies: int | None = at("topology/@dies", default=None)
    cores: int | None = at("topology/@cores", default=None)
    threads: int | None = at("topology/@threads", default=None)
    cells: list[GuestCell] = many("numa", GuestCell, factory=list)


@dataclass(frozen=True)
class Topology:
    """Sockets, cores per socket, threads per core."""

    sockets: int
    cores: int
    threads: int


@dataclass(frozen=True)
class Wanted:
    """What image or flavor ask for; None is "no matter"."""

    sockets: int | None = None
    cores: int | None = None
    threads: int | None = None

    def matched(self, topology: Topology) -> int:
        """How many of the wishes `topology` fulfils."""
        wishes = (self.sockets, self.cores, self.threads)
        got = (topology.sockets, topology.cores, topology.threads)
        return sum(1 for wish, have in zip(wishes, got, strict=True) if wish == have)


NO_LIMIT = Topology(sockets=65536, cores=65536, threads=65536)


def arrange(vcpus: int, wanted: Wanted, most: Topology = NO_LIMIT) -> Topology | None:
    """The arrangement of exactly `vcpus` within `most` that fulfils most wishes; None if none fits.

    Among equals the one with most sockets, then fewest threads: guests schedule best on that
    when nothing is pinned.
    """
    fitting = [
        t for t in _arrangements(vcpus)
        if t.sockets <= most.sockets and t.cores <= most.cores and t.threads <= most.threads
    ]
    return max(fitting, key=lambda t: (wanted.matched(t), t.sockets, -t.threads), default=None)


def _arrangements(vcpus: int) -> Iterator[Topology]:
    divisors = [n for n in range(1, vcpus + 1) if vcpus % n == 0]
    for sockets in divisors:
        for cores in (n for n in divisors if (vcpus // sockets) % n == 0):
            yield Topology(sockets, cores, vcpus // sockets // cores)
