"""Servers: list, show, create, update, delete."""

from __future__ import annotations

import time
from typing import Any

import pytest
from flask import g

from novalite.api.fields import See
from novalite.api.links import Links
from novalite.api.servers import views
from novalite.errors import BusFull
from novalite.objects.servers import CreateServers
from tests.api.conftest import ServersUnderTest
from tests.api.scripted import DELETED, FAILED, FOREIGN, SERVER, a_server
from tests.api.support import CALLERS, OTHER_PROJECT, PROJECT, message

IMAGE = "11111111-2222-4333-8444-555555555555"
BASE: dict[str, Any] = {"name": "web", "flavorRef": "42", "imageRef": IMAGE}


def create(api: ServersUnderTest, version: str = "2.1", token: str = "member", **server: Any) -> Any:
    body = {**BASE, **({"networks": "none"} if version == "latest" else {}), **server}
    return api.post("/servers", {"server": body}, version=version, token=token)


def created(api: ServersUnderTest) -> CreateServers:
    (message,) = api.servers.seen
    return message  # type: ignore[no-any-return]


# --- read ------------------------------------------------------------------------------------


def test_show(api: ServersUnderTest) -> None:
    server = api.get(f"/servers/{SERVER}").get_json()["server"]
    assert server["status"] == "ACTIVE"
    assert server["created"] == "2026-01-31T10:00:00Z"
    assert server["updated"] == "2026-01-31T10:00:00Z"
    assert server["OS-SRV-USG:launched_at"] == "2026-01-31T10:00:05.000000"
    assert server["config_drive"] == "True"
    assert server["image"]["links"][0]["href"] == f"http://localhost/images/{IMAGE}"
    assert len(server["hostId"]) == 56
    assert "OS-EXT-SRV-ATTR:host" not in server
    assert "fault" not in server
    assert server["progress"] == 100


def test_host_ids_differ_by_project(api: ServersUnderTest) -> None:
    api.servers.rows[FOREIGN]["host"] = "alpha"
    servers = api.get("/servers/detail?all_tenants=1", token="admin").get_json()["servers"]
    ids = {s["tenant_id"]: s["hostId"] for s in servers if s["hostId"]}
    assert len(set(ids.values())) == 2


@pytest.mark.parametrize("item", [FOREIGN, DELETED, "web", "..", "00000000-0000-4000-8000-00000000ffff"])
def test_what_is_not_there(api: ServersUnderTest, item: str) -> None:
    for reply in (
        api.get(f"/servers/{item}"),
        api.put(f"/servers/{item}", {"server": {"name": "x"}}),
        api.delete(f"/servers/{item}"),
        api.post(f"/servers/{item}/action", {"os-stop": None}),
        api.post(f"/servers/{item}/action", {"resize": {"flavorRef": "1"}}),
        api.get(f"/servers/{item}/metadata"),
        api.post(f"/servers/{item}/metadata", {"metadata": {}}),
        api.get(f"/servers/{item}/ips"),
    ):
        assert reply.status_code == 404, reply.request.path
    assert api.tasks.poked == []


def test_a_name_costs_no_call(api: ServersUnderTest) -> None:
    with api.bus.recording() as sent:
        api.get("/servers/web")
    assert sent == []


def test_lists_show_own_servers(api: ServersUnderTest) -> None:
    assert [s["id"] for s in api.get("/servers").get_json()["servers"]] == [SERVER, FAILED]
    brief = api.get("/servers").get_json()["servers"][0]
    assert set(brief) == {"id", "name", "links"}
    assert [s["status"] for s in api.get("/servers/detail").get_json()["servers"]] == ["ACTIVE", "ERROR"]


@pytest.mark.parametrize(
    "path", ["/servers", "/servers/detail", f"/servers/{SERVER}", f"/servers/{SERVER}/ips"]
)
def test_a_get_is_one_call(api: ServersUnderTest, path: str) -> None:
    for version in ("2.1", "latest"):
        for token in ("member", "admin"):
            with api.bus.recording() as sent:
                assert api.get(path, version=version, token=token).status_code == 200
            assert len(sent) == 1


