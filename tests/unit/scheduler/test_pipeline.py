"""Shortlist, rank and pick, told by small fleets."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace

import pytest

from novalite.errors import BadRequest
from novalite.scheduler.pipeline import select
from novalite.scheduler.request import check
from tests.unit.scheduler.builders import a_host, a_plan, a_spec, hosts


def picks(selections):
    return [[c.host for c in s.candidates] for s in selections.selections]


def fleet(*free_ram):
    """Hosts a, b, c … that differ in free memory."""
    return hosts(*(a_host(chr(97 + i), used_ram_mb=32768 - free) for i, free in enumerate(free_ram)))


def test_emptiest_host_is_first_and_alternates_follow():
    answer = select(a_plan(alternates=2), fleet(2000, 8000, 4000, 6000), a_spec())
    assert picks(answer) == [["b", "d", "c"]]
    assert [round(c.weight, 3) for c in answer.selections[0].candidates] == [1.0, 0.667, 0.333]
    assert answer.considered == 4
    assert not any(answer.refused.values())


def test_candidate_carries_node_and_generation_seen():
    (choice,) = select(a_plan(), hosts(a_host("a", node="a.example", generation=7)), a_spec()).selections
    assert (choice.candidates[0].node, choice.candidates[0].generation) == ("a.example", 7)


def test_refusals_are_counted_by_the_first_filter_that_refuses():
    seen = hosts(
        a_host("full", used_vcpus=16, used_ram_mb=32768), a_host("low", used_ram_mb=32768),
        a_host("off", enabled=False, used_vcpus=16), a_host("tried"),
    )  # fmt: skip
    answer = select(a_plan(), seen, a_spec(excluded={"tried": "x"}))
    assert answer.selections == ()
    assert {k: n for k, n in answer.refused.items() if n} == {
        "RetryFilter": 1, "ComputeFilter": 1, "CoreFilter": 1, "RamFilter": 1,
    }  # fmt: skip
    assert answer.summary == (
        "4 hosts were considered; RetryFilter: 1 refused, ComputeFilter: 1 refused, "
        "CoreFilter: 1 refused, RamFilter: 1 refused."
    )


def test_an_empty_cloud_says_so():
    assert select(a_plan(), hosts(), a_spec()).summary == "There are no compute hosts."


def test_second_server_sees_the_first():
    plan = a_plan(alternates=0, enabled_weighers=["RAMWeigher"])
    answer = select(plan, fleet(8000, 7500, 1500), a_spec(count=4, ram_mb=1000))
    assert picks(answer) == [["a"], ["b"], ["a"], ["b"]]


def test_multi_create_stops_when_no_host_has_room_and_counts_why():
    answer = select(a_plan(), fleet(2048, 1024), a_spec(count=5))
    assert len(answer.selections) == 3
    assert answer.refused["RamFilter"] == 2


def test_alternates_of_later_servers_have_room_too():
    answer = select(a_plan(alternates=3), fleet(1024, 1024, 1024), a_spec(count=3))
    assert picks(answer) == [["a", "b", "c"], ["b", "c"], ["c"]]


def test_forced_host_skips_every_filter():
    seen = hosts(a_host("a"), a_host("b", enabled=False, used_vcpus=16, zone="west"))
    answer = select(a_plan(), seen, a_spec(forced_host="b", availability_zone="east", count=2))
    assert picks(answer) == [["b"], ["b"]]
    assert answer.refused == {"ForcedHost": 1}


def test_requested_host_still_has_to_pass():
    seen = hosts(a_host("a"), a_host("b", enabled=False))
    assert picks(select(a_plan(), seen, a_spec(requested_host="a"))) == [["a"]]
    answer = select(a_plan(), seen, a_spec(requested_host="b"))
    assert answer.selections == ()
    assert (answer.refused["RequestedHost"], answer.refused["ComputeFilter"]) == (1, 1)


def test_negative_multiplier_packs():
    plan = a_plan(ram_weight_multiplier=-1.0, enabled_weighers=["RAMWeigher"], alternates=0)
    assert picks(select(plan, fleet(8000, 2048, 4000), a_spec(count=3))) == [["b"], ["b"], ["c"]]


def test_equals_are_shuffled_evenly():
    plan = replace(a_plan(alternates=1), shuffle=True, rng=random.Random(7))
    seen = hosts(*(a_host(n) for n in "abcde"))
    first = Counter(picks(select(plan, seen, a_spec()))[0][0] for _ in range(2000))
    assert set(first) == set("abcde")
    assert min(first.values()) > 300


def test_shuffling_does_not_touch_the_order_of_unequal_hosts():
    plan = replace(a_plan(alternates=3), shuffle=True)
    assert picks(select(plan, fleet(1, 2, 3, 4), a_spec(ram_mb=0))) == [["d", "c", "b", "a"]]


def test_subset_takes_one_of_the_best_at_random():
    plan = replace(a_plan(alternates=1, host_subset_size=2), rng=random.Random(7))
    seen = fleet(8000, 7000, 6000)
    seen_picks = Counter(tuple(picks(select(plan, seen, a_spec()))[0]) for _ in range(200))
    assert set(seen_picks) == {("a", "b"), ("b", "a")}


def test_subset_larger_than_the_shortlist_is_fine():
    assert picks(select(a_plan(host_subset_size=50), fleet(8000), a_spec())) == [["a"]]


@pytest.mark.parametrize("count", [0, -1, 10_001])
def test_a_senseless_count_is_refused(count):
    with pytest.raises(BadRequest, match="number of servers must be between 1 and 10000"):
        check(a_spec(count=count))


def test_a_negative_flavor_is_refused():
    with pytest.raises(BadRequest, match="negative size"):
        check(a_spec(ram_mb=-1))
