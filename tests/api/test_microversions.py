"""Negotiation, and the edges of every field, body key, action, route and query key that has a range."""

from __future__ import annotations

from typing import Any

import pytest

from novalite.api import instance_actions, microversions
from novalite.api.fields import Field
from novalite.api.schemas import Body
from novalite.api.servers import actions, filters, schemas, views
from tests.api.conftest import ServersUnderTest
from tests.api.scripted import FAULT, FOREIGN, REQUEST, SERVER, a_server
from tests.api.support import message

TOP = microversions.MAX[1]


def at(minor: int) -> str:
    return f"2.{minor}"


# --- negotiation -----------------------------------------------------------------------------


def test_the_history_has_no_gap() -> None:
    assert list(microversions.HISTORY) == list(range(1, 105))


@pytest.mark.parametrize(
    ("headers", "used"),
    [
        ({}, "2.1"),
        ({"OpenStack-API-Version": "compute 2.90"}, "2.90"),
        ({"OpenStack-API-Version": "Compute latest"}, "2.104"),
        ({"X-OpenStack-Nova-API-Version": "2.26"}, "2.26"),
        ({"X-OpenStack-Nova-API-Version": "latest"}, "2.104"),
        ({"OpenStack-API-Version": "compute 2.90", "X-OpenStack-Nova-API-Version": "2.26"}, "2.90"),
        ({"OpenStack-API-Version": "volume 3.70", "X-OpenStack-Nova-API-Version": "2.26"}, "2.26"),
        ({"OpenStack-API-Version": "volume 3.70, compute 2.53"}, "2.53"),
        ({"OpenStack-API-Version": "volume 3.70"}, "2.1"),
    ],
)
def test_the_version_is_chosen_and_told(api: ServersUnderTest, headers: dict[str, str], used: str) -> None:
    reply = api.get("/servers", headers=headers)
    assert reply.status_code == 200
    assert reply.headers["OpenStack-API-Version"] == f"compute {used}"
    assert reply.headers["X-OpenStack-Nova-API-Version"] == used
    assert "OpenStack-API-Version, X-OpenStack-Nova-API-Version" in reply.headers.get_all("Vary")


@pytest.mark.parametrize(
    ("asked", "status", "title"),
    [
        ("2", 400, "badRequest"),
        ("2.x", 400, "badRequest"),
        ("2.01", 400, "badRequest"),
        ("-2.1", 400, "badRequest"),
        ("2.1.1", 400, "badRequest"),
        ("2.105", 406, "computeFault"),
        ("2.0", 406, "computeFault"),
        ("3.1", 406, "computeFault"),
        ("1.1", 406, "computeFault"),
    ],
)
def test_versions_that_cannot_be(api: ServersUnderTest, asked: str, status: int, title: str) -> None:
    for headers in ({"OpenStack-API-Version": f"compute {asked}"}, {"X-OpenStack-Nova-API-Version": asked}):
        reply = api.get("/servers", headers=headers)
        assert reply.status_code == status
        assert list(reply.get_json()) == [title]


# --- answers ---------------------------------------------------------------------------------


def edges(since: int, until: int | None) -> list[int]:
    """The minor versions at which something appears or goes, and one to either side."""
    found = {1, since - 1, since, until or TOP, (until or TOP) + 1}
    return sorted(minor for minor in found if 1 <= minor <= TOP)


def visible(fields: tuple[Field, ...], minor: int, admin: bool, absent: set[str]) -> set[str]:
    """Names the table promises."""
    admin_only = {views.ATTRIBUTES, views.HOST_STATUS, views.HOST_UNKNOWN}
    admin_only |= {instance_actions.EVENTS, instance_actions.DETAILS}
    return {f.name for f in fields if f.at(minor) and (admin or f.policy not in admin_only)} - absent


SERVER_EDGES = sorted(
    {m for f in (*views.FIELDS, views.SERVER_GROUPS) for m in edges(f.since, f.until)} | {74, 75}
)


@pytest.mark.parametrize("minor", SERVER_EDGES)
@pytest.mark.parametrize("token", ["member", "admin"])
def test_server_fields(api: ServersUnderTest, minor: int, token: str) -> None:
    admin = token == "admin"
    shown = api.get(f"/servers/{SERVER}", version=at(minor), token=token).get_json()["server"]
    assert set(shown) == visible(views.SHOW.fields, minor, admin, {"fault"})
    (listed, *_) = api.get(
        f"/servers/detail?{'all_tenants=1' if admin else ''}", version=at(minor), token=token
    ).get_json()["servers"]
    assert set(listed) == visible(views.DETAIL.fields, minor, admin, {"fault"})
    body = {"server": {"name": "new"}}
    updated = api.put(f"/servers/{SERVER}", body, version=at(minor), token=token).get_json()["server"]
    assert set(updated) == visible(views.UPDATED.fields, minor, admin, {"fault"})
    if minor >= 75:
        assert set(updated) == set(shown)


