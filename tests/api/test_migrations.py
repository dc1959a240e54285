"""GET /os-migrations and /servers/{id}/migrations: what resizes leave behind, who sees it, and by which version."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.world import ABSENT
from tests.cloud import Cloud
from tests.rest import Rest, sentence

BASE = {
    "id", "instance_uuid", "source_compute", "source_node", "dest_compute", "dest_host", "dest_node",
    "old_instance_type_id", "new_instance_type_id", "status", "created_at", "updated_at",
}  # fmt: skip


class Migrated:
    """A cloud in which a member resized two servers, reverted one and confirmed none."""

    def __init__(self, cloud: Cloud) -> None:
        self.admin, self.member = cloud.rest("admin"), cloud.rest()
        self.manager = cloud.rest("boss", "member", "manager")
        self.admin.flavor("big", vcpus=2, ram=128, disk=2)
        image = self.member.image()
        self.servers = [self.member.boot(name, imageRef=image, flavorRef="tiny") for name in ("a", "b")]
        for server in self.servers:
            assert self.member.act(server, {"resize": {"flavorRef": "big"}}).status_code == 202
        assert self.member.act(self.servers[0], {"revertResize": None}).status_code == 202

    def list(self, query: str = "", who: Rest | None = None, **more: Any) -> Any:
        return (who or self.admin).get(f"/os-migrations{query}", **more)["migrations"]


@pytest.fixture
def seen(cloud: Cloud) -> Migrated:
    return Migrated(cloud)


def test_every_resize_is_listed_newest_first(seen: Migrated) -> None:
    newest, oldest = seen.list()
    assert (newest["instance_uuid"], newest["status"]) == (seen.servers[1], "finished")
    assert (oldest["instance_uuid"], oldest["status"]) == (seen.servers[0], "reverted")
    assert newest["migration_type"] == "resize"
    assert (newest["source_compute"], newest["dest_compute"], newest["dest_node"]) == ("alpha",) * 3
    assert newest["old_instance_type_id"] != newest["new_instance_type_id"]
    assert newest["project_id"] == seen.member.project_id
    assert "links" not in newest, "a resize has no page of its own"


def test_fields_by_microversion(seen: Migrated) -> None:
    assert set(seen.list(version="2.1")[0]) == BASE
    assert set(seen.list(version="2.23")[0]) == BASE | {"migration_type"}
    assert set(seen.list(version="2.59")[0]) == BASE | {"migration_type", "uuid"}
    assert set(seen.list(version="2.80")[0]) == BASE | {"migration_type", "uuid", "user_id", "project_id"}


def test_filters(seen: Migrated) -> None:
    first, second = seen.servers
    for query, found in (
        ("?status=finished", [second]),
        ("?status=nothing", []),
        (f"?instance_uuid={first}", [first]),
        ("?host=alpha", [second, first]),
        ("?host=beta", []),
        ("?source_compute=alpha&migration_type=resize", [second, first]),
        ("?migration_type=evacuation", []),
        ("?hidden=false", [second, first]),
        ("?hidden=true", []),
        (f"?project_id={seen.member.project_id}", [second, first]),
        ("?project_id=other", []),
        ("?user_id=nobody", []),
        ("?changes-since=2020-01-01T00:00:00Z", [second, first]),
        ("?changes-before=2020-01-01T00:00:00Z", []),
    ):
        assert [one["instance_uuid"] for one in seen.list(query)] == found, query


def test_pages(seen: Migrated) -> None:
    newest, oldest = seen.list()
    page = seen.admin.get("/os-migrations?limit=1")
    assert [one["uuid"] for one in page["migrations"]] == [newest["uuid"]]
    (link,) = page["migrations_links"]
    assert f"marker={newest['uuid']}" in link["href"] and link["rel"] == "next"
    assert [one["uuid"] for one in seen.list(f"?marker={newest['uuid']}")] == [oldest["uuid"]]
    assert "migrations_links" not in seen.admin.get("/os-migrations", version="2.58")


@pytest.mark.parametrize(
    ("query", "version", "status"),
    [
        ("?limit=1", "2.58", 200), ("?limit=-1", "2.59", 400), (f"?marker={ABSENT}", "2.59", 400),
        ("?colour=red", "2.58", 200), ("?colour=red", "2.59", 400),
        ("?changes-before=2026-01-01", "2.65", 400), ("?changes-before=2026-01-01", "2.66", 200),
        ("?changes-since=yesterday", "2.59", 400), ("?user_id=u", "2.79", 400), ("?user_id=u", "2.80", 200),
        ("?changes-since=2026-02-01&changes-before=2026-01-01", "2.66", 400),
    ],
)  # fmt: skip
def test_queries_by_microversion(seen: Migrated, query: str, version: str, status: int) -> None:
    assert seen.admin("GET", f"/os-migrations{query}", version=version).status_code == status


def test_managers_see_their_project_and_no_hosts(seen: Migrated) -> None:
    listed = seen.list(who=seen.manager)
    assert [one["instance_uuid"] for one in listed] == seen.servers[::-1]
    assert {listed[0][key] for key in BASE if key.startswith(("source", "dest"))} == {None}
    reply = seen.manager("GET", "/os-migrations?project_id=other")
    assert (reply.status_code, "your own project" in sentence(reply)) == (403, True)
    assert seen.member("GET", "/os-migrations").status_code == 403


def test_no_live_migration_is_under_way(seen: Migrated) -> None:
    server = seen.servers[1]
    number = seen.list()[0]["id"]
    path = f"/servers/{server}/migrations"
    assert seen.admin.get(path) == {"migrations": []}
    assert seen.manager.get(path) == {"migrations": []}
    assert seen.admin("GET", path, version="2.22").status_code == 404
    for one, words in ((number, "not live-migration"), (999, "could not be found"), ("x", "could not be found")):
        reply = seen.admin("GET", f"{path}/{one}")
        assert (reply.status_code, words in sentence(reply)) == (404, True), reply.text
    assert seen.admin("GET", f"/servers/{ABSENT}/migrations").status_code == 404
    for version, status in (("2.23", 404), ("2.24", 409)):
        assert seen.admin("DELETE", f"{path}/{number}", version=version).status_code == status
    force = {"force_complete": None}
    for version, status in (("2.21", 404), ("2.22", 409)):
        assert seen.admin("POST", f"{path}/{number}/action", force, version=version).status_code == status
    for body in ({"force_complete": {}}, {"stop": None}, {}):
        assert seen.admin("POST", f"{path}/{number}/action", body).status_code == 400
