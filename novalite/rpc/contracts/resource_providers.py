"""Resource providers, what they have and who holds it, as API workers ask the conductor for it."""

from __future__ import annotations

from typing import Any

from novalite.context import Context
from novalite.objects.base import Packed, Record
from novalite.objects.placement import ConsumerAllocations, InventoryChange, ProviderQuery
from novalite.objects.placement_candidates import CandidateQuery
from novalite.rpc.contracts.base import Contract, call


class ResourceProviders(Contract, topic="conductor", namespace="resource_providers", version="1.0"):
    """Records of providers: uuid, name, generation, root, parent, updated, and what was asked for of inventories
    ({class: fields}), traits and aggregates (sorted). objects/placement_errors.py tells what can go wrong."""

    # --- providers

    @call()
    def page(self, ctx: Context, query: ProviderQuery) -> list[Record]:
        """Those that match. BadRequest for a trait or class in `query` that is not there."""
        raise NotImplementedError

    @call()
    def show(self, ctx: Context, uuid: str, part: str | None = None) -> Record:
        """One, with one of inventories, traits, aggregates when asked for."""
        raise NotImplementedError

    @call()
    def create(self, ctx: Context, name: str, uuid: str | None = None, parent: str | None = None) -> Record:
        """A new one."""
        raise NotImplementedError

    @call()
    def change(
        self, ctx: Context, uuid: str, name: str, move: bool = False, parent: str | None = None, freely: bool = True
    ) -> Record:
        """Rename it, and with `move` put it under `parent`; unless `freely` only where it has none."""
        raise NotImplementedError

    @call()
    def delete(self, ctx: Context, uuid: str) -> None:
        """It is gone."""
        raise NotImplementedError

    # --- what they have

    @call()
    def set_inventories(
        self, ctx: Context, uuid: str, change: InventoryChange, new: str | None = None, old: str | None = None
    ) -> Record:
        """Write inventories; there must be none yet of class `new`, and one of class `old`."""
        raise NotImplementedError

    @call()
    def remove_inventories(self, ctx: Context, uuid: str, resource_class: str | None = None) -> None:
        """One, or all."""
        raise NotImplementedError

    @call()
    def set_traits(self, ctx: Context, uuid: str, traits: list[str], generation: int | None = None) -> Record:
        """Exactly these."""
        raise NotImplementedError

    @call()
    def set_aggregates(
        self, ctx: Context, uuid: str, aggregates: list[str], generation: int | None = None, counted: bool = True
    ) -> Record:
        """Exactly these; `counted`: the provider's generation grows."""
        raise NotImplementedError

    # --- names

    @call()
    def classes(self, ctx: Context) -> list[Record]:
        """Every resource class: name, updated_at (None of standard ones)."""
        raise NotImplementedError

    @call()
    def show_class(self, ctx: Context, name: str) -> Record:
        """One."""
        raise NotImplementedError

    @call()
    def add_class(self, ctx: Context, name: str) -> bool:
        """Make one; False when it was there."""
        raise NotImplementedError

    @call()
    def rename_class(self, ctx: Context, name: str, new: str) -> None:
        """Give it another name."""
        raise NotImplementedError

    @call()
    def delete_class(self, ctx: Context, name: str) -> None:
        """It is gone."""
        raise NotImplementedError

    @call()
    def traits(
        self, ctx: Context, names: list[str] | None = None, prefix: str | None = None, used: bool | None = None
    ) -> list[str]:
        """Names: of these, with this beginning, that some provider has or none."""
        raise NotImplementedError

    @call()
    def add_trait(self, ctx: Context, name: str) -> bool:
        """Make one; False when it was there."""
        raise NotImplementedError

    @call()
    def delete_trait(self, ctx: Context, name: str) -> None:
        """It is gone."""
        raise NotImplementedError

    # --- consumers

    @call()
    def provider_allocations(self, ctx: Context, uuid: str) -> Record:
        """generation, updated, and allocations {consumer: {resources, generation}} of one provider."""
        raise NotImplementedError

    @call()
    def consumer(self, ctx: Context, uuid: str) -> Record | None:
        """project_id, user_id, consumer_type, generation, and held {provider: {generation, resources}}; None when it
        holds nothing."""
        raise NotImplementedError

    @call()
    def allocate(self, ctx: Context, wanted: list[ConsumerAllocations]) -> None:
        """Replace what these consumers hold, all of it or nothing."""
        raise NotImplementedError

    @call()
    def reshape(
        self, ctx: Context, inventories: dict[str, InventoryChange], wanted: list[ConsumerAllocations]
    ) -> None:
        """Replace inventories of these providers and what these consumers hold, all of it or nothing."""
        raise NotImplementedError

    @call()
    def give_back(self, ctx: Context, consumer: str) -> None:
        """It holds nothing any more."""
        raise NotImplementedError

    @call(timeout=60)
    def candidates(self, ctx: Context, query: CandidateQuery) -> Packed:
        """`candidates` and `summaries` as placement/candidates.py tells them. BadRequest for a trait or class that is
        not there, and for a search that was given up with nothing found."""
        raise NotImplementedError

    @call()
    def usages(
        self, ctx: Context, project_id: str, user_id: str | None = None, consumer_type: str | None = None
    ) -> dict[str, Any]:
        """{type: {consumer_count, class: amount}} of a project; `consumer_type` all: under that one name."""
        raise NotImplementedError
