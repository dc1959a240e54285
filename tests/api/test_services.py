"""Services through the API, with the real conductor and database behind it."""

from __future__ import annotations

import time
from typing import Any

import pytest
from sqlalchemy import update as change

from novalite.context import system
from novalite.db.models.compute import Server, Service
from novalite.objects.hosts import Heartbeat
from novalite.rpc.contracts.hosts import Hosts, Services
from tests.api.nouns import NounsUnderTest, a_server_row, an_inventory
from tests.api.nouns import empty_database as empty_database
from tests.api.nouns import nouns as nouns
from tests.api.support import message

ADMIN: dict[str, Any] = {"token": "admin"}


@pytest.fixture
def cloud(nouns: NounsUnderTest) -> NounsUnderTest:
    """A conductor on `controller`, and a compute host `alpha`."""
    client = nouns.env.client
    client.of(Services).heartbeat(system(), Heartbeat(binary="nova-conductor", host="controller"))
    client.of(Hosts).started(system(), an_inventory())
    nouns.told.rows.clear()
    return nouns


def services(cloud: NounsUnderTest, query: str = "", version: str = "latest") -> list[dict[str, Any]]:
    """The list."""
    found: list[dict[str, Any]] = cloud.get(f"/os-services{query}", version=version, **ADMIN).get_json()[
        "services"
    ]
    return found


def compute(cloud: NounsUnderTest, version: str = "latest") -> dict[str, Any]:
    """The compute service."""
    (found,) = services(cloud, "?binary=nova-compute", version)
    return found


def test_the_list(cloud: NounsUnderTest) -> None:
    controller, alpha = services(cloud, version="2.1")
    assert alpha.pop("updated_at")[10] == "T"
    assert alpha == {
        "id": 2, "binary": "nova-compute", "host": "alpha", "zone": "nova", "status": "enabled",
        "state": "up", "disabled_reason": None,
    }  # fmt: skip
    assert (controller["zone"], controller["binary"]) == ("internal", "nova-conductor")
    assert "forced_down" not in compute(cloud, "2.10")
    assert compute(cloud, "2.11")["forced_down"] is False
    assert (compute(cloud, "2.52")["id"], len(compute(cloud, "2.53")["id"])) == (2, 36)
    assert cloud.statements("/os-services", **ADMIN) == 1


def test_filters(cloud: NounsUnderTest) -> None:
    assert [one["host"] for one in services(cloud, "?host=alpha")] == ["alpha"]
    assert services(cloud, "?host=alpha&binary=nova-scheduler") == []
    assert cloud.get("/os-services?colour=blue", version="2.74", **ADMIN).status_code == 200
    assert cloud.get("/os-services?colour=blue", version="2.75", **ADMIN).status_code == 400


def test_only_admins(cloud: NounsUnderTest) -> None:
    assert cloud.get("/os-services").status_code == 403
    assert cloud.put("/os-services/enable", {}).status_code == 403
    assert cloud.delete("/os-services/2").status_code == 403


def test_silence_is_down(cloud: NounsUnderTest) -> None:
    assert compute(cloud)["state"] == "up"
    with cloud.db.begin() as session:
        session.execute(change(Service).values(last_seen=time.time() - 31))
    assert compute(cloud)["state"] == "down"


def act(cloud: NounsUnderTest, action: str, version: str = "2.11", **body: Any) -> Any:
    """An action of the old kind."""
    return cloud.put(
        f"/os-services/{action}",
        {"host": "alpha", "binary": "nova-compute", **body},
        version=version,
        **ADMIN,
    )


def test_actions_up_to_2_52(cloud: NounsUnderTest) -> None:
    named = {"host": "alpha", "binary": "nova-compute"}
    assert act(cloud, "disable").get_json() == {"service": {**named, "status": "disabled"}}
    assert compute(cloud)["status"] == "disabled"
    reply = act(cloud, "disable-log-reason", disabled_reason="fan broken")
    assert reply.get_json() == {"service": {**named, "status": "disabled", "disabled_reason": "fan broken"}}
    assert compute(cloud)["disabled_reason"] == "fan broken"
    assert act(cloud, "enable").get_json() == {"service": {**named, "status": "enabled"}}
    assert compute(cloud)["disabled_reason"] is None
    assert act(cloud, "force-down", forced_down=True).get_json() == {
        "service": {**named, "forced_down": True}
    }
    assert (compute(cloud)["state"], compute(cloud)["forced_down"]) == ("down", True)


def test_actions_outside_their_versions(cloud: NounsUnderTest) -> None:
    assert act(cloud, "force-down", version="2.10", forced_down=True).status_code == 404
    assert act(cloud, "shout").status_code == 404
    assert act(cloud, "enable", version="2.53").status_code == 400  # a uuid is wanted there
    assert act(cloud, "enable", host="beta").status_code == 404


