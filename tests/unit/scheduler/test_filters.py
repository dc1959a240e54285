"""Every filter: which hosts it keeps, and the words for those it does not."""

from __future__ import annotations

import numpy as np
import pytest

from novalite.conf.load import for_tests
from novalite.scheduler.filters import FILTERS
from novalite.scheduler.filters.target import ForcedHost, RequestedHost
from tests.unit.scheduler.builders import NOW, a_host, a_spec, group, hosts

BIG = {"cap_vcpus": 32, "total_vcpus": 2}
WIDE = {"cap_ram_mb": 3000, "total_ram_mb": 2000}

# filter, host, request, None when it passes or else words of the reason
CASES = [
    ("CoreFilter", {"used_vcpus": 15}, {"vcpus": 1}, None),
    ("CoreFilter", {"used_vcpus": 15}, {"vcpus": 2}, "needs 2 vCPUs, 1 of 16 are free"),
    ("CoreFilter", {"used_vcpus": 20}, {"vcpus": 1}, "needs 1 vCPUs, -4 of 16 are free"),
    ("CoreFilter", BIG, {"vcpus": 2}, None),
    ("CoreFilter", BIG, {"vcpus": 3}, "needs 3 vCPUs, the machine has 2"),
    ("RamFilter", {"used_ram_mb": 31744}, {"ram_mb": 1024}, None),
    ("RamFilter", {"used_ram_mb": 31745}, {"ram_mb": 1024}, "needs 1024 MB of memory, 1023 of 32768 MB"),
    ("RamFilter", WIDE, {"ram_mb": 2000}, None),
    ("RamFilter", WIDE, {"ram_mb": 2001}, "needs 2001 MB of memory, the machine has 2000 MB"),
    ("DiskFilter", {"used_disk_gb": 490}, {"disk_gb": 10}, None),
    ("DiskFilter", {"used_disk_gb": 491}, {"disk_gb": 10}, "needs 10 GB of disk, 9 of 500 GB are free"),
    ("DiskFilter", {"used_disk_gb": 489}, {"disk_gb": 10, "swap_mb": 1}, None),
    ("DiskFilter", {"used_disk_gb": 490}, {"disk_gb": 10, "swap_mb": 1}, "needs 11 GB"),
    ("DiskFilter", {"used_disk_gb": 490}, {"disk_gb": 5, "ephemeral_gb": 6}, "needs 11 GB"),
    ("DiskFilter", {"used_disk_gb": 600}, {"disk_gb": 0}, None),
    ("ComputeFilter", {}, {}, None),
    ("ComputeFilter", {"last_seen": NOW - 30}, {}, None),
    (
        "ComputeFilter",
        {"last_seen": NOW - 31},
        {},
        "heard of at 1970-01-12T13:46:09+00:00, more than 30 s",
    ),
    ("ComputeFilter", {"last_seen": NOW + 5}, {}, None),  # a conductor's clock may be ahead of ours
    ("ComputeFilter", {"last_seen": 0.0}, {}, "never heard of"),
    ("ComputeFilter", {"enabled": False}, {}, "is disabled"),
    ("ComputeFilter", {"forced_down": True}, {}, "forced down"),
    ("AvailabilityZoneFilter", {"zone": "east"}, {}, None),
    ("AvailabilityZoneFilter", {"zone": "east"}, {"availability_zone": "east"}, None),
    (
        "AvailabilityZoneFilter",
        {"zone": "east"},
        {"availability_zone": "west"},
        "zone west, is in east",
    ),
    ("RetryFilter", {}, {}, None),
    ("RetryFilter", {}, {"excluded": {"other": "broke", "gone": "broke"}}, None),
    ("RetryFilter", {}, {"excluded": {"node1": "no such disk"}}, "was tried before: no such disk"),
    ("SameHostFilter", {}, {}, None),
    ("SameHostFilter", {}, {"same_host": ("other", "node1")}, None),
    ("SameHostFilter", {}, {"same_host": ("gone",)}, "they are on gone"),
    ("SameHostFilter", {}, {"same_host": ()}, "they are on no host"),
    ("DifferentHostFilter", {}, {}, None),
    ("DifferentHostFilter", {}, {"different_host": ("other",)}, None),
    ("DifferentHostFilter", {}, {"different_host": ("other", "node1")}, "different_host hint"),
    ("ServerGroupAffinityFilter", {}, {}, None),
    ("ServerGroupAffinityFilter", {}, {"group": group("affinity")}, None),
    ("ServerGroupAffinityFilter", {}, {"group": group("affinity", other=2, node1=1)}, None),
    ("ServerGroupAffinityFilter", {}, {"group": group("affinity", gone=1)}, "which is on gone"),
    ("ServerGroupAffinityFilter", {}, {"group": group("anti-affinity", gone=1)}, None),
    ("ServerGroupAntiAffinityFilter", {}, {}, None),
    ("ServerGroupAntiAffinityFilter", {}, {"group": group("anti-affinity", other=1)}, None),
    ("ServerGroupAntiAffinityFilter", {}, {"group": group("anti-affinity", node1=1)}, "carries 1 servers"),
    ("ServerGroupAntiAffinityFilter", {}, {"group": group("anti-affinity", 3, node1=2)}, None),
    ("ServerGroupAntiAffinityFilter", {}, {"group": group("anti-affinity", 3, node1=3)}, "which allows 3"),
    ("ServerGroupAntiAffinityFilter", {}, {"group": group("soft-anti-affinity", node1=1)}, None),
]


@pytest.mark.parametrize(("name", "facts", "asked", "reason"), CASES)
def test_filter_keeps_or_refuses_with_a_reason(name, facts, asked, reason):
    one = FILTERS[name](for_tests())
    row, spec = a_host(**facts), a_spec(**asked)
    # A second host must not change the answer about the first, whole table or part of it.
    for seen in (hosts(row), hosts(a_host("other", zone="west"), row).take(np.array([1]))):
        passed = bool(np.all(one.passes(seen, spec)))
        assert passed is (reason is None)
        if reason is not None:
            assert reason in one.why(seen.row(0), spec)


def test_every_filter_has_a_case():
    assert {case[0] for case in CASES} == set(FILTERS)


@pytest.mark.parametrize(
    ("asked", "kept"),
    [
        ({"forced_host": "b"}, ["b"]),
        ({"forced_node": "c-node"}, ["c"]),
        ({"forced_host": "b", "forced_node": "c-node"}, []),
        ({"forced_host": "nobody"}, []),
    ],
)
def test_named_host_or_node_is_the_only_one_left(asked, kept):
    seen = hosts(*(a_host(n, node=f"{n}-node") for n in "abc"))
    spec = a_spec(**asked)
    assert [n for n, ok in zip(seen.names, ForcedHost().passes(seen, spec), strict=True) if ok] == kept
    again = a_spec(**{k.replace("forced", "requested"): v for k, v in asked.items()})
    assert [n for n, ok in zip(seen.names, RequestedHost().passes(seen, again), strict=True) if ok] == kept
    assert "which the request forces" in ForcedHost().why(seen.row(0), spec)
    assert "which the request asks for" in RequestedHost().why(seen.row(0), again)
