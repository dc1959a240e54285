"""Bytes of images: up, down, judged, and nothing left behind when something is wrong."""

from __future__ import annotations

import hashlib
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from novalite.context import system
from novalite.errors import Gone
from novalite.objects.images import StoredBytes
from novalite.rpc.contracts.images import Images
from tests import disks
from tests.api.companions import Companions


def files(cloud: Companions) -> list[str]:
    folder = Path(cloud.conf.images.store_path)
    return sorted(os.listdir(folder)) if folder.exists() else []


def shown(cloud: Companions, image_id: str) -> dict[str, Any]:
    return dict(cloud.v2("GET", f"/images/{image_id}").get_json())


def test_bytes_go_in_and_come_out_the_same(cloud: Companions) -> None:
    data = os.urandom(3 * disks.MIB + 17)
    image = cloud.image(data=data)
    assert image["status"] == "active"
    assert (image["size"], image["virtual_size"]) == (len(data), len(data))
    assert image["checksum"] == hashlib.md5(data).hexdigest()
    assert (image["os_hash_algo"], image["os_hash_value"]) == ("sha512", hashlib.sha512(data).hexdigest())
    reply = cloud.v2("GET", f"/images/{image['id']}/file")
    assert (reply.status_code, reply.data == data) == (200, True)
    assert reply.headers["Content-MD5"] == image["checksum"]
    assert reply.headers["Content-Length"] == str(len(data))
    assert reply.headers["Content-Type"] == "application/octet-stream"
    assert len(files(cloud)) == 1
    assert cloud.v2("DELETE", f"/images/{image['id']}").status_code == 204
    assert files(cloud) == []


@pytest.mark.parametrize(
    ("asked", "status", "part"),
    [("bytes=0-9", 206, (0, 10)), ("bytes=90-", 206, (90, 100)), ("bytes=-5", 206, (95, 100)),
     ("bytes=200-300", 416, None), ("lines=1-2", 200, (0, 100))],
)  # fmt: skip
def test_a_part_can_be_asked_for(cloud: Companions, asked: str, status: int, part: Any) -> None:
    data = bytes(range(100))
    image = cloud.image(data=data)
    reply = cloud.v2("GET", f"/images/{image['id']}/file", headers={"Range": asked})
    assert reply.status_code == status
    if part:
        assert reply.data == data[slice(*part)]
    if status == 206:
        assert reply.headers["Content-Range"] == f"bytes {part[0]}-{part[1] - 1}/100"


def test_an_image_without_bytes_answers_204(cloud: Companions) -> None:
    image = cloud.image()
    assert cloud.v2("GET", f"/images/{image['id']}/file").status_code == 204


GOOD = [
    ("raw", b"plain bytes", 11),
    ("raw", disks.gpt(), disks.MIB),
    ("qcow2", disks.qcow2(5 * disks.MIB), 5 * disks.MIB),
    ("aki", disks.gpt(), disks.MIB),
]


@pytest.mark.parametrize(("declared", "data", "virtual"), GOOD)
def test_good_images_are_taken(cloud: Companions, declared: str, data: bytes, virtual: int) -> None:
    image = cloud.image(data=data, disk_format=declared)
    assert (image["status"], image["virtual_size"]) == ("active", virtual)


