"""Resource providers as plain values, and what callers of Placement ask for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import Field

from novalite.objects.base import Message

MOST = 2_147_483_647
"""The largest amount of anything (Placement API reference)."""
NATIVE = {"VCPU": "vcpus", "MEMORY_MB": "ram_mb", "DISK_GB": "disk_gb"}
"""What every host has of itself: resource class to the column that counts it."""
DEDICATED = "PCPU"
"""Dedicated CPUs of a host: only flows give them, with the place of a server."""
SHARES = "MISC_SHARES_VIA_AGGREGATE"
"""The trait of a provider that gives to all providers of its aggregates."""


@dataclass(frozen=True, slots=True)
class Inventory:
    """How much of one resource class a provider has (`total`, of which `reserved` is never given, the rest
    times `allocation_ratio`), in which portions it gives, and how much of it is `used`."""

    total: int
    reserved: int = 0
    min_unit: int = 1
    max_unit: int = MOST
    step_size: int = 1
    allocation_ratio: float = 1.0
    used: int = 0

    @property
    def capacity(self) -> int:
        """What may be given out in all."""
        return int((self.total - self.reserved) * self.allocation_ratio)

    def in_portions(self, amount: int) -> bool:
        """Whether `amount` may be taken at once, room or not."""
        return self.min_unit <= amount <= self.max_unit and amount % self.step_size == 0

    def has_room(self, amount: int) -> bool:
        """Whether `amount` more fits now, in allowed portions."""
        return self.in_portions(amount) and self.used + amount <= self.capacity


@dataclass(frozen=True, slots=True)
class Provider:
    """One resource provider. `root` is its own uuid where it has no `parent`. `host` is the name of the compute host
    that it is the root of, if any; `part_of` that of the host that reports it as a part of itself. `updated` is when
    it last changed, as text (UTC)."""

    uuid: str
    name: str
    generation: int
    root: str
    parent: str | None = None
    host: str | None = None
    part_of: str | None = None
    updated: str | None = None
    inventories: Mapping[str, Inventory] = field(default_factory=dict)
    traits: frozenset[str] = frozenset()
    aggregates: frozenset[str] = frozenset()


class Membership(Message):
    """`member_of`: in at least one of these aggregates; with `forbidden` in none of them."""

    aggregates: tuple[str, ...]
    forbidden: bool = False


class TraitRule(Message):
    """`required`: has at least one of these traits; with `forbidden` none of them."""

    traits: tuple[str, ...]
    forbidden: bool = False


class Wanted(Message):
    """What providers must have; every part given must hold. `in_tree`: the uuid of any provider of their tree."""

    in_tree: str | None = None
    member_of: tuple[Membership, ...] = ()
    required: tuple[TraitRule, ...] = ()
    resources: dict[str, int] = Field(default_factory=dict)


class ProviderQuery(Wanted):
    """Which providers to list."""

    name: str | None = None
    uuid: str | None = None


def is_in(aggregates: frozenset[str], asked: tuple[Membership, ...]) -> bool:
    """Whether something in these aggregates is where it shall be."""
    return all(aggregates.isdisjoint(one.aggregates) is one.forbidden for one in asked)


def passes(provider: Provider, wanted: Wanted) -> bool:
    """Whether a provider alone has the aggregates, traits and room that are wanted; its tree is not looked at."""
    for rule in wanted.required:
        if provider.traits.isdisjoint(rule.traits) is not rule.forbidden:
            return False
    for name, amount in wanted.resources.items():
        inventory = provider.inventories.get(name)
        if inventory is None or not inventory.has_room(amount):
            return False
    return is_in(provider.aggregates, wanted.member_of)


class ConsumerAllocations(Message):
    """All that one consumer shall hold: amounts by resource class by provider. Nothing: it holds nothing.

    With `checked` the consumer must be at `generation` (None: not there yet). A `project_id` of None leaves
    project and user as they are; so does a `consumer_type` of None with the type.
    """

    consumer: str
    allocations: dict[str, dict[str, int]]
    project_id: str | None = None
    user_id: str | None = None
    consumer_type: str | None = None
    checked: bool = False
    generation: int | None = None


class InventoryChange(Message):
    """Inventories to write: amounts by resource class, each with the fields of Inventory but `used`."""

    inventories: dict[str, dict[str, Any]]
    generation: int | None = None
    """The provider's, as the caller saw it; None: whatever it is."""
    whole: bool = True
    """What is not named goes."""
    may_reserve_all: bool = True
    """Whether `reserved` may equal `total` (since 1.26)."""
