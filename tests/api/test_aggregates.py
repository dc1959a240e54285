"""Host aggregates through the API on a whole cloud: hosts, metadata, zones, images that hosts fetch beforehand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import TestResponse

from novalite.compute.image_cache import base_name
from novalite.compute.virt.fake import FakeDriver
from novalite.conductor.periodic.image_requests import AskForImages
from novalite.context import system
from novalite.db import image_requests
from novalite.objects.images import ImageSource
from tests.cloud import Cloud
from tests.rest import sentence

ABSENT = "00000000-0000-4000-8000-00000000ffff"


class Aggregates:
    """What an administrator does with them."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud, self.admin = cloud, cloud.rest("admin")

    def make(self, name: str, zone: str | None = None, hosts: tuple[str, ...] = ()) -> int:
        """A new one with hosts; its id."""
        body = {"aggregate": {"name": name, "availability_zone": zone}}
        number = int(self.admin.made("/os-aggregates", body)["aggregate"]["id"])
        for host in hosts:
            assert self.act(number, add_host={"host": host}).status_code == 200
        return number

    def act(self, number: int | str, **action: Any) -> TestResponse:
        """POST .../action"""
        return self.admin.post(f"/os-aggregates/{number}/action", action)

    def put(self, number: int, **changes: Any) -> TestResponse:
        """PUT"""
        return self.admin("PUT", f"/os-aggregates/{number}", {"aggregate": changes})

    def show(self, number: int, **more: Any) -> Any:
        """GET"""
        return self.admin.get(f"/os-aggregates/{number}", **more)["aggregate"]

    def zones(self) -> dict[str, list[str]]:
        """Hosts by zone."""
        found = self.admin.get("/os-availability-zone/detail")["availabilityZoneInfo"]
        return {zone["zoneName"]: sorted(zone["hosts"]) for zone in found if zone["zoneName"] != "internal"}


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    """Two hosts."""
    with Cloud(tmp_path, hosts=("alpha", "beta")) as made:
        yield made


@pytest.fixture
def aggregates(cloud: Cloud) -> Aggregates:
    """Nothing made yet."""
    return Aggregates(cloud)


def test_the_life_of_an_aggregate(aggregates: Aggregates) -> None:
    admin = aggregates.admin
    assert admin.get("/os-aggregates") == {"aggregates": []}
    made = admin.made("/os-aggregates", {"aggregate": {"name": "fast"}})["aggregate"]
    assert set(made) == {
        "id", "uuid", "name", "availability_zone", "created_at", "updated_at", "deleted", "deleted_at",
    }  # fmt: skip
    number = made["id"]
    found = aggregates.act(number, add_host={"host": "alpha"}).get_json()["aggregate"]
    assert (found["hosts"], found["metadata"], found["availability_zone"]) == (["alpha"], {}, None)
    found = aggregates.act(number, set_metadata={"metadata": {"ssd": "true", "gone": "x"}})
    assert found.get_json()["aggregate"]["metadata"] == {"ssd": "true", "gone": "x"}
    aggregates.act(number, set_metadata={"metadata": {"gone": None, "never": None}})
    assert aggregates.put(number, name="faster").get_json()["aggregate"]["name"] == "faster"
    (listed,) = admin.get("/os-aggregates")["aggregates"]
    assert listed == aggregates.show(number)
    assert (listed["name"], listed["metadata"], listed["hosts"]) == ("faster", {"ssd": "true"}, ["alpha"])
    assert listed["updated_at"] is not None
    assert "uuid" not in aggregates.show(number, version="2.40")
    assert aggregates.admin.delete(f"/os-aggregates/{number}").status_code == 400
    assert aggregates.act(number, remove_host={"host": "alpha"}).get_json()["aggregate"]["hosts"] == []
    assert aggregates.admin.delete(f"/os-aggregates/{number}").status_code == 200
    assert admin.get("/os-aggregates") == {"aggregates": []}