BAD = {
    "backing file": ("qcow2", disks.qcow2(backing=b"/etc/passwd"), "refers to a backing file"),
    "data file": ("qcow2", disks.qcow2(incompatible=4), "data in another file"),
    "unknown features": ("qcow2", disks.qcow2(incompatible=1 << 40), "features that are not known"),
    "qcow2 named raw": ("raw", disks.qcow2(), "declared raw, but its bytes are qcow2"),
    "qcow2 named ami": ("ami", disks.qcow2(), "declared ami, but its bytes are qcow2"),
    "descriptor named raw": ("raw", disks.vmdk_descriptor(), "declared raw, but its bytes are vmdk"),
    "descriptor": ("vmdk", disks.vmdk_descriptor(), "unacceptable"),
    "raw named qcow2": ("qcow2", b"\0" * 4096, "declared qcow2, but its bytes are raw"),
    "raw named iso": ("iso", b"\0" * 65536, "declared iso, but its bytes are raw"),
    "cut after the header": ("qcow2", disks.qcow2()[:600], "damaged"),
    "table beyond the end": ("qcow2", disks.qcow2(l1_offset=1 << 40), "damaged"),
    "four bytes": ("qcow2", b"QFI\xfb", "unacceptable"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_images_are_refused_and_leave_nothing(cloud: Companions, name: str) -> None:
    declared, data, words = BAD[name]
    image = cloud.image(disk_format=declared)
    reply = cloud.upload(image["id"], data)
    assert (reply.status_code, words in reply.get_json()["message"]) == (400, True), reply.text
    assert files(cloud) == []
    now = shown(cloud, image["id"])
    assert (now["status"], now["size"], now["checksum"]) == ("queued", None, None)
    good = disks.qcow2() if declared == "qcow2" else b"good"
    if declared in ("raw", "qcow2", "ami"):
        assert cloud.upload(image["id"], good).status_code == 204


def test_a_container_hides_its_disk(cloud: Companions) -> None:
    image = cloud.image(data=b"a tar file", disk_format="vmdk", container_format="ova")
    assert (image["status"], image["virtual_size"]) == ("active", None)


def test_too_large_is_refused_before_and_while_it_arrives(tmp_path: Path) -> None:
    cloud = Companions(tmp_path, {"images.image_size_cap": 1000})
    image = cloud.image()
    assert cloud.upload(image["id"], b"x" * 1001).status_code == 413
    chunked = {"wsgi.input_terminated": True}
    reply = cloud.upload(image["id"], b"x" * 1001, environ_overrides=chunked | {"CONTENT_LENGTH": ""})
    assert (reply.status_code, "at most 1000 bytes" in reply.get_json()["message"]) == (413, True)
    assert (files(cloud), shown(cloud, image["id"])["status"]) == ([], "queued")
    assert cloud.upload(image["id"], b"x" * 1000).status_code == 204
    cloud.close()


def test_a_full_store_is_said_before_it_is_full(tmp_path: Path) -> None:
    cloud = Companions(tmp_path, {"images.min_free_bytes": 1 << 60})
    image = cloud.image()
    reply = cloud.upload(image["id"], b"x")
    assert (reply.status_code, "0 bytes left" in reply.get_json()["message"]) == (413, True)
    assert shown(cloud, image["id"])["status"] == "queued"
    cloud.close()


def test_a_store_that_cannot_be_written_is_a_503(tmp_path: Path) -> None:
    (tmp_path / "images").write_text("a file, not a folder")
    cloud = Companions(tmp_path)
    image = cloud.image()
    assert cloud.upload(image["id"], b"x").status_code == 503
    assert shown(cloud, image["id"])["status"] == "queued"
    cloud.close()


def test_a_body_cut_short_leaves_nothing(cloud: Companions) -> None:
    image = cloud.image()
    reply = cloud.upload(image["id"], b"x" * 10, environ_overrides={"CONTENT_LENGTH": "20"})
    assert reply.status_code == 400
    assert (files(cloud), shown(cloud, image["id"])["status"]) == ([], "queued")


def test_the_second_upload_is_a_conflict(cloud: Companions) -> None:
    image = cloud.image(data=b"first")
    reply = cloud.upload(image["id"], b"second")
    assert (reply.status_code, "is active" in reply.get_json()["message"]) == (409, True)
    assert cloud.v2("GET", f"/images/{image['id']}/file").data == b"first"


def test_bytes_need_formats_and_the_right_type(cloud: Companions) -> None:
    bare = cloud.v2("POST", "/images", json={"name": "x"}).get_json()
    assert cloud.upload(bare["id"], b"x").status_code == 400
    image = cloud.image()
    assert cloud.upload(image["id"], b"x", content_type="text/plain").status_code == 415
    assert cloud.upload("5f8e0b5c-0000-4000-8000-000000000000", b"x").status_code == 404


class Slow:
    """A body that waits in the middle until it is told to go on."""

    def __init__(self) -> None:
        self.began, self.go = threading.Event(), threading.Event()
        self.left = [b"half", b"whole"]

    def read(self, _size: int = -1) -> bytes:
        if len(self.left) == 1:
            self.began.set()
            assert self.go.wait(10)
        return self.left.pop(0) if self.left else b""

    def readline(self, _size: int = -1) -> bytes:
        return b""


def in_the_middle(cloud: Companions, image_id: str) -> tuple[Slow, threading.Thread, list[Any]]:
    body, replies = Slow(), []
    environ = {"wsgi.input": body, "wsgi.input_terminated": True}
    thread = threading.Thread(
        target=lambda: replies.append(cloud.upload(image_id, b"", environ_overrides=environ))
    )
    thread.start()
    assert body.began.wait(10)
    return body, thread, replies


def test_while_bytes_arrive_the_image_is_saving(cloud: Companions) -> None:
    image = cloud.image()
    body, thread, replies = in_the_middle(cloud, image["id"])
    assert shown(cloud, image["id"])["status"] == "saving"
    assert cloud.upload(image["id"], b"other").status_code == 409
    body.go.set()
    thread.join(10)
    assert replies[0].status_code == 204
    assert cloud.v2("GET", f"/images/{image['id']}/file").data == b"halfwhole"


def test_an_image_deleted_while_bytes_arrive_leaves_nothing(cloud: Companions) -> None:
    image = cloud.image()
    body, thread, replies = in_the_middle(cloud, image["id"])
    assert cloud.v2("DELETE", f"/images/{image['id']}").status_code == 204
    body.go.set()
    thread.join(10)
    assert (replies[0].status_code, files(cloud)) == (410, [])


def test_an_upload_whose_worker_died_is_given_up(tmp_path: Path) -> None:
    from novalite.conductor.images import ExpireUploads

    cloud = Companions(tmp_path, {"images.upload_lease": 1})
    image = cloud.image()
    images, ctx = cloud.client.of(Images), system()
    upload = images.begin_upload(ctx, image["id"])["upload_id"]
    sweep = ExpireUploads(cloud.db, cloud.conf)
    assert (sweep.name, sweep.interval, sweep.run()) == ("expire_uploads", 60.0, 0)
    threading.Event().wait(1.05)
    assert sweep.run() == 1
    assert shown(cloud, image["id"])["status"] == "queued"
    late = StoredBytes(location=f"{image['id']}.{upload}", size=1, checksum="x", os_hash_value="y")
    with pytest.raises(Gone):
        images.finish_upload(ctx, image["id"], upload, late)
    with pytest.raises(Gone):
        images.renew_upload(ctx, image["id"], upload)
    assert cloud.upload(image["id"], b"again").status_code == 204
    cloud.close()


def test_an_unheard_answer_is_asked_for_again(cloud: Companions) -> None:
    image = cloud.image()
    with cloud.bus.lose_answer(lambda sent: sent.name == "images.finish_upload", limit=1):
        assert cloud.upload(image["id"], b"bytes").status_code == 204
    assert shown(cloud, image["id"])["status"] == "active"


def test_a_conductor_that_is_away_at_the_end_leaves_the_image_queued(cloud: Companions) -> None:
    image = cloud.image()
    with cloud.bus.lose(lambda sent: sent.name == "images.finish_upload"):
        assert cloud.upload(image["id"], b"bytes").status_code == 503
    assert shown(cloud, image["id"])["status"] == "queued"
    assert len(files(cloud)) == 1, "kept, because nobody knows whether it was heard; the sweep decides"


def test_the_sweep_removes_what_no_image_has(cloud: Companions) -> None:
    kept = cloud.image(data=b"kept")
    service = cloud.http.application.extensions["novalite.images"]
    folder = Path(cloud.conf.images.store_path)
    stray = "5f8e0b5c-0000-4000-8000-000000000000.5f8e0b5c-0000-4000-8000-000000000001"
    for name in (stray, f"{stray}.part", "notes.txt"):
        (folder / name).write_bytes(b"x")
    known = files(cloud)
    assert service.store.sweep(lambda some: service.peer.known_locations(system(), some), 60) == 0
    assert files(cloud) == known
    assert service.store.sweep(lambda some: service.peer.known_locations(system(), some), -1) == 2
    assert len(files(cloud)) == 2 and "notes.txt" in files(cloud)
    assert cloud.v2("GET", f"/images/{kept['id']}/file").data == b"kept"


def test_a_token_for_one_image_opens_that_one_only(cloud: Companions) -> None:
    mine, other = cloud.image(data=b"mine"), cloud.image(data=b"other")
    images = cloud.client.of(Images)
    source = images.source(system(), mine["id"])
    assert source.url.endswith(f"/image/v2/images/{mine['id']}/file")
    assert (source.disk_format, source.size, source.os_hash_algo) == ("raw", 4, "sha512")
    path = f"/images/{mine['id']}"
    assert cloud.v2("GET", f"{path}/file", source.token).data == b"mine"
    assert cloud.v2("GET", f"/images/{other['id']}/file", source.token).status_code == 403
    for method, where in (("GET", path), ("GET", "/images"), ("DELETE", path), ("PUT", f"{path}/tags/x")):
        assert cloud.v2(method, where, source.token).status_code == 403
    assert cloud.request("GET", "/v2.1/servers", source.token).status_code in (400, 403)


def test_staged_bytes_are_imported(cloud: Companions) -> None:
    image = cloud.image()
    path, body = f"/images/{image['id']}/import", {"method": {"name": "glance-direct"}}
    assert cloud.v2("POST", path, json=body).status_code == 409
    assert cloud.upload(image["id"], b"staged", where="stage").status_code == 204
    assert shown(cloud, image["id"])["status"] == "uploading"
    assert cloud.v2("GET", f"/images/{image['id']}/file").status_code == 204
    assert cloud.v2("POST", path, json={"method": {"name": "web-download"}}).status_code == 400
    assert cloud.v2("POST", path, json=body).status_code == 202
    assert shown(cloud, image["id"])["status"] == "active"
    assert cloud.v2("GET", f"/images/{image['id']}/file").data == b"staged"
    info = cloud.v2("GET", "/info/import").get_json()
    assert info["import-methods"]["value"] == ["glance-direct"]


def test_a_deactivated_image_is_not_given_out(cloud: Companions) -> None:
    for name in ("ada", "eve"):
        cloud.member(name)
    mine, eves = cloud.login("ada", "ada", "ada"), cloud.login("eve", "eve", "eve")
    image = cloud.image(mine, data=b"data", visibility="community")
    path = f"/images/{image['id']}"
    assert cloud.v2("POST", f"{path}/actions/deactivate", eves).status_code == 403
    assert cloud.v2("POST", f"{path}/actions/deactivate", mine).status_code == 204
    assert shown(cloud, image["id"])["status"] == "deactivated"
    assert cloud.v2("GET", f"{path}/file", mine).status_code == 403
    assert cloud.v2("GET", f"{path}/file").data == b"data"
    assert cloud.v2("POST", f"{path}/actions/reactivate").status_code == 204
    assert cloud.v2("GET", f"{path}/file", mine).data == b"data"
    queued = cloud.image()
    assert cloud.v2("POST", f"/images/{queued['id']}/actions/deactivate").status_code == 403


def test_an_upload_costs_two_calls_and_a_download_one(cloud: Companions) -> None:
    image = cloud.image()
    cloud.upload(cloud.image()["id"], b"x")  # the first upload of a process looks after the store
    with cloud.bus.recording() as sent:
        cloud.upload(image["id"], b"bytes")
        cloud.v2("GET", f"/images/{image['id']}/file")
    assert [e.name for e in sent] == ["images.begin_upload", "images.finish_upload", "images.opened"]