def test_all_projects_are_for_admins(api: ServersUnderTest) -> None:
    refused = api.get("/servers?all_tenants=1")
    assert refused.status_code == 403
    assert "get_all_tenants" in message(refused)
    assert len(api.get("/servers?all_tenants=1", token="admin").get_json()["servers"]) == 3
    assert api.get("/servers", token="admin").get_json()["servers"] == []
    one = api.get(f"/servers?all_tenants=1&project_id={OTHER_PROJECT}", token="admin")
    assert [s["id"] for s in one.get_json()["servers"]] == [FOREIGN]
    assert api.get(f"/servers?project_id={OTHER_PROJECT}", token="admin").get_json()["servers"] == []


def test_pages(api: ServersUnderTest) -> None:
    first = api.get("/servers?limit=1&sort_key=display_name&sort_key=uuid", version="2.90").get_json()
    (link,) = first["servers_links"]
    assert link["rel"] == "next"
    assert link["href"].startswith("http://localhost/v2.1/servers?")
    assert "sort_key=display_name&sort_key=uuid" in link["href"]
    second = api.get(link["href"].removeprefix("http://localhost/v2.1"), version="2.90").get_json()
    assert [s["id"] for s in first["servers"] + second["servers"]] == [SERVER, FAILED]
    last = api.get(f"/servers?limit=5&marker={SERVER}").get_json()
    assert "servers_links" not in last


def test_a_thousand_servers_are_shown_quickly(api: ServersUnderTest) -> None:
    records = [a_server(id=f"{n:036d}") for n in range(1000)]
    see = See((2, 104), Links("http://localhost", "/v2.1", None))
    with api.app.test_request_context():
        g.ctx = CALLERS["admin"]
        views.DETAIL.show_all(records, see)
        started = time.thread_time()
        views.DETAIL.show_all(records, see)
        took = time.thread_time() - started
    assert took < 0.2, f"{took * 1000:.0f} ms"  # about 10 ms on an idle core


# --- create ----------------------------------------------------------------------------------


def test_create(api: ServersUnderTest) -> None:
    reply = create(api)
    assert reply.status_code == 202
    server = reply.get_json()["server"]
    assert set(server) == {"id", "links", "OS-DCF:diskConfig", "adminPass", "security_groups"}
    assert server["security_groups"] == [{"name": "default"}]
    assert len(server["adminPass"]) == 12
    assert reply.headers["Location"] == server["links"][0]["href"]
    assert reply.headers["Location"].endswith(f"/v2.1/servers/{server['id']}")
    assert api.tasks.poked == [f"t-{server['id']}"]
    assert created(api).networks == "unsaid"


def test_everything_a_create_may_say(api: ServersUnderTest) -> None:
    body = {
        "server": {
            "name": "web", "flavorRef": "http://localhost/v2.1/flavors/42", "imageRef": f"http://localhost/images/{IMAGE}",
            "networks": "none", "key_name": "mine", "metadata": {"a": "b"}, "user_data": "aGVsbG8=",
            "security_groups": [{"name": "default"}], "availability_zone": "nova", "config_drive": "true",
            "adminPass": "hunter2hunter2", "accessIPv4": "10.0.0.1", "accessIPv6": "2001:DB8:0::1",
            "OS-DCF:diskConfig": "AUTO", "min_count": "1", "max_count": 1, "tags": ["blue"],
            "description": "d", "host": "alpha", "hypervisor_hostname": "alpha.example",
            "hostname": "web.example.org", "trusted_image_certificates": ["c1"],
            "block_device_mapping_v2": [
                {"source_type": "image", "destination_type": "local", "uuid": IMAGE, "boot_index": 0,
                 "delete_on_termination": True}
            ],
        },
        "os:scheduler_hints": {"different_host": SERVER, "colour": "red"},
    }  # fmt: skip
    reply = api.post("/servers", body, version="latest", token="admin")
    assert reply.status_code == 202, message(reply)
    assert reply.get_json()["server"]["adminPass"] == "hunter2hunter2"
    asked = created(api)
    assert (asked.flavor_id, asked.image_id, asked.config_drive) == ("42", IMAGE, True)
    assert (asked.access_ip_v4, asked.access_ip_v6) == ("10.0.0.1", "2001:db8::1")
    assert (asked.requested_host, asked.requested_node) == ("alpha", "alpha.example")
    assert asked.scheduler_hints == {"different_host": [SERVER], "colour": "red"}
    assert asked.tags == ("blue",)
    assert asked.admin_pass == "hunter2hunter2", "for the config drive"
    assert "hunter2" not in repr(asked)


