"""Reshapes on every database: all or nothing, and of racing callers who know the same generation exactly one wins."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from novalite.db.models.compute import new_id
from novalite.db.placement import allocations, consumers, inventories, providers, reshaping
from novalite.db.session import Database
from novalite.errors import Conflict
from novalite.objects.placement import ConsumerAllocations, InventoryChange
from novalite.objects.placement_errors import (
    ConcurrentUpdate,
    ConsumerConflict,
    InventoryInUse,
    NoRoom,
    NoSuchInventory,
    ProviderMissing,
)

CLASS = "SRIOV_NET_VF"
EIGHT = {CLASS: {"total": 8}}


class Tree:
    """A provider that gives devices to two consumers, and an empty child that shall give them from now on."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self.parent, self.child, self.consumers = new_id(), new_id(), [new_id(), new_id()]
        db.run(lambda session: providers.create(session, "parent", self.parent, None))
        db.run(lambda session: providers.create(session, "child", self.child, self.parent))
        db.run(lambda session: inventories.write(session, self.parent, InventoryChange(inventories=EIGHT)))
        self.take(*(self.held(one, self.parent, 3, None) for one in self.consumers))

    def held(self, consumer: str, provider: str, amount: int, seen: int | None) -> ConsumerAllocations:
        return ConsumerAllocations(
            consumer=consumer, allocations={provider: {CLASS: amount}}, project_id="p", user_id="u", checked=True,
            generation=seen,
        )  # fmt: skip

    def take(self, *wanted: ConsumerAllocations) -> None:
        self.db.run(lambda session: allocations.write(session, wanted))

    def facts(self) -> dict[str, Any]:
        """Everything that a reshape changes."""
        with self.db.read() as session:
            found = [providers.find(session, one, inventories.PARTS) for one in (self.parent, self.child)]
            held = consumers.read(session, self.consumers)
        stocks = {
            one.uuid: {name: (it.total, it.used) for name, it in one.inventories.items()} for one in found
        }
        return {
            "generations": {one.uuid: one.generation for one in found},
            "inventories": stocks,
            "held": {uuid: (one["held"], one["generation"]) for uuid, one in held.items()},
        }

    def reshape(
        self, seen: dict[str, int], total: int = 8, which: slice = slice(None), at: int = 1
    ) -> list[str]:
        """Move the devices, and what the consumers `which`, of generation `at`, hold of them."""
        changes = {
            self.parent: InventoryChange(inventories={}, generation=seen[self.parent]),
            self.child: InventoryChange(inventories={CLASS: {"total": total}}, generation=seen[self.child]),
        }
        held = [self.held(one, self.child, 3, at) for one in self.consumers[which]]
        return self.db.run(lambda session: reshaping.reshape(session, changes, held))


def test_everything_moves(db: Database) -> None:
    tree = Tree(db)
    tree.reshape(tree.facts()["generations"])
    now = tree.facts()
    assert now["inventories"] == {tree.parent: {}, tree.child: {CLASS: (8, 6)}}
    assert now["held"] == {one: ({tree.child: {CLASS: 3}}, 2) for one in tree.consumers}
    with pytest.raises(NoSuchInventory):
        tree.take(tree.held(new_id(), tree.parent, 1, None))


REFUSED: dict[str, tuple[Callable[[Tree, dict[str, int]], Any], type[Exception]]] = {
    "no room for the second": (lambda tree, seen: tree.reshape(seen, total=5), NoRoom),
    "one is forgotten": (lambda tree, seen: tree.reshape(seen, which=slice(1)), InventoryInUse),
    "a consumer changed": (lambda tree, seen: tree.reshape(seen, at=7), ConsumerConflict),
    "the parent changed": (lambda tree, seen: tree.reshape({**seen, tree.parent: 0}), ConcurrentUpdate),
    "the child changed": (lambda tree, seen: tree.reshape({**seen, tree.child: 5}), ConcurrentUpdate),
    "a provider is not there": (
        lambda tree, seen: tree.db.run(
            lambda session: reshaping.reshape(session, {new_id(): InventoryChange(inventories={}, generation=0)}, [])
        ),
        ProviderMissing,
    ),
}  # fmt: skip


def test_or_nothing_moves(db: Database) -> None:
    tree = Tree(db)
    before = tree.facts()
    for name, (attempt, error) in REFUSED.items():
        with pytest.raises(error):
            attempt(tree, before["generations"])
        assert tree.facts() == before, name


def raced(*work: Callable[[], Any]) -> list[Any]:
    """What came of these, each in a thread of its own: True or the conflict."""

    def one(job: Callable[[], Any]) -> Any:
        try:
            job()
        except Conflict as error:
            return error
        return True

    with ThreadPoolExecutor(len(work)) as pool:
        return [future.result() for future in [pool.submit(one, job) for job in work]]


def test_of_racing_reshapes_one_wins(db: Database) -> None:
    tree = Tree(db)
    seen = tree.facts()["generations"]
    ends = raced(*[lambda: tree.reshape(seen)] * 6)
    assert ends.count(True) == 1
    assert {type(one) for one in ends if one is not True} <= {ConcurrentUpdate, ConsumerConflict}
    assert tree.facts()["inventories"] == {tree.parent: {}, tree.child: {CLASS: (8, 6)}}
    # Without consumers only the generations of the providers tell who was first.
    seen = tree.facts()["generations"]
    ends = raced(*[lambda: tree.reshape(seen, which=slice(0))] * 6)
    assert ends.count(True) == 1
    assert {type(one) for one in ends if one is not True} == {ConcurrentUpdate}


def test_a_reshape_among_allocations_wins_alone_or_leaves_all_as_they_made_it(db: Database) -> None:
    """Whoever comes first: either the devices have moved and nobody took one from where they were, or two were taken
    and nothing has moved."""
    tree = Tree(db)
    others = [new_id() for _ in range(4)]
    seen = tree.facts()["generations"]
    takers = [lambda one=one: tree.take(tree.held(one, tree.parent, 1, None)) for one in others]
    ends = raced(*takers[:2], lambda: tree.reshape(seen), *takers[2:])
    moved, taken = ends.pop(2), [one for one, end in zip(others, ends, strict=True) if end is True]
    now = tree.facts()
    if moved is True:
        assert taken == [] and {type(end) for end in ends} <= {NoSuchInventory, NoRoom}
        assert now["inventories"] == {tree.parent: {}, tree.child: {CLASS: (8, 6)}}
    else:
        assert len(taken) == 2 and isinstance(moved, ConcurrentUpdate | InventoryInUse)
        assert now["inventories"] == {tree.parent: {CLASS: (8, 8)}, tree.child: {}}
        assert now["held"] == {one: ({tree.parent: {CLASS: 3}}, 1) for one in tree.consumers}
