"""Server groups through the API on a whole cloud."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cloud import Cloud
from tests.rest import Rest, sentence

PATH = "/os-server-groups"
ABSENT = "00000000-0000-4000-8000-00000000ffff"


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    """Two hosts."""
    with Cloud(tmp_path, hosts=("alpha", "beta")) as made:
        yield made


def make(who: Rest, name: str = "g", **more: Any) -> Any:
    """A group."""
    body = {"server_group": {"name": name, "policy": "anti-affinity", **more}}
    return who.made(PATH, body)["server_group"]


def ids(who: Rest, query: str = "") -> list[str]:
    """Groups as listed."""
    return [group["id"] for group in who.get(PATH + query)["server_groups"]]


def test_the_life_of_a_group(cloud: Cloud) -> None:
    member = cloud.rest()
    made = make(member, rules={"max_server_per_host": "2"})
    assert made == {
        "id": made["id"], "name": "g", "policy": "anti-affinity", "rules": {"max_server_per_host": 2},
        "members": [], "project_id": member.project_id, "user_id": made["user_id"],
    }  # fmt: skip
    assert made["user_id"]
    assert member.get(f"{PATH}/{made['id']}") == {"server_group": made}
    assert member.get(PATH) == {"server_groups": [made]}
    assert member.delete(f"{PATH}/{made['id']}").status_code == 204
    assert member.delete(f"{PATH}/{made['id']}").status_code == 404
    assert member.get(PATH) == {"server_groups": []}


def test_shapes_of_older_versions(cloud: Cloud) -> None:
    member = cloud.rest()
    body = {"server_group": {"name": "g", "policies": ["affinity"]}}
    made = member.made(PATH, body, version="2.1")["server_group"]
    assert made == {"id": made["id"], "name": "g", "policies": ["affinity"], "members": [], "metadata": {}}
    soft = {"server_group": {"name": "g", "policies": ["soft-affinity"]}}
    assert member.post(PATH, soft, version="2.14").status_code == 400
    assert member.made(PATH, soft, version="2.15")["server_group"]["policies"] == ["soft-affinity"]
    assert set(member.get(f"{PATH}/{made['id']}", version="2.13")["server_group"]) == {
        "id", "name", "policies", "members", "metadata", "project_id", "user_id",
    }  # fmt: skip
    assert member.get(f"{PATH}/{made['id']}", version="2.64")["server_group"]["policy"] == "affinity"


@pytest.mark.parametrize(
    ("version", "group"),
    [
        ("2.64", {"name": "g", "policies": ["affinity"]}),
        ("2.64", {"name": "g"}),
        ("2.64", {"name": "g", "policy": "legacy"}),
        ("2.64", {"name": "g", "policy": "affinity", "rules": {"max_server_per_host": 2}}),
        ("2.64", {"name": "g", "policy": "anti-affinity", "rules": {"max_server_per_host": 0}}),
        ("2.64", {"name": "g", "policy": "anti-affinity", "rules": {"most": 1}}),
        ("2.64", {"name": "", "policy": "affinity"}),
        ("2.64", {"name": "x" * 256, "policy": "affinity"}),
        ("2.63", {"name": "g", "policy": "affinity"}),
        ("2.63", {"name": "g", "policies": []}),
        ("2.63", {"name": "g", "policies": ["affinity", "anti-affinity"]}),
        ("2.63", {"name": "g", "policies": ["affinity"], "rules": {}}),
        ("2.1", {"name": "g"}),
    ],
)
def test_bad_groups_are_refused(world: Any, version: str, group: Any) -> None:
    reply = world.member.post(PATH, {"server_group": group}, version=version)
    assert (reply.status_code, bool(sentence(reply))) == (400, True)
    assert world.member.get(PATH) == {"server_groups": []}


def test_projects_do_not_see_each_others_groups(cloud: Cloud) -> None:
    member, stranger, admin = cloud.rest(), cloud.rest("stranger"), cloud.rest("admin")
    mine, theirs = make(member)["id"], make(stranger)["id"]
    assert (ids(member), ids(stranger), ids(admin)) == ([mine], [theirs], [])
    assert ids(admin, "?all_projects=1") == [mine, theirs]
    assert ids(member, "?all_projects=1") == [mine]
    for path in (f"{PATH}/{theirs}", f"{PATH}/{ABSENT}"):
        for method in ("GET", "DELETE"):
            assert member(method, path).status_code == 404
    assert admin.get(f"{PATH}/{theirs}")["server_group"]["id"] == theirs
    reader = cloud.rest("reader", "member", "reader")
    assert ids(reader) == [mine]
    assert reader.delete(f"{PATH}/{mine}").status_code == 403
    assert reader.post(PATH, {"server_group": {"name": "g", "policy": "affinity"}}).status_code == 403


def test_pages(cloud: Cloud) -> None:
    member = cloud.rest()
    made = [make(member, f"g{n}")["id"] for n in range(5)]
    assert ids(member, "?limit=2") == made[:2]
    assert ids(member, "?limit=2&offset=2") == made[2:4]
    assert ids(member, "?offset=4") == made[4:]
    assert ids(member, "?offset=99999999999") == []
    assert ids(member, "?limit=0") == made
    for query in ("?limit=-1", "?offset=x", "?nonsense=1"):
        assert member("GET", PATH + query).status_code == 400
    assert member("GET", PATH + "?nonsense=1", version="2.74").status_code == 200


def test_members_come_by_the_hint_and_leave_with_their_server(cloud: Cloud) -> None:
    member = cloud.rest()
    group, image = make(member)["id"], member.image()
    hints = {"os:scheduler_hints": {"group": group}}
    servers = [boot(member, name, image, hints) for name in ("a", "b")]
    assert member.get(f"{PATH}/{group}")["server_group"]["members"] == servers
    assert member.get(PATH)["server_groups"][0]["members"] == servers
    assert member.show(servers[0])["server_groups"] == [group]
    assert "server_groups" not in member.show(servers[0], version="2.70")
    assert "server_groups" not in member.get("/servers/detail")["servers"][0]
    alone = member.boot("alone", imageRef=image)
    assert member.show(alone)["server_groups"] == []
    assert member.delete(f"/servers/{servers[0]}").status_code == 204
    assert member.get(f"{PATH}/{group}")["server_group"]["members"] == servers[1:]
    assert member.delete(f"{PATH}/{group}").status_code == 204
    assert member.show(servers[1])["server_groups"] == []


def boot(who: Rest, name: str, image: str, more: Any, status: int = 202) -> str:
    """A server created with hints; the sentence when it is refused."""
    body = {"server": {"name": name, "flavorRef": "tiny", "imageRef": image, "networks": "none"}, **more}
    reply = who.post("/servers", body)
    assert reply.status_code == status, reply.text
    return str(reply.get_json()["server"]["id"]) if status == 202 else sentence(reply)


def test_the_group_of_a_hint_must_exist(cloud: Cloud) -> None:
    member, stranger = cloud.rest(), cloud.rest("stranger")
    image = member.image()
    for group in (ABSENT, make(stranger)["id"]):
        words = boot(member, "x", image, {"os:scheduler_hints": {"group": group}}, 400)
        assert words == f"Instance group {group} could not be found."
    assert member.get("/servers")["servers"] == []


def test_limits_of_groups_and_their_members(cloud: Cloud) -> None:
    member, admin = cloud.rest(), cloud.rest("admin")
    quota = f"/os-quota-sets/{member.project_id}"
    limits = {"quota_set": {"server_groups": 1, "server_group_members": 2}}
    assert admin("PUT", quota, limits).status_code == 200
    group, image = make(member)["id"], member.image()
    refused = member.post(PATH, {"server_group": {"name": "g", "policy": "affinity"}})
    assert (refused.status_code, "server_groups" in sentence(refused)) == (403, True)
    hints = {"os:scheduler_hints": {"group": group}}
    boot(member, "a", image, hints)
    many = {"server": {"name": "x", "flavorRef": "tiny", "imageRef": image, "networks": "none", "min_count": 2}}
    refused = member.post("/servers", {**many, **hints})
    assert (refused.status_code, "server_group_members" in sentence(refused)) == (403, True)
    boot(member, "b", image, hints)
    boot(member, "c", image, hints, 403)
    assert len(member.get("/servers")["servers"]) == 2
    absolute = member.get("/limits")["limits"]["absolute"]
    assert {name: absolute[name] for name in absolute if "Group" in name} == {
        "maxServerGroups": 1, "maxServerGroupMembers": 2, "totalServerGroupsUsed": 1,
    }  # fmt: skip
    detail = admin.get(quota + "/detail")["quota_set"]
    assert detail["server_groups"] == {"limit": 1, "in_use": 1, "reserved": 0}
    assert admin("PUT", quota, {"quota_set": {"server_groups": 0}}).status_code == 400