def test_several_at_once(api: ServersUnderTest) -> None:
    reply = create(api, min_count=2, max_count=3, return_reservation_id="True")
    assert reply.get_json() == {"reservation_id": "r-9"}
    assert (created(api).min_count, created(api).max_count) == (2, 3)
    assert len(api.tasks.poked) == 3


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        ("nova", ("nova", None, None)),
        ("nova:alpha", ("nova", "alpha", None)),
        ("nova:alpha:node1", ("nova", "alpha", "node1")),
        ("nova::node1", ("nova", None, "node1")),
        (":alpha", (None, "alpha", None)),
    ],
)
def test_zones_that_name_a_host_are_for_admins(api: ServersUnderTest, zone: str, expected: Any) -> None:
    forced = expected[1] or expected[2]
    assert create(api, availability_zone=zone).status_code == (403 if forced else 202)
    api.servers.seen.clear()
    assert create(api, availability_zone=zone, token="admin").status_code == 202
    asked = created(api)
    assert (asked.availability_zone, asked.forced_host, asked.forced_node) == expected


def test_naming_a_host_is_for_admins(api: ServersUnderTest) -> None:
    reply = create(api, "latest", host="alpha")
    assert reply.status_code == 403
    assert "requested_destination" in message(reply)


def test_hints_have_two_names(api: ServersUnderTest) -> None:
    api.post("/servers", {"server": BASE, "OS-SCH-HNT:scheduler_hints": {"same_host": [SERVER]}})
    assert created(api).scheduler_hints == {"same_host": [SERVER]}


def test_a_server_without_password_in_the_answer() -> None:
    api = ServersUnderTest(**{"api.enable_instance_password": False})
    assert "adminPass" not in create(api).get_json()["server"]


