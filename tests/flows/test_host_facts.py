"""What hosts say of themselves, and what operators say of them, reaches the scheduler and decides."""

from __future__ import annotations

from pathlib import Path

from novalite.rpc.contracts.aggregates import Aggregates
from novalite.scheduler.filters import FILTERS
from novalite.scheduler.weighers import WEIGHERS
from tests.cloud import Cloud

EVERYTHING = {
    "scheduler.enabled_filters": [name for name in FILTERS if name != "IsolatedHostsFilter"],
    "scheduler.enabled_weighers": list(WEIGHERS),
}


def home(cloud: Cloud, name: str) -> str:
    return str(cloud.show(cloud.boot(name))["host"])


def test_a_host_whose_builds_fail_is_left_alone_until_one_succeeds(tmp_path: Path) -> None:
    with Cloud(tmp_path, hosts=("alpha", "beta"), overrides=EVERYTHING) as cloud:
        cloud.driver("alpha").fail("spawn", "no such disk", times=1)
        alpha = cloud.hosts["alpha"]
        homes = [home(cloud, "a")]
        if not alpha.manager.bench.tally.failed:
            homes.append(home(cloud, "b"))  # alpha is the emptier one now
        assert set(homes) == {"beta"}
        assert alpha.manager.bench.tally.failed == 1
        cloud.beat(alpha)
        assert [home(cloud, f"s{number}") for number in range(4)] == ["beta"] * 4
        alpha.manager.bench.tally.note(None)
        cloud.beat(alpha)
        assert home(cloud, "again") == "alpha"


def test_what_aggregates_and_configuration_say_of_hosts_decides(tmp_path: Path) -> None:
    connected = {"beta": {"host_networks.physical_interfaces": "red:eth9", "compute.monitors": "load"}}
    with Cloud(tmp_path, hosts=("alpha", "beta"), overrides=EVERYTHING, per_host=connected) as cloud:
        row = cloud.scheduler.table.hosts().row(cloud.scheduler.table.hosts().store.index["beta"])
        assert row.physical_networks == ("red",)
        assert set(row.metrics) == {"load.percent"}
        assert row.cpu_info["vendor"] == "novalite"
        admin = cloud.client.of(Aggregates)
        number = admin.create(cloud.admin, "small", None)["id"]
        admin.add_host(cloud.admin, number, "beta")
        admin.update(cloud.admin, number, metadata={"max_instances_per_host": "1"})
        assert sorted(home(cloud, f"s{number}") for number in range(4)) == ["alpha"] * 3 + ["beta"]
        admin.update(cloud.admin, number, metadata={"max_instances_per_host": None, "cpu_allocation_ratio": "0.01"})
        assert home(cloud, "more") == "alpha"
        assert cloud.scheduler.table.hosts().row(1).cap_vcpus < 2