BAD: list[tuple[str, str, Any, int]] = [
    ("POST", "", {"aggregate": {"name": "one"}}, 409),
    ("POST", "", {"aggregate": {"name": ""}}, 400),
    ("POST", "", {"aggregate": {"name": "x" * 256}}, 400),
    ("POST", "", {"aggregate": {"name": "x", "availability_zone": "a:b"}}, 400),
    ("POST", "", {"aggregate": {"name": "x", "hosts": []}}, 400),
    ("GET", "/fast", None, 400),
    ("GET", "/9999", None, 404),
    ("GET", "/99999999999999", None, 404),
    ("PUT", "/1", {"aggregate": {}}, 400),
    ("PUT", "/1", {"aggregate": {"name": None}}, 400),
    ("PUT", "/1", {"aggregate": {"name": "two"}}, 409),
    ("PUT", "/9999", {"aggregate": {"name": "x"}}, 404),
    ("DELETE", "/9999", None, 404),
    ("POST", "/1/action", {}, 400),
    ("POST", "/1/action", {"add_host": {"host": "beta"}, "remove_host": {"host": "alpha"}}, 400),
    ("POST", "/1/action", {"add_host": {"host": "alpha"}}, 409),
    ("POST", "/1/action", {"add_host": {"host": "nobody"}}, 404),
    ("POST", "/1/action", {"add_host": {"host": "controller"}}, 404),
    ("POST", "/1/action", {"remove_host": {"host": "beta"}}, 404),
    ("POST", "/9999/action", {"add_host": {"host": "alpha"}}, 404),
    ("POST", "/1/action", {"set_metadata": {"metadata": {"availability_zone": ""}}}, 400),
    ("POST", "/1/action", {"set_metadata": {"metadata": {"k": 1}}}, 400),
    ("POST", "/1/action", {"set_metadata": {"metadata": {"k": "v" * 256}}}, 400),
    ("POST", "/1/images", {"cache": []}, 400),
    ("POST", "/1/images", {"cache": [{"id": "no"}]}, 400),
    ("POST", "/1/images", {"cache": [{"id": ABSENT}, {"id": ABSENT}]}, 400),
    ("POST", "/1/images", {"cache": [{"id": ABSENT}]}, 400),
    ("POST", "/9999/images", {"cache": [{"id": ABSENT}]}, 404),
]


def test_what_is_refused(aggregates: Aggregates) -> None:
    assert aggregates.make("one", hosts=("alpha",)) == 1
    aggregates.make("two")
    before = aggregates.admin.get("/os-aggregates")
    for method, path, body, status in BAD:
        reply = aggregates.admin(method, "/os-aggregates" + path, body)
        assert reply.status_code == status, (method, path, body, reply.text)
        assert sentence(reply)
    assert aggregates.admin.get("/os-aggregates") == before
    assert aggregates.admin.post("/os-aggregates/1/images", {}, version="2.80").status_code == 404


def test_only_administrators_may(aggregates: Aggregates, cloud: Cloud) -> None:
    number, member = aggregates.make("one"), cloud.rest()
    for method, path, body in (
        ("GET", "", None),
        ("POST", "", {"aggregate": {"name": "x"}}),
        ("GET", f"/{number}", None),
        ("PUT", f"/{number}", {"aggregate": {"name": "x"}}),
        ("DELETE", f"/{number}", None),
        ("POST", f"/{number}/action", {"add_host": {"host": "alpha"}}),
        ("POST", f"/{number}/action", {"set_metadata": {"metadata": {}}}),
        ("POST", f"/{number}/images", {"cache": [{"id": ABSENT}]}),
    ):
        assert member(method, "/os-aggregates" + path, body).status_code == 403, (method, path)


# --- zones