def test_what_the_reference_says_of_server_fields() -> None:
    """The table itself against the API reference, field by field."""
    expected = {
        "locked": 9, "host_status": 16, "description": 19, "tags": 26, "trusted_image_certificates": 63,
        "locked_reason": 73, "pinned_availability_zone": 96, "scheduler_hints": 100, "server_groups": 71,
    }  # fmt: skip
    first: dict[str, int] = {}
    for field in views.SHOW.fields:
        first[field.name] = min(field.since, first.get(field.name, TOP))
    assert {name: since for name, since in first.items() if since not in (1, 3)} == expected
    assert {n for n, since in first.items() if since == 3} == {
        f"OS-EXT-SRV-ATTR:{n}"
        for n in (
            "reservation_id",
            "launch_index",
            "kernel_id",
            "ramdisk_id",
            "hostname",
            "root_device_name",
            "user_data",
        )
    }


def show(api: ServersUnderTest, minor: int, token: str = "member") -> dict[str, Any]:
    server: dict[str, Any] = api.get(f"/servers/{SERVER}", version=at(minor), token=token).get_json()[
        "server"
    ]
    return server


def test_fields_that_change_their_shape(api: ServersUnderTest) -> None:
    assert show(api, 46)["flavor"] == {
        "id": "42", "links": [{"rel": "bookmark", "href": "http://localhost/flavors/42"}]
    }  # fmt: skip
    assert show(api, 47)["flavor"] == {
        "vcpus": 1, "ram": 512, "disk": 1, "ephemeral": 0, "swap": 0, "original_name": "m1.tiny",
        "extra_specs": {"hw:cpu_policy": "shared"},
    }  # fmt: skip
    assert "properties" not in show(api, 97)["image"]
    assert show(api, 98)["image"]["properties"] == {"hw_disk_bus": "virtio"}
    assert show(api, 2)["os-extended-volumes:volumes_attached"] == [{"id": "v1"}]
    assert show(api, 3)["os-extended-volumes:volumes_attached"] == [
        {"id": "v1", "delete_on_termination": False}
    ]
    assert "OS-EXT-SRV-ATTR:hostname" not in show(api, 89)
    assert (
        show(api, 89, "admin")["OS-EXT-SRV-ATTR:hostname"]
        == show(api, 90)["OS-EXT-SRV-ATTR:hostname"]
        == "web"
    )


EVENT_EDGES = sorted({m for f in instance_actions.EVENT.fields for m in edges(f.since, f.until)} | {50, 51})


@pytest.mark.parametrize("minor", EVENT_EDGES)
@pytest.mark.parametrize("token", ["member", "admin"])
def test_event_fields(api: ServersUnderTest, minor: int, token: str) -> None:
    path = f"/servers/{SERVER}/os-instance-actions/{REQUEST}"
    shown = api.get(path, version=at(minor), token=token).get_json()["instanceAction"]
    admin = token == "admin"
    assert ("updated_at" in shown) == (minor >= 58)
    assert ("events" in shown) == (admin or minor >= 51)
    for event in shown.get("events", []):
        assert set(event) == visible(instance_actions.EVENT.fields, minor, admin, set())


# --- requests --------------------------------------------------------------------------------

BASE = {"name": "web", "flavorRef": "42", "imageRef": "11111111-2222-4333-8444-555555555555"}
SAMPLES: dict[type[Body], dict[str, Any]] = {
    schemas.NewServer: {
        "personality": [],
        "description": "d",
        "tags": ["a"],
        "trusted_image_certificates": ["c"],
        "host": "alpha",
        "hypervisor_hostname": "alpha",
        "hostname": "web",
    },
    schemas.Network: {"tag": "nic"},
    schemas.BlockDevice: {"tag": "disk", "volume_type": "fast"},
    schemas.ServerChanges: {"description": "d", "hostname": "web", "pinned_availability_zone": None},
    actions.locks.Lock: {"locked_reason": "why"},
}
"""A value for every body key with a range; a test fails when a model grows one that is missing here."""

REQUEST_EDGES = [
    (model, key, minor)
    for model, samples in SAMPLES.items()
    for key in samples
    for low, high in model.gated[key].ranges
    for minor in edges(low, high)
]


def test_every_key_with_a_range_has_a_sample() -> None:
    for model, samples in SAMPLES.items():
        assert set(model.gated) == set(samples)


def send(api: ServersUnderTest, model: type[Body], key: str, minor: int) -> Any:
    value = {key: SAMPLES[model][key]}
    options: dict[str, Any] = {"version": at(minor), "token": "admin"}
    if model is schemas.ServerChanges:
        return api.put(f"/servers/{SERVER}", {"server": value}, **options)
    if model is actions.locks.Lock:
        return api.post(f"/servers/{SERVER}/action", {"lock": value}, **options)
    server: dict[str, Any] = {**BASE, **({"networks": "none"} if minor >= 37 else {})}
    if model is schemas.Network:
        server["networks"] = [value]
    elif model is schemas.BlockDevice:
        device = {"source_type": "image", "uuid": BASE["imageRef"], "boot_index": 0}
        server["block_device_mapping_v2"] = [{**device, **value}]
    else:
        server |= value
    return api.post("/servers", {"server": server}, **options)