def test_a_lost_poke_costs_nothing(
    api: ServersUnderTest, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(ctx: object, ids: list[str]) -> None:
        raise BusFull(topic="conductor", size=1)

    runtime = api.app.extensions["novalite"]
    monkeypatch.setattr(runtime, "client", _Refusing(runtime.client, full))
    assert create(api).status_code == 202
    assert "wait for the next sweep" in caplog.text


class _Refusing:
    """A bus client whose pokes are refused."""

    def __init__(self, client: Any, poke: Any) -> None:
        self.client, self._poke = client, poke

    def of(self, contract: Any, host: str | None = None) -> Any:
        if contract.namespace == "tasks":
            return type("Pokes", (), {"poke": staticmethod(self._poke)})
        return self.client.of(contract, host)


CASES: list[tuple[dict[str, Any], str]] = [
    ({"name": None}, "server.name. It must be a string"),
    ({"name": ""}, "server.name. It must have at least 1"),
    ({"name": " web"}, "server.name. It must not begin or end with blanks"),
    ({"name": "a\nb"}, "server.name. It may only hold printable"),
    ({"name": "x" * 256}, "server.name. It may have at most 255"),
    ({"name": 7}, "server.name. It must be a string"),
    ({"flavorRef": None}, "server.flavorRef."),
    ({"flavorRef": ""}, "server.flavorRef."),
    ({"flavorRef": {}}, "server.flavorRef."),
    ({"imageRef": "not-a-uuid"}, "server.imageRef. It must be the UUID"),
    ({"imageRef": ""}, "Neither imageRef nor a boot volume"),
    ({"colour": "red"}, "server.colour. There is no such field"),
    ({"metadata": {"a": 1}}, "server.metadata.a. It must be a string"),
    ({"metadata": {"a": "x" * 256}}, "server.metadata.a. It may have at most 255"),
    ({"metadata": {"a/b": "c"}}, "server.metadata"),
    ({"metadata": []}, "server.metadata. It must be an object"),
    ({"user_data": "%%%"}, "server.user_data. It must be base64"),
    ({"user_data": "QUJD" * 16384}, "server.user_data. It may have at most 65535"),
    ({"config_drive": "maybe"}, "server.config_drive. It must be a boolean"),
    ({"config_drive": 1}, "server.config_drive. It must be a boolean"),
    ({"accessIPv4": "10.0.0.256"}, "server.accessIPv4. It must be an IPv4"),
    ({"accessIPv6": "10.0.0.1"}, "server.accessIPv6. It must be an IPv6"),
    ({"OS-DCF:diskConfig": "auto"}, "server.OS-DCF:diskConfig. It must be 'AUTO' or 'MANUAL'"),
    ({"disk_config": "AUTO"}, "server.disk_config. There is no such field"),
    ({"min_count": 0}, "server.min_count. It must be at least 1"),
    ({"min_count": "two"}, "server.min_count. It must be an integer"),
    ({"min_count": True}, "server.min_count. It must be an integer"),
    ({"min_count": 1.5}, "server.min_count. It must be an integer"),
    ({"min_count": 3, "max_count": 2}, "min_count must be <= max_count"),
    ({"security_groups": [{}]}, "server.security_groups[0].name. It is required"),
    ({"security_groups": "default"}, "server.security_groups. It must be a list"),
    ({"availability_zone": "a:b:c:d"}, "availability_zone must be"),
    ({"availability_zone": ""}, "server.availability_zone."),
    ({"networks": [{"uuid": "net"}]}, "server.networks[0].uuid. It must be a UUID"),
    ({"networks": [{"uuid": SERVER}]}, "no network service"),
    ({"networks": "everything"}, "server.networks."),
    ({"block_device_mapping": [{"device_name": "vda"}]}, "no"),
    (
        {"block_device_mapping_v2": [{"source_type": "volume", "uuid": SERVER, "boot_index": 0}]},
        "block storage service",
    ),
    (
        {"block_device_mapping_v2": [{"source_type": "image", "destination_type": "volume", "uuid": IMAGE}]},
        "block storage service",
    ),
    (
        {"block_device_mapping_v2": [{"source_type": "image", "uuid": SERVER, "boot_index": 0}]},
        "name different images",
    ),
    ({"block_device_mapping_v2": [{"source_type": "tape"}]}, "block_device_mapping_v2[0].source_type."),
]


@pytest.mark.parametrize(("change", "words"), CASES)
def test_creates_that_are_refused(api: ServersUnderTest, change: dict[str, Any], words: str) -> None:
    version = "2.37" if change.get("networks") == "everything" else "2.36"
    reply = create(api, version, token="admin", **change)
    assert reply.status_code == 400
    assert words in message(reply)
    assert api.servers.seen == []
    assert api.tasks.poked == []


NEW_CASES: list[tuple[dict[str, Any], str]] = [
    ({"tags": ["a" * 61]}, "1 to 60 characters"),
    ({"tags": ["a/b"]}, "slash or a comma"),
    ({"tags": ["a", "a"]}, "anything twice"),
    ({"tags": [f"t{n}" for n in range(51)]}, "at most 50 items"),
    ({"description": "x" * 256}, "server.description."),
    ({"description": "a\x01"}, "printable"),
    ({"hostname": "-web"}, "host name"),
    ({"hostname": "w" * 256}, "host name"),
    ({"hostname": "web", "max_count": 2}, "several servers"),
    ({"trusted_image_certificates": []}, "at least 1 items"),
    ({"trusted_image_certificates": [str(n) for n in range(51)]}, "at most 50 items"),
    ({"personality": []}, "server.personality. There is no such field in API version 2.104"),
]


@pytest.mark.parametrize(("change", "words"), NEW_CASES)
def test_newer_fields_that_are_refused(api: ServersUnderTest, change: dict[str, Any], words: str) -> None:
    reply = create(api, "latest", **change)
    assert reply.status_code == 400
    assert words in message(reply)
    assert api.servers.seen == []


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "Invalid input for field/attribute server. It is required."),
        ({"server": None}, "server. It must be an object"),
        ({"server": BASE, "extra": 1}, "extra. There is no such field"),
        ({"server": {k: v for k, v in BASE.items() if k != "name"}}, "server.name. It is required"),
        ({"server": {k: v for k, v in BASE.items() if k != "flavorRef"}}, "server.flavorRef. It is required"),
        (
            {"server": BASE, "os:scheduler_hints": {"group": "g"}},
            "os:scheduler_hints.group. It must be a UUID",
        ),
        ({"server": BASE, "os:scheduler_hints": {"same_host": ["s"]}}, "same_host[0]. It must be a UUID"),
        ({"server": BASE, "os:scheduler_hints": []}, "os:scheduler_hints. It must be an object"),
    ],
)
def test_bodies_that_are_refused(api: ServersUnderTest, body: Any, words: str) -> None:
    reply = api.post("/servers", body)
    assert reply.status_code == 400
    assert words in message(reply)
    assert api.servers.seen == []


