"""Cells, CPUs and pages on every database: who gets which, and many who want the same at once."""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import update

from novalite.cmd.arena import Arena, Asked
from novalite.conductor import claiming
from novalite.conf.load import for_tests
from novalite.db import allocations, hosts, hypervisors, numa, numa_check, servers, services
from novalite.db.check import check
from novalite.db.models.base import Base
from novalite.db.models.compute import Allocation, Host
from novalite.db.session import Database
from novalite.errors import ClaimLost
from novalite.objects import numa as objects
from novalite.objects.flavors import Flavor
from novalite.objects.numa import GuestCell, GuestTopology, HostCell, HostTopology, Pages
from novalite.objects.pci import PciDevice, PciMatch, PciRequest
from novalite.scheduler.numa import Limits, fit
from tests.contract.db.rows import a_server, an_inventory

ONE = allocations.Amount(2, 1, 1)
CELLS = HostTopology(
    cells=tuple(
        HostCell(
            id=at, socket=at, memory_mb=4000, cpus=f"{4 * at}-{4 * at + 3}", dedicated=f"{4 * at}-{4 * at + 3}",
            pages=(Pages(size_kb=2048, total=10),),
        )
        for at in range(2)
    )
)  # fmt: skip
GPU = PciDevice(address="0000:01:01.0", vendor_id="10de", product_id="1eb8", numa_node=1)
WANTS_GPU = PciRequest(alias="a", count=1, any_of=(PciMatch(),), policy="required").model_dump()


def guest(*counts: int, **facts: Any) -> GuestTopology:
    """With so many CPUs of its own in each of its cells."""
    numbers = iter(range(sum(counts)))
    made = tuple(GuestCell(cpus=tuple(next(numbers) for _ in range(n)), memory_mb=4) for n in counts)
    return GuestTopology(cells=made, dedicated=tuple(range(sum(counts))), **facts)


def take(db: Database, server_id: str, wanted: GuestTopology, **more: Any) -> None:
    with db.read() as session:
        candidate = {"host": "alpha", "generation": hosts.rows(session, ["alpha"])[0].generation}
    spec = {"numa": wanted.model_dump(mode="json"), **more}
    db.run(lambda session: claiming.take(session, server_id, candidate, ONE, spec))


def pinned(db: Database) -> dict[str, set[int]]:
    with db.read() as session:
        return {holder: place.cpus for holder, place in numa.of_host(session, "alpha").items()}


def told(db: Database) -> tuple[str, int]:
    """What schedulers hear, and what operators see."""
    with db.read() as session:
        (row,) = hosts.rows(session, ["alpha"])
        return objects.use(row.numa_used).pinned, hypervisors.page(session, 60.0)[0]["vcpus_used"]


@pytest.fixture
def alpha(db: Database) -> Iterator[Database]:
    """A host of two cells, servers s0 to s19; sound at the end."""
    with db.begin() as session:
        services.beat(session, "alpha", "nova-compute")
        servers.create(session, [a_server(id=f"s{n}", host="alpha") for n in range(20)])
        hosts.record(session, an_inventory("alpha", numa=CELLS, vcpus=0, pcpus=8, pci_devices=(GPU,)))
    yield db


def test_cells_are_told_and_news_only_when_they_change(alpha: Database) -> None:
    with alpha.read() as session:
        (row,) = hosts.rows(session)
        assert objects.topology(row.numa) == CELLS and row.numa_used == ""
        assert hypervisors.page(session, 60.0)[0]["vcpus"] == 8
    with alpha.begin() as session:
        same = an_inventory("alpha", numa=CELLS, vcpus=0, pcpus=8, pci_devices=(GPU,))
        assert not hosts.record(session, same)
        assert hosts.record(session, same.model_copy(update={"pcpus": 6}))


def test_a_claim_gives_cpus_keeps_them_and_gives_them_back(alpha: Database) -> None:
    take(alpha, "s0", guest(3))
    take(alpha, "s0", guest(3))  # asked again, it keeps what it has
    take(alpha, "s1", guest(2))
    assert pinned(alpha) == {"s0": {0, 1, 2}, "s1": {4, 5}}
    assert told(alpha) == ("0-2,4-5", 5)
    with pytest.raises(ClaimLost):
        take(alpha, "s2", guest(2, 2))
    with alpha.read() as session:
        assert allocations.holds(session, "s2") == [] and hosts.rows(session)[0].used_ram_mb == 2
    with alpha.begin() as session:
        allocations.release(session, "s0")
    assert told(alpha) == ("4-5", 2)
    take(alpha, "s2", guest(2, 2))
    assert not [found for found in check(alpha) if "CPU" in found or "cells" in found]


