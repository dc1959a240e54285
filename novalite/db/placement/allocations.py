"""What consumers hold is replaced as a whole: of hosts by db/allocations.py, of other inventories here, by the same
kind of statement, which takes only what is there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from novalite.db import allocations as claims
from novalite.db.allocations import Amount
from novalite.db.models.base import now
from novalite.db.models.compute import Server, Task
from novalite.db.models.migrations import Migration
from novalite.db.models.placement import Consumer, ConsumerAllocation, ProviderInventory
from novalite.db.placement import consumers, inventories, providers, trees
from novalite.errors import BadRequest, ClaimLost
from novalite.objects.base import Record
from novalite.objects.migrations import LIVE_IN_PROGRESS, UNCONFIRMED
from novalite.objects.placement import DEDICATED, NATIVE, ConsumerAllocations, Provider
from novalite.objects.placement_errors import (
    ConcurrentUpdate,
    ConsumerConflict,
    ConsumerNotFound,
    GivenByCompute,
    KeptByCompute,
    NoRoom,
    NoSuchInventory,
    ProviderMissing,
    WrongPortion,
)

INCOMPLETE = "00000000-0000-0000-0000-000000000000"
"""Project and user of consumers that were made before there were such (Placement API, microversions to 1.7)."""


@dataclass
class Change:
    """What one consumer has of one provider, and shall have."""

    consumer: str
    provider: Provider
    before: dict[str, int] = field(default_factory=dict)
    after: dict[str, int] = field(default_factory=dict)
    counts: bool = False
    """Whether the provider's generation grows although nothing of it is held afterwards."""

    @property
    def grows(self) -> bool:
        """Whether it needs room."""
        return any(amount > self.before.get(name, 0) for name, amount in self.after.items())


def write(session: Session, wanted: Iterable[ConsumerAllocations], counted: bool = True) -> list[str]:
    """All of it or nothing; answers the hosts that changed. `counted`: generations of providers also grow when somebody
    lets go of everything, as they do by PUT and POST but not by DELETE of allocations.

    ProviderMissing, BadRequest for a class that is not there, NoSuchInventory, WrongPortion, NoRoom; ConsumerConflict
    when a consumer is not at the generation that the caller knows, or changes at this moment; KeptByCompute.
    """
    asked = sorted(wanted, key=lambda one: one.consumer)
    before = consumers.read(session, [one.consumer for one in asked])
    for one in asked:
        _check_generation(one, before.get(one.consumer))
    known = _providers(session, asked, before)
    for one in asked:
        _check_amounts(session, one, known)
        _note(session, one, before.get(one.consumer))
    changes = [change for one in asked for change in _changes(one, before.get(one.consumer), known, counted)]
    return apply(session, changes)


def apply(session: Session, changes: list[Change]) -> list[str]:
    """Give back first, then take: what one consumer lets go of another may have at once. Providers that somebody
    holds something of afterwards get a new generation, and those of changes that count; answers the hosts that
    changed."""
    _refuse_parts(changes)
    touched: set[str] = set()
    order = sorted(changes, key=lambda one: (one.grows, one.provider.uuid, one.consumer))
    for change in order:
        _apply(session, change)
        if change.provider.host is not None:
            touched.add(change.provider.host)
    held = {change.provider.uuid: change.provider for change in changes if change.after or change.counts}
    for uuid in sorted(held):
        if held[uuid].host is None and held[uuid].part_of is None:  # of a host every change counts by itself
            providers.grow(session, held[uuid])
    return sorted(touched)


def remove(session: Session, consumer: str) -> list[str]:
    """The consumer holds nothing; answers the hosts that changed. ConsumerNotFound when it held nothing."""
    if not consumers.read(session, [consumer]):
        raise ConsumerNotFound(consumer=consumer)
    return write(session, [ConsumerAllocations(consumer=consumer, allocations={})], counted=False)


# --- checks --------------------------------------------------------------------------------------


