"""resize, confirmResize and revertResize through the API: what is refused, by whom, and what clients see."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.world import ABSENT
from tests.cloud import Cloud
from tests.rest import Rest, sentence


@pytest.fixture
def member(cloud: Cloud) -> Rest:
    admin = cloud.rest("admin")
    admin.flavor("big", vcpus=2, ram=128, disk=2)
    admin.flavor("flat", vcpus=2, ram=128, disk=0)
    admin.flavor("poor", vcpus=1, ram=32, disk=2)
    admin.flavor("hidden", disk=2, **{"os-flavor-access:is_public": False})
    admin.flavor("huge", vcpus=99, disk=2)
    return cloud.rest()


@pytest.fixture
def server(member: Rest) -> str:
    return member.boot("web", imageRef=member.image(min_ram=48))


def test_a_bad_resize_is_refused_in_one_sentence(cloud: Cloud, member: Rest, server: str) -> None:
    before = member.show(server)
    bodies: list[tuple[Any, int, str]] = [
        (None, 400, "resize. It must be an object"),
        ("big", 400, "resize. It must be an object"),
        ({}, 400, "resize.flavorRef. It is required"),
        ({"flavorRef": None}, 400, "resize.flavorRef"),
        ({"flavorRef": ""}, 400, "resize.flavorRef"),
        ({"flavorRef": "x" * 256}, 400, "resize.flavorRef"),
        ({"flavorRef": ["big"]}, 400, "resize.flavorRef"),
        ({"flavorRef": "absent"}, 400, "Flavor absent could not be found"),
        ({"flavorRef": "hidden"}, 400, "Flavor hidden could not be found"),
        ({"flavorRef": "tiny"}, 400, "must change flavor"),
        ({"flavorRef": "flat"}, 400, "disks cannot shrink"),
        ({"flavorRef": "poor"}, 400, "memory is too small"),
        ({"flavorRef": "huge"}, 403, "Quota exceeded for cores"),
        ({"flavorRef": "big", "OS-DCF:diskConfig": "auto"}, 400, "OS-DCF:diskConfig"),
        ({"flavorRef": "big", "adminPass": "x"}, 400, "There is no such field"),
    ]
    for body, status, words in bodies:
        reply = member.act(server, {"resize": body})
        assert (reply.status_code, words.lower() in sentence(reply).lower()) == (status, True), (body, reply.text)
    assert member.show(server) == before
    assert cloud.rest("admin").get("/os-migrations")["migrations"] == []
    assert cloud.rest("stranger").act(server, {"resize": {"flavorRef": "big"}}).status_code == 404
    assert cloud.rest("looker", "member", "reader").act(server, {"resize": {"flavorRef": "big"}}).status_code == 403
    assert member.act(ABSENT, {"resize": {"flavorRef": "big"}}).status_code == 404


def test_the_image_says_what_disk_and_memory_a_new_flavor_needs(cloud: Cloud, member: Rest) -> None:
    admin = cloud.rest("admin")
    admin.flavor("roomy", ram=64, disk=5)
    image = member.image(min_disk=2)
    server = member.boot("wide", imageRef=image, flavorRef="roomy")
    admin.flavor("three", ram=64, disk=3)
    reply = member.act(server, {"resize": {"flavorRef": "three"}})
    assert (reply.status_code, "disks cannot shrink" in sentence(reply)) == (400, True)
    hungry = member.image(min_ram=65)
    reply = member.act(server, {"rebuild": {"imageRef": hungry}})
    assert (reply.status_code, "memory is too small" in sentence(reply).lower()) == (400, True), reply.text
    wide = member.image(min_disk=6)
    reply = member.act(server, {"rebuild": {"imageRef": wide}})
    assert (reply.status_code, "disk is too small" in sentence(reply).lower()) == (400, True), reply.text


def test_locks_and_states(cloud: Cloud, member: Rest, server: str) -> None:
    for action in ({"confirmResize": None}, {"revertResize": None}):
        reply = member.act(server, action)
        assert (reply.status_code, "while it is in vm_state active" in sentence(reply)) == (409, True)
    member.act(server, {"lock": None})
    other = cloud.rest("colleague", "member")
    reply = other.act(server, {"resize": {"flavorRef": "big"}})
    assert (reply.status_code, "is locked" in sentence(reply)) == (409, True)
    member.act(server, {"unlock": None})
    assert other.act(server, {"resize": {"flavorRef": "big"}}).status_code == 202
    shown = member.show(server)
    assert (shown["status"], shown["flavor"]["original_name"]) == ("VERIFY_RESIZE", "big")
    for action in ({"resize": {"flavorRef": "tiny"}}, {"os-stop": None}, {"rebuild": {"imageRef": ABSENT}}):
        reply = member.act(server, action)
        assert (reply.status_code, "while it is in vm_state resized" in sentence(reply)) == (409, True), reply.text
    assert member.act(server, {"confirmResize": None}).status_code == 204
    assert member.show(server)["status"] == "ACTIVE"


def test_where_servers_may_not_be_resized_on_their_host_another_is_needed(
    cloud: Cloud, member: Rest, server: str
) -> None:
    cloud.conf.set_override("allow_resize_to_same_host", False)
    reply = member.act(server, {"resize": {"flavorRef": "big"}})
    assert (reply.status_code, "No valid host was found." in sentence(reply)) == (400, True)
    assert member.show(server)["status"] == "ACTIVE"


@pytest.mark.parametrize("key", ["resources:CUSTOM_GOLD", "resources:VCPU", "resources1:VCPU", "trait1:HW_CPU_X86_AVX"])
def test_what_no_host_is_asked_for_is_no_promise(cloud: Cloud, member: Rest, server: str, key: str) -> None:
    """Extra specs that a flavor may have by the public API: neither a new server nor a resize seems to have them."""
    value = "required" if key.startswith("trait") else "1"
    cloud.rest("admin").made("/flavors/big/os-extra_specs", {"extra_specs": {key: value}})
    before = member.show(server)
    said = f"Extra spec {key} of flavor big cannot be kept here: of flavors' extra specs about Placement, trait:NAME"
    new = member.create("gold", flavorRef="big", imageRef=before["image"]["id"])
    resized = member.post(f"/servers/{server}/action", {"resize": {"flavorRef": "big"}})
    for answer in (new, resized):
        assert answer.status_code == 400
        assert sentence(answer).startswith(said)
    assert member.show(server) == before
    assert len(member.get("/servers")["servers"]) == 1
