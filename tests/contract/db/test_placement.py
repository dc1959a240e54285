"""Placement on every database: of two who write on the same generation one wins, and nothing is given twice."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from novalite.db import allocations as claims
from novalite.db import hosts, numa, servers, services
from novalite.db.check import check
from novalite.db.models.compute import Allocation, Host, new_id
from novalite.db.models.pci import PciDevice
from novalite.db.models.placement import ConsumerAllocation
from novalite.db.placement import (
    aggregates,
    allocations,
    audit,
    classes,
    consumers,
    inventories,
    providers,
    traits,
    trees,
)
from novalite.db.session import Database
from novalite.errors import BadRequest, ClaimLost, Conflict
from novalite.objects.numa import HostCell, HostTopology, Placed, PlacedCell
from novalite.objects.pci import PciDevice as PciReport
from novalite.objects.placement import (
    ConsumerAllocations,
    InventoryChange,
    Provider,
    ProviderQuery,
    TraitRule,
)
from novalite.objects.placement_errors import (
    ConcurrentUpdate,
    ConsumerConflict,
    InventoryInUse,
    KeptByCompute,
    NoRoom,
    ProviderInUse,
)
from tests.contract.db.rows import a_server, an_inventory


def has(db: Database, uuid: str, **totals: int) -> Provider:
    """A provider that has these totals."""
    change = InventoryChange(inventories={name: {"total": total} for name, total in totals.items()})
    return db.run(lambda session: inventories.write(session, uuid, change))


def provider(db: Database, name: str = "storage", parent: str | None = None, **totals: int) -> str:
    """The uuid of a new provider."""
    made = db.run(lambda session: providers.create(session, name, None, parent))
    return has(db, made.uuid, **totals).uuid


def host(db: Database, name: str = "alpha") -> str:
    """The uuid of a host with 4 CPUs, each given once."""
    with db.begin() as session:
        services.beat(session, name, "nova-compute")
        hosts.record(session, an_inventory(name, cpu_ratio=1.0))
        return str(session.execute(select(Host.uuid).where(Host.host == name)).scalar_one())


def take(db: Database, *wanted: ConsumerAllocations) -> Any:
    """Write what consumers hold."""
    return db.run(lambda session: allocations.write(session, wanted))


def asks(consumer: str, resources: dict[str, dict[str, int]], **more: Any) -> ConsumerAllocations:
    """What a consumer shall hold."""
    return ConsumerAllocations(consumer=consumer, allocations=resources, project_id="p-1", user_id="u-1", **more)


def raced(work: Callable[[int], Any], times: int = 8) -> tuple[list[Any], list[Exception]]:
    """What came of the same work in several threads at once: answers and errors."""

    def one(number: int) -> Any:
        try:
            return work(number)
        except (Conflict, ClaimLost) as error:
            return error

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(one, range(times)))
    errors = [one for one in found if isinstance(one, Exception)]
    return [one for one in found if not isinstance(one, Exception)], errors


def used(db: Database, uuid: str, name: str) -> int:
    """How much of a class a provider gave."""
    with db.read() as session:
        return providers.find(session, uuid, inventories.PARTS).inventories[name].used


WRITES = {
    "inventories": lambda s, uuid, seen: inventories.write(
        s, uuid, InventoryChange(inventories={"IPV4_ADDRESS": {"total": 5}}, generation=seen, whole=False)
    ),
    "traits": lambda s, uuid, seen: traits.write(s, uuid, ["STORAGE_DISK_SSD"], seen),
    "aggregates": lambda s, uuid, seen: aggregates.write(s, uuid, [new_id()], seen, counted=True),
}


@pytest.mark.parametrize("kind", ["provider", "host"])
@pytest.mark.parametrize("part", WRITES)
def test_of_two_who_know_the_same_generation_one_wins(db: Database, part: str, kind: str) -> None:
    uuid = host(db) if kind == "host" else provider(db)
    with db.read() as session:
        seen = providers.find(session, uuid).generation
    won, lost = raced(lambda _: db.run(lambda session: WRITES[part](session, uuid, seen)), times=6)
    assert len(won) == 1 and {type(one) for one in lost} == {ConcurrentUpdate}
    assert won[0].generation == seen + 1


@pytest.mark.parametrize("kind", ["provider", "host"])
def test_nothing_is_given_twice(db: Database, kind: str) -> None:
    uuid = host(db) if kind == "host" else provider(db, VCPU=4)
    won, lost = raced(lambda _: take(db, asks(new_id(), {uuid: {"VCPU": 1}})), times=16)
    assert len(won) == 4 and {type(one) for one in lost} == {NoRoom}
    assert used(db, uuid, "VCPU") == 4
    assert check(db) == []


def test_claims_of_the_core_and_of_placement_share_a_host(db: Database) -> None:
    uuid = host(db)
    with db.begin() as session:
        servers.create(session, [a_server(id=f"s-{n}") for n in range(8)])

    def claim(number: int) -> Any:
        if number % 2:
            return take(db, asks(new_id(), {uuid: {"VCPU": 1}}))
        amount = claims.Amount(1, 1, 0)
        return db.run(lambda session: claims.claim(session, f"s-{number // 2}", "alpha", 1, amount))

    won, _ = raced(claim, times=16)
    assert len(won) == 4 and used(db, uuid, "VCPU") == 4
    assert check(db) == []


def test_of_two_who_write_a_consumer_one_wins(db: Database) -> None:
    uuid, consumer = provider(db, VCPU=100), new_id()
    first, lost = raced(lambda n: take(db, asks(consumer, {uuid: {"VCPU": 1}}, checked=True, generation=None)))
    assert len(first) == 1 and {type(one) for one in lost} == {ConsumerConflict}
    elsewhere = provider(db, "elsewhere", VCPU=100)
    places = (uuid, elsewhere)
    second, lost = raced(
        lambda n: take(db, asks(consumer, {places[n % 2]: {"VCPU": 1}}, checked=True, generation=1))
    )
    assert len(second) == 1 and {type(one) for one in lost} == {ConsumerConflict}
    with db.read() as session:
        assert consumers.read(session, [consumer])[consumer]["generation"] == 2
    assert check(db) == []


def test_what_one_consumer_lets_go_of_another_has_at_once(db: Database) -> None:
    uuid, server, migration = host(db), new_id(), new_id()
    take(db, asks(server, {uuid: {"VCPU": 4}}))
    take(db, asks(server, {}), asks(migration, {uuid: {"VCPU": 4}}))
    with db.read() as session:
        assert list(consumers.of_provider(session, providers.find(session, uuid))) == [migration]
    with pytest.raises(NoRoom):
        take(db, asks(server, {uuid: {"VCPU": 1}}))
    assert check(db) == []


def test_servers_keep_what_they_need_of_hosts(db: Database) -> None:
    uuid = host(db)
    beside = provider(db, "gpu", parent=uuid, VGPU=2)
    with db.begin() as session:
        servers.create(session, [a_server(id="s-1", host="alpha")])
        claims.claim(session, "s-1", "alpha", 1, claims.Amount(1, 512, 1))
    needs = {"VCPU": 1, "MEMORY_MB": 512, "DISK_GB": 1}
    take(db, asks("s-1", {uuid: needs, beside: {"VGPU": 1}}))
    for less in ({}, {beside: {"VGPU": 1}}, {uuid: {"VCPU": 1}}):
        with pytest.raises(KeptByCompute):
            take(db, asks("s-1", less))
    assert used(db, beside, "VGPU") == 1 and used(db, uuid, "MEMORY_MB") == 512
    with db.begin() as session:
        claims.release(session, "s-1")
        consumers.forget(session, "s-1")
        servers.mark_deleted(session, "s-1")
    assert used(db, beside, "VGPU") == 0
    assert check(db) == []


def test_what_is_held_stays(db: Database) -> None:
    uuid = provider(db, VCPU=4, DISK_GB=10)
    take(db, asks(new_id(), {uuid: {"DISK_GB": 1, "VCPU": 1}}))
    with pytest.raises(InventoryInUse, match="VCPU, DISK_GB"):
        has(db, uuid)
    with pytest.raises(ProviderInUse):
        db.run(lambda session: providers.remove(session, uuid))
    assert has(db, uuid, VCPU=1, DISK_GB=10).inventories["VCPU"].total == 1, "less than is held may be"


def test_a_taker_and_who_removes_the_inventory_do_not_both_win(db: Database) -> None:
    uuid = provider(db, VCPU=4)

    def work(number: int) -> Any:
        if number % 2:
            return db.run(lambda session: inventories.remove(session, uuid))
        return take(db, asks(new_id(), {uuid: {"VCPU": 1}}))

    raced(work, times=8)
    assert check(db) == []


def test_trees_are_kept_together_when_parts_of_them_move(db: Database) -> None:
    top, other = provider(db, "top"), provider(db, "other")
    middle = provider(db, "middle", parent=top)
    leaf = provider(db, "leaf", parent=middle)

    def move(uuid: str, parent: str | None) -> Provider:
        return db.run(lambda s: providers.change(s, uuid, trees.one(s, uuid).name, True, parent, True))  # type: ignore[union-attr]

    raced(lambda n: move(middle if n % 2 else leaf, (top, other, None)[n % 3]), times=12)
    assert check(db) == []
    move(middle, top), move(leaf, middle)
    with pytest.raises(BadRequest, match="loop"):
        move(top, leaf)
    move(top, other)
    with db.read() as session:
        tree = trees.read(session, roots=[other], parts=frozenset())
    assert {one.name for one in tree} == {"top", "middle", "leaf", "other"}


def test_reading_trees_costs_the_same_however_many_there_are(db: Database) -> None:
    for number in range(5):
        provider(db, f"gpu-{number}", parent=host(db, f"host-{number}"), VGPU=1)
    before = db.statements
    with db.read() as session:
        found = trees.read(session)
    assert len(found) == 10 and db.statements - before <= 8
    assert all(one.inventories for one in found)


def test_hosts_are_found_by_what_operators_say_of_them(db: Database) -> None:
    uuid = host(db)
    host(db, "beta")
    with db.begin() as session:
        assert traits.add(session, "CUSTOM_GOLD") and not traits.add(session, "CUSTOM_GOLD")
        assert traits.write(session, uuid, ["CUSTOM_GOLD"], None).traits == {"CUSTOM_GOLD", "HW_CPU_X86_AVX"}
    with db.begin() as session:
        hosts.record(session, an_inventory(cpu_ratio=1.0, traits=("HW_CPU_X86_AVX2",)))
    query = ProviderQuery(required=(TraitRule(traits=("CUSTOM_GOLD",)),))
    with db.read() as session:
        (found,) = providers.page(session, query)
        assert found.uuid == uuid
        (row,) = hosts.rows(session, ["alpha"])
        assert set(row.traits) == {"CUSTOM_GOLD", "HW_CPU_X86_AVX2"}, "schedulers see them too"
    with pytest.raises(Conflict), db.begin() as session:
        traits.remove(session, "CUSTOM_GOLD")
    with db.begin() as session:
        traits.write(session, uuid, [], None)
    with db.begin() as session:
        traits.remove(session, "CUSTOM_GOLD")
        assert traits.missing(session, ["CUSTOM_GOLD", "HW_CPU_X86_AVX2"]) == ["CUSTOM_GOLD"]


def test_reports_and_operators_who_race_lose_nothing(db: Database) -> None:
    uuid = host(db)
    own = {"VCPU": {"total": 4, "allocation_ratio": 2.0, "max_unit": 4}}

    def work(number: int) -> Any:
        if number % 2:
            facts = an_inventory(cpu_ratio=1.0, ram_mb=8192 + number)
            return db.run(lambda session: hosts.record(session, facts))
        change = InventoryChange(inventories=own, whole=False)
        return db.run(lambda session: inventories.write(session, uuid, change))

    raced(work, times=12)
    with db.read() as session:
        (row,) = hosts.rows(session, ["alpha"])
    assert row.cap_vcpus == 8


def test_a_class_keeps_its_amounts_under_another_name(db: Database) -> None:
    with db.begin() as session:
        assert classes.add(session, "CUSTOM_GOLD") and classes.add(session, "CUSTOM_LEAD")
    uuid = provider(db, CUSTOM_GOLD=3)
    take(db, asks(new_id(), {uuid: {"CUSTOM_GOLD": 1}}))
    with db.begin() as session:
        with pytest.raises(Conflict):
            classes.rename(session, "CUSTOM_GOLD", "CUSTOM_LEAD")
        classes.rename(session, "CUSTOM_GOLD", "CUSTOM_SILVER")
    assert used(db, uuid, "CUSTOM_SILVER") == 1
    with pytest.raises(Conflict), db.begin() as session:
        classes.remove(session, "CUSTOM_SILVER")
    assert check(db) == []


def test_check_finds_what_does_not_add_up(db: Database) -> None:
    uuid = provider(db, VCPU=4)
    with db.begin() as session:
        session.execute(
            insert(ConsumerAllocation).values(
                consumer_uuid=new_id(), provider_uuid=uuid, resource_class="VCPU", amount=1
            )
        )
    found = check(db)
    assert len(found) == 2 and "counts 0 of VCPU as used, but its consumers hold 1" in found[0] + found[1]


def test_an_audit_does_not_disturb_claims_and_releases(db: Database) -> None:
    host(db)
    with db.begin() as session:
        servers.create(session, [a_server(id=f"s-{n}") for n in range(6)])
        session.execute(insert(Allocation).values(server_id="gone", host="alpha", vcpus=1, ram_mb=1, disk_gb=0))
        session.execute(update(Host).values(used_vcpus=3))

    def work(number: int) -> Any:
        if number % 3 == 0:
            return db.run(lambda session: audit.recount(session, "alpha"))
        if number % 3 == 1:
            amount = claims.Amount(1, 1, 0)
            return db.run(lambda session: claims.claim(session, f"s-{number // 3}", "alpha", 1, amount))
        return db.run(lambda session: claims.release(session, f"s-{number // 3}"))

    raced(work, times=18)
    with db.begin() as session:
        (orphan,) = [one for one in audit.orphans(session) if one.holder == "gone"]
        assert audit.give_back(session, orphan) and not audit.give_back(session, orphan)
        audit.recount(session, "alpha")
    assert db.run(audit.drifted) == []


def test_devices_of_a_host_are_below_it_and_belong_to_servers(db: Database) -> None:
    cell = HostCell(id=0, memory_mb=4096, cpus="0-3", shared="0,1", dedicated="2,3")
    card = PciReport(address="0000:01:00.0", vendor_id="8086", product_id="154d", kind="type-PF", numa_node=0)
    part = PciReport(address="0000:01:00.1", vendor_id="8086", product_id="10ed", kind="type-VF", parent=card.address)
    with db.begin() as session:
        services.beat(session, "alpha", "nova-compute")
        topology = HostTopology(cells=(cell,))
        hosts.record(session, an_inventory(vcpus=2, pcpus=2, numa=topology, pci_devices=(card, part)))
        servers.create(session, [a_server(id="s-1", host="alpha")])
        claims.claim(session, "s-1", "alpha", hosts.rows(session)[0].generation, claims.Amount(0, 64, 0))
        session.execute(update(PciDevice).where(PciDevice.address == part.address).values(holder="s-1", alias="nic"))
        place = Placed(cells=(PlacedCell(cpus=(0, 1), memory_mb=64, host_cell=0, pins=((0, 2), (1, 3))),))
        numa.give(session, "alpha", "s-1", place)
    with db.read() as session:
        root, near, device = trees.read(session)
        assert [near.parent, device.parent, device.root] == [root.uuid, near.uuid, root.uuid]
        assert {name: (one.total, one.used, one.reserved) for name, one in device.inventories.items()} == {
            "CUSTOM_PCI_8086_10ED": (1, 1, 0), "CUSTOM_PCI_8086_154D": (1, 0, 1),
        }  # fmt: skip
        held = consumers.read(session, ["s-1"])["s-1"]["held"]
        assert held[root.uuid] == {"MEMORY_MB": 64, "PCPU": 2}
        assert held[near.uuid] == {"NUMA_THREAD": 2, "NUMA_MEMORY_MB": 64}
        assert held[device.uuid] == {"CUSTOM_PCI_8086_10ED": 1}
        assert consumers.of_provider(session, device)["s-1"]["resources"] == held[device.uuid]
        sums = consumers.usages(session, "p-1", None, "all")["all"]
        assert sums == {"consumer_count": 1, "MEMORY_MB": 64, "PCPU": 2, "CUSTOM_PCI_8086_10ED": 1}
        assert inventories.known_classes(session, ["CUSTOM_PCI_8086_10ED", "CUSTOM_PCI_8086_0000"]) == {
            "CUSTOM_PCI_8086_10ED"
        }
        assert trees.one(session, device.uuid) is not None and trees.tree_of(session, near.uuid) == root.uuid
        assert [one.uuid for one in trees.read(session, names=[near.name])] == [near.uuid]
