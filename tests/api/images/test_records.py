"""Images as records: create, list, filter, page, patch, tags, members, who sees what."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.api.companions import Companions

NOWHERE = "5f8e0b5c-0000-4000-8000-000000000000"
PATCH = "application/openstack-images-v2.1-json-patch"


def patch(cloud: Companions, image_id: str, rows: Any, token: str = "", kind: str = PATCH) -> Any:
    return cloud.v2("PATCH", f"/images/{image_id}", token, data=json.dumps(rows), content_type=kind)


def ids(cloud: Companions, query: str = "", token: str = "") -> set[str]:
    reply = cloud.v2("GET", f"/images?{query}", token)
    assert reply.status_code == 200, reply.text
    return {image["id"] for image in reply.get_json()["images"]}


def names(cloud: Companions, query: str, token: str = "") -> list[str]:
    return [i["name"] for i in cloud.v2("GET", f"/images?{query}", token).get_json()["images"]]


def test_a_new_image_shows_every_field(cloud: Companions) -> None:
    reply = cloud.v2(
        "POST", "/images", json={"name": "web", "tags": ["b", "a", "a"], "hw_disk_bus": "virtio"}
    )
    image = reply.get_json()
    assert reply.status_code == 201
    assert reply.headers["Location"].endswith(f"/image/v2/images/{image['id']}")
    assert reply.headers["OpenStack-image-import-methods"] == "glance-direct"
    project = cloud.v3("GET", "/projects?name=admin").get_json()["projects"][0]["id"]
    assert image == {
        "id": image["id"], "name": "web", "status": "queued", "visibility": "shared", "owner": project,
        "protected": False, "os_hidden": False, "disk_format": None, "container_format": None, "size": None,
        "virtual_size": None, "checksum": None, "os_hash_algo": None, "os_hash_value": None, "min_disk": 0,
        "min_ram": 0, "tags": ["a", "b"], "created_at": image["created_at"],
        "updated_at": image["created_at"], "hw_disk_bus": "virtio", "self": f"/v2/images/{image['id']}",
        "file": f"/v2/images/{image['id']}/file", "schema": "/v2/schemas/image",
    }  # fmt: skip
    assert image["created_at"].endswith("Z") and len(image["created_at"]) == 20
    assert cloud.v2("GET", f"/images/{image['id']}").get_json() == image
    assert cloud.v2("GET", f"/images/{image['id']}/tasks").get_json() == {"tasks": []}


def test_the_id_may_be_chosen_once(cloud: Companions) -> None:
    assert cloud.image(id=NOWHERE)["id"] == NOWHERE
    reply = cloud.v2("POST", "/images", json={"id": NOWHERE})
    assert (reply.status_code, "exists already" in reply.get_json()["message"]) == (409, True)


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ([], 400, "must be an object"),
        ({"name": 5}, 400, "name"),
        ({"name": "x" * 256}, 400, "at most 255"),
        ({"id": "nonsense"}, 400, "must be a UUID"),
        ({"disk_format": "floppy"}, 400, "disk_format"),
        ({"container_format": "bag"}, 400, "container_format"),
        ({"visibility": "secret"}, 400, "visibility"),
        ({"min_disk": -1}, 400, "min_disk"),
        ({"min_ram": 1 << 40}, 400, "min_ram"),
        ({"protected": "perhaps"}, 400, "protected"),
        ({"tags": "one"}, 400, "tags"),
        ({"tags": [""]}, 400, "tags"),
        ({"hw_disk_bus": 5}, 400, "hw_disk_bus"),
        ({"hw_disk_bus": "x" * 65536}, 400, "at most 65535"),
        ({"x" * 256: "y"}, 400, "at most 255"),
        ({"size": 5}, 403, "read-only"),
        ({"status": "active"}, 403, "read-only"),
        ({"os_glance_import": "x"}, 403, "reserved"),
        ({f"p{n}": "x" for n in range(129)}, 413, "at most 128"),
    ],
)
def test_bad_images_are_explained(cloud: Companions, body: Any, status: int, words: str) -> None:
    reply = cloud.v2("POST", "/images", json=body)
    assert (reply.status_code, words in reply.get_json()["message"]) == (status, True), reply.text
    assert ids(cloud) == set()


def test_what_is_not_there(cloud: Companions) -> None:
    for image_id in (NOWHERE, "null", "x"):
        for method in ("GET", "DELETE"):
            reply = cloud.v2(method, f"/images/{image_id}")
            assert (reply.status_code, reply.get_json()["code"]) == (404, 404)
    assert patch(cloud, NOWHERE, [{"op": "replace", "path": "/name", "value": "x"}]).status_code == 404
    assert cloud.v2("GET", "/images", None).status_code == 401


# --- patches -----------------------------------------------------------------------------------------


def test_a_patch_changes_fields_and_properties(cloud: Companions) -> None:
    image = cloud.image(colour="red", size_of="x")
    reply = patch(
        cloud,
        image["id"],
        [
            {"op": "replace", "path": "/name", "value": "new"},
            {"op": "add", "path": "/a~1b", "value": "slash"},
            {"op": "replace", "path": "/colour", "value": "blue"},
            {"op": "remove", "path": "/size_of"},
            {"op": "replace", "path": "/tags", "value": ["t2", "t1"]},
            {"op": "replace", "path": "/min_disk", "value": 3},
            {"op": "replace", "path": "/disk_format", "value": "qcow2"},
        ],
    )
    seen = reply.get_json()
    assert reply.status_code == 200, reply.text
    assert (seen["name"], seen["a/b"], seen["colour"], seen["tags"]) == ("new", "slash", "blue", ["t1", "t2"])
    assert (seen["min_disk"], seen["disk_format"], "size_of" in seen) == (3, "qcow2", False)
    assert cloud.v2("GET", f"/images/{image['id']}").get_json() == seen
    old = [{"replace": "/name", "value": "older form"}]
    assert patch(cloud, image["id"], old, kind=PATCH.replace("2.1", "2.0")).get_json()["name"] == "older form"


@pytest.mark.parametrize(
    ("rows", "status", "words"),
    [
        ({}, 400, "must be a list"),
        ([], 400, "must be a list"),
        ([{"op": "move", "path": "/name"}], 400, "op"),
        ([{"op": "replace", "path": "name", "value": "x"}], 400, "does not name"),
        ([{"op": "replace", "path": "/a/b", "value": "x"}], 400, "does not name"),
        ([{"op": "replace", "path": "/name"}], 400, "needs a value"),
        ([{"op": "replace", "path": "/min_ram", "value": "many"}], 400, "min_ram"),
        ([{"op": "replace", "path": "/colour", "value": 5}], 400, "colour"),
        ([{"op": "replace", "path": "/id", "value": NOWHERE}], 403, "read-only"),
        ([{"op": "replace", "path": "/size", "value": 5}], 403, "read-only"),
        ([{"op": "replace", "path": "/os_glance_x", "value": "y"}], 403, "reserved"),
        ([{"op": "remove", "path": "/name"}], 403, "cannot be removed"),
        ([{"op": "replace", "path": "/none", "value": "x"}], 409, "no property 'none'"),
        ([{"op": "remove", "path": "/none"}], 409, "no property 'none'"),
    ],
)
def test_bad_patches_change_nothing(cloud: Companions, rows: Any, status: int, words: str) -> None:
    image = cloud.image(colour="red")
    good = {"op": "replace", "path": "/name", "value": "changed"}
    sent = [good, *rows] if isinstance(rows, list) and rows else rows
    reply = patch(cloud, image["id"], sent)
    assert (reply.status_code, words in reply.get_json()["message"]) == (status, True), reply.text
    assert cloud.v2("GET", f"/images/{image['id']}").get_json() == image
    assert patch(cloud, image["id"], [good], kind="application/json").status_code == 415


def test_formats_are_fixed_once_there_are_bytes(cloud: Companions) -> None:
    image = cloud.image(data=b"x")
    reply = patch(cloud, image["id"], [{"op": "replace", "path": "/disk_format", "value": "qcow2"}])
    assert (reply.status_code, "while the image is queued" in reply.get_json()["message"]) == (403, True)


def test_a_protected_image_stays(cloud: Companions) -> None:
    image = cloud.image(protected=True)
    reply = cloud.v2("DELETE", f"/images/{image['id']}")
    assert (reply.status_code, "protected" in reply.get_json()["message"]) == (403, True)
    patch(cloud, image["id"], [{"op": "replace", "path": "/protected", "value": False}])
    assert cloud.v2("DELETE", f"/images/{image['id']}").status_code == 204
    assert cloud.v2("GET", f"/images/{image['id']}").status_code == 404


def test_tags(cloud: Companions) -> None:
    path = f"/images/{cloud.image()['id']}"
    for _ in range(2):
        assert cloud.v2("PUT", f"{path}/tags/blue").status_code == 204
    assert cloud.v2("GET", path).get_json()["tags"] == ["blue"]
    assert cloud.v2("PUT", f"{path}/tags/{'x' * 256}").status_code == 400
    assert cloud.v2("DELETE", f"{path}/tags/blue").status_code == 204
    assert cloud.v2("DELETE", f"{path}/tags/blue").status_code == 404


# --- lists -------------------------------------------------------------------------------------------


def test_filters(cloud: Companions) -> None:
    small = cloud.image(data=b"123", name="small", colour="red", tags=["a", "b"])["id"]
    large = cloud.image(data=b"1234567890", name="large, really", disk_format="aki", tags=["a"], min_ram=5)[
        "id"
    ]
    queued = cloud.image(name="queued", disk_format="qcow2", protected=True)["id"]
    both, everything = {small, large}, {small, large, queued}
    cases = {
        "": everything,
        "name=small": {small},
        'name=in:small,"large, really"': both,
        f"id=in:{small},{queued}": {small, queued},
        "status=active": both,
        "status=in:active,queued": everything,
        "disk_format=aki": {large},
        "container_format=bare": everything,
        "size_min=5": {large},
        "size_max=5": {small},
        "size=3": {small},
        "min_ram=5": {large},
        "protected=true": {queued},
        "tag=a": both,
        "tag=a&tag=b": {small},
        "colour=red": {small},
        "colour=blue": set(),
        "created_at=gt:2001-01-01T00:00:00Z": everything,
        "created_at=lt:2001-01-01T00:00:00Z": set(),
        "updated_at=gte:2001-01-01": everything,
        "visibility=shared": everything,
        "visibility=public": set(),
        "os_hidden=true": set(),
        f"owner={NOWHERE}": set(),
    }
    for query, wanted in cases.items():
        assert ids(cloud, query) == wanted, query


@pytest.mark.parametrize(
    "query",
    ["limit=-1", "limit=x", "size_min=x", "visibility=odd", "member_status=odd", "status=odd",
     "os_hidden=odd", "created_at=soon", "created_at=gt:soon", "sort=odd", "sort=name:up",
     "sort_key=name&sort_dir=up",
     "sort=name&sort_key=id", "sort_key=a&sort_key=b&sort_key=c&sort_dir=asc&sort_dir=asc", "id=in:",
     f"marker={NOWHERE}", "sort=location"],
)  # fmt: skip
def test_bad_queries_are_explained(cloud: Companions, query: str) -> None:
    reply = cloud.v2("GET", f"/images?{query}")
    assert (reply.status_code, bool(reply.get_json()["message"])) == (400, True), reply.text


def test_order(cloud: Companions) -> None:
    for name, size in (("b", 2), ("a", 2), ("c", 1)):
        cloud.image(data=b"x" * size, name=name)
    cloud.image(name="d")
    assert names(cloud, "") == ["d", "c", "a", "b"]
    assert names(cloud, "sort=name:asc") == ["a", "b", "c", "d"]
    assert names(cloud, "sort=size:desc,name:asc") == ["a", "b", "c", "d"]
    assert names(cloud, "sort_key=size&sort_dir=asc&sort_key=name&sort_dir=desc") == ["d", "c", "b", "a"]
    assert names(cloud, "sort_key=name&sort_key=size&sort_dir=desc") == ["d", "c", "b", "a"]


@pytest.mark.parametrize("sort", ["", "sort=name:asc", "sort=size:desc,name:asc", "sort=status:asc,size:asc"])
def test_pages_hold_every_image_once(cloud: Companions, sort: str) -> None:
    for number in range(7):
        cloud.image(data=b"x" * (number % 3) if number % 2 else None, name="same" if number < 5 else None)
    whole = [i["id"] for i in cloud.v2("GET", f"/images?{sort}").get_json()["images"]]
    seen, path = [], f"/v2/images?limit=3&{sort}"
    while path:
        page = cloud.request("GET", f"/image{path}").get_json()
        assert page["first"].startswith("/v2/images?limit=3") and page["schema"] == "/v2/schemas/images"
        seen += [image["id"] for image in page["images"]]
        path = page.get("next")
    assert (seen, len(set(seen))) == (whole, 7)


def test_a_list_costs_one_call_and_three_statements(cloud: Companions) -> None:
    for number in range(5):
        cloud.image(name=str(number), colour="red", tags=["a"])
    before = cloud.db.statements
    with cloud.bus.recording() as sent:
        assert len(ids(cloud)) == 5
    assert ([e.name for e in sent], cloud.db.statements - before) == (["images.page"], 4)  # one is BEGIN


# --- who sees what -----------------------------------------------------------------------------------


@pytest.fixture
def people(cloud: Companions) -> dict[str, Any]:
    made = {}
    for name in ("ada", "bob"):
        project, _ = cloud.member(name)
        made[name] = {"project": project["id"], "token": cloud.login(name, name, name)}
    return made


def test_visibility(cloud: Companions, people: dict[str, Any]) -> None:
    ada, bob = people["ada"]["token"], people["bob"]["token"]
    mine = {v: cloud.image(ada, name=v, visibility=v)["id"] for v in ("private", "shared", "community")}
    public = cloud.image(visibility="public", name="public")["id"]
    assert ids(cloud, token=ada) == {*mine.values(), public}
    assert ids(cloud, token=bob) == {public}
    assert ids(cloud, "visibility=community", bob) == {mine["community"]}
    assert ids(cloud, "visibility=all", bob) == {mine["community"], public}
    assert ids(cloud, "visibility=private", bob) == set()
    assert ids(cloud, f"id={mine['private']}", bob) == set()
    assert ids(cloud) == {mine["private"], mine["shared"], public}
    for kind, status in (("private", 404), ("shared", 404), ("community", 200)):
        assert cloud.v2("GET", f"/images/{mine[kind]}", bob).status_code == status
        assert cloud.v2("GET", f"/images/{mine[kind]}").status_code == 200
    for image_id, status in ((mine["private"], 404), (mine["community"], 403), (public, 403)):
        rename = [{"op": "replace", "path": "/name", "value": "taken"}]
        assert patch(cloud, image_id, rename, bob).status_code == status
        assert cloud.v2("DELETE", f"/images/{image_id}", bob).status_code == status
        assert cloud.v2("PUT", f"/images/{image_id}/tags/x", bob).status_code == status
        assert cloud.upload(image_id, b"x", bob).status_code == status


def test_only_admins_publish_and_give_away(cloud: Companions, people: dict[str, Any]) -> None:
    ada, bob = people["ada"], people["bob"]
    body = {"name": "x", "visibility": "public"}
    assert cloud.v2("POST", "/images", ada["token"], json=body).status_code == 403
    image = cloud.image(ada["token"])
    publish = [{"op": "replace", "path": "/visibility", "value": "public"}]
    give = [{"op": "replace", "path": "/owner", "value": bob["project"]}]
    for rows in (publish, give):
        assert patch(cloud, image["id"], rows, ada["token"]).status_code == 403
        assert patch(cloud, image["id"], rows).status_code == 200
    assert cloud.v2("GET", f"/images/{image['id']}").get_json()["owner"] == bob["project"]
    assert cloud.v2("POST", "/images", ada["token"], json={"owner": bob["project"]}).status_code == 403


def test_readers_only_read(cloud: Companions) -> None:
    cloud.member("rita", "reader")
    rita = cloud.login("rita", "rita", "rita")
    assert cloud.v2("GET", "/images", rita).status_code == 200
    assert cloud.v2("POST", "/images", rita, json={"name": "x"}).status_code == 403


def test_hidden_images_are_left_out(cloud: Companions) -> None:
    hidden = cloud.image(os_hidden=True)["id"]
    assert (ids(cloud), ids(cloud, "os_hidden=true")) == (set(), {hidden})
    assert cloud.v2("GET", f"/images/{hidden}").status_code == 200


def test_sharing(cloud: Companions, people: dict[str, Any]) -> None:
    ada, bob = people["ada"]["token"], people["bob"]["token"]
    member = people["bob"]["project"]
    image = cloud.image(ada)["id"]
    path = f"/images/{image}/members"
    made = cloud.v2("POST", path, ada, json={"member": member})
    record = made.get_json()
    assert (made.status_code, record["member_id"], record["status"]) == (200, member, "pending")
    assert cloud.v2("POST", path, ada, json={"member": member}).status_code == 409
    assert cloud.v2("GET", f"/images/{image}", bob).status_code == 200
    assert (ids(cloud, token=bob), ids(cloud, "member_status=pending", bob)) == (set(), {image})
    one = f"{path}/{member}"
    assert cloud.v2("PUT", one, ada, json={"status": "accepted"}).status_code == 403
    assert cloud.v2("PUT", one, bob, json={"status": "maybe"}).status_code == 400
    assert cloud.v2("PUT", one, bob, json={"status": "accepted"}).get_json()["status"] == "accepted"
    assert ids(cloud, token=bob) == {image}
    assert [m["member_id"] for m in cloud.v2("GET", path, bob).get_json()["members"]] == [member]
    assert cloud.v2("GET", one, ada).get_json()["status"] == "accepted"
    assert cloud.v2("DELETE", one, bob).status_code == 403
    assert cloud.v2("DELETE", one, ada).status_code == 204
    assert cloud.v2("DELETE", one, ada).status_code == 404
    assert cloud.v2("GET", f"/images/{image}", bob).status_code == 404
    assert cloud.v2("POST", path, ada, json={"member": 5}).status_code == 400
    assert cloud.v2("POST", path, ada, json={}).status_code == 400
    private = cloud.image(ada, visibility="private")["id"]
    assert cloud.v2("POST", f"/images/{private}/members", ada, json={"member": member}).status_code == 403


# --- documents ---------------------------------------------------------------------------------------


def test_discovery_needs_no_token(cloud: Companions) -> None:
    for path, status in (("/image", 300), ("/image/", 300), ("/image/versions", 200), ("/image/v2/", 200)):
        reply = cloud.request("GET", path, None)
        current = [v for v in reply.get_json()["versions"] if v["status"] == "CURRENT"]
        assert (reply.status_code, [v["id"] for v in current]) == (status, ["v2.17"])
        assert current[0]["links"] == [{"rel": "self", "href": "http://localhost/image/v2/"}]


@pytest.mark.parametrize("name", ["image", "images", "member", "members"])
def test_schemas(cloud: Companions, name: str) -> None:
    document = cloud.v2("GET", f"/schemas/{name}").get_json()
    assert document["name"] == name
    if name == "image":
        fields = set(cloud.image())
        assert fields <= set(document["properties"])


def test_an_image_without_an_id_does_not_exist(cloud: Companions) -> None:
    for method in ("GET", "DELETE", "PATCH"):
        assert cloud.v2(method, "/images/").status_code == 404


def test_bytes_are_said_to_be_in_the_only_store(cloud: Companions) -> None:
    (store,) = cloud.v2("GET", "/info/stores").get_json()["stores"]
    assert cloud.image(data=b"data")["stores"] == store["id"]
    assert "stores" not in cloud.image()
