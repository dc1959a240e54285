"""rebuild, rescue and unrescue as their callers see them, by microversion."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from novalite.api.servers.actions.rebuild import Rebuild
from tests.api.world import KEY
from tests.cloud import Cloud
from tests.rest import Rest, sentence

FILE = {"path": "/etc/motd", "contents": "aGVsbG8="}
SINCE = {
    # field: (a value, the first and the last minor version that has it)
    "personality": ([FILE], 1, 56),
    "description": ("d", 19, None),
    "key_name": (None, 54, None),
    "user_data": ("ZWNobw==", 57, None),
    "trusted_image_certificates": (["a-certificate"], 63, None),
    "hostname": ("web2", 90, None),
}


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """One for all of these."""
    with Cloud(tmp_path_factory.mktemp("cloud"), overrides={"quota.instances": 100, "quota.cores": 100}) as made:
        yield made


@pytest.fixture(scope="module")
def images(cloud: Cloud) -> tuple[str, str]:
    """Two images of the member."""
    return cloud.rest().image(), cloud.rest().image(color="red")


@pytest.fixture
def member(cloud: Cloud) -> Rest:
    return cloud.rest()


@pytest.fixture
def server(member: Rest, images: tuple[str, str]) -> str:
    return member.boot("web", imageRef=images[0], metadata={"a": "b"})


def rebuild(member: Rest, server: str, image: str, version: str = "latest", **more: Any) -> Any:
    """The answer to rebuild."""
    return member.act(server, {"rebuild": {"imageRef": image, **more}}, version=version)


def test_a_rebuild_answers_with_what_the_server_will_be(
    cloud: Cloud, member: Rest, server: str, images: tuple[str, str]
) -> None:
    member.made("/os-keypairs", {"keypair": {"name": "key", "public_key": KEY, "type": "ssh"}})
    asked = {
        "name": "new", "metadata": {"c": "d"}, "accessIPv4": "10.0.0.1", "accessIPv6": "fe80::1",
        "OS-DCF:diskConfig": "AUTO", "preserve_ephemeral": True, "adminPass": "hush", "description": "text",
        "key_name": "key", "user_data": "ZWNobw==", "trusted_image_certificates": ["one"],
        "hostname": "web.example.org",
    }  # fmt: skip
    with cloud.bus.recording() as sent:
        reply = rebuild(member, server, images[1], **asked)
    assert reply.status_code == 202
    assert reply.headers["Location"].endswith(f"/servers/{server}")
    shown = reply.get_json()["server"]
    assert (shown["status"], shown["image"]["id"], shown["progress"]) == ("REBUILD", images[1], 0)
    assert shown["image"]["properties"] == {"color": "red"}
    assert shown["OS-EXT-SRV-ATTR:hostname"] == "web.example.org"
    for field, value in asked.items():
        if field not in ("preserve_ephemeral", "hostname"):
            assert shown[field] == value, field
    names = [envelope.name for envelope in sent]
    assert names == ["servers.act", "tasks.poke", "guests.rebuild", "hosted_servers.finished"]
    told = [envelope.name for envelope in sent if "hush" in str(envelope)]
    assert told == ["servers.act"], "a guest without a config drive is not told, nor is its host"
    after = member.show(server)
    assert (after["status"], after["image"]["id"], after["name"]) == ("ACTIVE", images[1], "new")
    assert member.get(f"/servers/{server}/os-instance-actions")["instanceActions"][0]["action"] == "rebuild"
    taken_away = {"key_name": None, "user_data": None, "description": None,
                  "trusted_image_certificates": None}  # fmt: skip
    shown = rebuild(member, server, images[0], **taken_away).get_json()["server"]
    assert {field: shown[field] for field in taken_away} == taken_away
    assert shown["name"] == "new", "what is not named stays"


def test_every_field_of_a_rebuild_has_its_versions(
    member: Rest, server: str, images: tuple[str, str]
) -> None:
    assert SINCE.keys() == Rebuild.gated.keys()
    for field, (value, since, until) in SINCE.items():
        for minor in {since - 1, since, until or since, (until or since) + 1} - {0}:
            inside = since <= minor and (until is None or minor <= until)
            reply = rebuild(member, server, images[0], f"2.{minor}", **{field: value})
            assert reply.status_code == (202 if inside else 400), (field, minor, reply.text)
    fqdn = {"hostname": "a.b"}
    assert rebuild(member, server, images[0], "2.93", **fqdn).status_code == 400
    assert rebuild(member, server, images[0], "2.94", **fqdn).status_code == 202


def test_the_answer_of_a_rebuild_grows_with_the_versions(
    cloud: Cloud, member: Rest, server: str, images: tuple[str, str]
) -> None:
    def keys(minor: int) -> set[str]:
        return set(rebuild(member, server, images[0], f"2.{minor}").get_json()["server"])

    assert keys(1) == {
        "id", "name", "status", "tenant_id", "user_id", "metadata", "hostId", "image", "flavor", "created",
        "updated", "addresses", "accessIPv4", "accessIPv6", "links", "OS-DCF:diskConfig", "progress",
        "adminPass",
    }  # fmt: skip
    for minor, more in ((9, "locked"), (19, "description"), (26, "tags"), (54, "key_name"),
                        (57, "user_data"), (63, "trusted_image_certificates"), (71, "server_groups"),
                        (73, "locked_reason")):  # fmt: skip
        assert keys(minor) - keys(minor - 1) == {more}, minor
    assert {"OS-EXT-STS:vm_state", "security_groups", "config_drive"} <= keys(75) - keys(74)
    admin = cloud.rest("admin")
    shown = set(rebuild(admin, server, images[0]).get_json()["server"])
    usual = set(admin.show(server))
    assert (shown - usual, usual - shown) == ({"user_data", "adminPass"}, {"OS-EXT-SRV-ATTR:user_data"})


def test_a_bad_rebuild_is_refused_in_one_sentence(
    cloud: Cloud, member: Rest, server: str, images: tuple[str, str]
) -> None:
    image = images[0]
    before = member.show(server)
    big = {f"key{n}": "" for n in range(129)}
    for body, status, words in (
        ({}, 400, "rebuild.imageRef. It is required"),
        ({"imageRef": ""}, 400, "imageRef"),
        ({"imageRef": None}, 400, "imageRef"),
        ({"imageRef": "0" * 32}, 400, "could not be found"),
        ({"imageRef": cloud.rest("stranger").image()}, 400, "could not be found"),
        ({"imageRef": member.image(min_disk=3)}, 400, "too small"),
        ({"imageRef": image, "name": None}, 400, "rebuild.name"),
        ({"imageRef": image, "name": ""}, 400, "rebuild.name"),
        ({"imageRef": image, "metadata": None}, 400, "rebuild.metadata"),
        ({"imageRef": image, "metadata": big}, 403, "metadata_items"),
        ({"imageRef": image, "accessIPv4": "fe80::1"}, 400, "accessIPv4"),
        ({"imageRef": image, "OS-DCF:diskConfig": "auto"}, 400, "OS-DCF:diskConfig"),
        ({"imageRef": image, "preserve_ephemeral": "perhaps"}, 400, "preserve_ephemeral"),
        ({"imageRef": image, "key_name": "absent"}, 400, "Invalid key_name provided."),
        ({"imageRef": image, "user_data": "not base64"}, 400, "user_data"),
        ({"imageRef": image, "adminPass": "x" * 256}, 400, "adminPass"),
        ({"imageRef": image, "trusted_image_certificates": []}, 400, "trusted_image_certificates"),
        ({"imageRef": image, "flavorRef": "1"}, 400, "There is no such field"),
        (None, 400, "rebuild"),
    ):
        reply = member.act(server, {"rebuild": body})
        assert (reply.status_code, words in sentence(reply)) == (status, True), (body, reply.text)
    assert member.show(server) == before
    files = [FILE] * 6
    reply = rebuild(member, server, image, "2.56", personality=files)
    assert (reply.status_code, "injected_files" in sentence(reply)) == (403, True)
    assert rebuild(cloud.rest("stranger"), server, image).status_code == 404
    member.act(server, {"pause": None})
    reply = rebuild(member, server, image)
    assert (reply.status_code, "Cannot 'rebuild'" in sentence(reply)) == (409, True)


def test_rescue_answers_with_a_password_and_shows(
    cloud: Cloud, member: Rest, server: str, images: tuple[str, str]
) -> None:
    for body, version in (
        (None, "2.1"), ({}, "2.1"), ({"adminPass": "mine"}, "2.1"), ({"rescue_image_ref": images[1]}, "latest"),
    ):  # fmt: skip
        reply = member.act(server, {"rescue": body}, version=version)
        assert reply.status_code == 200, reply.text
        assert set(reply.get_json()) == {"adminPass"}
        password = reply.get_json()["adminPass"]
        assert password == "mine" if body and "adminPass" in body else len(password) == 12
        shown = member.show(server)
        assert (shown["status"], shown["OS-EXT-STS:vm_state"]) == ("RESCUE", "rescued")
        wanted = images[1] if body and "rescue_image_ref" in body else images[0]
        assert cloud.driver("alpha").guest(server).rescue == wanted
        assert shown["image"]["id"] == images[0], "it is still a server of its own image"
        for action in ({"os-stop": None}, {"rescue": None}, {"reboot": {"type": "HARD"}}):
            refused = member.act(server, action)
            assert (refused.status_code, "vm_state rescued" in sentence(refused)) == (409, True)
        assert member.act(server, {"unrescue": None}).status_code == 202
        assert member.show(server)["status"] == "ACTIVE"
    refused = member.act(server, {"unrescue": None})
    assert (refused.status_code, "Cannot 'unrescue'" in sentence(refused)) == (409, True)


def test_a_bad_rescue_is_refused_in_one_sentence(cloud: Cloud, member: Rest, server: str) -> None:
    for body, words in (
        ({"rescue_image_ref": "nonsense"}, "rescue_image_ref"),
        ({"rescue_image_ref": "0" * 32}, "could not be found"),
        ({"rescue_image_ref": member.image(None)}, "not active"),
        ({"rescue_image_ref": member.image(hw_rescue_device="tape")}, "hw_rescue_device"),
        ({"adminPass": 5}, "adminPass"),
        ({"image": "x"}, "There is no such field"),
    ):
        reply = member.act(server, {"rescue": body})
        assert (reply.status_code, words in sentence(reply)) == (400, True), (body, reply.text)
    assert cloud.rest("stranger").act(server, {"rescue": None}).status_code == 404
    assert member.show(server)["status"] == "ACTIVE"


def test_without_passwords_none_is_told(tmp_path: Path) -> None:
    with Cloud(tmp_path, overrides={"api.enable_instance_password": False}) as cloud:
        member = cloud.rest()
        image = member.image()
        server = member.boot("web", imageRef=image)
        assert "adminPass" not in rebuild(member, server, image).get_json()["server"]
        assert member.act(server, {"rescue": None}).get_json() == {}
