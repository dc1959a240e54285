"""Why a server is where it is, and where new ones would go: counts for users, hosts for administrators."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cloud import Cloud
from tests.rest import Rest, sentence


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    size = {"fake_driver.vcpus": 2, "compute.cpu_allocation_ratio": 1.0, "fake_driver.ram_mb": 1024,
            "compute.ram_allocation_ratio": 1.0, "compute.reserved_host_memory_mb": 0}  # fmt: skip
    with Cloud(tmp_path_factory.mktemp("decisions"), hosts=("alpha", "beta"), overrides=size) as made:
        yield made


@pytest.fixture(scope="module")
def member(cloud: Cloud) -> Rest:
    return cloud.rest()


@pytest.fixture(scope="module")
def admin(cloud: Cloud) -> Rest:
    for name, facts in (("wide", {"vcpus": 3}), ("big", {"ram": 2048}), ("half", {"ram": 512})):
        cloud.rest("admin").flavor(name, **facts)
    return cloud.rest("admin")


@pytest.fixture(scope="module")
def body(member: Rest, admin: Rest) -> dict:
    return {"name": "web", "imageRef": member.image(), "flavorRef": "half", "networks": "none"}


def dry_run(who: Rest, body: dict, count: int = 1, **server: object) -> dict:
    asked = {"server": {**body, **server}, "count": count}
    answer = who("POST", "/os-placement-decisions", asked)
    assert answer.status_code == 200, answer.get_data(as_text=True)
    return answer.get_json()["placement_decision"]


def test_a_dry_run_says_how_many_would_fit_and_changes_nothing(
    cloud: Cloud, member: Rest, admin: Rest, body
) -> None:
    found = dry_run(member, body, count=5)
    assert found == {"count": 5, "fits": 4, "fits_counted_to": 1000, "passed": 2, "considered": 2, "refused": {},
                     "nearly": []}  # fmt: skip
    told = dry_run(admin, body)
    assert {one["host"]: one["rank"] for one in told["hosts"]}.keys() == {"alpha", "beta"}
    assert set(told["hosts"][0]["weights"]) >= {"RAMWeigher", "CPUWeigher"}
    assert cloud.list_all() == [] and cloud.open_tasks() == 0


@pytest.mark.parametrize(
    ("changes", "refused", "nearly"),
    [
        ({"flavorRef": "wide"}, {"CoreFilter": 2}, "It would fit with at most 2 instead of 3 vCPUs."),
        (
            {"flavorRef": "big"},
            {"RamFilter": 2},
            "It would fit with at most 1024 instead of 2048 MB of memory.",
        ),
    ],
)
def test_what_would_have_to_be_otherwise(member: Rest, body, changes, refused, nearly) -> None:
    found = dry_run(member, body, **changes)
    assert (found["fits"], found["passed"], found["refused"], found["nearly"]) == (0, 0, refused, [nearly])


def test_a_refused_server_keeps_why(member: Rest, admin: Rest, body) -> None:
    server = member.made("/servers", {"server": {**body, "flavorRef": "wide"}})["server"]["id"]
    fault = member.show(server)["fault"]["message"]
    assert "CoreFilter: 2 refused. It would fit with at most 2 instead of 3 vCPUs." in fault
    found = member.get(f"/servers/{server}/os-placement-decision")["placement_decision"]
    assert (found["action"], found["placed"], found["refused"]) == ("create", False, {"CoreFilter": 2})
    assert not {"host", "hosts", "tried"} & set(found)
    told = admin.get(f"/servers/{server}/os-placement-decision")["placement_decision"]
    assert {one["host"]: one["reason"] for one in told["hosts"]} == {
        "alpha": "needs 3 vCPUs, the machine has 2",
        "beta": "needs 3 vCPUs, the machine has 2",
    }
    member("DELETE", f"/servers/{server}")


def test_a_placed_server_tells_where_its_host_ranked(member: Rest, admin: Rest, body) -> None:
    server = member.made("/servers", {"server": body})["server"]["id"]
    told = admin.get(f"/servers/{server}/os-placement-decision")["placement_decision"]
    first, second = told["hosts"]
    assert (told["placed"], told["host"], first["host"]) == (
        True,
        admin.show(server)["OS-EXT-SRV-ATTR:host"],
        told["host"],
    )
    assert (first["rank"], second["rank"], second["host"]) == (
        1,
        2,
        "beta" if first["host"] == "alpha" else "alpha",
    )
    assert "RAMWeigher" in first["weights"]
    member("DELETE", f"/servers/{server}")


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"count": 0}, "at least 1"),
        ({"count": "2"}, "count"),
        ({"server": {"flavorRef": "nope"}}, "nope"),
        ({"server": {"availability_zone": "moon"}}, "availability zone is not available"),
        ({"os:scheduler_hints": {"group": "00000000-0000-0000-0000-000000000000"}}, "could not be found"),
    ],
)
def test_bad_questions_are_refused(member: Rest, body, asked, words) -> None:
    whole = {"server": {**body, **asked.pop("server", {})}, **asked}
    answer = member("POST", "/os-placement-decisions", whole)
    assert answer.status_code == 400 and words in sentence(answer), sentence(answer)