def _check_generation(asked: ConsumerAllocations, before: Record | None) -> None:
    if not asked.checked:
        return
    there = None if before is None else before["generation"]
    if asked.generation != there:
        told = ["null" if one is None else one for one in (there, asked.generation)]
        raise ConsumerConflict(expected=told[0], got=told[1])


def _providers(
    session: Session, asked: list[ConsumerAllocations], before: Mapping[str, Record]
) -> dict[str, Provider]:
    """Every provider that is named or held."""
    named = {uuid for one in asked for uuid in one.allocations}
    held = {uuid for one in before.values() for uuid in one["held"]}
    found = trees.read(session, uuids=sorted(named | held), parts=inventories.PARTS)
    known = {one.uuid: one for one in found}
    if unknown := sorted(named - known.keys()):
        raise ProviderMissing(what="Allocation", uuid=unknown[0])
    return known


def _check_amounts(session: Session, asked: ConsumerAllocations, known: Mapping[str, Provider]) -> None:
    names = {name for resources in asked.allocations.values() for name in resources}
    if unknown := sorted(names - inventories.known_classes(session, sorted(names))):
        raise BadRequest(
            f"Unable to allocate inventory for consumer {asked.consumer}: No such resource class {unknown[0]}."
        )
    for uuid, resources in asked.allocations.items():
        for name, amount in resources.items():
            inventory = known[uuid].inventories.get(name)
            if inventory is None:
                raise NoSuchInventory(resource_class=name, uuid=uuid)
            if not inventory.in_portions(amount):
                raise WrongPortion(resource_class=name, uuid=uuid)


def _refuse_parts(changes: list[Change]) -> None:
    """Dedicated CPUs, cells and devices of a host come and go with the consumer's place there, and not otherwise."""
    leaving = {
        (change.consumer, change.provider.host)
        for change in changes
        if change.provider.host is not None and not any(name in change.after for name in NATIVE)
    }
    for change in changes:
        host = change.provider.host or change.provider.part_of
        for name in {*change.before, *change.after} if host is not None else ():
            if change.provider.part_of is None and name != DEDICATED:
                continue
            before, after = change.before.get(name, 0), change.after.get(name, 0)
            if after != before and not (after == 0 and (change.consumer, host) in leaving):
                raise GivenByCompute(provider=change.provider.uuid, what=name)


def _refuse_taking_away(session: Session, change: Change) -> None:
    """Servers and migrations keep what they need of hosts, whoever asks otherwise."""
    less = any(change.after.get(name, 0) < change.before.get(name, 0) for name in NATIVE)
    if not less or change.provider.host is None:
        return
    row = Server
    server = select(row.id).where(row.id == change.consumer, row.deleted.is_(False), row.host == change.provider.host)
    busy = select(Task.id).where(Task.server_id == change.consumer, Task.state == "open")
    moving = select(Migration.id).where(
        Migration.uuid == change.consumer, Migration.status.in_((*UNCONFIRMED, *LIVE_IN_PROGRESS))
    )
    if any(session.execute(query.limit(1)).first() for query in (server, busy, moving)):
        raise KeptByCompute(consumer=change.consumer, provider=change.provider.uuid)


# --- writing -------------------------------------------------------------------------------------


def _note(session: Session, asked: ConsumerAllocations, before: Record | None) -> None:
    """The consumer's row: its generation grows, and of two who write at once one loses (ConsumerConflict)."""
    row = Consumer
    own = before or consumers.owners(session, [asked.consumer])[asked.consumer]
    if before is None:
        own["own"] = 0  # who holds nothing has no row; one that is there now was made meanwhile
    same = (row.uuid == asked.consumer, row.generation == own["own"])
    if not asked.allocations:
        gone: Any = session.execute(delete(row).where(*same))
        if own["own"] and gone.rowcount == 0:
            raise ConsumerConflict(expected="another", got=own["generation"])
        return
    values: dict[str, Any] = {
        "project_id": asked.project_id or own["project_id"] or INCOMPLETE,
        "user_id": asked.user_id or own["user_id"] or INCOMPLETE,
        "consumer_type": asked.consumer_type or own["consumer_type"],
        "updated_at": now(),
    }
    if own["own"] == 0:
        try:
            with session.begin_nested():
                session.execute(insert(row).values(uuid=asked.consumer, generation=1, **values))
        except IntegrityError:
            raise ConsumerConflict(expected="another", got="null") from None
        return
    done: Any = session.execute(update(row).where(*same).values(generation=row.generation + 1, **values))
    if done.rowcount == 0:
        raise ConsumerConflict(expected="another", got=own["generation"])


