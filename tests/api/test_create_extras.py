"""POST /servers beyond the plain: files, drives, passwords, hosts, several at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.cloud import Cloud
from tests.rest import Rest, sentence

FILE = {"path": "/etc/motd", "contents": "aGVsbG8="}


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """One for all of these."""
    quota = {"quota.instances": 100, "quota.cores": 100}
    with Cloud(tmp_path_factory.mktemp("cloud"), hosts=("alpha", "beta"), overrides=quota) as made:
        yield made


@pytest.fixture(scope="module")
def image(cloud: Cloud) -> str:
    return cloud.rest().image()


@pytest.fixture
def member(cloud: Cloud) -> Rest:
    return cloud.rest()


def test_files_are_taken_to_2_56_and_kept_with_the_server(cloud: Cloud, member: Rest, image: str) -> None:
    reply = member.create("web", "2.56", imageRef=image, personality=[FILE])
    assert reply.status_code == 202, reply.text
    server = reply.get_json()["server"]["id"]
    assert cloud.show(server)["personality"] == [FILE]
    assert "personality" not in member.show(server)
    assert member.create("web", "2.57", imageRef=image, personality=[FILE]).status_code == 400


@pytest.mark.parametrize(("files", "status", "words"), [
    ([FILE] * 6, 403, "injected_files"),
    ([{**FILE, "path": "/" + "x" * 255}], 403, "injected_file_path_bytes"),
    ([{**FILE, "contents": "QUFB" * 4000}], 403, "injected_file_content_bytes"),
    ([{**FILE, "contents": "not base64"}], 400, "personality[0].contents"),
    ([{**FILE, "path": ""}], 400, "personality[0].path"),
    ([{"path": "/x"}], 400, "personality[0].contents"),
    ([{**FILE, "mode": 7}], 400, "personality[0].mode"),
    ({"path": "/x"}, 400, "server.personality"),
])  # fmt: skip
def test_files_have_their_limits(member: Rest, image: str, files: Any, status: int, words: str) -> None:
    reply = member.create("web", "2.1", imageRef=image, networks=[], personality=files)
    assert (reply.status_code, words in sentence(reply)) == (status, True), reply.text


def test_a_config_drive_is_what_was_asked_or_what_the_image_demands(member: Rest, image: str) -> None:
    mandatory = member.image(img_config_drive="mandatory")
    optional = member.image(img_config_drive="optional")
    for asked, of, shown in (
        ({}, image, ""), ({"config_drive": True}, image, "True"), ({"config_drive": "false"}, image, ""),
        ({}, mandatory, "True"), ({"config_drive": False}, mandatory, "True"), ({}, optional, ""),
    ):  # fmt: skip
        server = member.boot("web", imageRef=of, **asked)
        assert member.show(server)["config_drive"] == shown, (asked, of)
    server = member.boot("web", imageRef=image)
    assert member.act(server, {"rebuild": {"imageRef": mandatory}}).get_json()["server"]["config_drive"] == "True"


def test_passwords(member: Rest, image: str) -> None:
    def password(**asked: Any) -> Any:
        reply = member.create("web", imageRef=image, **asked)
        return reply.get_json()["server"]["adminPass"] if reply.status_code == 202 else sentence(reply)

    assert password(adminPass="hush") == "hush"
    assert len({password(), password()}) == 2
    assert len(password(adminPass="")) == 12, "an empty one is none"
    assert "server.adminPass" in password(adminPass="x" * 256)
    assert "server.adminPass" in password(adminPass=5)


def test_names_and_host_names_of_several(cloud: Cloud, member: Rest, image: str) -> None:
    reply = member.create("My web.site", imageRef=image, min_count=2, return_reservation_id=True)
    reservation = reply.get_json()["reservation_id"]
    path = f"/servers/detail?reservation_id={reservation}&sort_key=display_name&sort_dir=asc"
    found = cloud.rest("admin").get(path + "&all_tenants=1")["servers"]
    assert [(one["name"], one["OS-EXT-SRV-ATTR:hostname"]) for one in found] == [
        ("My web.site-1", "my-web-site-1"), ("My web.site-2", "my-web-site-2"),
    ]  # fmt: skip
    assert [one["OS-EXT-SRV-ATTR:launch_index"] for one in found] == [0, 1]
    assert {one["OS-EXT-SRV-ATTR:reservation_id"] for one in found} == {reservation}
    for name, hostname in (("x" * 80, "x" * 63), ("..web..", "web"), ("Käse_1", "kse-1")):
        assert member.show(member.boot(name, imageRef=image))["OS-EXT-SRV-ATTR:hostname"] == hostname
    long = member.create("x" * 255, imageRef=image, min_count=2).get_json()["server"]["id"]
    assert member.show(long)["name"] == "x" * 253 + "-1"
    server = member.boot("…", imageRef=image)
    assert member.show(server)["OS-EXT-SRV-ATTR:hostname"] == f"server-{server}"


def test_hosts_are_named_in_one_way_at_a_time_and_must_exist(cloud: Cloud, member: Rest) -> None:
    admin = cloud.rest("admin")
    image = admin.image()
    for asked, status, words in (
        ({"availability_zone": "nova:alpha", "host": "alpha"}, 400, "not both"),
        ({"availability_zone": "nova:alpha:a:b"}, 400, "zone:host:node"),
        ({"availability_zone": "nowhere"}, 400, "availability zone is not available"),
        ({"host": "nobody"}, 400, "Compute host nobody could not be found."),
        ({"hypervisor_hostname": "nobody"}, 400, "Compute host nobody could not be found."),
        ({"host": "alpha", "hypervisor_hostname": "beta"}, 400, "Compute host beta could not be found."),
    ):  # fmt: skip
        reply = admin.create("web", imageRef=image, **asked)
        assert (reply.status_code, words in sentence(reply)) == (status, True), reply.text
    for asked in ({"host": "alpha"}, {"hypervisor_hostname": "alpha"}, {"availability_zone": "nova:alpha"},
                  {"host": "alpha", "hypervisor_hostname": "alpha"}):  # fmt: skip
        server = admin.boot("web", imageRef=image, **asked)
        assert admin.show(server)["OS-EXT-SRV-ATTR:host"] == "alpha"
        assert member.create("web", imageRef=image, **asked).status_code == 403


def test_trusted_certificates_are_shown(member: Rest, image: str) -> None:
    certificates = ["one", "two"]
    server = member.boot("web", imageRef=image, trusted_image_certificates=certificates)
    assert member.show(server)["trusted_image_certificates"] == certificates
    assert member.show(member.boot("web", imageRef=image))["trusted_image_certificates"] is None
    for wrong in ([], ["one", "one"], [""], [str(n) for n in range(51)], "one"):
        reply = member.create("web", imageRef=image, trusted_image_certificates=wrong)
        assert (reply.status_code, "trusted_image_certificates" in sentence(reply)) == (400, True)
