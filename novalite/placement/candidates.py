"""Allocation candidates: every way to get the groups of a request from one tree and those that share with it.

**The search.** For every root the groups become *slots*, each to be filled by one provider: one slot for a group with
a suffix, one slot for each class of the group without. Slots with few choices come first, and each choice is checked at
once: room for all that is taken from the provider, other providers for other groups (`isolate`), same subtree, traits.
A root is left at once when a slot has no choice, when the choices together have too little of a class, or when there
are too few different providers to isolate the groups.

**Its bounds.** Trees take turns, one candidate each, so that one wide tree cannot hide the others, and the search ends
when the limit is reached. The choices tried are counted over all trees and the clock is looked at: when either is used
up, what was found is the answer, and with nothing found the request is refused with a sentence that says so. What it
keeps is the choices of the trees begun, and the candidates found, of which there are at most `Bounds.candidates`.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from novalite.errors import BadRequest
from novalite.objects.base import Record
from novalite.objects.placement import Provider, is_in, passes
from novalite.objects.placement_candidates import CandidateQuery, Group
from novalite.placement.constraints import Check, Slot, Taken, ends, enough, enough_different
from novalite.placement.forest import Forest

_TURN = 512
"""Choices after which a tree without a candidate lets the next one have its turn."""
_CLOCK_EVERY = 1024


@dataclass(frozen=True)
class Bounds:
    """What a search may cost."""

    candidates: int = 10_000
    choices: int = 2_000_000
    seconds: float = 10.0


@dataclass
class Found:
    """`candidates`: allocations by provider and class, and the providers of each group by suffix. `summaries`: by
    provider, for all of the trees that are used. `complete` is False when the search was ended by its bounds."""

    candidates: list[Record] = field(default_factory=list)
    summaries: dict[str, Record] = field(default_factory=dict)
    complete: bool = True


def find(
    query: CandidateQuery,
    forest: Forest,
    bounds: Bounds = Bounds(),
    clock: Callable[[], float] = time.monotonic,
) -> Found:
    """All ways, or as many as the limit and the bounds allow. BadRequest when the bounds allowed none."""
    budget = _Budget(bounds, clock)
    most = min(query.limit or bounds.candidates, bounds.candidates)
    ways: list[tuple[_Plan, tuple[Provider, ...]]] = []
    found = Found()
    try:
        for way in _taking_turns(query, forest, budget):
            if len(ways) == most:
                found.complete = most == query.limit
                break
            ways.append(way)
    except _Spent as spent:
        if not ways:
            raise BadRequest(
                f"The search for allocation candidates was given up after {spent}, with none found. "
                "Ask for fewer groups, or narrow it by in_tree, member_of or required."
            ) from None
        found.complete = False
    found.candidates = [plan.told(chosen) for plan, chosen in ways]
    found.summaries = _summaries(query, forest, found.candidates)
    return found


class _Spent(Exception):
    """The bounds of a search are used up."""


class _Budget:
    """Counts choices of all trees."""

    def __init__(self, bounds: Bounds, clock: Callable[[], float]) -> None:
        self._bounds, self._clock = bounds, clock
        self._until = clock() + bounds.seconds
        self._spent, self._look_at = 0, _CLOCK_EVERY

    def spend(self, choices: int) -> None:
        """Raise _Spent when there is nothing left."""
        self._spent += choices
        if self._spent < self._look_at:
            return
        self._look_at = self._spent + _CLOCK_EVERY
        if self._spent > self._bounds.choices:
            raise _Spent(f"{self._bounds.choices} choices")
        if self._clock() > self._until:
            raise _Spent(f"{self._bounds.seconds:g} seconds")


def _taking_turns(
    query: CandidateQuery, forest: Forest, budget: _Budget
) -> Iterator[tuple[_Plan, tuple[Provider, ...]]]:
    """Every different way; each tree in turn gives one."""
    seen: set[object] = set()
    live: deque[tuple[_Plan, Iterator[tuple[Provider, ...] | None]]] = deque()
    fits = _Fits(query, forest)
    roots = iter(_roots(query, forest))
    while True:
        root = next(roots, None)
        if root is not None:
            budget.spend(len(forest.trees[root]))
            plan = _Plan.of(query, forest, fits, root)
            if plan is None:
                continue
            turn = (plan, plan.ways(budget))
        elif live:
            turn = live.popleft()
        else:
            return
        way = next(turn[1], _END)
        if way is _END:
            continue
        live.append(turn)
        if way is not None and (key := turn[0].key(way)) not in seen:
            seen.add(key)
            yield turn[0], way


_END: tuple[Provider, ...] = ()


def _roots(query: CandidateQuery, forest: Forest) -> list[str]:
    """Where candidates may be anchored: one tree when the group without suffix names it, else all with the traits."""
    roots: list[str] = list(forest.trees)
    for group in query.groups:
        if group.in_tree and (root := forest.root_of(group.in_tree)) is None:
            return []
        if group.in_tree and not group.suffix:
            roots = [root] if root else []
    required, forbidden = frozenset(query.root_required), frozenset(query.root_forbidden)
    if not required and not forbidden:
        return roots
    traits = ((root, forest.by_uuid[root].traits) for root in roots)
    return [root for root, has in traits if required <= has and forbidden.isdisjoint(has)]


# --- one tree ------------------------------------------------------------------------------------


class _Fits:
    """Whether a provider fits a group with a suffix: the same for every tree, so worked out once."""

    def __init__(self, query: CandidateQuery, forest: Forest) -> None:
        self._answers: list[dict[str, bool]] = [{} for _ in query.groups]
        self._groups = query.groups
        self._trees = [forest.root_of(group.in_tree) if group.in_tree else None for group in query.groups]

    def __call__(self, number: int, provider: Provider) -> bool:
        answers = self._answers[number]
        if (known := answers.get(provider.uuid)) is None:
            tree = self._trees[number]
            known = (tree is None or provider.root == tree) and passes(provider, self._groups[number])
            answers[provider.uuid] = known
        return known


@dataclass(slots=True)
class _Plan:
    """The slots of one tree and what must hold between them."""

    query: CandidateQuery
    forest: Forest
    slots: list[Slot]
    ends: list[list[Check]]
    """By slot, what is checked once that slot is filled, given the choices so far."""

    @classmethod
    def of(cls, query: CandidateQuery, forest: Forest, fits: _Fits, root: str) -> _Plan | None:
        """None when the tree cannot give what is asked, which is seen without a search."""
        members, sharers = forest.trees[root], forest.sharing.get(root, [])
        slots: list[Slot] = []
        for number, group in enumerate(query.groups):
            if group.suffix:
                choices = [one for one in (*members, *sharers) if fits(number, one)]
                slots.append(Slot(number, tuple(group.resources.items()), choices))
            else:
                slots += _shared_slots(number, group, forest.by_uuid[root], members, sharers)
            if not slots[-1].choices:
                return None
        if not all(slot.choices for slot in slots) or not enough(slots):
            return None
        if query.isolate and not enough_different([s for s in slots if query.groups[s.group].suffix]):
            return None
        slots.sort(key=lambda slot: len(slot.choices))
        return cls(query, forest, slots, ends(query, forest, slots))

    def ways(self, budget: _Budget) -> Iterator[tuple[Provider, ...] | None]:
        """Every way to fill the slots; None now and then, when it only has been looking."""
        slots, last = self.slots, len(self.slots) - 1
        taken = Taken(self.query)
        chosen: list[Provider] = []
        at = [0] * len(slots)
        looked = 0
        while True:
            depth = len(chosen)
            slot = slots[depth]
            if at[depth] == len(slot.choices):
                if depth == 0:
                    return
                at[depth] = 0
                taken.back(slots[depth - 1], chosen.pop())
                continue
            one = slot.choices[at[depth]]
            at[depth] += 1
            looked += 1
            budget.spend(1)
            if looked % _TURN == 0:
                yield None
            if not taken.take(slot, one):
                continue
            chosen.append(one)
            good = all(check(chosen) for check in self.ends[depth])
            if good and depth < last:
                continue
            if good:
                yield tuple(chosen)
            taken.back(slot, chosen.pop())

    def told(self, way: tuple[Provider, ...]) -> Record:
        """A way as it is answered."""
        allocations: dict[str, dict[str, int]] = {}
        mappings: dict[str, list[str]] = {group.suffix: [] for group in self.query.groups}
        for slot, one in zip(self.slots, way, strict=True):
            givers = mappings[self.query.groups[slot.group].suffix]
            if one.uuid not in givers:
                givers.append(one.uuid)
            for name, amount in slot.resources:
                of_one = allocations.setdefault(one.uuid, {})
                of_one[name] = of_one.get(name, 0) + amount
        return {"allocations": allocations, "mappings": mappings}

    def key(self, way: tuple[Provider, ...]) -> object:
        """Equal for ways that are told the same."""
        pairs = zip(self.slots, way, strict=True)
        return frozenset((slot.group, slot.resources, one.uuid) for slot, one in pairs)


def _shared_slots(
    number: int, group: Group, root: Provider, members: list[Provider], sharers: list[Provider]
) -> list[Slot]:
    """A slot for each class of the group without suffix.

    An aggregate of the root spans its whole tree, so a member counts as in what it or the root is in; who shares must
    be in it itself. The tree that `in_tree` names gives without help.
    """
    inside = tuple(one for one in group.member_of if not one.forbidden)
    outside = tuple(one for one in group.member_of if one.forbidden)
    if not is_in(root.aggregates, outside):
        return [Slot(number, (), [])]
    root_in = is_in(root.aggregates, inside)
    givers = [one for one in members if root_in or is_in(one.aggregates, inside)]
    if group.in_tree is None:
        givers += [one for one in sharers if is_in(one.aggregates, inside)]
    unwanted = frozenset(name for rule in group.required if rule.forbidden for name in rule.traits)
    givers = [one for one in givers if is_in(one.aggregates, outside) and one.traits.isdisjoint(unwanted)]
    return [
        Slot(number, ((name, amount),), [one for one in givers if _gives(one, name, amount)])
        for name, amount in group.resources.items()
    ]


def _gives(one: Provider, name: str, amount: int) -> bool:
    stock = one.inventories.get(name)
    return stock is not None and stock.has_room(amount)


# --- summaries -----------------------------------------------------------------------------------


def _summaries(query: CandidateQuery, forest: Forest, candidates: list[Record]) -> dict[str, Record]:
    """Of all providers of the trees that give something; for versions that know no trees, of those that give."""
    used = {uuid: None for candidate in candidates for uuid in candidate["allocations"]}
    if query.nested:
        trees = {forest.by_uuid[uuid].root: None for uuid in used}
        told = [one for root in trees for one in forest.trees[root]]
    else:
        told = [forest.by_uuid[uuid] for uuid in used]
    return {one.uuid: _summary(one) for one in told}


def _summary(one: Provider) -> Record:
    return {
        "resources": {
            name: {"capacity": stock.capacity, "used": stock.used} for name, stock in one.inventories.items()
        },
        "traits": sorted(one.traits, key=lambda name: (name.startswith("CUSTOM_"), name)),
        "parent_provider_uuid": one.parent,
        "root_provider_uuid": one.root,
    }
