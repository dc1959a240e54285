"""os-hosts, services and hypervisors on a whole cloud."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, update

from novalite.db.models.migrations import Migration
from tests.cloud import Cloud
from tests.rest import Rest, sentence

OLD = "2.42"


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    """Two hosts and a conductor that has said that it is alive."""
    with Cloud(tmp_path, hosts=("alpha", "beta")) as made:
        made.conductors[0].manager.heartbeat()
        yield made


@pytest.fixture
def admin(cloud: Cloud) -> Rest:
    """The administrator."""
    return cloud.rest("admin")


def listed(admin: Rest, query: str = "") -> list[tuple[str, str, str]]:
    """(host, service, zone)"""
    found = admin.get("/os-hosts" + query, version=OLD)["hosts"]
    return [(one["host_name"], one["service"], one["zone"]) for one in found]


def test_hosts_are_listed_with_their_services(admin: Rest) -> None:
    everything = [("alpha", "compute", "nova"), ("beta", "compute", "nova"), ("controller", "conductor", "internal")]
    assert sorted(listed(admin)) == sorted(everything)
    assert listed(admin, "?zone=&service=") == listed(admin, "")
    assert listed(admin, "?zone=internal") == [("controller", "conductor", "internal")]
    assert listed(admin, "?service=conductor&zone=nova") == []


def test_what_a_host_has_and_carries(cloud: Cloud, admin: Rest) -> None:
    server = cloud.show(cloud.boot("web"))
    rows = [row["resource"] for row in admin.get(f"/os-hosts/{server['host']}", version=OLD)["host"]]
    assert [row["project"] for row in rows] == ["(total)", "(used_now)", "(used_max)", server["project_id"]]
    assert {row["host"] for row in rows} == {server["host"]}
    total, now, most, mine = ([row[name] for name in ("cpu", "memory_mb", "disk_gb")] for row in rows)
    assert mine == most == [1, 64, 1]
    assert all(0 < a <= b for a, b in zip(now, total, strict=True))
    idle = next(name for name in cloud.host_names if name != server["host"])
    assert len(admin.get(f"/os-hosts/{idle}", version=OLD)["host"]) == 3


def test_a_host_is_taken_out_of_use_and_back(cloud: Cloud, admin: Rest) -> None:
    for word, shown in (("disable", "disabled"), ("ENABLE", "enabled"), ("Disable", "disabled")):
        reply = admin("PUT", "/os-hosts/beta", {"status": word}, version=OLD)
        assert (reply.status_code, reply.get_json()) == (200, {"host": "beta", "status": shown})
        assert admin.get("/os-services?host=beta")["services"][0]["status"] == shown
    assert [host for host, service, _ in listed(admin) if service == "compute"] == ["alpha"]
    assert {cloud.show(cloud.boot(f"s{n}"))["host"] for n in range(3)} == {"alpha"}


REFUSED: list[tuple[str, str, Any, int]] = [
    ("GET", "/nobody", None, 404),
    ("GET", "/controller", None, 404),
    ("PUT", "/nobody", {"status": "enable"}, 404),
    ("PUT", "/nobody", {"maintenance_mode": "enable"}, 404),
    ("PUT", "/alpha", {}, 400),
    ("PUT", "/alpha", {"status": "on"}, 400),
    ("PUT", "/alpha", {"status": True}, 400),
    ("PUT", "/alpha", {"status": "enable", "colour": "blue"}, 400),
    ("PUT", "/alpha", {"status": "disable", "maintenance_mode": "enable"}, 501),
    *[("GET", f"/alpha/{action}", None, 501) for action in ("reboot", "shutdown", "startup")],
    *[("GET", f"/nobody/{action}", None, 404) for action in ("reboot", "shutdown", "startup")],
]


def test_what_is_refused(cloud: Cloud, admin: Rest) -> None:
    member = cloud.rest()
    for method, path, body, status in REFUSED:
        reply = admin(method, "/os-hosts" + path, body, version=OLD)
        assert (reply.status_code, bool(sentence(reply))) == (status, True), (method, path, body)
        assert member(method, "/os-hosts" + path, body or {"status": "enable"}, version=OLD).status_code == 403
        assert admin(method, "/os-hosts" + path, body, version="2.43").status_code == 404
    assert [one["status"] for one in admin.get("/os-services?binary=nova-compute")["services"]] == ["enabled"] * 2


# --- services and hypervisors


def service(admin: Rest, host: str, version: str = "latest") -> Any:
    """Its record."""
    return admin.get(f"/os-services?host={host}", version=version)["services"][0]


def test_a_service_with_servers_on_their_way_is_not_deleted(cloud: Cloud, admin: Rest) -> None:
    path = f"/os-services/{service(admin, 'beta')['id']}"
    with cloud.db.begin() as session:
        session.execute(
            insert(Migration).values(
                server_id="s", migration_type="resize", status="finished", source_host="alpha", dest_host="beta"
            )
        )
    reply = admin.delete(path)
    assert (reply.status_code, "in-progress migrations" in sentence(reply)) == (409, True)
    with cloud.db.begin() as session:
        session.execute(update(Migration).values(status="confirmed"))
    assert admin.delete(path).status_code == 204


def test_services_are_deleted_by_number_in_old_versions(cloud: Cloud, admin: Rest) -> None:
    number = service(admin, "beta", "2.52")["id"]
    assert admin.delete("/os-services/no", version="2.52").status_code == 400
    for absent in ("999", "99999999999"):
        assert admin.delete(f"/os-services/{absent}", version="2.52").status_code == 404
    assert admin.delete(f"/os-services/{number}", version="2.52").status_code == 204
    assert admin.get("/os-services?host=beta")["services"] == []


def test_only_compute_services_are_changed_by_uuid(cloud: Cloud, admin: Rest) -> None:
    path = f"/os-services/{service(admin, 'controller')['id']}"
    reply = admin("PUT", path, {"status": "disabled"})
    assert (reply.status_code, "Must be nova-compute" in sentence(reply)) == (400, True)
    assert service(admin, "controller")["status"] == "enabled"


def test_nobody_knows_the_uptime_of_a_host_that_is_down(cloud: Cloud, admin: Rest) -> None:
    def uptimes() -> list[bool]:
        return [bool(one["uptime"]) for one in admin.get("/os-hypervisors/detail")["hypervisors"]]

    before = uptimes()
    cloud.stop_host("beta")
    assert uptimes() == [before[0], False]
