"""Servers of a group are placed together or apart, also when they are placed at the same moment."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from novalite.conductor.tasks import FLOWS
from novalite.errors import BadRequest
from novalite.objects.servers import CreateServers
from novalite.rpc.contracts.server_groups import ServerGroups
from novalite.rpc.contracts.servers import Servers
from tests.cloud import Cloud
from tests.flows.harness import broken_step, check_invariants, step_cases

RULES = ("affinity", "anti-affinity")


@pytest.fixture
def three_hosts(tmp_path: Path) -> Iterator[Cloud]:
    """Three hosts, two conductors."""
    with Cloud(tmp_path, hosts=("alpha", "beta", "gamma"), conductors=2) as made:
        yield made


def make_group(cloud: Cloud, policy: str, **rules: int) -> dict[str, Any]:
    """The hint that puts a server into a new group."""
    made = cloud.client.of(ServerGroups).create(cloud.ctx, policy, policy, rules)
    return {"scheduler_hints": {"group": made["uuid"]}}


def homes(cloud: Cloud) -> list[str]:
    """Hosts of all servers that have one, oldest first."""
    return [str(server["host"]) for server in cloud.list_all() if server["host"]]


def test_affinity_keeps_servers_together(three_hosts: Cloud) -> None:
    cloud = three_hosts
    hint = make_group(cloud, "affinity")
    for name in ("a", "b", "c"):
        cloud.boot(name, **hint)
    assert len(set(homes(cloud))) == 1
    check_invariants(cloud)


def test_anti_affinity_keeps_them_apart_and_says_when_there_is_no_host_left(three_hosts: Cloud) -> None:
    cloud = three_hosts
    hint = make_group(cloud, "anti-affinity")
    first = cloud.boot("a", **hint)
    cloud.boot("b", **hint)
    cloud.boot("c", **hint)
    assert sorted(homes(cloud)) == ["alpha", "beta", "gamma"]
    lost = cloud.show(cloud.create("d", **hint))
    assert lost["vm_state"] == "error"
    assert "ServerGroupAntiAffinityFilter: 3 refused" in lost["fault"]["message"]
    cloud.delete(first)
    cloud.boot("e", **hint)
    assert sorted(homes(cloud)) == ["alpha", "beta", "gamma"]
    check_invariants(cloud)


def test_a_group_may_allow_several_per_host(three_hosts: Cloud) -> None:
    cloud = three_hosts
    hint = make_group(cloud, "anti-affinity", max_server_per_host=2)
    for number in range(6):
        cloud.boot(f"s{number}", **hint)
    assert sorted(homes(cloud)) == ["alpha", "alpha", "beta", "beta", "gamma", "gamma"]
    assert cloud.show(cloud.create("more", **hint))["vm_state"] == "error"


def test_soft_rules_are_wishes(tmp_path: Path) -> None:
    strong = dict.fromkeys((f"scheduler.soft_{kind}_weight_multiplier" for kind in ("affinity", "anti_affinity")), 9)
    with Cloud(tmp_path, hosts=("alpha", "beta", "gamma"), overrides=strong) as cloud:
        together, apart = make_group(cloud, "soft-affinity"), make_group(cloud, "soft-anti-affinity")
        for name in ("a", "b", "c"):
            cloud.boot(name, **together)
        assert len(set(homes(cloud))) == 1, "free room alone would have spread them"
        for name in ("d", "e", "f", "g"):
            cloud.boot(name, **apart)
        assert sorted(homes(cloud)[3:6]) == ["alpha", "beta", "gamma"]


@pytest.mark.parametrize("policy", RULES)
def test_members_placed_between_choice_and_claim_are_seen(three_hosts: Cloud, policy: str) -> None:
    """The candidates are those of a moment ago: the claim looks again."""
    cloud = three_hosts
    hint = make_group(cloud, policy)
    others: list[str] = []

    def another() -> None:
        body = CreateServers(name="between", flavor_id=cloud.flavor_id, networks="none", **hint)
        accepted = cloud.client.of(Servers).create(cloud.ctx, body)
        cloud.conductors[0].manager.env.tasks.poke(list(accepted.task_ids))
        others.extend(accepted.server_ids)
        assert cloud.show(others[0])["host"], "it was placed first"

    cloud.databases[0].before(2, another)
    here = cloud.show(cloud.boot("first", **hint))["host"]
    assert (here == cloud.show(others[0])["host"]) is (policy == "affinity")
    check_invariants(cloud)


@pytest.mark.parametrize("policy", RULES)
def test_members_that_are_created_at_once(tmp_path: Path, policy: str) -> None:
    with Cloud(tmp_path, hosts=("alpha", "beta", "gamma", "delta")) as cloud:
        hint = make_group(cloud, policy)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda n: cloud.create(f"s{n}", **hint), range(4)))
        cloud.recover(2)
        assert [server["vm_state"] for server in cloud.list_all()] == ["active"] * 4
        assert len(set(homes(cloud))) == (1 if policy == "affinity" else 4)
        check_invariants(cloud)


def test_one_request_for_many_obeys_too(three_hosts: Cloud) -> None:
    cloud = three_hosts
    cloud.create("apart", min_count=3, max_count=3, **make_group(cloud, "anti-affinity"))
    cloud.recover(2)
    assert sorted(homes(cloud)) == ["alpha", "beta", "gamma"]


def test_another_host_after_a_failed_build_obeys_too(three_hosts: Cloud) -> None:
    cloud = three_hosts
    hint = make_group(cloud, "anti-affinity")
    cloud.boot("a", **hint)
    (taken,) = homes(cloud)
    others = [name for name in cloud.host_names if name != taken]
    for name in others:
        cloud.driver(name).fail("spawn", "no luck", None)
    lost = cloud.show(cloud.create("b", **hint))
    assert (lost["vm_state"], lost["host"]) == ("error", None)
    check_invariants(cloud)


def test_a_forced_host_is_an_administrators_word(three_hosts: Cloud) -> None:
    cloud = three_hosts
    hint = make_group(cloud, "anti-affinity")
    first = cloud.show(cloud.boot("a", **hint))["host"]
    assert cloud.show(cloud.boot("b", forced_host=first, **hint))["host"] == first


def test_servers_outlive_their_group(three_hosts: Cloud) -> None:
    cloud = three_hosts
    hint = make_group(cloud, "affinity")
    groups = cloud.client.of(ServerGroups)
    cloud.boot("a", **hint)
    with cloud.bus.lose(lambda e: e.name == "scheduler.select", 1):
        late = cloud.create("b", **hint)
    groups.delete(cloud.ctx, hint["scheduler_hints"]["group"])
    cloud.recover(3)
    assert cloud.show(late)["vm_state"] in ("active", "error")
    with pytest.raises(BadRequest, match="could not be found"):
        cloud.create("c", **hint)
    check_invariants(cloud)


@pytest.mark.parametrize("case", step_cases(FLOWS["create"])[:8], ids=" ".join)
def test_a_broken_flow_obeys_too(three_hosts: Cloud, case: tuple[str, str]) -> None:
    cloud, (step, mode) = three_hosts, case
    hint = make_group(cloud, "anti-affinity")
    cloud.boot("a", **hint)
    with broken_step(cloud.conductors[0], "create", step, mode):
        cloud.create("b", tolerant=True, **hint)
        cloud.recover()
    assert len(set(homes(cloud))) == len(homes(cloud))
    check_invariants(cloud)