def test_no_secret_is_said_back(api: ServersUnderTest, caplog: pytest.LogCaptureFixture) -> None:
    reply = create(api, adminPass={"p": "hunter2"}, user_data="hunter2%")
    assert reply.status_code == 400
    assert "hunter2" not in message(reply)
    assert "hunter2" not in caplog.text


# --- update, delete --------------------------------------------------------------------------


def test_update(api: ServersUnderTest) -> None:
    body = {
        "server": {"name": "new", "accessIPv4": "10.0.0.9", "OS-DCF:diskConfig": "AUTO", "description": None}
    }
    shown = api.put(f"/servers/{SERVER}", body, version="2.19").get_json()["server"]
    assert (shown["name"], shown["accessIPv4"], shown["description"]) == ("new", "10.0.0.9", None)
    assert api.servers.seen[0].changes == {
        "name": "new", "access_ip_v4": "10.0.0.9", "disk_config": "AUTO", "description": None
    }  # fmt: skip


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": ""}, "server.name."),
        ({"name": None}, "server.name."),
        ({"colour": "red"}, "server.colour."),
        ({"accessIPv4": "x"}, "IPv4"),
        ({"OS-DCF:diskConfig": "x"}, "diskConfig"),
    ],
)
def test_updates_that_are_refused(api: ServersUnderTest, change: dict[str, Any], words: str) -> None:
    reply = api.put(f"/servers/{SERVER}", {"server": change})
    assert (reply.status_code, words in message(reply)) == (400, True)
    assert api.servers.seen == []


def test_the_pinned_zone_can_only_stay(api: ServersUnderTest) -> None:
    for zone, status in ((None, 200), ("other", 409)):
        body = {"server": {"pinned_availability_zone": zone}}
        assert api.put(f"/servers/{SERVER}", body, version="2.104").status_code == status


def test_delete(api: ServersUnderTest) -> None:
    reply = api.delete(f"/servers/{SERVER}")
    assert (reply.status_code, reply.get_data()) == (204, b"")
    assert api.tasks.poked == ["t-delete"]


def test_projects_in_links(api: ServersUnderTest) -> None:
    reply = api.post(f"/{PROJECT}/servers", {"server": BASE})
    assert reply.headers["Location"].startswith(f"http://localhost/v2.1/{PROJECT}/servers/")
