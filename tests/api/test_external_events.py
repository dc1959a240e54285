"""What other services tell and ask: events about servers, snapshots of attached volumes, console tokens."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import TestResponse

from tests.cloud import Cloud
from tests.rest import Rest, sentence

EVENTS, SNAPSHOTS = "/os-server-external-events", "/os-assisted-volume-snapshots"
ABSENT = "00000000-0000-4000-8000-00000000ffff"


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    """One host."""
    with Cloud(tmp_path) as made:
        yield made


@pytest.fixture
def service(cloud: Cloud) -> Rest:
    """Another service of the cloud."""
    return cloud.rest("neutron", "services", "service")


def tell(who: Rest, *events: Any, **more: Any) -> TestResponse:
    """POST events"""
    return who.post(EVENTS, {"events": list(events)}, **more)


def event(server: str, name: str = "network-changed", **more: Any) -> Any:
    """One event."""
    return {"name": name, "server_uuid": server, **more}


def codes(reply: TestResponse) -> list[int]:
    """The code of each event."""
    return [one["code"] for one in reply.get_json()["events"]]


def test_every_event_has_its_own_code(cloud: Cloud, service: Rest) -> None:
    server = cloud.boot("web")
    with cloud.bus.lose(lambda e: e.name == "tasks.poke"):
        homeless = cloud.create("to be")
    reply = tell(service, event(server), event(server, "network-vif-plugged", tag="port", status="in-progress"))
    assert (reply.status_code, reply.get_json()) == (
        200,
        {
            "events": [
                {**event(server), "status": "completed", "code": 200},
                {**event(server, "network-vif-plugged"), "tag": "port", "status": "in-progress", "code": 200},
            ]
        },
    )
    reply = tell(service, event(ABSENT), event(homeless), event(server, "volume-extended"), event(server))
    assert (reply.status_code, codes(reply)) == (207, [404, 422, 400, 200])
    assert [one["status"] for one in reply.get_json()["events"]] == ["failed"] * 3 + ["completed"]
    cloud.delete(server)
    assert codes(tell(service, event(server))) == [404]


@pytest.mark.parametrize(
    ("name", "since"),
    [("volume-extended", 51), ("power-update", 76), ("accelerator-request-bound", 82), ("volume-reimaged", 93)],
)
def test_events_are_known_from_their_version_on(world: Any, name: str, since: int) -> None:
    told = event(world.names["gone"], name, tag="x")
    refused = tell(world.admin, told, version=f"2.{since - 1}")
    assert (refused.status_code, "network-changed" in sentence(refused)) == (400, True)
    assert codes(tell(world.admin, told, version=f"2.{since}")) == [404]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"events": []},
        {"events": [event(ABSENT)] * 1001},
        {"events": [event("no")]},
        {"events": [event(ABSENT, "earthquake")]},
        {"events": [event(ABSENT, status="perhaps")]},
        {"events": [event(ABSENT, tag="x" * 256)]},
        {"events": [event(ABSENT, colour="blue")]},
        {"events": [{"name": "network-changed"}]},
    ],
)
def test_bad_events_are_refused_as_a_whole(world: Any, body: Any) -> None:
    reply = world.admin.post(EVENTS, body)
    assert (reply.status_code, bool(sentence(reply))) == (400, True)


def test_only_services_and_administrators_tell(cloud: Cloud) -> None:
    server, member = cloud.boot("web"), cloud.rest()
    assert tell(member, event(server)).status_code == 403
    assert tell(cloud.rest("admin"), event(server)).status_code == 200


def test_a_server_follows_the_power_of_its_machine(cloud: Cloud, service: Rest) -> None:
    server = cloud.boot("web")

    def switch(tag: str) -> tuple[list[int], str]:
        answer = codes(tell(service, event(server, "power-update", tag=tag)))
        return answer, str(cloud.show(server)["vm_state"])

    assert switch("POWER_ON") == ([200], "active")
    assert switch("POWER_OFF") == ([200], "stopped")
    assert switch("POWER_OFF") == ([200], "stopped")
    assert switch("POWER_ON") == ([200], "active")
    assert switch("POWER_UP") == ([400], "active")
    cloud.act(server, "pause")
    assert switch("POWER_OFF") == ([200], "paused")
    both = tell(service, *[event(server, "power-update", tag="POWER_ON")] * 2)
    assert codes(both) == [200, 200]
    actions = cloud.rest("admin").get(f"/servers/{server}/os-instance-actions")["instanceActions"]
    assert [action["action"] for action in actions] == ["pause", "start", "stop", "create"]


# --- snapshots of attached volumes

INFO = {"snapshot_id": "s", "type": "qcow2", "new_file": "f"}


def test_no_server_has_a_volume_to_snapshot(world: Any) -> None:
    good = {"snapshot": {"volume_id": "v-1", "create_info": INFO}}
    reply = world.admin.post(SNAPSHOTS, good)
    assert (reply.status_code, sentence(reply)) == (400, "No volume Block Device Mapping with id v-1.")
    assert world.member.post(SNAPSHOTS, good).status_code == 403
    for bad in (
        {},
        {"snapshot": {"volume_id": "v-1"}},
        {"snapshot": {"volume_id": "", "create_info": INFO}},
        {"snapshot": {"volume_id": "v-1", "create_info": {**INFO, "type": "raw"}}},
        {"snapshot": {"volume_id": "v-1", "create_info": {**INFO, "more": 1}}},
        {"snapshot": {"volume_id": "v-1", "create_info": INFO, "more": 1}},
    ):
        reply = world.admin.post(SNAPSHOTS, bad)
        assert (reply.status_code, "Invalid input" in sentence(reply)) == (400, True), bad


@pytest.mark.parametrize(
    ("info", "words"),
    [
        (None, "delete_info is required"),
        ("nonsense", "must be JSON"),
        ("[]", "delete_info"),
        ("{}", "volume_id"),
        ('{"volume_id": "v-1", "file_to_merge": "x"}', "No volume Block Device Mapping with id v-1"),
    ],
)
def test_deleting_one(world: Any, info: str | None, words: str) -> None:
    query = {} if info is None else {"delete_info": info}
    reply = world.admin.delete(f"{SNAPSHOTS}/s-1", query_string=query)
    assert (reply.status_code, words in sentence(reply)) == (400, True), sentence(reply)
    assert world.member.delete(f"{SNAPSHOTS}/s-1", query_string=query).status_code == 403


# --- console tokens


@pytest.mark.parametrize("version", ["2.1", "2.31", "2.99"])
def test_no_console_token_is_known(world: Any, version: str) -> None:
    path = f"/os-console-auth-tokens/{ABSENT}"
    reply = world.admin("GET", path, version=version)
    assert (reply.status_code, sentence(reply)) == (404, "Token not found")
    assert world.member("GET", path, version=version).status_code == 403
    strict = world.admin("GET", path + "?colour=blue", version=version)
    assert strict.status_code == (400 if version == "2.99" else 404)
