"""Hypervisors through the API, with the real conductor and database behind it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import update

from novalite.context import system
from novalite.db.models.compute import Host, Service
from novalite.rpc.contracts.hosts import Hosts
from tests.api.nouns import NounsUnderTest, a_server_row, an_inventory
from tests.api.nouns import empty_database as empty_database
from tests.api.nouns import nouns as nouns
from tests.api.support import message

ADMIN: dict[str, Any] = {"token": "admin"}
NUMBERS = {
    "vcpus": 4, "vcpus_used": 1, "memory_mb": 8192, "memory_mb_used": 1024, "free_ram_mb": 7168, "local_gb": 100,
    "local_gb_used": 10, "free_disk_gb": 90, "disk_available_least": 80, "running_vms": 1, "current_workload": 1,
}  # fmt: skip


@pytest.fixture
def cloud(nouns: NounsUnderTest) -> NounsUnderTest:
    """Hosts alpha and beta; alpha carries a busy server."""
    for name in ("alpha", "beta"):
        inventory = an_inventory(name, disk_available_least_gb=80)
        nouns.env.client.of(Hosts).started(system(), inventory)
    nouns.add_servers(
        a_server_row(id="s-1", host="alpha", task_state="rebooting"),
        a_server_row(id="s-2", host="alpha", deleted=True),
    )
    with nouns.db.begin() as session:
        used = {"used_vcpus": 1, "used_ram_mb": 512, "used_disk_gb": 10, "servers": 1}
        session.execute(update(Host).where(Host.host == "alpha").values(**used))
    return nouns


def ask(cloud: NounsUnderTest, path: str, version: str = "2.1") -> Any:
    """A GET that succeeds."""
    reply = cloud.get(f"/os-hypervisors{path}", version=version, **ADMIN)
    assert reply.status_code == 200, reply.text
    return reply.get_json()


def uuid_of(cloud: NounsUnderTest, host: str = "alpha") -> str:
    """The public id from 2.53 on."""
    (found,) = ask(cloud, f"?hypervisor_hostname_pattern={host}", "2.53")["hypervisors"]
    return str(found["id"])


def test_the_short_list(cloud: NounsUnderTest) -> None:
    assert ask(cloud, "") == {
        "hypervisors": [
            {"id": 1, "hypervisor_hostname": "alpha.example", "state": "up", "status": "enabled"},
            {"id": 2, "hypervisor_hostname": "beta.example", "state": "up", "status": "enabled"},
        ]
    }


def test_details_in_the_oldest_shape(cloud: NounsUnderTest) -> None:
    alpha = ask(cloud, "/1")["hypervisor"]
    assert json.loads(alpha.pop("cpu_info")) == {"arch": "x86_64"}
    assert alpha == {
        "id": 1, "hypervisor_hostname": "alpha.example", "state": "up", "status": "enabled", "host_ip": "192.0.2.1",
        "hypervisor_type": "QEMU", "hypervisor_version": 9002001,
        "service": {"id": 1, "host": "alpha", "disabled_reason": None}, **NUMBERS,
    }  # fmt: skip
    assert ask(cloud, "/detail")["hypervisors"][0]["vcpus"] == 4


def test_details_in_the_newest_shape(cloud: NounsUnderTest) -> None:
    alpha = ask(cloud, f"/{uuid_of(cloud)}", "latest")["hypervisor"]
    assert len(alpha["service"].pop("id")) == len(alpha.pop("id")) == 36
    assert alpha == {
        "hypervisor_hostname": "alpha.example", "state": "up", "status": "enabled", "host_ip": "192.0.2.1",
        "hypervisor_type": "QEMU", "hypervisor_version": 9002001, "uptime": "up 3 days",
        "service": {"host": "alpha", "disabled_reason": None},
    }  # fmt: skip


def test_what_microversions_changed(cloud: NounsUnderTest) -> None:
    assert isinstance(ask(cloud, "/1", "2.27")["hypervisor"]["cpu_info"], str)
    assert ask(cloud, "/1", "2.28")["hypervisor"]["cpu_info"] == {"arch": "x86_64"}
    path = f"/{uuid_of(cloud)}"
    assert set(NUMBERS) <= set(ask(cloud, path, "2.87")["hypervisor"])
    assert not set(NUMBERS) & set(ask(cloud, path, "2.88")["hypervisor"])


def test_servers_from_2_53(cloud: NounsUnderTest) -> None:
    alpha, beta = ask(cloud, "?with_servers=true", "2.53")["hypervisors"]
    assert alpha["servers"] == [{"uuid": "s-1", "name": "web"}]
    assert "servers" not in beta
    assert ask(cloud, "/detail?with_servers=1", "2.75")["hypervisors"][1]["servers"] == []
    assert "servers" not in ask(cloud, "", "2.75")["hypervisors"][0]
    shown = ask(cloud, f"/{uuid_of(cloud)}?with_servers=true", "2.53")["hypervisor"]
    assert shown["servers"] == [{"uuid": "s-1", "name": "web"}]


def test_search_and_servers_up_to_2_52(cloud: NounsUnderTest) -> None:
    assert [one["id"] for one in ask(cloud, "/alp/search")["hypervisors"]] == [1]
    assert ask(cloud, "/alpha/servers")["hypervisors"][0]["servers"][0]["uuid"] == "s-1"
    assert "servers" not in ask(cloud, "/beta/servers")["hypervisors"][0]
    for path in ("/none/search", "/none/servers", "/%25/search"):
        reply = cloud.get(f"/os-hypervisors{path}", **ADMIN)
        assert (reply.status_code, "No hypervisor matching" in message(reply)) == (404, True)
    for path in ("/alpha/search", "/alpha/servers"):
        assert cloud.get(f"/os-hypervisors{path}", version="2.53", **ADMIN).status_code == 404


def test_patterns_from_2_53(cloud: NounsUnderTest) -> None:
    found = ask(cloud, "/detail?hypervisor_hostname_pattern=bet", "2.53")["hypervisors"]
    assert [one["hypervisor_hostname"] for one in found] == ["beta.example"]
    path = "/os-hypervisors?hypervisor_hostname_pattern="
    assert cloud.get(f"{path}none", version="2.53", **ADMIN).status_code == 404
    assert cloud.get(f"{path}a&limit=1", version="2.53", **ADMIN).status_code == 400


def test_pages_from_2_33(cloud: NounsUnderTest) -> None:
    assert len(ask(cloud, "?limit=1", "2.32")["hypervisors"]) == 2
    for version in ("2.33", "2.53"):
        first = ask(cloud, "?limit=1", version)
        path = first["hypervisors_links"][0]["href"].removeprefix("http://localhost/v2.1/os-hypervisors")
        second = ask(cloud, path, version)
        assert [one["hypervisor_hostname"] for one in second["hypervisors"]] == ["beta.example"]
    assert cloud.get("/os-hypervisors?marker=99", version="2.33", **ADMIN).status_code == 400
    assert cloud.statements("/os-hypervisors/detail", version="2.53", **ADMIN) == 1
    assert cloud.statements("/os-hypervisors/detail?with_servers=1", version="2.53", **ADMIN) == 2


def test_statistics_up_to_2_87(cloud: NounsUnderTest) -> None:
    assert ask(cloud, "/statistics", "2.87") == {
        "hypervisor_statistics": {
            "count": 2, "vcpus": 8, "vcpus_used": 1, "memory_mb": 16384, "memory_mb_used": 1536,
            "free_ram_mb": 14848, "local_gb": 200, "local_gb_used": 10, "free_disk_gb": 190,
            "disk_available_least": 160, "running_vms": 1, "current_workload": 1,
        }
    }  # fmt: skip
    assert cloud.get("/os-hypervisors/statistics", version="2.88", **ADMIN).status_code in (400, 404)


def test_uptime_up_to_2_87(cloud: NounsUnderTest) -> None:
    assert ask(cloud, "/1/uptime")["hypervisor"] == {
        "id": 1, "hypervisor_hostname": "alpha.example", "state": "up", "status": "enabled", "uptime": "up 3 days",
    }  # fmt: skip
    path = f"/os-hypervisors/{uuid_of(cloud)}/uptime"
    assert cloud.get(path, version="2.87", **ADMIN).status_code == 200
    assert cloud.get(path, version="2.88", **ADMIN).status_code == 404
    with cloud.db.begin() as session:
        session.execute(update(Service).values(last_seen=0.0))
    assert cloud.get("/os-hypervisors/1/uptime", **ADMIN).status_code == 400


def test_a_driver_without_uptime(cloud: NounsUnderTest) -> None:
    cloud.env.client.of(Hosts).started(system(), an_inventory(uptime=None))
    assert cloud.get("/os-hypervisors/1/uptime", **ADMIN).status_code == 501


def test_hypervisors_that_are_not_there(cloud: NounsUnderTest) -> None:
    absent = "00000000-0000-4000-8000-000000000000"
    for path in ("99", "alpha.example", "1e3"):
        assert cloud.get(f"/os-hypervisors/{path}", **ADMIN).status_code == 404
    assert cloud.get(f"/os-hypervisors/{absent}", version="2.53", **ADMIN).status_code == 404
    assert cloud.get("/os-hypervisors/1", version="2.53", **ADMIN).status_code == 400
    older = cloud.get(f"/os-hypervisors/{uuid_of(cloud)}", version="2.52", **ADMIN)
    assert older.get_json()["hypervisor"]["id"] == 1, "by uuid at every version, shown as its own"


def test_only_admins(cloud: NounsUnderTest) -> None:
    for path in ("", "/detail", "/1", "/1/uptime", "/statistics", "/a/search", "/a/servers"):
        assert cloud.get(f"/os-hypervisors{path}").status_code == 403
