"""createImage and createBackup through the API: versions, bodies, what the image says of itself, who may what."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from novalite.identity.tokens import Signer
from tests.disks import qcow2
from tests.flows.harness import check_invariants
from tests.rest import Rest, sentence
from tests.served import ServedCloud

FILE = "/image/v2/images/{}/file"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedCloud]:
    """One for this file."""
    with ServedCloud(tmp_path_factory.mktemp("images")) as made:
        yield made
        check_invariants(made)


@pytest.fixture(scope="module")
def base(cloud: ServedCloud) -> str:
    """A base image with properties that are inherited, and some that are not."""
    said = {"hw_disk_bus": "scsi", "os_distro": "debian", "cache_in_nova": "true", "img_signature": "abc"}
    return cloud.rest().image(qcow2(), disk_format="qcow2", min_ram=32, **said)


@pytest.fixture(scope="module")
def server(cloud: ServedCloud, base: str) -> str:
    """An ACTIVE server of that image."""
    return cloud.rest().boot("web", imageRef=base)


def image_of(member: Rest, reply: Any) -> Any:
    """The image that an answer from 2.45 on names."""
    assert reply.status_code == 202, reply.text
    return member.get(f"/image/v2/images/{reply.get_json()['image_id']}")


def test_an_image_says_where_it_is_from(cloud: ServedCloud, base: str, server: str) -> None:
    member = cloud.rest()
    body = {"name": "shot", "metadata": {"colour": "blue", "instance_uuid": "forged", "os_distro": "mine"}}
    image = image_of(member, member.act(server, {"createImage": body}))
    plain = {key: image[key] for key in ("name", "status", "visibility", "owner", "disk_format", "container_format")}
    assert plain == {
        "name": "shot", "status": "active", "visibility": "private", "owner": member.project_id,
        "disk_format": "qcow2", "container_format": "bare",
    }  # fmt: skip
    assert (image["min_disk"], image["min_ram"], image["virtual_size"]) == (1, 32, 1 << 30)
    said = {
        "image_type": "snapshot", "instance_uuid": server, "base_image_ref": base, "user_id": member.user_id,
        "image_location": "snapshot", "image_state": "available", "owner_id": member.project_id,
        "owner_user_name": "member", "owner_project_name": "member", "colour": "blue", "hw_disk_bus": "scsi",
        "os_distro": "mine",
    }  # fmt: skip
    assert image == {**image, **said}
    assert "cache_in_nova" not in image and "img_signature" not in image
    data = member("GET", FILE.format(image["id"])).data
    assert server.encode() in data, "the bytes are this server's"
    actions = member.get(f"/servers/{server}/os-instance-actions")["instanceActions"]
    assert actions[0]["action"] == "createImage"
    events = member.get(f"/servers/{server}/os-instance-actions/{actions[0]['request_id']}")["instanceAction"]
    assert {"snapshot", "upload"} <= {e["event"] for e in events["events"]}


def test_the_kind_of_a_snapshot_is_the_callers_to_say(cloud: ServedCloud, server: str) -> None:
    member = cloud.rest()
    body = {"name": "shot", "metadata": {"image_type": "golden"}}
    assert image_of(member, member.act(server, {"createImage": body}))["image_type"] == "golden"
    backup = {**body, "backup_type": "daily", "rotation": 1}
    assert image_of(member, member.act(server, {"createBackup": backup}))["image_type"] == "backup"


def test_another_server_can_be_made_of_it(cloud: ServedCloud, server: str) -> None:
    member = cloud.rest()
    image = image_of(member, member.act(server, {"createImage": {"name": "shot"}}))
    copy = member.boot("copy", imageRef=image["id"])
    assert member.delete(f"/servers/{copy}").status_code == 204


@pytest.mark.parametrize("action", ["createImage", "createBackup"])
@pytest.mark.parametrize("version", ["2.1", "2.44", "2.45", "latest"])
def test_where_the_answer_names_the_image(cloud: ServedCloud, server: str, action: str, version: str) -> None:
    member = cloud.rest()
    more = {"backup_type": "daily", "rotation": 1} if action == "createBackup" else {}
    reply = member.act(server, {action: {"name": "shot", **more}}, version=version)
    assert reply.status_code == 202
    if version in ("2.1", "2.44"):
        assert reply.data == b""
        found = re.fullmatch(r"http://localhost/images/([0-9a-f-]{36})", reply.headers["Location"])
        assert found
        image_id = found[1]
    else:
        assert "Location" not in reply.headers
        image_id = reply.get_json()["image_id"]
        assert list(reply.get_json()) == ["image_id"]
    assert member.get(f"/image/v2/images/{image_id}")["status"] == "active"


def test_a_backup_says_so_and_rotation_zero_has_no_answer(cloud: ServedCloud, server: str) -> None:
    member = cloud.rest()
    body = {"name": "b", "backup_type": "weekly", "rotation": "2", "metadata": {"a": "b", "backup_type": "forged"}}
    image = image_of(member, member.act(server, {"createBackup": body}))
    assert (image["image_type"], image["backup_type"], image["a"]) == ("backup", "weekly", "b")
    for version in ("2.1", "latest"):
        reply = member.act(server, {"createBackup": {**body, "rotation": 0}}, version=version)
        assert (reply.status_code, reply.data, "Location" in reply.headers) == (202, b"", False)
    assert member.get("/image/v2/images?backup_type=weekly")["images"] == []


BAD = [
    ({"createImage": None}, 400),
    ({"createImage": {}}, 400),
    ({"createImage": {"name": ""}}, 400),
    ({"createImage": {"name": "x" * 256}}, 400),
    ({"createImage": {"name": 5}}, 400),
    ({"createImage": {"name": "x", "metadata": None}}, 400),
    ({"createImage": {"name": "x", "metadata": {"k": 5}}}, 400),
    ({"createImage": {"name": "x", "metadata": {"k": "v" * 256}}}, 400),
    ({"createImage": {"name": "x", "metadata": {"": "v"}}}, 400),
    ({"createImage": {"name": "x", "rotation": 1}}, 400),
    ({"createImage": {"name": "x", "metadata": {f"k{n}": "v" for n in range(129)}}}, 403),
    ({"createBackup": {"name": "x", "backup_type": "daily"}}, 400),
    ({"createBackup": {"name": "x", "rotation": 1}}, 400),
    ({"createBackup": {"name": "x", "backup_type": "daily", "rotation": -1}}, 400),
    ({"createBackup": {"name": "x", "backup_type": "daily", "rotation": "many"}}, 400),
    ({"createBackup": {"name": "x", "backup_type": None, "rotation": 1}}, 400),
    ({"createBackup": {"name": "x", "backup_type": "d", "rotation": 1, "metadata": {"k": []}}}, 400),
]


@pytest.mark.parametrize(("body", "status"), BAD)
def test_bad_bodies_change_nothing(cloud: ServedCloud, server: str, body: Any, status: int) -> None:
    member, before = cloud.rest(), cloud.images()
    reply = member.act(server, body)
    assert reply.status_code == status, reply.text
    assert sentence(reply)
    assert cloud.images() == before
    assert member.show(server)["OS-EXT-STS:task_state"] is None


def test_states_and_callers(cloud: ServedCloud, server: str) -> None:
    member, body, before = cloud.rest(), {"createImage": {"name": "shot"}}, cloud.images()
    with cloud.bus.lose(lambda e: e.name == "tasks.poke"):
        assert member.act(server, {"os-stop": None}).status_code == 202
        reply = member.act(server, body)
    assert reply.status_code == 409
    assert sentence(reply) == f"Cannot 'createImage' instance {server} while it is in task_state powering-off"
    cloud.recover(2)
    assert member.act(server, {"os-start": None}).status_code == 202
    assert cloud.rest("stranger").act(server, body).status_code == 404
    reader = cloud.rest("onlooker", "member", "reader")
    assert reader.act(server, body).status_code == 403
    assert cloud.images() == before
    assert cloud.rest("admin").act(server, {"lock": None}).status_code == 202
    assert member.act(server, {"shelve": None}).status_code == 409
    assert member.act(server, body).status_code == 202, "a lock keeps the server from changing; this does not"
    assert cloud.rest("admin").act(server, {"unlock": None}).status_code == 202


def test_two_at_once_make_one(cloud: ServedCloud, server: str) -> None:
    member = cloud.rest()
    with cloud.bus.lose(lambda e: e.name == "tasks.poke"):
        replies = [member.act(server, {"createImage": {"name": "one"}}).status_code for _ in range(2)]
    assert replies == [202, 409]
    cloud.recover(2)
    assert member.show(server)["OS-EXT-STS:task_state"] is None


# --- the token that a host is given to send the bytes ---------------------------------------------


@pytest.fixture
def signer(cloud: ServedCloud) -> Signer:
    """Who makes tokens."""
    found: Signer = cloud.alive.manager.env.signer
    return found


def with_token(cloud: ServedCloud, token: str) -> Rest:
    """A caller with a token."""
    return Rest(cloud.rest().http, token)


def test_an_upload_token_writes_its_image_once(cloud: ServedCloud, signer: Signer) -> None:
    member = cloud.rest()
    image, other = member.image(None), member.image(None)
    host = with_token(cloud, signer.upload_token(image, 60))
    assert host.upload(other, b"1234").status_code == 403
    assert host.upload(image, b"1234").status_code == 204
    assert host.upload(image, b"5678").status_code == 409
    assert member("GET", FILE.format(image)).data == b"1234"
    assert member.get(f"/image/v2/images/{other}")["status"] == "queued"


def test_an_upload_token_does_nothing_else(cloud: ServedCloud, signer: Signer, server: str) -> None:
    member = cloud.rest()
    image = member.image()
    host = with_token(cloud, signer.upload_token(image, 60))
    one = f"/image/v2/images/{image}"
    refused = [
        ("GET", f"{one}/file"), ("HEAD", f"{one}/file"), ("PUT", f"{one}/stage"), ("POST", f"{one}/import"),
        ("GET", one), ("PATCH", one), ("DELETE", one), ("PUT", f"{one}/tags/a"), ("GET", "/image/v2/images"),
        ("GET", "/servers"), ("DELETE", f"/servers/{server}"), ("GET", "/identity/v3/projects"),
    ]  # fmt: skip
    for method, path in refused:
        assert host(method, path).status_code == 403, (method, path)
    assert member("GET", FILE.format(image)).status_code == 200


def test_a_token_that_reads_does_not_write(cloud: ServedCloud, signer: Signer) -> None:
    image = cloud.rest().image(None)
    assert with_token(cloud, signer.image_token(image, 60)).upload(image, b"1234").status_code == 403
    assert cloud.rest().get(f"/image/v2/images/{image}")["status"] == "queued"


def test_expired_and_forged_upload_tokens(cloud: ServedCloud, signer: Signer) -> None:
    image = cloud.rest().image(None)
    assert with_token(cloud, signer.upload_token(image, -1)).upload(image, b"1234").status_code == 401
    token = signer.upload_token(image, 60)
    middle = len(token) // 2
    forged = token[:middle] + ("A" if token[middle] != "A" else "B") + token[middle + 1 :]
    assert with_token(cloud, forged).upload(image, b"1234").status_code == 401
    assert cloud.rest().get(f"/image/v2/images/{image}")["status"] == "queued"


def test_bytes_that_are_not_what_they_should_be_are_refused(cloud: ServedCloud, signer: Signer) -> None:
    """A host is trusted with one image, not with its format: a disk that names another file is not taken."""
    image = cloud.rest().image(None, disk_format="qcow2")
    host = with_token(cloud, signer.upload_token(image, 60))
    assert host.upload(image, qcow2(backing=b"/etc/shadow")).status_code == 400
    assert host.upload(image, b"no disk at all").status_code == 400
    assert cloud.rest().get(f"/image/v2/images/{image}")["status"] == "queued"
