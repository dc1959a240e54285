"""Inventories of several providers and what consumers hold of them change together, or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlalchemy.orm import Session

from novalite.db.placement import allocations, inventories, providers, trees
from novalite.objects.placement import ConsumerAllocations, InventoryChange, Provider
from novalite.objects.placement_errors import ConcurrentUpdate, ProviderMissing


def reshape(
    session: Session, changes: Mapping[str, InventoryChange], held: Iterable[ConsumerAllocations]
) -> list[str]:
    """Write inventories by provider and allocations by consumer in this transaction; answers the hosts that changed.

    Nothing can be held of an inventory that is not there, and none can go that something is held of. So inventories
    that go are kept until everything has moved: first what is new or changed is written, then what consumers hold, then
    what is not named goes. Of those who know the same generation of a provider or consumer exactly one succeeds.

    ProviderMissing, ConcurrentUpdate, ConsumerConflict, InventoryInUse, and what writing allocations raises.
    """
    known = _held(session, changes)
    for uuid, change in sorted(changes.items()):
        if change.inventories:
            inventories.write(session, uuid, change.model_copy(update={"whole": False, "generation": None}))
    hosts = set(allocations.write(session, held))
    for uuid, change in sorted(changes.items()):
        inventories.write(session, uuid, change.model_copy(update={"generation": None}))
        if (host := known[uuid].host) is not None:
            hosts.add(host)
    return sorted(hosts)


def _held(session: Session, changes: Mapping[str, InventoryChange]) -> dict[str, Provider]:
    """The providers, which nobody else changes until the end of this transaction, and which are at the generations that
    the caller knows."""
    found = _read(session, changes)
    for uuid in sorted(changes):
        if uuid not in found:
            raise ProviderMissing(f"Resource provider {uuid} in inventories not found: there is none of this uuid.")
        providers.hold(session, found[uuid])
    found = _read(session, changes)
    for uuid, change in sorted(changes.items()):
        if uuid not in found or found[uuid].generation != change.generation:
            actual = found[uuid].generation if uuid in found else None
            raise ConcurrentUpdate(
                f"resource provider generation conflict for provider {uuid}: actual: {actual}, "
                f"given: {change.generation}"
            )
    return found


def _read(session: Session, uuids: Iterable[str]) -> dict[str, Provider]:
    return {one.uuid: one for one in trees.read(session, uuids=sorted(uuids), parts=frozenset())}
