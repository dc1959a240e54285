"""Claims that share a transaction: what is given is there to give, and one that fails takes nothing from the others."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from novalite.conductor.commits import Commits, Shared
from novalite.db import allocations, hosts, servers, services
from novalite.db.allocations import Amount, Want
from novalite.db.session import Database
from novalite.errors import ClaimLost, NotFound
from tests.contract.db.rows import a_server, an_inventory

ONE = Amount(1, 512, 1)


@pytest.fixture
def fleet(db: Database) -> Database:
    """Hosts a, b and c with room for three servers each; c has too little disk, as if images had filled it."""
    with db.begin() as session:
        for name in "abc":
            services.beat(session, name, "nova-compute")
            size = {"vcpus": 3, "ram_mb": 2048, "disk_gb": 0 if name == "c" else 100, "cpu_ratio": 1.0}
            hosts.record(session, an_inventory(name, **size))
    return db


def used(db: Database) -> dict[str, tuple[int, int, int, int]]:
    """By host, provided it agrees with the claims: vCPUs, MB, GB, servers."""
    with db.read() as session:
        rows, sums = hosts.rows(session), allocations.totals(session)
    for row in rows:
        assert sums.get(row.host, Amount(0, 0, 0)) == Amount(
            row.used_vcpus, row.used_ram_mb, row.used_disk_gb
        )
    return {row.host: (row.used_vcpus, row.used_ram_mb, row.used_disk_gb, row.servers) for row in rows}


def test_places_are_given_until_there_are_none(fleet: Database) -> None:
    wants = [Want(f"s{n}", "a", 1, ONE) for n in range(4)]
    wants += [
        Want("two", "b", 1, Amount(2, 1024, 2)),
        Want("two more", "b", 1, Amount(2, 512, 0)),
        Want("fits", "b", 1, ONE),
    ]
    wants += [Want("stale", "b", 7, ONE), Want("nowhere", "x", 1, ONE), Want("disk", "c", 1, ONE)]
    wants += [Want("no disk", "c", 1, Amount(1, 512, 0))]
    with fleet.begin() as session:
        given = allocations.claim_many(session, wants)
        assert given == {"s0", "s1", "s2", "two", "fits", "no disk"}
        assert allocations.claim(session, "s0", "a", 1, ONE) == "nova"
        with pytest.raises(ClaimLost):
            allocations.claim(session, "s3", "a", 1, ONE)
    assert used(fleet) == {"a": (3, 1536, 3, 3), "b": (3, 1536, 3, 2), "c": (1, 512, 0, 1)}
    with fleet.read() as session:
        versions = {row.host: (row.version, row.generation) for row in hosts.rows(session)}
    assert versions == dict.fromkeys("abc", (2, 1)), "use moves the version, and not the generation"


class Gate:
    """Lets others come before a transaction ends."""

    def __init__(self, commits: Commits) -> None:
        self.commits, self.open = commits, threading.Event()

    def wait_for(self, number: int) -> None:
        """Until so many wait for the transaction that this is called in."""
        for _ in range(2000):
            if len(self.commits._queue) == number:
                return
            self.open.wait(0.005)
        raise AssertionError(f"{len(self.commits._queue)} wait, not {number}")


def test_one_that_fails_takes_nothing_from_the_others(fleet: Database) -> None:
    commits = Commits(fleet, slow=30.0)
    gate, sessions = Gate(commits), list[Any]()
    with fleet.begin() as session:
        servers.create(session, [a_server(id=f"s{n}") for n in range(6)])

    def place(server: str) -> str:
        host = "b" if server in ("s2", "s5") else "a"

        def work(session: Any) -> str:
            sessions.append(session)
            zone = allocations.claim(session, server, host, 1, ONE)
            servers.change(session, server, description=zone)
            if server == "s0":
                gate.wait_for(5)
            if server == "s2":
                raise NotFound("Its image is gone.")
            return server

        return commits.run(work, Shared(Want(server, host, 1, ONE)))

    with ThreadPoolExecutor(6) as pool:
        first = pool.submit(place, "s0")
        while not sessions:
            gate.open.wait(0.005)
        others = {f"s{n}": pool.submit(place, f"s{n}") for n in range(1, 6)}
        assert first.result(60) == "s0"
        ends = {name: one.exception(60) for name, one in others.items()}
    lost = [name for name, end in ends.items() if isinstance(end, ClaimLost)]
    assert isinstance(ends["s2"], NotFound)
    assert len(lost) == 1 and lost[0] in ("s1", "s3", "s4"), (
        "there were three places on host a, and one was taken"
    )
    assert used(fleet) == {"a": (3, 1536, 3, 3), "b": (1, 512, 1, 1), "c": (0, 0, 0, 0)}
    with fleet.read() as session:
        told = {f"s{n}": servers.get(session, f"s{n}")["description"] for n in range(6)}
    assert {name for name, zone in told.items() if zone is None} == {"s2", *lost}


def test_who_waits_shares_the_next_transaction(fleet: Database) -> None:
    commits = Commits(fleet, slow=30.0)
    gate, sessions = Gate(commits), dict[str, Any]()

    def place(server: str, host: str, also: str = "") -> str:
        def work(session: Any) -> str:
            sessions[server] = session
            if server == "first":
                gate.wait_for(4)
            return allocations.claim(session, server, host, 1, ONE)

        return commits.run(work, Shared(Want(server, host, 1, ONE), also))

    with ThreadPoolExecutor(5) as pool:
        first = pool.submit(place, "first", "a")
        while not sessions:
            gate.open.wait(0.005)
        asked = [("s1", "a"), ("s2", "b"), ("s3", "b", "net-1"), ("s4", "b", "net-2")]
        others = [pool.submit(place, *one) for one in asked]
        assert [one.result(60) for one in (first, *others)] == ["nova"] * 5
    assert sessions["s1"] is sessions["s2"] is not sessions["first"]
    assert sessions["s3"] is not sessions["s4"], "they lock different networks, perhaps in another order"
    assert used(fleet) == {"a": (2, 1024, 2, 2), "b": (3, 1536, 3, 3), "c": (0, 0, 0, 0)}
