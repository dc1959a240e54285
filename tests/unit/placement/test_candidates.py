"""The search for candidates against a plain reference that tries everything, on random forests; and its bounds."""

from __future__ import annotations

import itertools
from random import Random
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from novalite.errors import BadRequest
from novalite.objects.placement import Inventory, Membership, Provider, TraitRule
from novalite.objects.placement_candidates import CandidateQuery, Group
from novalite.placement.candidates import Bounds, Found, find
from novalite.placement.forest import Forest

CLASSES, TRAITS, AGGREGATES = ("VCPU", "DISK"), ("FAST", "CUSTOM_RED"), ("agg1", "agg2")
SHARES = "MISC_SHARES_VIA_AGGREGATE"


# --- the reference: one rule after the other, over everything there could be ------------------------------


def reference(query: CandidateQuery, providers: list[Provider]) -> set[Any]:
    """Every candidate, by trying each provider for each class of each group under each root."""
    by_uuid = {one.uuid: one for one in providers}
    found = set()
    for root in (one for one in providers if one.parent is None):
        if not set(query.root_required) <= root.traits or set(query.root_forbidden) & root.traits:
            continue
        for picks in itertools.product(
            *(picks_of(group, root, providers, by_uuid) for group in query.groups)
        ):
            if good_together(query, picks, by_uuid):
                found.add(as_told(query, picks))
    return found


def reaches(one: Provider, root: Provider, providers: list[Provider]) -> bool:
    if one.root == root.uuid:
        return True
    tree = [other for other in providers if other.root == root.uuid]
    return SHARES in one.traits and any(one.aggregates & other.aggregates for other in tree)


def picks_of(
    group: Group, root: Provider, providers: list[Provider], by_uuid: dict[str, Provider]
) -> list[dict[Any, Provider]]:
    """Ways to fill one group alone: a provider by class. A group for no class has a provider under None."""
    around = [one for one in providers if reaches(one, root, providers)]
    if group.in_tree:
        named = by_uuid.get(group.in_tree)
        around = [one for one in around if named and one.root == named.root]
        if not group.suffix and (named is None or root.uuid != named.root):
            return []
    classes: list[Any] = list(group.resources) or [None]
    ways = []
    for choice in itertools.product(around, repeat=len(classes)):
        pick = dict(zip(classes, choice, strict=True))
        if group.suffix and len({one.uuid for one in choice}) > 1:
            continue
        if all(stocked(one, name, group) for name, one in pick.items()) and suits(group, root, pick):
            ways.append(pick)
    return ways


def stocked(one: Provider, name: str | None, group: Group) -> bool:
    if name is None:
        return True
    stock = one.inventories.get(name)
    amount = group.resources[name]
    return (
        stock is not None
        and stock.used + amount <= stock.capacity
        and stock.min_unit <= amount
        and amount <= stock.max_unit
        and amount % stock.step_size == 0
    )


def suits(group: Group, root: Provider, pick: dict[Any, Provider]) -> bool:
    traits = set().union(*(one.traits for one in pick.values()))
    for rule in group.required:
        if bool(traits & set(rule.traits)) == rule.forbidden:
            return False
    inside_any = [set(one.aggregates) for one in group.member_of if not one.forbidden]
    outside_all = {name for one in group.member_of if one.forbidden for name in one.aggregates}
    for one in pick.values():
        spanned = root.aggregates if not group.suffix and one.root == root.uuid else frozenset()
        inside = all(one.aggregates & some for some in inside_any)
        through_root = bool(spanned) and all(spanned & some for some in inside_any)
        if not inside and not through_root:
            return False
        barred = one.aggregates if group.suffix else one.aggregates | root.aggregates
        if barred & outside_all:
            return False
    return True


def good_together(
    query: CandidateQuery, picks: tuple[dict[Any, Provider], ...], by_uuid: dict[str, Provider]
) -> bool:
    sums: dict[tuple[str, str], int] = {}
    for group, pick in zip(query.groups, picks, strict=True):
        for name, one in pick.items():
            if name is not None:
                sums[one.uuid, name] = sums.get((one.uuid, name), 0) + group.resources[name]
    for (uuid, name), amount in sums.items():
        stock = by_uuid[uuid].inventories[name]
        if stock.used + amount > stock.capacity or amount > stock.max_unit:
            return False
    givers = {uuid for uuid, _ in sums}
    if not query.nested and len({by_uuid[uuid].root for uuid in givers}) < len(givers):
        return False
    single = {g.suffix: next(iter(p.values())) for g, p in zip(query.groups, picks, strict=True) if g.suffix}
    if query.isolate and len({one.uuid for one in single.values()}) < len(single):
        return False
    for suffixes in query.same_subtrees:
        members = {single[suffix].uuid for suffix in suffixes}
        if not any(all(top in above(uuid, by_uuid) for uuid in members) for top in members):
            return False
    return True


