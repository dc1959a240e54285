"""PCI devices on every database: what hosts report, who gets which, and many who want the same at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import update

from novalite.conductor import claiming
from novalite.db import allocations, hosts, pci, servers, services
from novalite.db.check import check
from novalite.db.models.compute import Allocation
from novalite.db.models.pci import PciDevice as Row
from novalite.db.session import Database
from novalite.errors import ClaimLost
from novalite.objects.pci import PciDevice, PciMatch, PciRequest
from tests.contract.db.rows import a_server, an_inventory

ONE = allocations.Amount(0, 1, 1)


def gpu(number: int, **facts: Any) -> PciDevice:
    return PciDevice(**{"address": f"0000:01:{number:02x}.0", "vendor_id": "10de", "product_id": "1eb8", **facts})


def nic(parts: int) -> list[PciDevice]:
    """A function and its parts."""
    facts = {"vendor_id": "8086", "product_id": "154d"}
    whole = PciDevice(**facts, address="0000:02:00.0", kind="type-PF")
    return [whole, *(PciDevice(**facts, address=f"0000:02:10.{n}", kind="type-VF", parent=whole.address)
                     for n in range(parts))]  # fmt: skip


def report(db: Database, devices: Sequence[PciDevice], host: str = "alpha") -> bool:
    return db.run(lambda session: hosts.record(session, an_inventory(host, pci_devices=tuple(devices))))


def take(db: Database, server_id: str, kind: str = "type-PCI", count: int = 1, seen: int | None = None) -> None:
    request = PciRequest(alias="a", count=count, any_of=(PciMatch(kind=kind),)).model_dump()  # type: ignore[arg-type]
    with db.read() as session:
        generation = seen or hosts.rows(session, ["alpha"])[0].generation
    candidate = {"host": "alpha", "generation": generation}
    db.run(lambda session: claiming.take(session, server_id, candidate, ONE, {"pci_requests": [request]}))


def who(db: Database) -> dict[str, str | None]:
    with db.read() as session:
        return {one.address: one.holder for one in pci.of_host(session, "alpha")}


def free(db: Database) -> int:
    with db.read() as session:
        return hosts.rows(session, ["alpha"])[0].pci_free


@pytest.fixture
def alpha(db: Database) -> Iterator[Database]:
    """A host, servers s0 to s19; sound at the end."""
    with db.begin() as session:
        services.beat(session, "alpha", "nova-compute")
        servers.create(session, [a_server(id=f"s{n}", host="alpha") for n in range(20)])
    report(db, [])
    yield db


def test_reports_are_news_only_when_something_changed(alpha: Database) -> None:
    with alpha.read() as session:
        assert hosts.rows(session)[0].pci_pools == ()
    assert report(alpha, [gpu(1), gpu(2)])
    assert not report(alpha, [gpu(2), gpu(1)])
    assert free(alpha) == 2
    assert report(alpha, [gpu(1, numa_node=1), gpu(2)])
    with alpha.read() as session:
        row = hosts.rows(session)[0]
    assert [(pool.numa_node, pool.free) for pool in row.pci_pools] == [(1, 1), (None, 1)]
    with alpha.read() as session:
        generation = hosts.rows(session)[0].generation
    assert not report(alpha, [gpu(1, numa_node=1, driver="vfio-pci"), gpu(2)]), "a guest has started with it"
    with alpha.read() as session:
        assert hosts.rows(session)[0].generation == generation
        assert pci.of_host(session, "alpha")[0].driver == "vfio-pci"
    assert report(alpha, [])
    assert who(alpha) == {} and free(alpha) == 0 and not report(alpha, [])


def test_a_device_that_vanishes_is_kept_for_who_has_it_and_given_to_nobody(
    alpha: Database, caplog: pytest.LogCaptureFixture
) -> None:
    report(alpha, [gpu(1), gpu(2)])
    take(alpha, "s0")
    assert report(alpha, [gpu(2)])
    assert "0000:01:01.0 no more, but s0 has it" in caplog.text
    assert who(alpha) == {gpu(1).address: "s0", gpu(2).address: None} and free(alpha) == 1
    with alpha.read() as session:
        assert [one.address for one in pci.given(session, "alpha", "s0")] == [gpu(1).address]
    assert any("offers PCI device 0000:01:01.0 no more, but s0 has it" in found for found in check(alpha))
    assert not report(alpha, [gpu(2)]), "that is known"
    take(alpha, "s1")
    with pytest.raises(ClaimLost):
        take(alpha, "s2")
    with alpha.begin() as session:
        allocations.release(session, "s0")
    assert who(alpha) == {gpu(2).address: "s1"}
    assert report(alpha, [gpu(1), gpu(2)]) and free(alpha) == 1


def test_what_comes_back_is_as_before(alpha: Database) -> None:
    report(alpha, [gpu(1)])
    take(alpha, "s0")
    assert report(alpha, []) and report(alpha, [gpu(1)])
    assert who(alpha) == {gpu(1).address: "s0"}
    assert not [found for found in check(alpha) if "PCI" in found]


def test_a_claim_without_devices_leaves_nothing(alpha: Database) -> None:
    report(alpha, [gpu(1)])
    with pytest.raises(ClaimLost):
        take(alpha, "s0", count=2)
    with alpha.read() as session:
        assert allocations.holds(session, "s0") == [] and hosts.rows(session)[0].used_ram_mb == 0
    take(alpha, "s0")
    take(alpha, "s0")  # asked again, it keeps what it has
    assert who(alpha) == {gpu(1).address: "s0"}


def test_devices_go_with_the_place_to_a_migration_and_back(alpha: Database) -> None:
    report(alpha, [gpu(1), gpu(2)])
    take(alpha, "s0")
    with alpha.begin() as session:
        allocations.set_aside(session, "s0", "m", "alpha")
        assert [one.address for one in pci.given(session, "alpha", "s0", "m")] == [gpu(1).address]
    take(alpha, "s0")
    assert who(alpha) == {gpu(1).address: "m", gpu(2).address: "s0"}
    with alpha.begin() as session:
        assert [one.address for one in pci.given(session, "alpha", "s0", "m")] == [gpu(2).address]
        allocations.release(session, "s0")
        allocations.take_back(session, "s0", "m", "alpha")
    assert who(alpha) == {gpu(1).address: "s0", gpu(2).address: None}
    with alpha.begin() as session:
        allocations.release(session, "s0")
    assert free(alpha) == 2


def test_what_check_finds(alpha: Database) -> None:
    report(alpha, nic(2))
    take(alpha, "s0", "type-VF")
    with alpha.begin() as session:
        session.execute(update(Row).where(Row.kind == "type-PF").values(holder="s1"))
        session.execute(update(Allocation).values(pci_devices=7))
    said = "\n".join(check(alpha))
    assert "0000:02:00.0 of host alpha is s1's, but 0000:02:10.0, a part of it, is s0's" in said
    assert "The claim of s0 on host alpha counts 7 PCI devices, but it has 1." in said
    assert "s1 has 1 PCI devices of host alpha without a claim there." in said
    assert "What host alpha tells of its free PCI devices is not what is free." in said


def race(db: Database, kinds: Sequence[str]) -> dict[str, str]:
    """A server for each kind, all at once; those that got something."""
    with db.read() as session:
        seen = hosts.rows(session)[0].generation

    def one(number: int) -> bool:
        try:
            take(db, f"s{number}", kinds[number], seen=seen)
        except ClaimLost:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(one, range(len(kinds))))
    holders = {address: holder for address, holder in who(db).items() if holder}
    assert sorted(holders.values()) == sorted(f"s{n}" for n, got in enumerate(won) if got)
    return holders


def test_many_want_few_devices_and_none_is_given_twice(alpha: Database) -> None:
    report(alpha, [gpu(n) for n in range(6)])
    assert len(race(alpha, ["type-PCI"] * 20)) == 6
    assert free(alpha) == 0
    with alpha.read() as session:
        assert hosts.rows(session)[0].servers == 6
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: alpha.run(lambda session: allocations.release(session, f"s{n}")), range(20)))
    assert free(alpha) == 6


def test_a_function_is_given_whole_or_in_parts(alpha: Database) -> None:
    report(alpha, nic(4))
    held = race(alpha, ["type-PF", "type-VF"] * 8)
    whole = {"0000:02:00.0"}
    assert held.keys() == whole or (len(held) == 4 and not held.keys() & whole)
    assert not [found for found in check(alpha) if "PCI" in found]
