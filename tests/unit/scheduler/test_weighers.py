"""Every weigher: what it counts, and how configuration and aggregates turn it."""

from __future__ import annotations

import numpy as np
import pytest

from novalite.conf.load import for_tests
from novalite.errors import ConfigError
from novalite.scheduler.ranking import Ranking, best
from novalite.scheduler.weighers import WEIGHERS
from tests.unit.scheduler.builders import a_host, a_spec, gpus, group, hosts

CASES = [
    ("RAMWeigher", "ram_weight_multiplier", {"used_ram_mb": 10000}, 32768, 22768),
    ("CPUWeigher", "cpu_weight_multiplier", {"used_vcpus": 6}, 16, 10),
    ("DiskWeigher", "disk_weight_multiplier", {"used_disk_gb": 100}, 500, 400),
    ("IoOpsWeigher", "io_ops_weight_multiplier", {"io_ops": 3}, 0, 3),
    ("NumInstancesWeigher", "num_instances_weight_multiplier", {"servers": 5}, 0, 5),
    ("HypervisorVersionWeigher", "hypervisor_version_weight_multiplier", {"hypervisor_version": 6002000}, 0, 6002000),
    ("BuildFailureWeigher", "build_failure_weight_multiplier", {"failed_builds": 2}, 0, -2),
    ("PCIWeigher", "pci_weight_multiplier", gpus(3), 0, -3),
    ("ImageCacheLocalityWeigher", "image_cache_weight_multiplier", {"cached_images": ("other", "wanted")}, 0, 1),
]


@pytest.mark.parametrize(("name", "option", "busy", "of_idle", "of_busy"), CASES)
def test_weigher_counts_free_room(name, option, busy, of_idle, of_busy):
    value = 2.5 if name in ("BuildFailureWeigher", "PCIWeigher") else -2.5
    one = WEIGHERS[name](for_tests({f"scheduler.{option}": value}))
    seen = hosts(a_host("idle"), a_host("busy", **busy))
    assert one.weigh(seen, a_spec(image_id="wanted")).tolist() == [of_idle, of_busy]
    assert one.multiplier(seen) == value


GROUP_CASES = [
    ("ServerGroupSoftAffinityWeigher", "soft_affinity_weight_multiplier", "soft-affinity", [0, 2]),
    (
        "ServerGroupSoftAntiAffinityWeigher",
        "soft_anti_affinity_weight_multiplier",
        "soft-anti-affinity",
        [0, -2],
    ),
]


@pytest.mark.parametrize(("name", "option", "policy", "weights"), GROUP_CASES)
def test_members_attract_or_repel(name, option, policy, weights):
    one = WEIGHERS[name](for_tests({f"scheduler.{option}": 2.5}))
    packed = a_host("some", aggregates={"packed": {option: "0.5"}})
    for seen in (
        hosts(a_host("none"), packed),
        hosts(a_host("x"), a_host("none"), packed).take(np.array([1, 2])),
    ):
        assert one.weigh(seen, a_spec(group=group(policy, some=2, gone=9))).tolist() == weights
        assert one.weigh(seen, a_spec(group=group("affinity", some=2))) == 0.0
        assert one.weigh(seen, a_spec(group=group(policy))) == one.weigh(seen, a_spec()) == 0.0
        assert np.broadcast_to(one.multiplier(seen), 2).tolist() == [2.5, 0.5]


@pytest.mark.parametrize(("name", "option", "busy", "of_idle", "of_busy"), CASES)
def test_aggregate_overrides_the_multiplier_of_its_hosts(name, option, busy, of_idle, of_busy):
    one = WEIGHERS[name](for_tests())
    packed = {"packed": {option: "-1.5"}, "other": {option: "3"}}
    seen = hosts(a_host("plain"), a_host("packed", aggregates=packed))
    assert np.broadcast_to(one.multiplier(seen), 2).tolist() == [one.factor, -1.5]
    assert np.broadcast_to(one.multiplier(seen.take(np.array([1]))), 1).tolist() == [-1.5]


METRICS = [
    ({"metrics_weight_setting": ""}, None),
    ({"metrics_weight_setting": "cpu.idle.percent=2, network.mbps=-0.5"}, [190.0, 60.0, -70.0]),
    ({"metrics_weight_setting": "cpu.idle.percent=1", "metrics_required": False}, [100.0, 50.0, -10000.0]),
    ({"metrics_weight_setting": "no.such=1", "metrics_required": True}, [-10000.0] * 3),
]


@pytest.mark.parametrize(("options", "weights"), METRICS)
def test_metrics_are_summed_with_their_factors(options, weights):
    one = WEIGHERS["MetricsWeigher"](for_tests({f"scheduler.{k}": v for k, v in options.items()}))
    rows = [
        a_host("idle", metrics={"cpu.idle.percent": 100.0, "network.mbps": 20.0}),
        a_host("busy", metrics={"cpu.idle.percent": 50.0, "network.mbps": 80.0}),
        a_host("mute"),
    ]
    if weights is None:
        assert one.weigh(hosts(*rows), a_spec()) == 0.0
        return
    assert one.weigh(hosts(*rows), a_spec()).tolist() == weights
    # alone as among others
    assert [one.weigh(hosts(*rows).take(np.array([i])), a_spec()).item() for i in range(3)] == weights


def test_metrics_need_numbers():
    with pytest.raises(ConfigError, match="cpu is no NAME=NUMBER"):
        WEIGHERS["MetricsWeigher"](for_tests({"scheduler.metrics_weight_setting": "cpu"}))


def test_every_weigher_has_a_case():
    assert {"MetricsWeigher", *(case[0] for case in (*CASES, *GROUP_CASES))} == set(WEIGHERS)


class Fixed:
    """Weighs with given numbers."""

    def __init__(self, *numbers, factor=1.0):
        self.numbers, self.factor = np.array(numbers), factor

    def weigh(self, seen, spec):
        return self.numbers

    def multiplier(self, seen):
        return self.factor


@pytest.mark.parametrize(
    ("weighers", "totals"),
    [
        ([Fixed(1, 2, 3)], [0, 0.5, 1]),
        ([Fixed(1, 2, 3, factor=-2.0)], [0, -1, -2]),
        ([Fixed(7, 7, 7)], [0, 0, 0]),
        ([Fixed(1, 2, 3), Fixed(30, 20, 10, factor=3.0)], [3, 2, 1]),
        ([Fixed(0, 5, 10, factor=np.array([1.0, 1.0, 0.5]))], [0, 0.5, 0.5]),
        ([Fixed(np.nan, 0, 1)], [0, 1, 1]),
        ([], [0, 0, 0]),
    ],
)
def test_weights_are_brought_to_one_scale_and_summed(weighers, totals):
    seen = hosts(*(a_host(n) for n in "abc"))
    named = {str(i): one for i, one in enumerate(weighers)}
    assert Ranking(named, seen, a_spec()).totals == pytest.approx(totals)


def test_best_answers_the_highest_and_equals_in_order():
    totals = np.array([1.0, 3.0, 2.0, 3.0, 2.0, 2.0])
    assert best(totals, 1) == [1]
    assert best(totals, 4) == [1, 3, 2, 4]
    assert best(totals, 99) == [1, 3, 2, 4, 5, 0]
    assert best(totals[:0], 3) == []
