"""What a user sees of deferred delete: where a deleted server is listed, how it comes back, how it goes for good."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cloud import Cloud
from tests.rest import Rest, sentence

KEPT = {"conductor.reclaim_instance_interval": 3600}


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """Deleted servers are kept for an hour."""
    with Cloud(tmp_path_factory.mktemp("kept"), overrides=KEPT) as made:
        yield made


@pytest.fixture
def member(cloud: Cloud) -> Rest:
    return cloud.rest()


def soft_deleted(member: Rest, name: str) -> str:
    server = member.boot(name, imageRef=member.image())
    assert member.delete(f"/servers/{server}").status_code == 204
    return server


def ids(caller: Rest, query: str = "", path: str = "/servers") -> set[str]:
    return {server["id"] for server in caller.get(f"{path}{query}")["servers"]}


def test_a_deleted_server_is_shown_but_not_listed(cloud: Cloud, member: Rest) -> None:
    admin = cloud.rest("admin")
    server, alive = soft_deleted(member, "kept"), member.boot("alive", imageRef=member.image())
    shown = member.show(server)
    states = ("OS-EXT-STS:vm_state", "OS-EXT-STS:task_state", "OS-EXT-STS:power_state")
    assert (shown["status"], *(shown[key] for key in states)) == ("SOFT_DELETED", "soft-delete", None, 4)
    lists: list[tuple[Rest, str, bool, bool]] = [
        # who, query, whether the deleted and the living one are listed
        (member, "", False, True),
        (member, "?deleted=1", False, True),  # not for everybody: dropped
        (member, "?soft_deleted=1", False, True),
        (member, "?status=SOFT_DELETED", False, False),
        (member, "?status=SOFT_DELETED&changes-since=2020-01-01T00:00:00Z", True, False),
        (admin, "?all_tenants=1&status=SOFT_DELETED", False, False),
        (admin, "?all_tenants=1&status=SOFT_DELETED&deleted=1", True, False),
        (admin, "?all_tenants=1&status=SOFT_DELETED&soft_deleted=1", True, False),
        (member, "?changes-since=2020-01-01T00:00:00Z", True, True),
        (admin, "?all_tenants=1", False, True),
        (admin, "?all_tenants=1&deleted=1", True, False),
        (admin, "?all_tenants=1&deleted=1&soft_deleted=0", False, False),
        (admin, "?all_tenants=1&deleted=0", False, True),
        (admin, "?all_tenants=1&deleted=0&soft_deleted=1", True, True),
        (admin, "?all_tenants=1&soft_deleted=1", True, True),
    ]
    for who, query, listed, living in lists:
        for path in ("/servers", "/servers/detail"):
            found = ids(who, query, path)
            assert (server in found, alive in found) == (listed, living), (path, query)
    member.delete(f"/servers/{alive}")


def test_it_is_restored_and_deleted_again_and_forced_away(member: Rest) -> None:
    server = soft_deleted(member, "back")
    assert member.delete(f"/servers/{server}").status_code == 204, "again, without effect"
    assert member.act(server, {"restore": None}).status_code == 202
    assert member.show(server)["status"] == "ACTIVE"
    reply = member.act(server, {"restore": None})
    assert reply.status_code == 409
    assert sentence(reply) == f"Cannot 'restore' instance {server} while it is in vm_state active"
    assert member.act(server, {"forceDelete": {}}).status_code == 202
    assert member("GET", f"/servers/{server}").status_code == 404
    for action in ("restore", "forceDelete"):
        assert member.act(server, {action: None}).status_code == 404
    listed = member.get(f"/servers/{server}/os-instance-actions")["instanceActions"]
    assert [a["action"] for a in reversed(listed)] == ["create", "delete", "restore", "delete"]


@pytest.mark.parametrize("version", ["2.1", "latest"])
def test_force_delete_works_in_any_state(cloud: Cloud, member: Rest, version: str) -> None:
    for state in ({}, {"os-stop": None}, {"pause": None}):
        server = member.boot("any", imageRef=member.image())
        if state:
            member.act(server, state)
        assert member.act(server, {"forceDelete": None}, version=version).status_code == 202
        assert member("GET", f"/servers/{server}").status_code == 404
    with cloud.bus.lose(lambda e: e.name == "guests.spawn"):
        server = member.create("building", imageRef=member.image()).get_json()["server"]["id"]
    assert member.act(server, {"forceDelete": None}).status_code == 202
    assert member("GET", f"/servers/{server}").status_code == 404


@pytest.mark.parametrize(
    ("action", "words"),
    [
        ({"restore": {"now": True}}, "restore"),
        ({"restore": "now"}, "restore"),
        ({"forceDelete": "now"}, "forceDelete"),
        ({"forceDelete": {"really": True}}, "forceDelete"),
    ],
)
def test_bodies_that_are_refused(member: Rest, action: Any, words: str) -> None:
    server = soft_deleted(member, "kept")
    reply = member.act(server, action)
    assert (reply.status_code, words in sentence(reply)) == (400, True)
    assert member.show(server)["status"] == "SOFT_DELETED"


def test_others_can_neither_restore_nor_force(cloud: Cloud, member: Rest) -> None:
    server = soft_deleted(member, "mine")
    reader, stranger = cloud.rest("reader", "member", "reader"), cloud.rest("stranger")
    for action in ({"restore": None}, {"forceDelete": None}):
        assert reader.act(server, action).status_code == 403
        assert stranger.act(server, action).status_code == 404


def test_what_is_kept_takes_nothing_of_the_quota(tmp_path: Path) -> None:
    with Cloud(tmp_path, overrides={**KEPT, "quota.instances": 1}) as cloud:
        member = cloud.rest()
        first = soft_deleted(member, "first")
        assert member.get("/limits")["limits"]["absolute"]["totalInstancesUsed"] == 0
        second = member.boot("second", imageRef=member.image())
        reply = member.act(first, {"restore": None})
        assert (reply.status_code, "Quota exceeded" in sentence(reply)) == (403, True)
        assert member.show(first)["OS-EXT-STS:task_state"] is None
        assert member.delete(f"/servers/{second}").status_code == 204
        assert member.act(first, {"restore": None}).status_code == 202
        assert member.get("/limits")["limits"]["absolute"]["totalInstancesUsed"] == 1
