"""Cells and devices together: the place of a guest with a topology that is near enough to the devices it wants. Pure;
filter and claim both ask here."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import NamedTuple

from novalite.objects.numa import GuestTopology, HostTopology, HostUse, Placed, in_use
from novalite.objects.pci import PciPool, PciRequest
from novalite.scheduler import numa, pci
from novalite.scheduler.numa import Limits

MOST_PLACES = 256
"""Places that are looked at for one guest: sets of cells on hosts of up to eight are fewer."""


class Found(NamedTuple):
    """Where the guest goes, and what it gets; see scheduler.pci."""

    place: Placed
    picks: pci.Picks


def best(
    host: HostTopology, use: HostUse, wanted: GuestTopology, limits: Limits, pools: Sequence[PciPool],
    requests: Sequence[PciRequest],
) -> Found | None:  # fmt: skip
    """The place from which the fewest devices are far though near ones are preferred: of equals the best place. None
    when there is no place, or none that is near enough."""
    sockets = {cell.id: cell.socket for cell in host.cells}
    found: Found | None = None
    least = 0
    for place in islice(numa.choices(host, use, wanted, limits), MOST_PLACES):
        given = pci.cheapest(pools, requests, {cell.host_cell for cell in place.cells}, sockets)
        if given is not None and (found is None or given.cost < least):
            found, least = Found(place, given.picks), given.cost
            if least < pci.FAR:
                break
    return found


def room(
    host: HostTopology, use: HostUse, wanted: GuestTopology, limits: Limits, pools: Sequence[PciPool],
    requests: Sequence[PciRequest], servers: int,
) -> bool:  # fmt: skip
    """Whether so many servers fit, one after the other."""
    for _ in range(servers):
        found = best(host, use, wanted, limits, pools, requests)
        if found is None:
            return False
        use, pools = in_use([found.place], use), pci.rest(pools, found.picks)
    return True
