"""Logging in, looking at tokens, ending them."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.api.companions import PASSWORD, Companions

PROJECT = {"project": {"name": "admin", "domain": {"id": "default"}}}

SERVICES = {"identity", "compute", "image", "network", "placement"}


def test_a_password_gives_a_token_with_roles_and_catalog(cloud: Companions) -> None:
    reply = cloud.auth(cloud.password("admin", PASSWORD), PROJECT)
    token = reply.get_json()["token"]
    assert reply.status_code == 201
    assert token["user"] == {
        "id": token["user"]["id"],
        "name": "admin",
        "domain": {"id": "default", "name": "Default"},
        "password_expires_at": None,
    }
    assert token["project"]["name"] == "admin"
    assert {role["name"] for role in token["roles"]} == {"admin", "manager", "member", "reader"}
    assert token["methods"] == ["password"]
    urls = {s["type"]: {e["interface"]: e["url"] for e in s["endpoints"]} for s in token["catalog"]}
    assert urls["compute"]["public"] == "http://cloud.test/v2.1"
    assert urls["identity"]["public"] == "http://cloud.test/identity/v3"
    assert urls["image"]["internal"] == "http://cloud.test/image"
    assert token["expires_at"].endswith("Z") and len(token["expires_at"]) == 27
    assert len(reply.headers["X-Subject-Token"]) < 500


def test_nocatalog_leaves_the_catalog_out(cloud: Companions) -> None:
    body = {"auth": {"identity": cloud.password("admin", PASSWORD), "scope": PROJECT}}
    reply = cloud.v3("POST", "/auth/tokens?nocatalog", None, json=body)
    assert "catalog" not in reply.get_json()["token"]


@pytest.mark.parametrize(
    ("scope", "key"),
    [({"domain": {"id": "default"}}, "domain"), ({"system": {"all": True}}, "system"), ("unscoped", None)],
)
def test_a_token_can_be_for_a_domain_the_system_or_nothing(cloud: Companions, scope: Any, key: str) -> None:
    token = cloud.auth(cloud.password("admin", PASSWORD), scope).get_json()["token"]
    found = {"project", "domain", "system", "roles", "catalog"} & token.keys()
    assert found == ({key, "roles", "catalog"} if key else set())


def test_without_a_scope_the_default_project_counts(cloud: Companions) -> None:
    project, user = cloud.member("ada")
    assert "project" not in cloud.auth(cloud.password("ada", "ada")).get_json()["token"]
    cloud.v3("PATCH", f"/users/{user['id']}", json={"user": {"default_project_id": project["id"]}})
    token = cloud.auth(cloud.password("ada", "ada")).get_json()["token"]
    assert token["project"]["id"] == project["id"]


def bad_logins(cloud: Companions) -> list[tuple[Any, Any]]:
    project, _ = cloud.member("ada")
    right = cloud.password("ada", "ada")
    return [
        (cloud.password("ada", "wrong"), None),
        (cloud.password("nobody", "ada"), None),
        ({"methods": ["password"], "password": {"user": {"id": "x" * 32, "password": "ada"}}}, None),
        ({"methods": ["password"], "password": {"user": {"name": "ada", "password": "ada"}}}, None),
        (right, {"project": {"name": "no-such", "domain": {"id": "default"}}}),
        (right, PROJECT),
        (right, {"domain": {"id": "default"}}),
        (right, {"system": {"all": True}}),
        (right, {"project": {"id": project["id"][:-1]}}),
        ({"methods": ["token"], "token": {"id": "not-a-token"}}, None),
        ({"methods": ["application_credential"], "application_credential": {"id": "x", "secret": "y"}}, None),
    ]


def test_every_bad_login_gets_the_same_answer(cloud: Companions) -> None:
    answers = {(r.status_code, r.get_json()["error"]["message"]) for r in
               (cloud.auth(who, scope) for who, scope in bad_logins(cloud))}  # fmt: skip
    assert {status for status, _ in answers} == {401}
    sentences = {sentence for _, sentence in answers}
    assert all("requires authentication" in sentence for sentence in sentences)


@pytest.mark.parametrize(
    ("auth", "words"),
    [
        ({}, "auth.identity. It is required"),
        ({"identity": {"methods": ["password"]}}, "auth.identity.password is required"),
        ({"identity": {"methods": []}}, "at least 1"),
        ({"identity": {"methods": ["magic"]}}, "auth.identity.methods[0]"),
        (
            {"identity": {"methods": ["password"], "password": {"user": {"name": 5, "password": "x"}}}},
            "string",
        ),
        ({"identity": {"methods": ["token"], "token": {"id": "t"}}, "scope": {}}, "exactly one"),
        ({"identity": {"methods": ["token"], "token": {"id": "t"}}, "surprise": 1}, "surprise"),
    ],
)
def test_a_malformed_login_is_explained(cloud: Companions, auth: Any, words: str) -> None:
    reply = cloud.v3("POST", "/auth/tokens", None, json={"auth": auth})
    assert reply.status_code == 400
    assert words in reply.get_json()["error"]["message"]


def test_unreadable_json_is_explained(cloud: Companions) -> None:
    reply = cloud.v3("POST", "/auth/tokens", None, data=b"{", content_type="application/json")
    assert (reply.status_code, reply.get_json()["error"]["title"]) == (400, "Bad Request")


def test_requests_without_or_with_a_bad_token_are_refused(cloud: Companions) -> None:
    for token in (None, "bad", cloud.admin[:-2] + "xx", cloud.admin * 30):
        reply = cloud.v3("GET", "/projects", token)
        assert reply.status_code == 401
        assert reply.get_json()["error"]["code"] == 401
        assert "WWW-Authenticate" in reply.headers


def test_a_token_can_be_looked_at(cloud: Companions) -> None:
    cloud.member("ada")
    mine = cloud.login("ada", "ada", "ada")
    seen = cloud.v3("GET", "/auth/tokens", headers={"X-Subject-Token": mine})
    assert (seen.status_code, seen.get_json()["token"]["user"]["name"]) == (200, "ada")
    assert seen.headers["X-Subject-Token"] == mine
    assert {s["type"] for s in seen.get_json()["token"]["catalog"]} == SERVICES
    own = cloud.v3("HEAD", "/auth/tokens", mine, headers={"X-Subject-Token": mine})
    assert (own.status_code, own.data) == (200, b"")
    assert cloud.v3("GET", "/auth/tokens", mine, headers={"X-Subject-Token": cloud.admin}).status_code == 403
    assert cloud.v3("GET", "/auth/tokens", headers={"X-Subject-Token": "junk"}).status_code == 404
    assert cloud.v3("GET", "/auth/tokens").status_code == 400


def test_a_deleted_token_is_void_in_every_worker(cloud: Companions) -> None:
    cloud.member("ada")
    mine, other = cloud.login("ada", "ada", "ada"), cloud.login("ada", "ada", "ada")
    second, _ = cloud.worker()
    assert cloud.v3("GET", "/auth/projects", mine, http=second).status_code == 200
    assert cloud.v3("DELETE", "/auth/tokens", mine, headers={"X-Subject-Token": mine}).status_code == 204
    assert cloud.v3("GET", "/auth/tokens", headers={"X-Subject-Token": mine}).status_code == 404
    for http in (cloud.http, second):
        assert cloud.v3("GET", "/auth/projects", mine, http=http).status_code == 401
        assert cloud.v3("GET", "/auth/projects", other, http=http).status_code == 200


def test_a_worker_that_heard_nothing_learns_by_polling(tmp_path: Any) -> None:
    cloud = Companions(tmp_path, {"identity.revocation_poll_interval": 0})
    cloud.member("ada")
    mine = cloud.login("ada", "ada", "ada")
    deaf, _ = cloud.worker(listens=False)
    assert cloud.v3("GET", "/auth/projects", mine, http=deaf).status_code == 200
    cloud.v3("DELETE", "/auth/tokens", mine, headers={"X-Subject-Token": mine})
    assert cloud.v3("GET", "/auth/projects", mine, http=deaf).status_code == 401
    cloud.close()


def test_a_token_expires_exactly_when_it_says(tmp_path: Any) -> None:
    cloud = Companions(tmp_path, {"identity.token_expiration": 1})
    token = cloud.login("admin", PASSWORD, "admin")
    assert cloud.v3("GET", "/auth/projects", token).status_code == 200
    time.sleep(1.01)
    assert cloud.v3("GET", "/auth/projects", token).status_code == 401
    cloud.close()


def test_a_token_traded_in_ends_no_later_and_can_change_scope(cloud: Companions) -> None:
    first = cloud.auth(cloud.password("admin", PASSWORD))
    old = first.get_json()["token"]
    reply = cloud.auth({"methods": ["token"], "token": {"id": first.headers["X-Subject-Token"]}}, PROJECT)
    new = reply.get_json()["token"]
    assert new["expires_at"] == old["expires_at"]
    assert new["methods"] == ["token", "password"]
    assert new["audit_ids"][1] == old["audit_ids"][0]
    assert new["project"]["name"] == "admin"


def ended_by(cloud: Companions, project: dict[str, Any], user: dict[str, Any]) -> dict[str, Any]:
    return {
        "password": lambda: cloud.v3("PATCH", f"/users/{user['id']}", json={"user": {"password": "new"}}),
        "disabled user": lambda: cloud.v3("PATCH", f"/users/{user['id']}", json={"user": {"enabled": False}}),
        "deleted user": lambda: cloud.v3("DELETE", f"/users/{user['id']}"),
        "role": lambda: cloud.v3(
            "DELETE", f"/projects/{project['id']}/users/{user['id']}/roles/{cloud.role('member')}"
        ),
        "disabled project": lambda: cloud.v3(
            "PATCH", f"/projects/{project['id']}", json={"project": {"enabled": False}}
        ),
        "deleted project": lambda: cloud.v3("DELETE", f"/projects/{project['id']}"),
    }


@pytest.mark.parametrize(
    "how", ["password", "disabled user", "deleted user", "role", "disabled project", "deleted project"]
)
def test_what_ends_tokens(cloud: Companions, how: str) -> None:
    project, user = cloud.member("ada")
    second, _ = cloud.worker()
    token, bystander = cloud.login("ada", "ada", "ada"), cloud.admin
    assert cloud.v3("GET", "/auth/projects", token, http=second).status_code == 200
    assert ended_by(cloud, project, user)[how]().status_code in (200, 204)
    for http in (cloud.http, second):
        assert cloud.v3("GET", "/auth/projects", token, http=http).status_code == 401
        assert cloud.v3("GET", "/auth/projects", bystander, http=http).status_code == 200


def test_a_new_password_replaces_the_old_one(cloud: Companions) -> None:
    _, user = cloud.member("ada")
    token = cloud.login("ada", "ada", "ada")
    body = {"user": {"original_password": "wrong", "password": "new"}}
    assert cloud.v3("POST", f"/users/{user['id']}/password", token, json=body).status_code == 401
    body["user"]["original_password"] = "ada"
    cloud.member("eve")
    eves = cloud.login("eve", "eve", "eve")
    assert cloud.v3("POST", f"/users/{user['id']}/password", eves, json=body).status_code == 403
    assert cloud.v3("POST", f"/users/{user['id']}/password", token, json=body).status_code == 204
    assert cloud.auth(cloud.password("ada", "ada")).status_code == 401
    assert cloud.login("ada", "new", "ada")


def test_too_many_wrong_passwords_lock_for_a_while(tmp_path: Any) -> None:
    cloud = Companions(tmp_path, {"identity.lockout_failures": 3, "identity.lockout_seconds": 1})
    cloud.member("ada")
    for _ in range(3):
        cloud.auth(cloud.password("ada", "wrong"))
    assert cloud.auth(cloud.password("ada", "ada")).status_code == 401
    time.sleep(1.05)
    assert cloud.auth(cloud.password("ada", "ada")).status_code == 201
    cloud.close()


def test_what_a_token_can_be_for(cloud: Companions) -> None:
    cloud.member("ada")
    mine = cloud.login("ada", "ada")
    names = [p["name"] for p in cloud.v3("GET", "/auth/projects", mine).get_json()["projects"]]
    assert names == ["ada"]
    assert cloud.v3("GET", "/auth/domains").get_json()["domains"][0]["id"] == "default"
    assert cloud.v3("GET", "/auth/system").get_json()["system"] == [{"all": True}]
    assert cloud.v3("GET", "/auth/system", mine).get_json()["system"] == []
    catalog = cloud.v3("GET", "/auth/catalog").get_json()["catalog"]
    assert {service["type"] for service in catalog} == SERVICES


def test_logging_in_costs_one_call_and_few_statements(cloud: Companions) -> None:
    before = cloud.db.statements
    with cloud.bus.recording() as sent:
        cloud.auth(cloud.password("admin", PASSWORD), PROJECT)
    assert [envelope.name for envelope in sent] == ["identity.authenticate"]
    assert cloud.db.statements - before <= 7  # user; project, roles, implied, catalog; two BEGINs


def test_discovery_needs_no_token(cloud: Companions) -> None:
    for path in ("/identity", "/identity/"):
        reply = cloud.request("GET", path, None)
        assert reply.status_code == 300
        entry = reply.get_json()["versions"]["values"][0]
        assert (entry["id"], entry["status"]) == ("v3.14", "stable")
    for path in ("/identity/v3", "/identity/v3/"):
        entry = cloud.request("GET", path, None).get_json()["version"]
        assert entry["links"][0]["href"] == "http://localhost/identity/v3/"
