"""Domains, projects, users, groups, roles, services, endpoints and regions through the API."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.companions import Companions

NEW: dict[str, dict[str, Any]] = {
    "domain": {"name": "science"},
    "project": {"name": "lab", "tags": ["a", "b"]},
    "user": {"name": "ada", "password": "x", "email": "ada@example.org"},
    "group": {"name": "staff"},
    "role": {"name": "auditor"},
    "service": {"type": "network", "name": "neutron"},
    "region": {"id": "north"},
}


def shown(cloud: Companions, noun: str, record_id: str) -> dict[str, Any]:
    return dict(cloud.v3("GET", f"/{noun}s/{record_id}").get_json()[noun])


@pytest.mark.parametrize("noun", NEW)
def test_a_record_lives_from_create_to_delete(cloud: Companions, noun: str) -> None:
    made = cloud.make(noun, **NEW[noun])
    assert made["links"]["self"].endswith(f"/identity/v3/{noun}s/{made['id']}")
    assert "password" not in made and "password_hash" not in made
    assert shown(cloud, noun, made["id"]) == made
    reply = cloud.v3("PATCH", f"/{noun}s/{made['id']}", json={noun: {"description": "new"}})
    assert reply.status_code == 200, reply.text
    assert shown(cloud, noun, made["id"])["description"] == "new"
    listed = cloud.v3("GET", f"/{noun}s").get_json()
    assert made["id"] in [record["id"] for record in listed[f"{noun}s"]]
    assert set(listed["links"]) == {"self", "next", "previous"}
    if noun == "domain":
        refused = cloud.v3("DELETE", f"/domains/{made['id']}")
        assert (refused.status_code, "disable it first" in refused.text) == (403, True)
        cloud.v3("PATCH", f"/domains/{made['id']}", json={"domain": {"enabled": False}})
    assert cloud.v3("DELETE", f"/{noun}s/{made['id']}").status_code == 204
    assert cloud.v3("GET", f"/{noun}s/{made['id']}").status_code == 404
    assert cloud.v3("DELETE", f"/{noun}s/{made['id']}").status_code == 404
    assert cloud.v3("PATCH", f"/{noun}s/{made['id']}", json={noun: {}}).status_code == 404


@pytest.mark.parametrize("noun", NEW)
def test_what_clients_write_besides_the_fields_is_kept(cloud: Companions, noun: str) -> None:
    extras = {"project_id": "f00", "floor": 3, "tools": ["saw"], "links": "mine", "extra": {}, "password_hash": "x"}
    made = cloud.make(noun, **extras, **NEW[noun])
    kept = {"project_id": "f00", "floor": 3, "tools": ["saw"]}
    assert made | kept == made == shown(cloud, noun, made["id"])
    assert "self" in made["links"] and not {"extra", "password_hash"} & set(made)
    path, news = f"/{noun}s/{made['id']}", {"floor": 4, "tools": None, "id": "another"}
    changed = cloud.v3("PATCH", path, json={noun: news}).get_json()[noun]
    assert (changed["floor"], changed["project_id"], "tools" in changed) == (4, "f00", False)
    assert changed["id"] == made["id"] and shown(cloud, noun, made["id"]) == changed


@pytest.mark.parametrize("noun", ["domain", "project", "user", "group", "role", "region"])
def test_a_taken_name_is_a_conflict(cloud: Companions, noun: str) -> None:
    cloud.make(noun, **NEW[noun])
    reply = cloud.v3("POST", f"/{noun}s", json={noun: NEW[noun]})
    assert reply.status_code == 409
    assert "exists already" in reply.get_json()["error"]["message"]
    if noun != "region":
        other = cloud.make(noun, **(NEW[noun] | {"name": "second"}))
        body = {noun: {"name": NEW[noun]["name"]}}
        assert cloud.v3("PATCH", f"/{noun}s/{other['id']}", json=body).status_code == 409


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("/projects", {"project": {}}, "project.name. It is required"),
        ("/projects", {"project": {"name": ""}}, "project.name"),
        ("/projects", {"project": {"name": " "}}, "must not be blank"),
        ("/projects", {"project": {"name": "x" * 65}}, "at most 64"),
        ("/projects", {"project": {"name": 5}}, "must be a string"),
        ("/projects", {"project": {"name": "x", "enabled": "maybe"}}, "project.enabled"),
        ("/projects", {"project": {"name": "x", "colour": "r" * 9000}}, "32 attributes and 8192 bytes"),
        ("/users", {"user": {"name": "x", **{f"k{n}": n for n in range(33)}}}, "32 attributes and 8192 bytes"),
        ("/projects", {"project": {"name": "x"}, "colour": "red"}, "colour. There is no such field"),
        ("/projects", {"project": {"name": "x", "enabled": "True"}}, "project.enabled"),
        ("/projects", {"project": {"name": "x", "is_domain": True}}, "project.is_domain"),
        ("/projects", {"project": {"name": "x", "tags": ["a,b"]}}, "neither slash nor comma"),
        ("/projects", [], "must be an object"),
        ("/users", {"user": {"name": "x", "password": "y" * 4097}}, "at most 4096"),
        (
            "/endpoints",
            {"endpoint": {"service_id": "x", "interface": "secret", "url": "http://x"}},
            "interface",
        ),
        ("/endpoints", {"endpoint": {"service_id": "x", "interface": "public", "url": "nonsense"}}, "url"),
        (
            "/endpoints",
            {"endpoint": {"service_id": "x", "interface": "public", "url": "http://x"}},
            "service x",
        ),
        ("/regions", {"region": {"id": "a/b"}}, "region.id"),
        ("/regions", {"region": {"parent_region_id": "nowhere"}}, "region nowhere"),
    ],
)
def test_bad_bodies_are_explained(cloud: Companions, path: str, body: Any, words: str) -> None:
    before = cloud.v3("GET", path).get_json()
    reply = cloud.v3("POST", path, json=body)
    assert (reply.status_code, words in reply.get_json()["error"]["message"]) == (400, True), reply.text
    assert cloud.v3("GET", path).get_json() == before


def test_a_name_is_free_in_another_domain(cloud: Companions) -> None:
    science = cloud.make("domain", name="science")["id"]
    for noun in ("project", "user", "group"):
        first = cloud.make(noun, name="twin")
        second = cloud.make(noun, name="twin", domain_id=science)
        assert (first["domain_id"], second["domain_id"]) == ("default", science)
        found = cloud.v3("GET", f"/{noun}s?domain_id={science}").get_json()[f"{noun}s"]
        assert [record["id"] for record in found] == [second["id"]]
    reply = cloud.v3("POST", "/projects", json={"project": {"name": "x", "domain_id": "nowhere"}})
    assert reply.status_code == 404


def test_what_stays_fixed(cloud: Companions) -> None:
    project = cloud.make("project", name="lab")
    path = f"/projects/{project['id']}"
    assert cloud.v3("PATCH", path, json={"project": {"domain_id": "default"}}).status_code == 200
    reply = cloud.v3("PATCH", path, json={"project": {"domain_id": "other"}})
    assert (reply.status_code, "cannot be changed" in reply.text) == (400, True)


def test_a_domain_goes_with_everything_in_it(cloud: Companions) -> None:
    science = cloud.make("domain", name="science")["id"]
    inside = {
        noun: cloud.make(noun, name="x", domain_id=science)["id"] for noun in ("project", "user", "group")
    }
    cloud.v3("PUT", f"/projects/{inside['project']}/users/{inside['user']}/roles/{cloud.role('member')}")
    cloud.v3("PATCH", f"/domains/{science}", json={"domain": {"enabled": False}})
    assert cloud.v3("DELETE", f"/domains/{science}").status_code == 204
    for noun, record_id in inside.items():
        assert cloud.v3("GET", f"/{noun}s/{record_id}").status_code == 404
    left = cloud.v3("GET", "/role_assignments").get_json()["role_assignments"]
    assert inside["user"] not in [a["user"]["id"] for a in left]


def test_projects_below_projects(cloud: Companions) -> None:
    top = cloud.make("project", name="top")
    below = cloud.make("project", name="below", parent_id=top["id"])
    assert (top["parent_id"], below["parent_id"], below["is_domain"]) == ("default", top["id"], False)
    found = cloud.v3("GET", f"/projects?parent_id={top['id']}").get_json()["projects"]
    assert [project["name"] for project in found] == ["below"]
    assert cloud.v3("DELETE", f"/projects/{top['id']}").status_code == 403
    assert (
        cloud.v3("POST", "/projects", json={"project": {"name": "y", "parent_id": "no"}}).status_code == 404
    )


def test_filters(cloud: Companions) -> None:
    cloud.make("project", name="red", tags=["a", "b"])
    cloud.make("project", name="blue", tags=["b"], enabled=False)

    def names(query: str) -> list[str]:
        return sorted(p["name"] for p in cloud.v3("GET", f"/projects?{query}").get_json()["projects"])

    assert names("name=red") == ["red"]
    assert names("enabled=false") == ["blue"]
    assert names("enabled") == ["admin", "red"]
    assert names("tags=a,b") == ["red"]
    assert names("tags-any=a,b") == ["blue", "red"]
    assert names("not-tags-any=a,b") == ["admin"]
    assert names("name=nothing") == []
    assert names("unknown=1") == ["admin", "blue", "red"]


def test_pages(cloud: Companions) -> None:
    for number in range(5):
        cloud.make("project", name=f"p{number}")
    seen, path = [], "/projects?limit=2"
    while path:
        page = cloud.v3("GET", path).get_json()
        seen += [project["name"] for project in page["projects"]]
        path = (page["links"]["next"] or "").removeprefix("http://localhost/identity/v3")
    assert sorted(seen) == ["admin", "p0", "p1", "p2", "p3", "p4"]
    assert cloud.v3("GET", "/projects?limit=none").status_code == 400


def test_the_catalog_follows_services_and_endpoints(cloud: Companions) -> None:
    service = cloud.make("service", type="volumev3", name="cinder")
    url = "http://volumes.test/v3/%(project_id)s"
    point = cloud.make("endpoint", service_id=service["id"], interface="public", url=url, region="Mars")
    assert (point["region"], point["region_id"]) == ("Mars", "Mars")
    assert cloud.v3("GET", "/regions/Mars").status_code == 200

    def volume_urls() -> list[str]:
        found = cloud.v3("GET", "/auth/catalog").get_json()["catalog"]
        return [e["url"] for s in found if s["type"] == "volumev3" for e in s["endpoints"]]

    project = cloud.v3("GET", "/projects?name=admin").get_json()["projects"][0]["id"]
    assert volume_urls() == [f"http://volumes.test/v3/{project}"]
    found = cloud.v3("GET", f"/endpoints?service_id={service['id']}&interface=public").get_json()["endpoints"]
    assert [e["id"] for e in found] == [point["id"]]
    assert cloud.v3("DELETE", "/regions/Mars").status_code == 409
    cloud.v3("PATCH", f"/endpoints/{point['id']}", json={"endpoint": {"enabled": False}})
    assert volume_urls() == []
    assert cloud.v3("DELETE", f"/services/{service['id']}").status_code == 204
    assert cloud.v3("GET", f"/endpoints/{point['id']}").status_code == 404


def test_regions_form_a_tree(cloud: Companions) -> None:
    assert cloud.v3("PUT", "/regions/north", json={"region": {}}).status_code == 201
    cloud.make("region", id="far-north", parent_region_id="north")
    found = cloud.v3("GET", "/regions?parent_region_id=north").get_json()["regions"]
    assert [region["id"] for region in found] == ["far-north"]
    circle = cloud.v3("PATCH", "/regions/north", json={"region": {"parent_region_id": "far-north"}})
    assert circle.status_code == 400
    assert cloud.v3("DELETE", "/regions/north").status_code == 409


def test_members_see_themselves_and_nobody_else(cloud: Companions) -> None:
    project, user = cloud.member("ada")
    other, stranger = cloud.member("bob")
    mine = cloud.login("ada", "ada", "ada")
    assert cloud.v3("GET", f"/users/{user['id']}", mine).status_code == 200
    assert cloud.v3("GET", f"/projects/{project['id']}", mine).status_code == 200
    assert cloud.v3("GET", f"/users/{user['id']}/projects", mine).get_json()["projects"][0]["name"] == "ada"
    for path in (
        f"/users/{stranger['id']}", f"/projects/{other['id']}", "/users/none", "/projects", "/users",
        "/services", "/roles", "/domains", "/role_assignments", f"/users/{stranger['id']}/projects",
    ):  # fmt: skip
        assert cloud.v3("GET", path, mine).status_code == 403, path
    for method, path, body in (
        ("POST", "/projects", {"project": {"name": "x"}}),
        ("PATCH", f"/users/{user['id']}", {"user": {"enabled": True}}),
        ("DELETE", f"/projects/{project['id']}", None),
        ("PUT", f"/projects/{project['id']}/users/{user['id']}/roles/{cloud.role('admin')}", None),
        ("POST", "/users", {"user": {"name": "x"}}),
    ):
        assert cloud.v3(method, path, mine, json=body).status_code == 403, path


def test_a_domain_manager_keeps_to_the_domain(cloud: Companions) -> None:
    science = cloud.make("domain", name="science")["id"]
    boss = cloud.make("user", name="boss", domain_id=science, password="boss")
    cloud.v3("PUT", f"/domains/{science}/users/{boss['id']}/roles/{cloud.role('manager')}")
    login = {"methods": ["password"], "password": {"user": {"id": boss["id"], "password": "boss"}}}
    mine = cloud.auth(login, {"domain": {"id": science}}).headers["X-Subject-Token"]
    made = cloud.v3("POST", "/users", mine, json={"user": {"name": "new"}})
    assert (made.status_code, made.get_json()["user"]["domain_id"]) == (201, science)
    names = [u["name"] for u in cloud.v3("GET", "/users", mine).get_json()["users"]]
    assert sorted(names) == ["boss", "new"]
    outside = cloud.make("user", name="outside")
    assert cloud.v3("DELETE", f"/users/{outside['id']}", mine).status_code == 403
    assert cloud.v3("GET", f"/users/{outside['id']}", mine).status_code == 403
    body = {"user": {"name": "x", "domain_id": "default"}}
    assert cloud.v3("POST", "/users", mine, json=body).status_code == 403
    assert cloud.v3("DELETE", f"/users/{made.get_json()['user']['id']}", mine).status_code == 204


def test_projects_and_users_are_cheap(cloud: Companions) -> None:
    """Each is one call; statements include the BEGIN."""
    role = cloud.role("member")

    def cost(*request: Any, **more: Any) -> tuple[int, int, Any]:
        before = cloud.db.statements
        with cloud.bus.recording() as sent:
            reply = cloud.v3(*request, **more)
        assert reply.status_code in (201, 204), reply.text
        calls = sum(envelope.kind.value == "call" for envelope in sent)
        return calls, cloud.db.statements - before, reply

    calls, statements, reply = cost("POST", "/projects", json={"project": {"name": "p"}})
    assert (calls, statements) == (1, 3)
    project = reply.get_json()["project"]["id"]
    calls, statements, reply = cost("POST", "/users", json={"user": {"name": "u", "password": "p"}})
    assert (calls, statements) == (1, 3)
    user = reply.get_json()["user"]["id"]
    calls, statements, _ = cost("PUT", f"/projects/{project}/users/{user}/roles/{role}")
    assert (calls, statements) <= (1, 6)
    for path in (f"/users/{user}", f"/projects/{project}"):
        calls, statements, _ = cost("DELETE", path)
        assert calls <= 2 and statements <= 9, (path, calls, statements)


def test_tags_of_a_project_one_by_one(cloud: Companions) -> None:
    project, _ = cloud.member("ada")
    path = f"/projects/{project['id']}/tags"
    mine = cloud.login("ada", "ada", "ada")
    assert cloud.v3("PUT", path, json={"tags": ["a", "b"]}).get_json()["tags"] == ["a", "b"]
    assert cloud.v3("PUT", f"{path}/c").status_code == cloud.v3("PUT", f"{path}/c").status_code == 201
    assert cloud.v3("GET", path, mine).get_json()["tags"] == ["a", "b", "c"]
    assert [cloud.v3("GET", f"{path}/{tag}").status_code for tag in "cx"] == [204, 404]
    assert [cloud.v3("DELETE", f"{path}/a").status_code for _ in range(2)] == [204, 404]
    assert cloud.v3("PUT", f"{path}/d", mine).status_code == 403
    assert cloud.v3("PUT", f"{path}/d,e").status_code == 400
    assert cloud.v3("PUT", path, json={"tags": ["a/b"]}).status_code == 400
    assert cloud.v3("DELETE", path).status_code == 204
    assert cloud.v3("GET", path).get_json()["tags"] == []
    assert cloud.v3("GET", "/projects/absent/tags").status_code == 404


def test_the_domain_of_ones_project_may_be_seen(cloud: Companions) -> None:
    cloud.member("ada")
    mine = cloud.login("ada", "ada", "ada")
    assert cloud.v3("GET", "/domains/default", mine).status_code == 200
    other = cloud.make("domain", name="other")["id"]
    assert cloud.v3("GET", f"/domains/{other}", mine).status_code == 403
    assert cloud.v3("GET", "/domains", mine).status_code == 403
