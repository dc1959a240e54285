"""Take a place on a host: capacity by arithmetic, and what only an exact fit can say, all in one transaction.

The claim's update locks the host's row, so whatever is read after it of the host's devices stays true until the
transaction ends. Requests that have no such wishes cost one comparison more.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy.orm import Session

from novalite.db import allocations, pci
from novalite.errors import ClaimLost
from novalite.objects.pci import PciRequest, pooled
from novalite.objects.scheduling import RequestSpec
from novalite.scheduler.pci import fit


def take(
    session: Session,
    server_id: str,
    candidate: dict[str, Any],
    amount: allocations.Amount,
    spec: dict[str, Any],
    force: bool = False,
) -> str:
    """A place for the server on the candidate's host, with the devices that `spec` (a RequestSpec as JSON) asks for;
    answers its zone. What the server has there already it keeps. Raises ClaimLost, and has done nothing then."""
    host, seen = candidate["host"], candidate["generation"]
    if not spec.get("pci_requests"):
        return allocations.claim(session, server_id, host, seen, amount, force=force)
    with session.begin_nested():
        zone = allocations.claim(session, server_id, host, seen, amount, force=force)
        _devices(session, server_id, host, [PciRequest(**one) for one in spec["pci_requests"]])
    return zone


def room_is_enough(spec: RequestSpec) -> bool:
    """Whether there are no such wishes, so that places may be taken for many servers at once."""
    return not spec.pci_requests and spec.numa is None


def _devices(session: Session, server_id: str, host: str, requests: Sequence[PciRequest]) -> None:
    """Choose devices and write down whose they are; those of an earlier claim stay."""
    known = pci.of_host(session, host)
    if any(one.holder == server_id for one in known):
        return
    members = pooled(known)
    picks = fit(list(members), requests)
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