def test_hosts_are_in_the_zone_of_their_aggregate(aggregates: Aggregates, cloud: Cloud) -> None:
    assert aggregates.zones() == {"nova": ["alpha", "beta"]}
    east = aggregates.make("east", "east", ("beta",))
    assert aggregates.zones() == {"nova": ["alpha"], "east": ["beta"]}
    aggregates.put(east, availability_zone="west")
    assert aggregates.zones() == {"nova": ["alpha"], "west": ["beta"]}
    aggregates.act(east, set_metadata={"metadata": {"availability_zone": "north"}})
    assert aggregates.zones() == {"nova": ["alpha"], "north": ["beta"]}
    aggregates.put(east, availability_zone=None)
    assert aggregates.zones() == {"nova": ["alpha", "beta"]}
    aggregates.put(east, availability_zone="east")
    image = cloud.rest().image()
    server = cloud.rest().boot("web", imageRef=image, availability_zone="east")
    assert cloud.show(server)["host"] == "beta"
    assert cloud.rest().create("web", imageRef=image, availability_zone="west").status_code == 400
    assert aggregates.act(east, remove_host={"host": "beta"}).status_code == 409


def test_a_host_is_in_one_zone_only(aggregates: Aggregates) -> None:
    aggregates.make("east", "east", ("alpha",))
    west, plain = aggregates.make("west", "west"), aggregates.make("plain", hosts=("alpha",))
    refused = aggregates.act(west, add_host={"host": "alpha"})
    assert (refused.status_code, "several availability zones" in sentence(refused)) == (409, True)
    assert aggregates.put(plain, availability_zone="west").status_code == 400
    assert aggregates.put(plain, availability_zone="east").status_code == 200
    assert aggregates.zones() == {"nova": ["beta"], "east": ["alpha"]}
    assert aggregates.show(west)["hosts"] == []


def test_servers_keep_the_zone_they_were_promised(aggregates: Aggregates, cloud: Cloud) -> None:
    server = cloud.boot("web")
    home = cloud.show(server)["host"]
    other = next(name for name in cloud.host_names if name != home)
    east, plain = aggregates.make("east", "east", (other,)), aggregates.make("plain", hosts=(home,))
    for reply, status in (
        (aggregates.act(east, add_host={"host": home}), 409),
        (aggregates.put(plain, availability_zone="north"), 400),
        (aggregates.act(plain, set_metadata={"metadata": {"availability_zone": "north"}}), 400),
    ):
        assert (reply.status_code, "instances in this zone" in sentence(reply)) == (status, True)
    assert aggregates.act(plain, remove_host={"host": home}).status_code == 200
    assert aggregates.zones() == {"nova": [home], "east": [other]}
    cloud.delete(server)
    assert aggregates.act(east, add_host={"host": home}).status_code == 200
    assert aggregates.zones() == {"east": ["alpha", "beta"]}


def test_the_scheduler_hears_of_aggregates(aggregates: Aggregates, cloud: Cloud) -> None:
    number = aggregates.make("fast", hosts=("beta",))
    aggregates.act(number, set_metadata={"metadata": {"ram_weight_multiplier": "2.5"}})
    hosts = cloud.scheduler.table.hosts()
    told = {hosts.name(at): hosts.aggregates(at) for at in range(len(hosts))}
    assert told == {"alpha": {}, "beta": {"fast": {"ram_weight_multiplier": "2.5"}}}
    aggregates.put(number, name="faster")
    hosts = cloud.scheduler.table.hosts()
    assert set(hosts.aggregates(hosts.names.index("beta"))) == {"faster"}


def test_a_host_whose_service_is_deleted_leaves_its_aggregates(aggregates: Aggregates) -> None:
    number = aggregates.make("east", "east", ("beta",))
    found = aggregates.admin.get("/os-services?host=beta")["services"]
    assert aggregates.admin.delete(f"/os-services/{found[0]['id']}").status_code == 204
    assert aggregates.show(number)["hosts"] == []
    assert aggregates.admin.delete(f"/os-aggregates/{number}").status_code == 200


# --- images


class Witness:
    """Notes which images hosts fetch, in place of their cache's downloads."""

    def __init__(self, cloud: Cloud) -> None:
        self.fetched: list[tuple[str, str]] = []
        for name, host in cloud.hosts.items():
            host.driver.needs_images = True
            self._teach(name, host.manager.bench.cache)

    def _teach(self, host: str, cache: Any) -> None:
        def get(name: str, source: ImageSource, check: Any) -> None:
            assert name == base_name(source)
            self.fetched.append((host, source.id))

        cache._get = get