@pytest.mark.parametrize(
    ("action", "body", "words"),
    [
        ("enable", {"host": ""}, "host"),
        ("enable", {"host": "a b"}, "host"),
        ("enable", {"binary": ""}, "binary"),
        ("enable", {"disabled_reason": "x"}, "disabled_reason"),
        ("disable-log-reason", {}, "disabled_reason. It is required"),
        ("disable-log-reason", {"disabled_reason": "x" * 256}, "at most 255"),
        ("force-down", {}, "forced_down. It is required"),
        ("force-down", {"forced_down": "perhaps"}, "boolean"),
    ],
)
def test_bad_actions(cloud: NounsUnderTest, action: str, body: dict[str, Any], words: str) -> None:
    reply = act(cloud, action, **body)
    assert (reply.status_code, words in message(reply)) == (400, True), message(reply)


def update(cloud: NounsUnderTest, body: dict[str, Any], service_id: str | None = None) -> Any:
    """PUT by uuid."""
    return cloud.put(f"/os-services/{service_id or compute(cloud)['id']}", body, version="2.53", **ADMIN)


def test_update_from_2_53(cloud: NounsUnderTest) -> None:
    shown = update(cloud, {"status": "disabled", "disabled_reason": "fan broken"}).get_json()["service"]
    assert (shown["status"], shown["disabled_reason"], shown["host"]) == ("disabled", "fan broken", "alpha")
    assert update(cloud, {"forced_down": True}).get_json()["service"]["state"] == "down"
    shown = update(cloud, {"status": "enabled", "forced_down": "false"}).get_json()["service"]
    assert (shown["status"], shown["disabled_reason"], shown["state"]) == ("enabled", None, "up")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "No updates"),
        ({"disabled_reason": "x"}, "requires"),
        ({"status": "enabled", "disabled_reason": "x"}, "requires"),
        ({"status": "asleep"}, "status"),
        ({"status": None}, "status"),
        ({"forced_down": None}, "forced_down"),
        ({"colour": "blue"}, "colour"),
    ],
)
def test_bad_updates(cloud: NounsUnderTest, body: dict[str, Any], words: str) -> None:
    reply = update(cloud, body)
    assert (reply.status_code, words in message(reply)) == (400, True), message(reply)
    assert compute(cloud)["status"] == "enabled"


def test_services_that_are_not_there(cloud: NounsUnderTest) -> None:
    absent = "00000000-0000-4000-8000-000000000000"
    assert update(cloud, {"status": "enabled"}, absent).status_code == 404
    assert update(cloud, {"status": "enabled"}, "2").status_code == 400
    assert cloud.delete(f"/os-services/{absent}", version="2.53", **ADMIN).status_code == 404
    assert cloud.delete("/os-services/99", version="2.52", **ADMIN).status_code == 404
    assert cloud.delete("/os-services/alpha", version="2.52", **ADMIN).status_code == 400


def test_schedulers_are_told(cloud: NounsUnderTest) -> None:
    update(cloud, {"status": "disabled"})
    (row,) = cloud.told.rows
    assert (row.host, row.enabled, row.version, row.generation) == ("alpha", False, 2, 2)
    cloud.told.rows.clear()
    update(cloud, {"forced_down": True})
    assert cloud.told.rows[0].forced_down


def test_a_service_without_servers_can_be_deleted(cloud: NounsUnderTest) -> None:
    cloud.add_servers(a_server_row(host="alpha"))
    reply = cloud.delete("/os-services/2", **ADMIN)
    assert (reply.status_code, "hosting instances" in message(reply)) == (409, True)
    with cloud.db.begin() as session:
        session.execute(change(Server).values(deleted=True))
    assert cloud.delete("/os-services/2", **ADMIN).status_code == 204
    assert services(cloud, "?host=alpha") == []
    assert cloud.told.rows[-1].deleted
    assert cloud.get("/os-hypervisors", **ADMIN).get_json() == {"hypervisors": []}
    assert cloud.env.client.of(Hosts).table(system()).rows == ()


def test_a_daemon_that_goes_on_after_its_service_was_deleted_comes_back(cloud: NounsUnderTest) -> None:
    cloud.delete("/os-services/2", **ADMIN)
    cloud.env.client.of(Services).heartbeat(system(), Heartbeat(binary="nova-compute", host="alpha"))
    assert compute(cloud)["state"] == "up"
    assert not cloud.told.rows[-1].deleted
    assert len(cloud.get("/os-hypervisors", **ADMIN).get_json()["hypervisors"]) == 1


def test_heartbeats_reach_the_schedulers(cloud: NounsUnderTest) -> None:
    before = cloud.env.client.of(Hosts).table(system()).rows[0]
    cloud.env.client.of(Services).heartbeat(system(), Heartbeat(binary="nova-compute", host="alpha"))
    after = cloud.told.rows[-1]
    assert after.version == before.version
    assert after.last_seen > before.last_seen
