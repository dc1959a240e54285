"""Cells are chosen with the devices: against trying every set of cells."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novalite.objects.numa import GuestCell, GuestTopology, HostCell, HostTopology, HostUse, in_use
from novalite.objects.pci import PciMatch, PciPool, PciRequest
from novalite.scheduler import pci
from novalite.scheduler.near import best, room
from novalite.scheduler.numa import Limits, fit

LIMITS = Limits()


def a_host(*free: int) -> HostTopology:
    """A cell for each number, of so many dedicated CPUs; two cells on a socket."""
    first = [sum(free[:at]) for at in range(len(free))]
    return HostTopology(cells=tuple(
        HostCell(id=at, socket=at // 2, memory_mb=1000,
                 dedicated=",".join(str(first[at] + cpu) for cpu in range(number)))
        for at, number in enumerate(free)
    ))  # fmt: skip


def a_guest(*cpus: int) -> GuestTopology:
    """A cell for each number, of so many vCPUs with a CPU each."""
    first = [sum(cpus[:at]) for at in range(len(cpus))]
    cells = tuple(
        GuestCell(cpus=tuple(range(first[at], first[at] + number)), memory_mb=100) for at, number in enumerate(cpus)
    )
    return GuestTopology(cells=cells, dedicated=tuple(range(sum(cpus))))


def gpus(*free: int | None) -> list[PciPool]:
    """So many free devices near each cell."""
    return [PciPool(vendor_id="v", product_id="p", numa_node=at, free=number or 0) for at, number in enumerate(free)]


def wants(count: int, policy: str) -> list[PciRequest]:
    return [PciRequest(alias="a", count=count, any_of=(PciMatch(),), policy=policy)]  # type: ignore[arg-type]


def used(place: object) -> set[int]:
    return {cell.host_cell for cell in place.cells}  # type: ignore[attr-defined]


def test_a_guest_goes_where_its_devices_are():
    host, devices = a_host(4, 4), gpus(0, 2)
    assert used(fit(host, HostUse(), a_guest(2), LIMITS)) == {0}
    for policy in ("required", "legacy", "preferred"):
        found = best(host, HostUse(), a_guest(2), LIMITS, devices, wants(1, policy))
        assert found is not None and used(found.place) == {1}, policy
    assert best(a_host(4, 1), HostUse(), a_guest(2), LIMITS, devices, wants(1, "required")) is None
    found = best(a_host(4, 1), HostUse(), a_guest(2), LIMITS, devices, wants(1, "preferred"))
    assert found is not None and used(found.place) == {0}
    found = best(a_host(4, 1), HostUse(), a_guest(2), LIMITS, devices, wants(1, "socket"))
    assert found is not None and used(found.place) == {0}


@pytest.mark.parametrize(("policy", "most"), [("required", 2), ("preferred", 3)])
def test_several_servers_share_cells_and_devices(policy: str, most: int):
    host, devices = a_host(6, 6), gpus(1, 0)
    devices[1] = devices[1].model_copy(update={"free": 2})
    host = a_host(6, 2) if policy == "required" else host
    counted = [room(host, HostUse(), a_guest(2), LIMITS, devices, wants(1, policy), n) for n in range(1, 5)]
    assert counted == [n <= most for n in range(1, 5)]


@settings(max_examples=300, deadline=None)
@given(
    free=st.lists(st.integers(0, 3), min_size=1, max_size=4),
    cpus=st.lists(st.integers(1, 2), min_size=1, max_size=2),
    devices=st.lists(st.integers(0, 2), min_size=4, max_size=4),
    count=st.integers(1, 3),
    policy=st.sampled_from(["legacy", "required", "preferred", "socket"]),
)
def test_no_set_of_cells_does_better(free, cpus, devices, count, policy):
    host, guest, pools, requests = a_host(*free), a_guest(*cpus), gpus(*devices), wants(count, policy)
    sockets = {cell.id: cell.socket for cell in host.cells}
    costs = []
    for some in combinations(range(len(free)), len(cpus)):
        place = fit(host, HostUse(), guest, LIMITS, some)
        given_there = pci.cheapest(pools, requests, some, sockets) if place is not None else None
        if given_there is not None:
            costs.append(given_there.cost)
    found = best(host, HostUse(), guest, LIMITS, pools, requests)
    assert (found is None) == (not costs)
    if found is not None:
        where = used(found.place)
        assert len(where) == len(cpus)
        again = pci.cheapest(pools, requests, where, sockets)
        assert again is not None and again.cost == min(costs) and again.picks == found.picks
        left = pci.rest(pools, found.picks)
        assert sum(pool.free for pool in left) == sum(pool.free for pool in pools) - count
        assert in_use([found.place]).cells