def wishes(cloud: Cloud) -> list[tuple[str, str]]:
    """(host, image) that are not answered."""
    with cloud.db.read() as session:
        return [row[:2] for row in image_requests.overdue(session, 1e12)]


def test_every_host_of_an_aggregate_fetches_the_images(aggregates: Aggregates, cloud: Cloud) -> None:
    witness, member = Witness(cloud), cloud.rest()
    images = [member.image(), member.image()]
    number = aggregates.make("fast", hosts=("alpha", "beta"))
    body = {"cache": [{"id": image} for image in images]}
    reply = aggregates.admin.post(f"/os-aggregates/{number}/images", body)
    assert (reply.status_code, reply.text) == (202, "")
    assert sorted(witness.fetched) == sorted((h, i) for h in ("alpha", "beta") for i in images)
    assert wishes(cloud) == []


def test_a_wish_outlives_lost_messages_and_dead_hosts(aggregates: Aggregates, cloud: Cloud) -> None:
    witness, image = Witness(cloud), cloud.rest().image()
    number = aggregates.make("fast", hosts=("alpha", "beta"))
    body = {"cache": [{"id": image}]}
    with cloud.bus.lose(lambda e: e.method == "fetch"):
        assert aggregates.admin.post(f"/os-aggregates/{number}/images", body).status_code == 202
    assert (witness.fetched, wishes(cloud)) == ([], [("alpha", image), ("beta", image)])
    job = AskForImages(cloud.conductors[0].manager.env)
    assert job.run(system()) == 0  # not yet
    later(cloud)
    assert job.run(system()) == 2
    assert (sorted(witness.fetched), wishes(cloud)) == ([("alpha", image), ("beta", image)], [])


def test_a_wish_that_cannot_be_fulfilled_ends(aggregates: Aggregates, cloud: Cloud) -> None:
    Witness(cloud)
    member = cloud.rest()
    image = member.image()
    number = aggregates.make("fast", hosts=("alpha",))
    with cloud.bus.lose(lambda e: e.method == "fetch"):
        aggregates.admin.post(f"/os-aggregates/{number}/images", {"cache": [{"id": image}]})
        job = AskForImages(cloud.conductors[0].manager.env)
        for _ in range(5):
            later(cloud)
            assert job.run(system()) == 1
        later(cloud)
        assert (job.run(system()), wishes(cloud)) == (0, [])
        aggregates.admin.post(f"/os-aggregates/{number}/images", {"cache": [{"id": image}]})
    assert member.delete(f"/image/v2/images/{image}").status_code == 204
    later(cloud)
    assert (job.run(system()), wishes(cloud)) == (1, [])


def later(cloud: Cloud) -> None:
    """As if hours had passed."""
    from sqlalchemy import update

    from novalite.db.models.aggregates import ImageRequest

    with cloud.db.begin() as session:
        session.execute(update(ImageRequest).values(look_at=0.0))


def test_hosts_without_an_image_cache_answer_at_once(aggregates: Aggregates, cloud: Cloud) -> None:
    number, image = aggregates.make("fast", hosts=("alpha",)), cloud.rest().image()
    assert isinstance(cloud.driver("alpha"), FakeDriver)
    aggregates.admin.post(f"/os-aggregates/{number}/images", {"cache": [{"id": image}]})
    assert wishes(cloud) == []


def test_what_is_no_id_and_what_nothing_has(cloud: Cloud) -> None:
    admin = cloud.rest("admin")
    for wrong, status in (("x", 400), ("-x", 400), ("1.5", 400), ("-1", 404), ("999999", 404), ("9" * 30, 404)):
        assert admin("GET", f"/os-aggregates/{wrong}").status_code == status, wrong
        assert admin("DELETE", f"/os-aggregates/{wrong}").status_code == status, wrong
