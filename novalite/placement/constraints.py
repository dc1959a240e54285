"""What must hold between the slots of one tree: room for all that is taken, isolation, one subtree, traits together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from novalite.objects.placement import Inventory, Provider
from novalite.objects.placement_candidates import CandidateQuery, Group
from novalite.placement.forest import Forest

Check = Callable[[list[Provider]], bool]
"""Given the choices so far."""


@dataclass(frozen=True, slots=True)
class Slot:
    """To be filled by one of `choices`."""

    group: int
    resources: tuple[tuple[str, int], ...]
    choices: list[Provider]


# --- before the search


def enough(slots: list[Slot]) -> bool:
    """Whether the choices together have as much of each class as all slots want."""
    wanted: dict[str, int] = {}
    slots_of: dict[str, list[Slot]] = {}
    for slot in slots:
        for name, amount in slot.resources:
            wanted[name] = wanted.get(name, 0) + amount
            slots_of.setdefault(name, []).append(slot)
    for name, those in slots_of.items():
        if len(those) > 1:
            stocks = {one.uuid: one.inventories[name] for slot in those for one in slot.choices}
            if sum(stock.capacity - stock.used for stock in stocks.values()) < wanted[name]:
                return False
    return True


def enough_different(slots: list[Slot]) -> bool:
    """Whether each slot can have a provider of its own (augmenting paths)."""
    holder: dict[str, int] = {}

    def place(number: int, tried: set[str]) -> bool:
        for one in slots[number].choices:
            if one.uuid not in tried:
                tried.add(one.uuid)
                if one.uuid not in holder or place(holder[one.uuid], tried):
                    holder[one.uuid] = number
                    return True
        return False

    return all(place(number, set()) for number in range(len(slots)))


# --- during the search


def _holds(stock: Inventory, amount: int) -> bool:
    """Whether several allocations of one consumer, each of which fits alone, fit together."""
    return stock.used + amount <= stock.capacity and amount <= stock.max_unit


class Taken:
    """What the choices so far take from whom."""

    def __init__(self, query: CandidateQuery) -> None:
        self._query = query
        self._amounts: dict[tuple[str, str], int] = {}
        self._alone: dict[str, int] = {}
        self._of_tree: dict[str, list[str]] = {}

    def take(self, slot: Slot, one: Provider) -> bool:
        """Whether `one` may fill the slot beside the others; if so it does."""
        alone = self._query.isolate and bool(self._query.groups[slot.group].suffix)
        if alone and one.uuid in self._alone:
            return False
        if not self._query.nested and slot.resources:
            others = self._of_tree.get(one.root)
            if others and others[-1] != one.uuid:
                return False
        for name, amount in slot.resources:
            before = self._amounts.get((one.uuid, name), 0)
            if before and not _holds(one.inventories[name], before + amount):
                return False
        for name, amount in slot.resources:
            key = (one.uuid, name)
            self._amounts[key] = self._amounts.get(key, 0) + amount
        if alone:
            self._alone[one.uuid] = slot.group
        if not self._query.nested and slot.resources:
            self._of_tree.setdefault(one.root, []).append(one.uuid)
        return True

    def back(self, slot: Slot, one: Provider) -> None:
        """Undo `take`."""
        for name, amount in slot.resources:
            self._amounts[one.uuid, name] -= amount
        if self._query.isolate and self._query.groups[slot.group].suffix:
            del self._alone[one.uuid]
        if not self._query.nested and slot.resources:
            self._of_tree[one.root].pop()


def ends(query: CandidateQuery, forest: Forest, slots: list[Slot]) -> list[list[Check]]:
    """Checks over several slots, each at the last of its slots."""
    found: list[list[Check]] = [[] for _ in slots]
    for number, group in enumerate(query.groups):
        if not group.suffix and any(not rule.forbidden for rule in group.required):
            places = [place for place, slot in enumerate(slots) if slot.group == number]
            found[places[-1]].append(_Together(group, places))
    for suffixes in query.same_subtrees:
        places = [place for place, slot in enumerate(slots) if query.groups[slot.group].suffix in suffixes]
        if len(places) > 1:
            found[places[-1]].append(_OneSubtree(forest, places))
    return found


@dataclass(frozen=True, slots=True)
class _Together:
    """The providers of the group without suffix have the required traits among them."""

    group: Group
    places: list[int]

    def __call__(self, chosen: list[Provider]) -> bool:
        traits = set().union(*(chosen[place].traits for place in self.places))
        return all(not traits.isdisjoint(rule.traits) for rule in self.group.required if not rule.forbidden)


@dataclass(frozen=True, slots=True)
class _OneSubtree:
    """One of the providers is above all the others, or there is only one."""

    forest: Forest
    places: list[int]

    def __call__(self, chosen: list[Provider]) -> bool:
        uuids = {chosen[place].uuid for place in self.places}
        if len(uuids) == 1:
            return True
        lines = [set(self.forest.ancestors(uuid)) for uuid in uuids]
        return not uuids.isdisjoint(lines[0].intersection(*lines[1:]))
