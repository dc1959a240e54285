"""The column pipeline against a plain scheduler that looks at one host at a time and knows no numpy.

For any fleet and any request: the same hosts kept, in the same order, for one server and for many.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from novalite.objects.scheduling import GroupRequest
from novalite.scheduler.pipeline import select
from novalite.scheduler.ranking import CONTENDERS
from tests.unit.scheduler.builders import NOW, a_host, a_plan, a_spec, hosts

DOWN_AFTER = 30.0


@dataclass
class Plain:
    """One host of the reference."""

    row: object
    taken: list = field(default_factory=lambda: [0, 0, 0])

    def free(self):
        r = self.row
        return (
            r.cap_vcpus - r.used_vcpus - self.taken[0],
            r.cap_ram_mb - r.used_ram_mb - self.taken[1],
            r.cap_disk_gb - r.used_disk_gb - self.taken[2],
        )


def refuser(host, spec):
    """Name of the first filter that refuses, as the public filter guide describes them."""
    row, (vcpus, ram, disk) = host.row, host.free()
    total_vcpus, total_ram = row.total_vcpus or row.cap_vcpus, row.total_ram_mb or row.cap_ram_mb
    checks = [
        ("RetryFilter", row.host not in spec.excluded),
        ("AvailabilityZoneFilter", spec.availability_zone in (None, row.zone)),
        ("ComputeFilter", row.enabled and not row.forced_down and NOW - row.last_seen <= DOWN_AFTER),
        ("CoreFilter", vcpus >= spec.flavor.vcpus <= total_vcpus),
        ("RamFilter", ram >= spec.flavor.ram_mb <= total_ram),
        ("DiskFilter", spec.disk_gb == 0 or disk >= spec.disk_gb),
        ("SameHostFilter", spec.same_host is None or row.host in spec.same_host),
        ("DifferentHostFilter", row.host not in spec.different_host),
        ("ServerGroupAntiAffinityFilter", not apart(spec) or members(row, spec) < spec.group.max_per_host),
        ("ServerGroupAffinityFilter", not together(spec) or members(row, spec) > 0),
    ]
    return next((name for name, passed in checks if not passed), None)


def members(row, spec):
    """Servers of the request's group on this host."""
    return spec.group.hosts.get(row.host, 0) if spec.group else 0


def apart(spec):
    return spec.group is not None and spec.group.policy == "anti-affinity"


def together(spec):
    return spec.group is not None and spec.group.policy == "affinity" and spec.group.hosts


OPTIONS = ("ram_weight_multiplier", "cpu_weight_multiplier", "disk_weight_multiplier")


def multiplier(row, option):
    said = [float(m[option]) for m in row.aggregates.values() if option in m]
    return min(said) if said else 1.0


def ranked(fleet, spec):
    """Hosts that pass with their weights, best first, equals in the order of the fleet."""
    kept = [h for h in fleet if refuser(h, spec) is None]
    totals = [0.0] * len(kept)
    sign = {"soft-affinity": 1.0, "soft-anti-affinity": -1.0}.get(
        spec.group.policy if spec.group else "", 0.0
    )
    weighers = [
        *(
            ([float(h.free()[n]) for h in kept], option)
            for n, option in ((1, OPTIONS[0]), (0, OPTIONS[1]), (2, OPTIONS[2]))
        ),
        ([sign * members(h.row, spec) for h in kept], "no such option"),
    ]
    for raw, option in weighers:
        low, high = min(raw, default=0.0), max(raw, default=0.0)
        for i, host in enumerate(kept):
            part = (raw[i] - low) / (high - low) if high > low else 0.0
            totals[i] += part * multiplier(host.row, option)
    order = sorted(range(len(kept)), key=lambda i: -totals[i])
    return [(kept[i], totals[i]) for i in order]


def joined(spec, host):
    """The request when one of its servers is on a host: that is a member of the group."""
    if spec.group is None:
        return spec
    members = {**spec.group.hosts, host: spec.group.hosts.get(host, 0) + 1}
    return spec.model_copy(update={"group": spec.group.model_copy(update={"hosts": members})})


def reference(rows, spec, alternates):
    fleet = [Plain(row) for row in rows]
    answer = []
    for _ in range(spec.count):
        order = ranked(fleet, spec)[: alternates + 1]
        if not order:
            break
        answer.append([(host.row.host, weight) for host, weight in order])
        need = (spec.flavor.vcpus, spec.flavor.ram_mb, spec.disk_gb)
        spec = joined(spec, order[0][0].row.host)
        order[0][0].taken = [a + b for a, b in zip(order[0][0].taken, need, strict=True)]
    return answer