@pytest.mark.parametrize(("model", "key", "minor"), REQUEST_EDGES)
def test_body_keys(api: ServersUnderTest, model: type[Body], key: str, minor: int) -> None:
    reply = send(api, model, key, minor)
    if not model.gated[key].cover(minor):
        assert reply.status_code == 400
        assert f"{key}. There is no such field in API version 2.{minor}." in message(reply)
    elif model is schemas.Network:
        assert "no network service" in message(reply)
    else:
        assert reply.status_code < 300, message(reply)


def test_networks_must_be_said_from_2_37_on(api: ServersUnderTest) -> None:
    assert api.post("/servers", {"server": BASE}, version="2.36").status_code == 202
    reply = api.post("/servers", {"server": BASE}, version="2.37")
    assert (reply.status_code, "server.networks. It is required" in message(reply)) == (400, True)


def test_host_names_may_have_dots_from_2_94_on(api: ServersUnderTest) -> None:
    server = {**BASE, "networks": "none", "hostname": "web.example.org"}
    assert api.post("/servers", {"server": server}, version="2.93").status_code == 400
    assert api.post("/servers", {"server": server}, version="2.94").status_code == 202


VALUES: dict[str, Any] = {"reboot": {"type": "SOFT"}, "resize": {"flavorRef": "2"}}
"""A value for every action that needs one."""


@pytest.mark.parametrize(
    ("name", "minor"), [(n, m) for n, a in actions.ACTIONS.rows.items() for m in edges(a.since, a.until)]
)
def test_actions(api: ServersUnderTest, name: str, minor: int) -> None:
    action = actions.ACTIONS.rows[name]
    value = VALUES.get(name)
    reply = api.post(f"/servers/{SERVER}/action", {name: value}, version=at(minor), token="admin")
    if not action.at(minor):
        assert reply.status_code == 404
    elif name in actions.gone.GONE:
        assert reply.status_code == 410
    else:  # an action of this version is read, and refused when it wants more than null
        assert reply.status_code in (200, 202, 204, 400, 409)


@pytest.mark.parametrize("path", ["/tags", "/tags/blue"])
def test_routes_outside_their_versions(api: ServersUnderTest, path: str) -> None:
    assert api.get(f"/servers/{SERVER}{path}", version="2.25").status_code == 404
    assert api.get(f"/servers/{SERVER}{path}", version="2.26").status_code in (200, 204)


FILTER_SAMPLES = {
    "changes-since": "2026-01-01T00:00:00Z", "changes-before": "2026-01-01T00:00:00Z", "locked": "true",
    "created_at": "2026-01-01T00:00:00Z", "launched_at": "2026-01-01T00:00:00Z",
    "terminated_at": "2026-01-01T00:00:00Z", "power_state": "1", "progress": "1", "launch_index": "0",
    "config_drive": "true", "all_tenants": "0", "deleted": "0", "soft_deleted": "0", "status": "ACTIVE",
    "tags": "a,b", "metadata": '{"a": "b"}', "system_metadata": '{"image_a": "b"}', "auto_disk_config": "AUTO",
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "minor"),
    [
        (n, m)
        for n, f in filters.FILTERS.items()
        for m in sorted({*edges(f.since, None), *edges(f.open_since or 1, None), 74, 75})
    ],
)
def test_filters(api: ServersUnderTest, name: str, minor: int) -> None:
    """Known: used, or quietly dropped for those who may not; unknown: ignored up to 2.74, then 400."""
    row = filters.FILTERS[name]
    reply = api.get(f"/servers?{name}={FILTER_SAMPLES.get(name, 'x')}", version=at(minor))
    known = row.since <= minor
    assert reply.status_code == (200 if known or minor < 75 else 400)
    if not known or not row.plain or name in ("ip", "ip6"):
        return
    (query,) = api.servers.seen
    usable = row.open_since is not None and minor >= row.open_since
    assert (name in query.filters) == usable


def test_unknown_query_keys(api: ServersUnderTest) -> None:
    assert api.get("/servers?colour=red", version="2.74").status_code == 200
    reply = api.get("/servers?colour=red", version="2.75")
    assert (reply.status_code, "colour" in message(reply)) == (400, True)
    assert api.get(f"/servers/{SERVER}?colour=red", version="2.101").status_code == 200
    assert api.get(f"/servers/{SERVER}?colour=red", version="2.102").status_code == 400
    assert api.get(f"/servers/{SERVER}/os-instance-actions?colour=red", version="2.57").status_code == 200
    assert api.get(f"/servers/{SERVER}/os-instance-actions?colour=red", version="2.58").status_code == 400


def test_fault_details_are_for_admins(api: ServersUnderTest) -> None:
    api.servers.rows[SERVER] = a_server(vm_state="error", fault=FAULT)
    fault = show(api, 1)["fault"]
    assert fault == {"code": 500, "message": "No valid host was found.", "created": "2026-01-31T10:00:00Z"}
    assert show(api, 1, "admin")["fault"]["details"] == "a traceback"
    assert FOREIGN in api.servers.rows
