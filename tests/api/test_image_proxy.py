"""Images by way of the compute API (to 2.35, metadata to 2.38), over the embedded image service."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cloud import Cloud
from tests.rest import MIB, Rest, sentence

ABSENT = "00000000-0000-4000-8000-00000000abcd"
SERVER = "11111111-0000-4000-8000-00000000abcd"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """One host."""
    with Cloud(tmp_path_factory.mktemp("cloud")) as made:
        yield made


@pytest.fixture
def member(cloud: Cloud) -> Rest:
    """A member."""
    return cloud.rest()


def _get(caller: Rest, path: str, version: str = "2.35") -> Any:
    return caller.get(path, version=version)


def test_an_image_has_the_shape_of_old(cloud: Cloud, member: Rest) -> None:
    image = member.image(
        name="old", min_ram=64, min_disk=1, kind="a", instance_uuid=SERVER, auto_disk_config="True"
    )
    shown = _get(member, f"/images/{image}")["image"]
    created = shown.pop("created")
    assert (len(created), created[-1], shown.pop("updated")[-1]) == (20, "Z", "Z")
    links = {link["rel"]: link["href"] for link in shown.pop("links")}
    assert links == {
        "self": f"http://localhost/v2.1/images/{image}",
        "bookmark": f"http://localhost/images/{image}",
        "alternate": f"http://localhost/image/v2/images/{image}",
    }
    server = shown.pop("server")
    assert (server["id"], server["links"][0]["href"]) == (SERVER, f"http://localhost/v2.1/servers/{SERVER}")
    assert shown == {
        "id": image, "name": "old", "minRam": 64, "minDisk": 1, "status": "ACTIVE", "progress": 100,
        "OS-EXT-IMG-SIZE:size": MIB, "OS-DCF:diskConfig": "AUTO",
        "metadata": {"kind": "a", "instance_uuid": SERVER, "auto_disk_config": "True"},
    }  # fmt: skip
    queued = _get(member, f"/images/{member.image(None)}")["image"]
    assert (queued["status"], queued["progress"], queued["OS-EXT-IMG-SIZE:size"]) == ("SAVING", 25, 0)
    assert "server" not in queued and "OS-DCF:diskConfig" not in queued


def test_lists_are_filtered_and_paged(cloud: Cloud) -> None:
    owner = cloud.rest("owner")
    plain, snapshot = (
        owner.image(name="plain"),
        owner.image(name="snap", image_type="snapshot", instance_uuid=SERVER),
    )
    queued = owner.image(None, name="queued", min_ram=7)

    def found(query: str, caller: Rest = owner) -> list[str]:
        return [image["id"] for image in _get(caller, f"/images/detail?{query}")["images"]]

    assert found("") == [queued, snapshot, plain]
    assert found("name=plain") == [plain]
    assert found("status=ACTIVE") == [snapshot, plain]
    assert found("status=saving") == [queued]
    assert found("status=nonsense") == []
    assert found(f"server={SERVER}") == found(f"server=http://localhost/v2.1/servers/{SERVER}") == [snapshot]
    assert found("type=snapshot") == found("property-image_type=snapshot") == [snapshot]
    assert found("minRam=7") == [queued] and found("minDisk=9") == []
    moment = _get(owner, f"/images/{queued}")["image"]["updated"]
    assert queued in found(f"changes-since={moment}")
    assert found("changes-since=2999-01-01T00:00:00Z") == []
    assert found("", cloud.rest("somebody")) == [], "images are private to their project"
    first = _get(owner, "/images?limit=2")
    assert [sorted(image) for image in first["images"]] == [["id", "links", "name"]] * 2
    assert f"/images?limit=2&marker={snapshot}" in first["images_links"][0]["href"]
    second = _get(owner, f"/images?limit=2&marker={snapshot}")
    assert ([image["id"] for image in second["images"]], "images_links" in second) == ([plain], False)
    assert _get(owner, "/images?limit=0") == {"images": []}
    for query in ("limit=-1", "limit=x", f"marker={ABSENT}", "minRam=x", "changes-since=x"):
        assert owner("GET", f"/images?{query}", version="2.1").status_code == 400, query


def test_metadata_is_the_properties(cloud: Cloud, member: Rest) -> None:
    path = f"/images/{member.image(kind='a')}/metadata"
    old = {"version": "2.38"}
    assert member.get(path, **old) == {"metadata": {"kind": "a"}}
    assert member.made(path, {"metadata": {"more": "b"}}, **old) == {"metadata": {"kind": "a", "more": "b"}}
    assert member("PUT", path, {"metadata": {"only": "c"}}, **old).get_json() == {"metadata": {"only": "c"}}
    assert member("PUT", f"{path}/only", {"meta": {"only": "d"}}, **old).get_json() == {"meta": {"only": "d"}}
    assert member.get(f"{path}/only", **old) == {"meta": {"only": "d"}}
    assert member("PUT", f"{path}/only", {"meta": {"other": "d"}}, **old).status_code == 400
    assert member("PUT", f"{path}/only", {"meta": {"only": "d", "other": "e"}}, **old).status_code == 400
    assert member.post(path, {"metadata": {"min_ram": "7"}}, **old).status_code == 400
    assert member.post(path, {"metadata": {str(n): "x" for n in range(200)}}, **old).status_code == 403
    assert member.delete(f"{path}/only", **old).status_code == 204
    assert member.delete(f"{path}/only", **old).status_code == 404
    assert member.get(path, **old) == {"metadata": {}}
    assert member("GET", path, version="2.39").status_code == 404


def test_images_of_others_are_not_changed(cloud: Cloud, member: Rest) -> None:
    admin, stranger = cloud.rest("admin"), cloud.rest("stranger")
    public, private = admin.image(visibility="public"), member.image(protected=True)
    items = {"metadata": {"a": "b"}}
    for image, status in ((public, 403), (private, 404), (ABSENT, 404), ("x", 404)):
        path = f"/images/{image}"
        assert stranger("DELETE", path, version="2.1").status_code == status, image
        assert stranger("POST", f"{path}/metadata", items, version="2.1").status_code == status, image
        seen = stranger("GET", path, version="2.1").status_code
        assert seen == (200 if image == public else 404)
    assert "protected" in sentence(member.delete(f"/images/{private}", version="2.1"))
    reader = cloud.rest("reader", project="member", role="reader")
    assert reader.get(f"/images/{private}", version="2.1")["image"]["id"] == private
    assert reader.delete(f"/images/{private}", version="2.1").status_code == 403


def test_a_deleted_image_leaves_no_bytes(cloud: Cloud, member: Rest) -> None:
    store = Path(cloud.conf.images.store_path)
    image = member.image()
    assert list(store.glob(f"{image}.*"))
    assert member.delete(f"/images/{image}", version="2.35").status_code == 204
    assert not list(store.glob(f"{image}.*"))
    assert member("GET", f"/images/{image}", version="2.35").status_code == 404
    assert member("DELETE", f"/images/{image}", version="2.36").status_code == 404