def test_cpus_go_with_the_place_to_a_migration_and_back(alpha: Database) -> None:
    take(alpha, "s0", guest(2))
    with alpha.begin() as session:
        allocations.set_aside(session, "s0", "m", "alpha")
    take(alpha, "s0", guest(4))
    assert pinned(alpha) == {"m": {0, 1}, "s0": {4, 5, 6, 7}}
    with alpha.begin() as session:
        assert numa.held(session, "alpha", ["s0", "m"]).cpus == {4, 5, 6, 7}
        allocations.release(session, "s0")
        allocations.take_back(session, "s0", "m", "alpha")
    assert (pinned(alpha), told(alpha)) == ({"s0": {0, 1}}, ("0-1", 2))


def test_cells_are_chosen_near_the_devices(alpha: Database) -> None:
    take(alpha, "s0", guest(2), pci_requests=[WANTS_GPU])
    assert pinned(alpha) == {"s0": {4, 5}}
    with pytest.raises(ClaimLost):
        take(alpha, "s1", guest(2), pci_requests=[WANTS_GPU])
    with alpha.begin() as session:
        allocations.release(session, "s0")
    take(alpha, "s1", guest(3))
    take(alpha, "s2", guest(3))
    with pytest.raises(ClaimLost):
        take(alpha, "s3", guest(2), pci_requests=[WANTS_GPU])
    take(alpha, "s3", guest(1, 1), pci_requests=[WANTS_GPU])


def test_what_check_finds(alpha: Database) -> None:
    take(alpha, "s0", guest(2))
    take(alpha, "s1", guest(2))
    with alpha.begin() as session:
        place = numa.held(session, "alpha", ["s0"])
        session.execute(update(Allocation).where(Allocation.server_id == "s1").values(numa=place.model_dump_json()))
        session.execute(update(Host).values(used_pcpus=9))
        session.execute(update(Allocation).where(Allocation.server_id == "s0").values(pcpus=7))
    said = "\n".join(check(alpha))
    assert "CPU 0 of host alpha is given to s0 and to s1." in said
    assert "Host alpha tells that" in said
    assert "Host alpha counts 9 dedicated CPUs as used, but its claims add up to 4." in said
    assert "The claim of s0 on host alpha counts 7 dedicated CPUs, but its place has 2." in said


def test_many_who_want_the_same_cpus_and_some_who_leave(alpha: Database) -> None:
    """Eight threads for four places; whoever got one leaves again, and the next gets it."""

    def one(number: int) -> bool:
        try:
            take(alpha, f"s{number}", guest(2))
        except ClaimLost:
            return False
        if number % 2:
            with alpha.begin() as session:
                allocations.release(session, f"s{number}")
        return True

    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(one, range(20)))
    assert sum(got[::2]) <= 4
    for number in range(0, 20, 2):
        if f"s{number}" not in pinned(alpha):
            one(number)
    assert len(pinned(alpha)) == 4, "there was room for all that there is room for"
    with alpha.read() as session:
        assert [said for rule in RULES for said in rule(session)] == []


RULES = (numa_check.cpus_are_given_once, numa_check.use_of_cells_is_told, numa_check.pinned_cpus_are_offered)
SHAPES = [(2,), (3,), (1, 1), (4,), (2, 2)]


def test_racing_schedulers_give_no_cpu_twice_and_refuse_nobody_who_had_room(cloud_url: str, tmp_path: Any) -> None:
    """Nothing is given back here, so who has a place for him at the end had one all the time."""
    url = cloud_url or f"sqlite:///{tmp_path / 'race.db'}"
    made = Database(url)
    Base.metadata.create_all(made.engine)
    made.close()
    rng = random.Random(7)
    arena = Arena(for_tests({}), lambda: Database(url), conductors=2, schedulers=2)
    try:
        facts = {"numa": CELLS, "vcpus": 0, "pcpus": 8, "ram_ratio": 1.0}
        arena.add_hosts((an_inventory(f"h{n}", **facts) for n in range(8)), time.time() + 86_400)
        arena.start()
        asked = [_asked(rng) for _ in range(60)]
        with ThreadPoolExecutor(8) as pool:
            placed = list(pool.map(lambda at: arena.place(asked[at], at % 2), range(len(asked))))
        with arena.databases[0].read() as session:
            assert [said for rule in RULES for said in rule(session)] == []
        wanted = {one.server_id: one.more["numa"] for one in asked}
        free = {row.host: (objects.topology(row.numa), objects.use(row.numa_used)) for row in arena.rows()}
        for one in placed:
            if one.host is None:
                room = [host for host, (cells, use) in free.items() if fit(cells, use, wanted[one.server_id], NO_LIMIT)]
                assert not room, f"refused ({one.why}) although {room} would have done"
        assert sum(1 for one in placed if one.host) >= 16
    finally:
        arena.close()


NO_LIMIT = Limits((1, 1), (1, 1))


def _asked(rng: random.Random) -> Asked:
    shape = rng.choice(SHAPES)
    flavor = Flavor(flavor_id="1", name="one", vcpus=sum(shape), ram_mb=4 * len(shape), disk_gb=1)
    return Asked(str(uuid.UUID(int=rng.getrandbits(128))), flavor, None, {"numa": guest(*shape)})