def _changes(
    asked: ConsumerAllocations, before: Record | None, known: Mapping[str, Provider], counted: bool
) -> Iterable[Change]:
    held = before["held"] if before is not None else {}
    for uuid in sorted({*held, *asked.allocations}):
        if uuid in known:
            before_after = dict(held.get(uuid, {})), dict(asked.allocations.get(uuid, {}))
            yield Change(asked.consumer, known[uuid], *before_after, counted and not asked.allocations)


def _apply(session: Session, change: Change) -> None:
    if change.provider.part_of is not None:
        return
    native = set(NATIVE) if change.provider.host is not None else set()
    names = sorted({*change.before, *change.after} - native - ({DEDICATED} if native else set()))
    for name in sorted(names, key=lambda one: change.after.get(one, 0) - change.before.get(one, 0)):
        _apply_row(session, change, name)
    if native & {*change.before, *change.after}:
        _refuse_taking_away(session, change)
        _apply_native(session, change)


def _apply_native(session: Session, change: Change) -> None:
    host = change.provider.host
    assert host is not None
    before, after = _amount(change.before), _amount(change.after)
    there, stays = before != claims.NOTHING, after != claims.NOTHING
    carries = int(stays) - int(there)
    if carries and session.execute(select(Server.id).where(Server.id == change.consumer)).first() is None:
        carries = 0  # only servers are counted among a host's
    try:
        room = claims.assign(session, change.consumer, host, before, after, carries)
    except ClaimLost:
        raise ConsumerConflict(expected="another", got="this one") from None
    if not room:
        missing = [name for name in NATIVE if change.after.get(name, 0) > change.before.get(name, 0)]
        fits = {name: change.provider.inventories[name] for name in missing}
        full = [n for n, one in fits.items() if one.used + change.after[n] - change.before.get(n, 0) > one.capacity]
        raise NoRoom(resource_class=(full or missing or ["VCPU"])[0], uuid=change.provider.uuid)


def _amount(resources: Mapping[str, int]) -> Amount:
    return Amount(**{column: resources.get(name, 0) for name, column in NATIVE.items()})


def _apply_row(session: Session, change: Change, name: str) -> None:
    before, after = change.before.get(name, 0), change.after.get(name, 0)
    row, uuid = ProviderInventory, change.provider.uuid
    taken = update(row).where(row.provider_uuid == uuid, row.resource_class == name)
    if after > before:
        taken = taken.where(row.used + (after - before) <= row.capacity)
    done: Any = session.execute(
        taken.values(used=row.used + (after - before)).execution_options(synchronize_session=False)
    )
    if done.rowcount == 0 and after > before:
        raise NoRoom(resource_class=name, uuid=uuid)
    _write_down(session, change.consumer, uuid, name, before, after)


def _write_down(session: Session, consumer: str, uuid: str, name: str, before: int, after: int) -> None:
    row = ConsumerAllocation
    mine = (row.consumer_uuid == consumer, row.provider_uuid == uuid, row.resource_class == name)
    same = (*mine, row.amount == before)
    if before == after:
        return
    if not before:
        values = {"consumer_uuid": consumer, "provider_uuid": uuid, "resource_class": name, "amount": after}
        try:
            with session.begin_nested():
                session.execute(insert(row).values(**values))
        except IntegrityError:
            raise ConcurrentUpdate(uuid=uuid) from None
        return
    statement: Any = update(row).where(*same).values(amount=after) if after else delete(row).where(*same)
    done: Any = session.execute(statement)
    if done.rowcount == 0:
        raise ConcurrentUpdate(uuid=uuid)