def above(uuid: str, by_uuid: dict[str, Provider]) -> list[str]:
    parent = by_uuid[uuid].parent
    return [uuid, *(above(parent, by_uuid) if parent else [])]


def as_told(query: CandidateQuery, picks: tuple[dict[Any, Provider], ...]) -> Any:
    sums: dict[tuple[str, str], int] = {}
    for group, pick in zip(query.groups, picks, strict=True):
        for name, one in pick.items():
            if name is not None:
                sums[one.uuid, name] = sums.get((one.uuid, name), 0) + group.resources[name]
    maps = {(g.suffix, one.uuid) for g, p in zip(query.groups, picks, strict=True) for one in p.values()}
    return frozenset(sums.items()), frozenset(maps)


# --- random forests and requests: drawn from a seed, so that most requests have some answer -----------------


def a_forest(dice: Random) -> list[Provider]:
    """Up to six providers; each hangs under an earlier one or is a root, any may share."""
    made: list[Provider] = []
    for number in range(dice.randint(2, 6)):
        parent = dice.choice([None, *made])
        uuid = f"rp{number}"
        root, above = (parent.root, parent.uuid) if parent else (uuid, None)
        traits = some(dice, TRAITS, 0.5) | some(dice, (SHARES,), 0.3)
        stocks = {name: an_inventory(dice) for name in CLASSES if dice.random() < 0.8}
        made.append(
            Provider(
                uuid,
                uuid,
                0,
                root,
                above,
                inventories=stocks,
                traits=traits,
                aggregates=some(dice, AGGREGATES, 0.4),
            )
        )
    return made


def an_inventory(dice: Random) -> Inventory:
    return Inventory(
        total=dice.randint(2, 8),
        reserved=dice.choice([0, 0, 1]),
        allocation_ratio=dice.choice([1.0, 1.0, 1.5]),
        used=dice.choice([0, 0, 1, 2]),
        min_unit=dice.choice([1, 1, 1, 2]),
        max_unit=dice.choice([2, 4, 100]),
        step_size=dice.choice([1, 1, 1, 2]),
    )


def some(dice: Random, words: tuple[str, ...], chance: float) -> frozenset[str]:
    return frozenset(word for word in words if dice.random() < chance)


def a_group(dice: Random, suffix: str, may_be_empty: bool) -> Group:
    classes = some(dice, CLASSES, 0.6) or frozenset(() if may_be_empty else CLASSES[:1])

    required = [
        TraitRule(traits=tuple(some(dice, TRAITS, 0.5)) or TRAITS),
        TraitRule(traits=TRAITS[:1], forbidden=True),
    ]
    member_of = [
        Membership(aggregates=tuple(some(dice, AGGREGATES, 0.5)) or AGGREGATES),
        Membership(aggregates=AGGREGATES[1:], forbidden=True),
    ]
    return Group(
        suffix=suffix,
        resources={name: dice.choice([1, 2, 2]) for name in sorted(classes)},
        required=tuple(rule for rule in required if dice.random() < 0.15),
        member_of=tuple(one for one in member_of if dice.random() < 0.15),
        in_tree=dice.choice(["rp0", "rp1", "rp2", "nobody"]) if dice.random() < 0.1 else None,
    )


def a_request(dice: Random) -> CandidateQuery:
    """Up to three groups; one for no class at all is tied to the others."""
    suffixes = dice.sample(["", "_A", "_B", "_C"], dice.randint(1, 3))
    named = tuple(suffix for suffix in suffixes if suffix)
    tied = len(named) > 1 and dice.random() < 0.5
    last = named[-1] if tied else None
    return CandidateQuery(
        groups=tuple(a_group(dice, suffix, may_be_empty=suffix == last) for suffix in suffixes),
        isolate=dice.random() < 0.4,
        nested=tied or dice.random() < 0.7,
        same_subtrees=(named,) if tied else (),
        root_required=("FAST",) if dice.random() < 0.1 else (),
        root_forbidden=("CUSTOM_RED",) if dice.random() < 0.1 else (),
    )


