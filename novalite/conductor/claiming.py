"""Take a place on a host: capacity by arithmetic, and what only an exact fit can say, all in one transaction.

The claim's update locks the host's row, so whatever is read after it of the host's devices stays true until the
transaction ends. Requests that have no such wishes cost one comparison more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy.orm import Session

from novalite.db import allocations, numa, pci
from novalite.errors import ClaimLost
from novalite.objects.numa import GuestTopology, in_use
from novalite.objects.pci import PciRequest, pooled
from novalite.objects.scheduling import RequestSpec
from novalite.scheduler.near import best
from novalite.scheduler.numa import Limits
from novalite.scheduler.pci import fit


def take(
    session: Session,
    server_id: str,
    candidate: dict[str, Any],
    amount: allocations.Amount,
    spec: dict[str, Any],
    force: bool = False,
) -> str:
    """A place for the server on the candidate's host, with the cells, CPUs and devices that `spec` (a RequestSpec as
    JSON) asks for; answers its zone. What the server has there already it keeps. Raises ClaimLost, and has done
    nothing then."""
    host, seen = candidate["host"], candidate["generation"]
    requests = [PciRequest(**one) for one in spec.get("pci_requests") or ()]
    wanted = GuestTopology(**spec["numa"]) if spec.get("numa") else None
    if not requests and wanted is None:
        return allocations.claim(session, server_id, host, seen, amount, force=force)
    if wanted is not None:
        amount = replace(amount, vcpus=wanted.vcpus)
    with session.begin_nested():
        zone = allocations.claim(session, server_id, host, seen, amount, force=force)
        near = _cells(session, server_id, host, wanted, requests) if wanted is not None else _Near()
        _devices(session, server_id, host, requests, near)
    return zone


def room_is_enough(spec: RequestSpec) -> bool:
    """Whether there are no such wishes, so that places may be taken for many servers at once."""
    return not spec.pci_requests and spec.numa is None


@dataclass(frozen=True)
class _Near:
    """The host cells that a guest is on, and the sockets of all; None for a guest that has no topology."""

    cells: set[int] | None = None
    sockets: dict[int, int] = field(default_factory=dict)


def _cells(
    session: Session, server_id: str, host: str, wanted: GuestTopology, requests: Sequence[PciRequest]
) -> _Near:
    """Choose cells and CPUs, near the devices it wants, and write them down; those of an earlier claim stay."""
    topology, numbers = numa.cells(session, host)
    if topology is None:
        raise ClaimLost(host=host)
    sockets = {cell.id: cell.socket for cell in topology.cells}
    places = numa.of_host(session, host)
    if (held := places.get(server_id)) is not None:
        return _Near({cell.host_cell for cell in held.cells}, sockets)
    pools = list(pooled(pci.of_host(session, host))) if requests else []
    found = best(topology, in_use(places.values()), wanted, Limits(*numbers), pools, requests)
    if found is None:
        raise ClaimLost(host=host)
    numa.give(session, host, server_id, found.place)
    return _Near({cell.host_cell for cell in found.place.cells}, sockets)


def _devices(session: Session, server_id: str, host: str, requests: Sequence[PciRequest], near: _Near) -> None:
    """Choose devices and write down whose they are; those of an earlier claim stay."""
    if not requests:
        return
    known = pci.of_host(session, host)
    if any(one.holder == server_id for one in known):
        return
    members = pooled(known)
    picks = fit(list(members), requests, near.cells, near.sockets)
    if picks is None:
        raise ClaimLost(host=host)
    free = [list(devices) for devices in members.values()]
    chosen = {
        free[at].pop(0).address: request.alias
        for request, picked in zip(requests, picks, strict=True)
        for at, number in picked.items()
        for _ in range(number)
    }
    pci.give(session, host, server_id, chosen)