# Few different values, so that equals, exact fits and bounds that move are common.
aggregates = st.dictionaries(
    st.sampled_from(["x", "y"]),
    st.dictionaries(st.sampled_from(OPTIONS), st.sampled_from(["-1", "0.5", "2"]), max_size=2),
    max_size=2,
)
row_facts = st.fixed_dictionaries(
    {
        "zone": st.sampled_from(["east", "west"]),
        "enabled": st.sampled_from([True, True, True, False]),
        "forced_down": st.sampled_from([False, False, False, True]),
        "last_seen": st.sampled_from([NOW, NOW, NOW - DOWN_AFTER, NOW - DOWN_AFTER - 1]),
        "used_vcpus": st.integers(0, 17),
        "used_ram_mb": st.sampled_from([0, 30720, 31744, 32768]) | st.integers(0, 33000),
        "used_disk_gb": st.sampled_from([0, 480, 490, 500, 520]),
        "total_vcpus": st.sampled_from([0, 2, 8]),
        "total_ram_mb": st.sampled_from([0, 2048, 16384]),
        "aggregates": aggregates,
    }
)
fleets = st.lists(row_facts, max_size=14).map(
    lambda facts: [a_host(f"h{i}", **each) for i, each in enumerate(facts)]
)
names = st.sampled_from([f"h{i}" for i in range(16)])
groups = st.builds(
    GroupRequest,
    policy=st.sampled_from(["affinity", "anti-affinity", "soft-affinity", "soft-anti-affinity"]),
    max_per_host=st.integers(1, 2),
    hosts=st.dictionaries(names, st.integers(1, 3), max_size=6),
)
requests = st.fixed_dictionaries(
    {
        "vcpus": st.sampled_from([1, 2, 3]),
        "ram_mb": st.sampled_from([512, 1024, 4096]),
        "disk_gb": st.sampled_from([0, 10]),
        "swap_mb": st.sampled_from([0, 100]),
        "count": st.integers(1, 12),
        "availability_zone": st.sampled_from([None, None, "east", "nowhere"]),
        "excluded": st.dictionaries(names, st.just("tried"), max_size=2),
        "same_host": st.none() | st.lists(names, max_size=6).map(tuple),
        "different_host": st.lists(names, max_size=3).map(tuple),
        "group": st.none() | groups,
    }
).map(lambda asked: a_spec(**asked))

PLANS = {n: a_plan(alternates=n) for n in (0, 1, 3)}


@settings(max_examples=400, deadline=None)
@given(rows=fleets, spec=requests, alternates=st.sampled_from(sorted(PLANS)))
def test_same_hosts_in_the_same_order_as_one_at_a_time(rows, spec, alternates):
    answer = select(PLANS[alternates], hosts(*rows), spec)
    got = [[(c.host, c.weight) for c in s.candidates] for s in answer.selections]
    assert got == reference(rows, spec, alternates)


@settings(max_examples=200, deadline=None)
@given(rows=fleets, spec=requests)
def test_refusals_add_up(rows, spec):
    spec = spec.model_copy(update={"count": 1})
    answer = select(PLANS[0], hosts(*rows), spec)
    fleet = [Plain(row) for row in rows]
    expected = [refuser(host, spec) for host in fleet]
    assert {k: n for k, n in answer.refused.items() if n} == {
        name: expected.count(name) for name in set(expected) - {None}
    }
    assert sum(answer.refused.values()) + len(ranked(fleet, spec)) == answer.considered


FLEET = st.integers(0, 2**32).map(lambda seed: random.Random(seed))


@settings(max_examples=10, deadline=None)
@given(rng=FLEET, count=st.sampled_from([2, 40, 90]), alternates=st.sampled_from([0, 3]), few=st.booleans())
def test_many_servers_over_more_hosts_than_are_kept_exact(rng, count, alternates, few):
    """More hosts than contenders, so that the front is left and made anew; `few` different sizes make equals."""
    sizes = (0, 4, 8) if few else range(16)
    rows = [
        a_host(
            f"h{i}",
            used_vcpus=rng.choice(sizes),
            used_ram_mb=rng.choice(sizes) * 2000,
            used_disk_gb=rng.choice(sizes) * 30,
            aggregates={"x": {"ram_weight_multiplier": "-1"}} if rng.random() < 0.1 else {},
        )
        for i in range(2 * CONTENDERS)
    ]
    spec = a_spec(count=count, vcpus=2, ram_mb=3000)
    answer = select(PLANS[alternates], hosts(*rows), spec)
    got = [[(c.host, c.weight) for c in s.candidates] for s in answer.selections]
    assert got == reference(rows, spec, alternates)
