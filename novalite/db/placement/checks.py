"""What must be true between the rows of Placement; parts of db/check.py, a sentence for each finding."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session

from novalite.db.models.compute import Allocation
from novalite.db.models.placement import Consumer, ConsumerAllocation, ProviderInventory
from novalite.db.placement import trees


def inventories_count_what_is_held(session: Session) -> Iterator[str]:
    """What a provider counts as used of a class is what consumers hold of it."""
    held, row = ConsumerAllocation, ProviderInventory
    summed = select(held.provider_uuid, held.resource_class, func.sum(held.amount)).group_by(
        held.provider_uuid, held.resource_class
    )
    sums = {(uuid, name): int(amount) for uuid, name, amount in session.execute(summed)}
    for uuid, name, used in session.execute(select(row.provider_uuid, row.resource_class, row.used)):
        found = sums.pop((uuid, name), 0)
        if used != found:
            yield f"Resource provider {uuid} counts {used} of {name} as used, but its consumers hold {found}."
    for uuid, name in sums:
        yield f"Consumers hold {name} of resource provider {uuid}, which has no inventory of it."


def providers_have_their_trees(session: Session) -> Iterator[str]:
    """A provider below another has its root; one that is below none is its own."""
    found = {one.uuid: one for one in trees.read(session, parts=frozenset())}
    for one in found.values():
        above = one if one.parent is None else found.get(one.parent)
        root = one.uuid if one.parent is None else above.root if above is not None else None
        if root != one.root:
            yield f"Resource provider {one.uuid} says its root is {one.root}, but it is {root or 'gone'}."


def consumers_hold_something(session: Session) -> Iterator[str]:
    """A consumer is there while it holds something, and what is held has a consumer."""
    row, held = Consumer, ConsumerAllocation
    some = exists(select(held.consumer_uuid).where(held.consumer_uuid == row.uuid))
    native = exists(select(Allocation.host).where(Allocation.server_id == row.uuid))
    for uuid in session.scalars(select(row.uuid).where(~some, ~native)):
        yield f"Consumer {uuid} holds nothing."
    known = exists(select(row.uuid).where(row.uuid == held.consumer_uuid))
    for uuid in session.scalars(select(held.consumer_uuid).where(~known).distinct()):
        yield f"Something is held by consumer {uuid}, which is gone."
