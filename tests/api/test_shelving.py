"""Shelve, offload and unshelve through the API: bodies by microversion, zones and hosts, who may what."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.api.test_counts import Costs
from tests.flows.harness import check_invariants
from tests.rest import sentence
from tests.served import ServedCloud


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedCloud]:
    """Two hosts in two zones."""
    with ServedCloud(tmp_path_factory.mktemp("shelving"), hosts=("alpha", "beta")) as made:
        admin = made.rest("admin")
        for host in made.host_names:
            body = {"aggregate": {"name": f"{host}s", "availability_zone": f"zone-{host}"}}
            number = admin.made("/os-aggregates", body)["aggregate"]["id"]
            admin.made(f"/os-aggregates/{number}/action", {"add_host": {"host": host}})
        yield made
        check_invariants(made)


@pytest.fixture
def server(cloud: ServedCloud) -> Iterator[str]:
    """A shelved server that is still on its host."""
    member = cloud.rest()
    server_id = member.boot("web", imageRef=member.image())
    assert member.act(server_id, {"shelve": None}).status_code == 202
    assert member.show(server_id)["status"] == "SHELVED"
    yield server_id
    assert member.delete(f"/servers/{server_id}").status_code == 204
    assert all(name != "web-shelved" for name, _ in cloud.images())


@pytest.fixture
def offloaded(cloud: ServedCloud, server: str) -> str:
    """One that is on none."""
    assert cloud.rest("admin").act(server, {"shelveOffload": None}).status_code == 202
    shown = cloud.rest("admin").show(server)
    assert (shown["status"], shown["OS-EXT-SRV-ATTR:host"]) == ("SHELVED_OFFLOADED", None)
    return server


def test_the_whole_way(cloud: ServedCloud, offloaded: str) -> None:
    member, admin = cloud.rest(), cloud.rest("admin")
    shown = member.show(offloaded)
    assert (shown["OS-EXT-STS:vm_state"], shown["OS-EXT-STS:power_state"]) == ("shelved_offloaded", 0)
    shelved = member.get("/image/v2/images?name=web-shelved")["images"]
    assert [(i["status"], i["image_type"], i["instance_uuid"]) for i in shelved] == [
        ("active", "snapshot", offloaded)
    ]
    assert member.act(offloaded, {"unshelve": None}).status_code == 202
    shown = admin.show(offloaded)
    assert (shown["status"], shown["OS-EXT-STS:power_state"]) == ("ACTIVE", 1)
    assert shown["OS-EXT-SRV-ATTR:host"] in cloud.host_names
    actions = member.get(f"/servers/{offloaded}/os-instance-actions")["instanceActions"]
    assert [a["action"] for a in actions] == ["unshelve", "shelveOffload", "shelve", "create"]


def test_an_administrators_image_is_its_servers(cloud: ServedCloud) -> None:
    """Whoever shelves it, its owner can bring it back."""
    member, admin = cloud.rest(), cloud.rest("admin")
    server = member.boot("web", imageRef=member.image())
    assert admin.act(server, {"shelve": None}).status_code == 202
    (kept,) = member.get("/image/v2/images?name=web-shelved")["images"]
    assert kept["owner"] == member.project_id
    assert admin.act(server, {"shelveOffload": None}).status_code == 202
    assert member.act(server, {"unshelve": None}).status_code == 202
    assert member.show(server)["status"] == "ACTIVE"
    assert member.delete(f"/servers/{server}").status_code == 204


def test_at_once(cloud: ServedCloud) -> None:
    member = cloud.rest()
    server = member.boot("web", imageRef=member.image())
    cloud.conf.set_override("shelved_offload_time", 0)
    try:
        assert member.act(server, {"shelve": None}).status_code == 202
    finally:
        cloud.conf.set_override("shelved_offload_time", -1)
    assert member.show(server)["status"] == "SHELVED_OFFLOADED"
    assert member.delete(f"/servers/{server}").status_code == 204


def test_a_zone_can_be_asked_for(cloud: ServedCloud, offloaded: str) -> None:
    member, admin = cloud.rest(), cloud.rest("admin")
    for zone in ("zone-beta", "zone-alpha"):
        reply = member.act(offloaded, {"unshelve": {"availability_zone": zone}}, version="2.77")
        assert reply.status_code == 202, reply.text
        shown = admin.show(offloaded)
        assert (shown["OS-EXT-AZ:availability_zone"], shown["status"]) == (zone, "ACTIVE")
        assert shown["OS-EXT-SRV-ATTR:host"] == zone.removeprefix("zone-")
        for action in ("shelve", "shelveOffload"):
            assert admin.act(offloaded, {action: None}).status_code == 202
    for _ in range(2):  # it stays in the zone that was asked for last
        assert member.act(offloaded, {"unshelve": None}).status_code == 202
        assert admin.show(offloaded)["OS-EXT-SRV-ATTR:host"] == "alpha"
        for action in ("shelve", "shelveOffload"):
            assert admin.act(offloaded, {action: None}).status_code == 202
    reply = admin.act(offloaded, {"unshelve": {"host": "beta"}})
    assert (reply.status_code, "not in the availability zone" in sentence(reply)) == (409, True)
    assert admin.act(offloaded, {"unshelve": {"availability_zone": None, "host": "beta"}}).status_code == 202
    assert admin.show(offloaded)["OS-EXT-SRV-ATTR:host"] == "beta"


def test_a_host_can_be_asked_for_by_administrators(cloud: ServedCloud, offloaded: str) -> None:
    member, admin = cloud.rest(), cloud.rest("admin")
    reply = member.act(offloaded, {"unshelve": {"host": "beta"}})
    assert (reply.status_code, "unshelve_to_host" in sentence(reply)) == (403, True)
    reply = admin.act(offloaded, {"unshelve": {"host": "nowhere"}})
    assert (reply.status_code, "nowhere" in sentence(reply)) == (400, True)
    reply = admin.act(offloaded, {"unshelve": {"host": "beta", "availability_zone": "zone-alpha"}})
    assert reply.status_code == 409
    assert sentence(reply) == 'Host "beta" is not in the availability zone "zone-alpha".'
    assert admin.act(offloaded, {"unshelve": {"host": "beta"}}).status_code == 202
    assert admin.show(offloaded)["OS-EXT-SRV-ATTR:host"] == "beta"


@pytest.mark.parametrize(
    ("version", "value", "status"),
    [
        ("2.1", {"availability_zone": "zone-alpha"}, 400),
        ("2.76", {"availability_zone": "zone-alpha"}, 400),
        ("2.77", {"availability_zone": None}, 400),
        ("2.77", {}, 400),
        ("2.77", {"availability_zone": ""}, 400),
        ("2.77", {"availability_zone": 5}, 400),
        ("2.77", {"availability_zone": "no-such-zone"}, 400),
        ("2.77", {"availability_zone": "zone-alpha", "host": "alpha"}, 400),
        ("2.90", {"host": "alpha"}, 400),
        ("2.91", {}, 400),
        ("2.91", {"host": None}, 400),
        ("2.91", {"host": ""}, 400),
        ("2.91", {"availability_zone": None, "colour": "blue"}, 400),
        ("2.91", "zone-alpha", 400),
    ],
)
def test_bad_bodies(cloud: ServedCloud, server: str, version: str, value: Any, status: int) -> None:
    admin = cloud.rest("admin")
    if "no-such-zone" in str(value):
        assert admin.act(server, {"shelveOffload": None}).status_code == 202
    reply = admin.act(server, {"unshelve": value}, version=version)
    assert reply.status_code == status, reply.text
    assert admin.show(server)["OS-EXT-STS:task_state"] is None


def test_a_place_is_only_for_those_that_have_none(cloud: ServedCloud, server: str) -> None:
    reply = cloud.rest().act(server, {"unshelve": {"availability_zone": "zone-alpha"}}, version="2.77")
    assert (reply.status_code, "SHELVED_OFFLOADED" in sentence(reply)) == (409, True)


def test_states(cloud: ServedCloud, offloaded: str) -> None:
    member, admin = cloud.rest(), cloud.rest("admin")
    for action in ("shelve", "os-stop", "os-start", "pause"):
        assert member.act(offloaded, {action: None}).status_code == 409, action
    reply = member.act(offloaded, {"createImage": {"name": "x"}})
    assert sentence(reply) == (
        f"Cannot 'createImage' instance {offloaded} while it is in vm_state shelved_offloaded"
    )
    assert admin.act(offloaded, {"shelveOffload": None}).status_code == 409
    assert member.act(offloaded, {"unshelve": None}).status_code == 202
    assert member.act(offloaded, {"unshelve": None}).status_code == 409
    assert admin.act(offloaded, {"shelveOffload": None}).status_code == 409


def test_callers(cloud: ServedCloud, server: str) -> None:
    member = cloud.rest()
    assert member.act(server, {"shelveOffload": None}).status_code == 403
    reader, stranger = cloud.rest("onlooker", "member", "reader"), cloud.rest("stranger")
    for action in ("shelve", "unshelve"):
        assert reader.act(server, {action: None}).status_code == 403
        assert stranger.act(server, {action: None}).status_code == 404


def test_what_it_costs(cloud: ServedCloud) -> None:
    """One call from the API to the conductor each; the rest is between conductor, scheduler and host."""
    member, admin = cloud.rest(), cloud.rest("admin")
    server = member.boot("web", imageRef=member.image())
    upload = ["images.begin_upload", "images.finish_upload"]
    image = ["guests.snapshot", "hosted_servers.progressed", "hosted_servers.progressed", *upload,
             "hosted_servers.finished"]  # fmt: skip
    off = ["guests.destroy", "hosted_servers.finished", "host_feed.changed"]
    on = ["scheduler.select", "host_feed.changed", "guests.spawn", "hosted_servers.finished", "image_news.removed"]
    backup = {"name": "b", "backup_type": "costs", "rotation": 1}
    for caller, action, value, messages, statements in (
        (member, "createImage", {"name": "costs"}, image, 40),
        (member, "createBackup", backup, image, 43),
        (member, "createBackup", backup, [*image, "image_news.removed"], 49),
        (member, "shelve", None, ["guests.power", "hosted_servers.finished", *image], 43),
        (admin, "shelveOffload", None, off, 22),
        (member, "unshelve", None, on, 32),
    ):
        cost = Costs(cloud, lambda c=caller, a=action, v=value: c.act(server, {a: v}))  # type: ignore[misc]
        sent = [name for _, name in cost.messages]
        assert sorted(sent) == sorted(["servers.act", "tasks.poke", *messages]), action
        assert cost.statements <= statements, (action, cost.statements)
    with cloud.bus.lose(lambda e: e.name == "tasks.poke"):
        waited_for = Costs(cloud, lambda: member.act(server, {"createImage": {"name": "costs"}}))
    assert waited_for.statements <= 10
    cloud.recover(2)
    assert member.delete(f"/servers/{server}").status_code == 204