def told(found: Found) -> list[Any]:
    return [
        (
            frozenset(
                ((uuid, name), amount)
                for uuid, of_one in one["allocations"].items()
                for name, amount in of_one.items()
            ),
            frozenset((suffix, uuid) for suffix, uuids in one["mappings"].items() for uuid in uuids),
        )
        for one in found.candidates
    ]


@settings(max_examples=1200, deadline=None)
@given(st.integers(0, 2**63))
def test_it_finds_what_trying_everything_finds(seed: int) -> None:
    dice = Random(seed)
    query, providers = a_request(dice), a_forest(dice)
    expected = reference(query, providers)
    event(f"{min(len(expected), 3)} candidates or more")
    found = find(query, Forest(providers))
    assert found.complete
    assert len(told(found)) == len(set(told(found)))
    assert set(told(found)) == expected
    givers = {uuid for one in found.candidates for uuid in one["allocations"]}
    trees = {one.root for one in providers if one.uuid in givers}
    summarised = {one.uuid for one in providers if one.root in trees} if query.nested else givers
    assert set(found.summaries) == summarised
    limit = dice.randint(1, 3)
    few = find(query.model_copy(update={"limit": limit}), Forest(providers))
    assert len(few.candidates) == min(limit, len(expected)) and set(told(few)) <= expected


# --- bounds -----------------------------------------------------------------------------------------------


def wide(devices: int, each: int = 1) -> list[Provider]:
    """A host with many alike devices."""
    root = Provider("host", "host", 0, "host", inventories={"VCPU": Inventory(8)})
    return [root, *(a_device(f"pf{n}", each, "host") for n in range(devices))]


def a_device(uuid: str, each: int, parent: str | None = None) -> Provider:
    return Provider(uuid, uuid, 0, parent or uuid, parent, inventories={"VF": Inventory(each)})


def ports(count: int, amount: int = 1, isolate: bool = False) -> CandidateQuery:
    """A group for each port."""
    made = tuple(Group(suffix=f"_{number}", resources={"VF": amount}) for number in range(count))
    return CandidateQuery(groups=made, isolate=isolate)


@pytest.mark.parametrize("isolate", [False, True])
def test_a_tree_that_has_too_few_of_them_costs_no_search(isolate: bool) -> None:
    """16 ports on 15 devices of one each: 15! ways to fail, none of which is tried."""
    none = find(ports(16, isolate=isolate), Forest(wide(15)), Bounds(choices=20_000))
    assert (none.candidates, none.complete) == ([], True)


def test_a_limit_ends_a_search_over_more_ways_than_could_be_kept() -> None:
    """16 ports on 16 devices can be had in 16! ways."""
    query = ports(16).model_copy(update={"limit": 1000})
    found = find(query, Forest(wide(16)), Bounds(choices=200_000))
    assert (len(found.candidates), found.complete) == (1000, True)
    assert set(found.summaries) == {one.uuid for one in wide(16)}


def test_a_search_that_used_up_its_bounds_says_so_or_gives_what_it_has() -> None:
    """20 ports of 2 on 19 devices of 3: enough in all, but each device holds one port only."""
    hopeless, query = wide(19, each=3), ports(20, amount=2)
    with pytest.raises(BadRequest, match="given up after 50000 choices, with none found"):
        find(query, Forest(hopeless), Bounds(choices=50_000))
    ticks = itertools.count()
    with pytest.raises(BadRequest, match="given up after 3 seconds"):
        find(query, Forest(hopeless), Bounds(seconds=3), clock=lambda: float(next(ticks)))
    roomy = a_device("other", 1000)
    found = find(query, Forest([*hopeless, roomy]), Bounds(choices=50_000))
    assert found.candidates == [
        {"allocations": {"other": {"VF": 40}}, "mappings": {f"_{n}": ["other"] for n in range(20)}}
    ]
    assert not found.complete


def test_trees_take_turns() -> None:
    """Of a tree with many ways and one with few, a small answer shows both."""
    query = ports(2).model_copy(update={"limit": 2})
    found = find(query, Forest([*wide(8), a_device("second", 4)]))
    assert {frozenset(one["allocations"]) for one in found.candidates} >= {frozenset({"second"})}
