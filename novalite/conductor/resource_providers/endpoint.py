"""RPC endpoint of Placement: open a transaction, call db/placement, tell schedulers of hosts that changed."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, TypeVar

from sqlalchemy.orm import Session

from novalite.conductor.env import Env
from novalite.context import Context
from novalite.db.placement import (
    aggregates,
    allocations,
    classes,
    consumers,
    inventories,
    providers,
    reshaping,
    traits,
    trees,
)
from novalite.errors import BadRequest
from novalite.objects.base import Packed, Record, pack
from novalite.objects.placement import ConsumerAllocations, InventoryChange, Provider, ProviderQuery
from novalite.objects.placement_candidates import CandidateQuery
from novalite.placement.candidates import Bounds, find
from novalite.placement.forest import Forest
from novalite.rpc.contracts.resource_providers import ResourceProviders

LOG = logging.getLogger(__name__)
T = TypeVar("T")


class ResourceProvidersEndpoint(ResourceProviders):
    """See the contract."""

    def __init__(self, env: Env) -> None:
        self.env, self.db = env, env.db

    # --- providers

    def page(self, ctx: Context, query: ProviderQuery) -> list[Record]:
        def look(session: Session) -> list[Record]:
            traits = [name for rule in query.required for name in rule.traits]
            check_names(session, traits, list(query.resources))
            return [told(one) for one in providers.page(session, query)]

        return self._read(look)

    def show(self, ctx: Context, uuid: str, part: str | None = None) -> Record:
        parts = frozenset({part} if part else ())
        return told(self._read(lambda session: providers.find(session, uuid, parts)), part)

    def create(self, ctx: Context, name: str, uuid: str | None = None, parent: str | None = None) -> Record:
        return told(self.db.run(lambda session: providers.create(session, name, uuid, parent)))

    def change(
        self, ctx: Context, uuid: str, name: str, move: bool = False, parent: str | None = None, freely: bool = True
    ) -> Record:
        return told(self.db.run(lambda session: providers.change(session, uuid, name, move, parent, freely)))

    def delete(self, ctx: Context, uuid: str) -> None:
        self.db.run(lambda session: providers.remove(session, uuid))

    # --- what they have

    def set_inventories(
        self, ctx: Context, uuid: str, change: InventoryChange, new: str | None = None, old: str | None = None
    ) -> Record:
        work = self._write(lambda session: inventories.write(session, uuid, change, new, old))
        return told(work, "inventories")

    def remove_inventories(self, ctx: Context, uuid: str, resource_class: str | None = None) -> None:
        def work(session: Session) -> Provider:
            inventories.remove(session, uuid, resource_class)
            return providers.find(session, uuid)

        self._write(work)

    def set_traits(self, ctx: Context, uuid: str, traits: list[str], generation: int | None = None) -> Record:
        return told(self._write(lambda session: _traits.write(session, uuid, traits, generation)), "traits")

    def set_aggregates(
        self, ctx: Context, uuid: str, aggregates: list[str], generation: int | None = None, counted: bool = True
    ) -> Record:
        work = self._write(lambda session: _aggregates.write(session, uuid, aggregates, generation, counted))
        return told(work, "aggregates")

    # --- names

    def classes(self, ctx: Context) -> list[Record]:
        return self._read(_classes.page)

    def show_class(self, ctx: Context, name: str) -> Record:
        return self._read(lambda session: _classes.get(session, name))

    def add_class(self, ctx: Context, name: str) -> bool:
        return self.db.run(lambda session: _classes.add(session, name))

    def rename_class(self, ctx: Context, name: str, new: str) -> None:
        self.db.run(lambda session: _classes.rename(session, name, new))

    def delete_class(self, ctx: Context, name: str) -> None:
        self.db.run(lambda session: _classes.remove(session, name))

    def traits(
        self, ctx: Context, names: list[str] | None = None, prefix: str | None = None, used: bool | None = None
    ) -> list[str]:
        return self._read(lambda session: _traits.page(session, names, prefix, used))

    def add_trait(self, ctx: Context, name: str) -> bool:
        return self.db.run(lambda session: _traits.add(session, name))

    def delete_trait(self, ctx: Context, name: str) -> None:
        self.db.run(lambda session: _traits.remove(session, name))

    # --- consumers

    def provider_allocations(self, ctx: Context, uuid: str) -> Record:
        def look(session: Session) -> Record:
            provider = providers.find(session, uuid)
            held = consumers.of_provider(session, provider)
            return {"generation": provider.generation, "updated": provider.updated, "allocations": held}

        return self._read(look)

    def consumer(self, ctx: Context, uuid: str) -> Record | None:
        def look(session: Session) -> Record | None:
            found = consumers.read(session, [uuid]).get(uuid)
            if found is None:
                return None
            known = trees.read(session, uuids=list(found["held"]), parts=frozenset())
            generations = {one.uuid: one.generation for one in known}
            held = {
                provider: {"generation": generations.get(provider, 0), "resources": resources}
                for provider, resources in found["held"].items()
            }
            return {**found, "held": held}

        return self._read(look)

    def allocate(self, ctx: Context, wanted: list[ConsumerAllocations]) -> None:
        self.env.feed.changed(self.db.run(lambda session: allocations.write(session, wanted)))

    def reshape(
        self, ctx: Context, inventories: dict[str, InventoryChange], wanted: list[ConsumerAllocations]
    ) -> None:
        self.env.feed.changed(self.db.run(lambda session: reshaping.reshape(session, inventories, wanted)))

    def candidates(self, ctx: Context, query: CandidateQuery) -> Packed:
        def look(session: Session) -> list[Provider]:
            traits = [name for group in query.groups for rule in group.required for name in rule.traits]
            check_names(
                session,
                [*traits, *query.root_required, *query.root_forbidden],
                [name for group in query.groups for name in group.resources],
            )
            return trees.read(session)

        conf = self.env.conf.placement
        bounds = Bounds(
            conf.max_allocation_candidates, conf.candidate_search_choices, conf.candidate_search_seconds
        )
        found = find(query, Forest(self._read(look)), bounds)  # the transaction is over when the search begins
        if not found.complete:
            LOG.warning("A search was ended by the limits in [placement]; it found %d.", len(found.candidates))
        return pack({"candidates": found.candidates, "summaries": found.summaries})

    def give_back(self, ctx: Context, consumer: str) -> None:
        self.env.feed.changed(self.db.run(lambda session: allocations.remove(session, consumer)))

    def usages(
        self, ctx: Context, project_id: str, user_id: str | None = None, consumer_type: str | None = None
    ) -> dict[str, Any]:
        return self._read(lambda session: consumers.usages(session, project_id, user_id, consumer_type))

    # --- transactions

    def _read(self, look: Callable[[Session], T]) -> T:
        with self.db.read() as session:
            return look(session)

    def _write(self, work: Callable[[Session], Provider]) -> Provider:
        """A write to a provider; when that is a host, schedulers learn of it."""
        found = self.db.run(work)
        if found.host is not None:
            self.env.feed.changed([found.host])
        return found


def check_names(session: Session, named: list[str], wanted: list[str]) -> None:
    """Traits and classes that a query names must be there."""
    if unknown := _traits.missing(session, named):
        raise BadRequest(f"No such trait(s): {', '.join(unknown)}.")
    if unknown := sorted(set(wanted) - inventories.known_classes(session, wanted)):
        raise BadRequest(f"Invalid resource class in resources parameter: No such resource class {unknown[0]}.")


def told(provider: Provider, part: str | None = None) -> Record:
    """A provider as it crosses the bus."""
    record: Record = {
        "uuid": provider.uuid, "name": provider.name, "generation": provider.generation, "root": provider.root,
        "parent": provider.parent, "updated": provider.updated,
    }  # fmt: skip
    if part == "inventories":
        record[part] = {name: asdict(one) for name, one in provider.inventories.items()}
    elif part is not None:
        record[part] = sorted(getattr(provider, part))
    return record


_aggregates, _classes, _traits = aggregates, classes, traits
"""Modules, under names that methods of the same name do not hide."""
