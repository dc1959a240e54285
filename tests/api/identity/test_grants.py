"""Roles: given and taken, by group, inherited, implied; lists of them; application credentials."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.companions import PASSWORD, Companions


def people(cloud: Companions) -> dict[str, str]:
    made = {noun: cloud.make(noun, name=f"the-{noun}")["id"] for noun in ("project", "group", "domain")}
    return made | {"user": cloud.make("user", name="the-user", password="pw")["id"]}


@pytest.mark.parametrize("actor", ["user", "group"])
@pytest.mark.parametrize("target", ["project", "domain", "system"])
def test_a_role_is_given_checked_listed_and_taken(cloud: Companions, actor: str, target: str) -> None:
    ids, role = people(cloud), cloud.role("reader")
    place = "system" if target == "system" else f"{target}s/{ids[target]}"
    path = f"/{place}/{actor}s/{ids[actor]}/roles"
    one = f"{path}/{role}"
    assert cloud.v3("HEAD", one).status_code == 404
    assert cloud.v3("PUT", one).status_code == 204
    assert cloud.v3("PUT", one).status_code == 204
    assert cloud.v3("HEAD", one).status_code == 204
    assert [r["name"] for r in cloud.v3("GET", path).get_json()["roles"]] == ["reader"]
    items = cloud.v3("GET", f"/role_assignments?{actor}.id={ids[actor]}").get_json()["role_assignments"]
    scope = {"system": {"all": True}} if target == "system" else {target: {"id": ids[target]}}
    assert [(item["role"], item[actor], item["scope"]) for item in items] == [
        ({"id": role}, {"id": ids[actor]}, scope)
    ]
    assert items[0]["links"]["assignment"].endswith(one)
    assert cloud.v3("DELETE", one).status_code == 204
    assert cloud.v3("DELETE", one).status_code == 404
    assert cloud.v3("GET", path).get_json()["roles"] == []


@pytest.mark.parametrize("missing", ["project", "user", "role"])
def test_a_role_needs_everything_to_exist(cloud: Companions, missing: str) -> None:
    ids = people(cloud) | {"role": cloud.role("reader")}
    ids[missing] = "0" * 32
    path = f"/projects/{ids['project']}/users/{ids['user']}/roles/{ids['role']}"
    for method in ("PUT", "DELETE"):
        reply = cloud.v3(method, path)
        assert (reply.status_code, missing in reply.get_json()["error"]["message"]) == (404, True)


def token_roles(cloud: Companions, scope: Any) -> set[str]:
    reply = cloud.auth(cloud.password("the-user", "pw"), scope)
    if reply.status_code == 401:
        return set()
    return {role["name"] for role in reply.get_json()["token"]["roles"]}


def test_groups_hand_roles_to_their_members(cloud: Companions) -> None:
    ids = people(cloud)
    scope = {"project": {"id": ids["project"]}}
    cloud.v3("PUT", f"/projects/{ids['project']}/groups/{ids['group']}/roles/{cloud.role('member')}")
    member = f"/groups/{ids['group']}/users/{ids['user']}"
    assert token_roles(cloud, scope) == set()
    assert cloud.v3("HEAD", member).status_code == 404
    assert cloud.v3("PUT", member).status_code == 204
    assert cloud.v3("PUT", member).status_code == 204
    assert cloud.v3("HEAD", member).status_code == 204
    assert token_roles(cloud, scope) == {"member", "reader"}
    assert [u["id"] for u in cloud.v3("GET", f"/groups/{ids['group']}/users").get_json()["users"]] == [
        ids["user"]
    ]
    groups = cloud.v3("GET", f"/users/{ids['user']}/groups").get_json()["groups"]
    assert [group["id"] for group in groups] == [ids["group"]]
    token = cloud.auth(cloud.password("the-user", "pw"), scope).headers["X-Subject-Token"]
    assert cloud.v3("DELETE", member).status_code == 204
    assert cloud.v3("GET", "/auth/projects", token).status_code == 401
    assert token_roles(cloud, scope) == set()
    assert cloud.v3("DELETE", member).status_code == 404


def test_inherited_roles_count_below_their_target(cloud: Companions) -> None:
    ids = people(cloud)
    child = cloud.make("project", name="child", parent_id=ids["project"])["id"]
    tail = f"users/{ids['user']}/roles/{cloud.role('member')}/inherited_to_projects"
    on_project = f"/OS-INHERIT/projects/{ids['project']}/{tail}"
    assert cloud.v3("PUT", on_project).status_code == 204
    assert token_roles(cloud, {"project": {"id": ids["project"]}}) == set()
    assert token_roles(cloud, {"project": {"id": child}}) == {"member", "reader"}
    projects = cloud.v3("GET", f"/users/{ids['user']}/projects").get_json()["projects"]
    assert [project["id"] for project in projects] == [child]
    assert cloud.v3("DELETE", on_project).status_code == 204
    assert token_roles(cloud, {"project": {"id": child}}) == set()
    assert cloud.v3("PUT", f"/OS-INHERIT/domains/default/{tail}").status_code == 204
    assert token_roles(cloud, {"project": {"id": ids["project"]}}) == {"member", "reader"}


def test_assignments_can_be_worked_out_and_named(cloud: Companions) -> None:
    ids = people(cloud)
    cloud.v3("PUT", f"/projects/{ids['project']}/groups/{ids['group']}/roles/{cloud.role('member')}")
    cloud.v3("PUT", f"/groups/{ids['group']}/users/{ids['user']}")
    query = f"user.id={ids['user']}&scope.project.id={ids['project']}"
    assert cloud.v3("GET", f"/role_assignments?{query}").get_json()["role_assignments"] == []
    found = cloud.v3("GET", f"/role_assignments?{query}&effective&include_names").get_json()[
        "role_assignments"
    ]
    assert sorted(item["role"]["name"] for item in found) == ["member", "reader"]
    assert found[0]["user"]["name"] == "the-user"
    assert found[0]["user"]["domain"] == {"id": "default", "name": "Default"}
    assert found[0]["scope"]["project"]["name"] == "the-project"
    only = cloud.v3("GET", f"/role_assignments?{query}&effective&role.id={cloud.role('reader')}").get_json()
    assert len(only["role_assignments"]) == 1
    system = cloud.v3("GET", "/role_assignments?scope.system").get_json()["role_assignments"]
    assert [item["scope"] for item in system] == [{"system": {"all": True}}]


def test_implied_roles(cloud: Companions) -> None:
    ids, auditor = people(cloud), cloud.make("role", name="auditor")["id"]
    rule = f"/roles/{auditor}/implies/{cloud.role('reader')}"
    assert cloud.v3("PUT", rule).status_code == 201
    assert cloud.v3("GET", rule).get_json()["role_inference"]["implies"]["name"] == "reader"
    cloud.v3("PUT", f"/projects/{ids['project']}/users/{ids['user']}/roles/{auditor}")
    assert token_roles(cloud, {"project": {"id": ids["project"]}}) == {"auditor", "reader"}
    listed = cloud.v3("GET", f"/roles/{auditor}/implies").get_json()["role_inference"]
    assert [role["name"] for role in listed["implies"]] == ["reader"]
    assert len(cloud.v3("GET", "/role_inferences").get_json()["role_inferences"]) == 4
    assert [cloud.v3("HEAD", f"/roles/{auditor}/implies/{cloud.role(r)}").status_code for r in ("reader", "admin")] == [
        204, 404,
    ]  # fmt: skip
    circle = cloud.v3("PUT", f"/roles/{cloud.role('reader')}/implies/{cloud.role('admin')}")
    assert circle.status_code == 409
    assert cloud.v3("DELETE", rule).status_code == 204
    assert cloud.v3("GET", rule).status_code == 404
    assert token_roles(cloud, {"project": {"id": ids["project"]}}) == {"auditor"}


def test_a_role_of_one_domain_counts_only_for_what_it_implies(cloud: Companions) -> None:
    ids = people(cloud)
    local, inner = (cloud.make("role", name=n, domain_id="default")["id"] for n in ("local", "inner"))
    reader, path = cloud.role("reader"), f"/projects/{ids['project']}/users/{ids['user']}/roles"
    for prior, role in ((local, inner), (inner, reader)):
        assert cloud.v3("PUT", f"/roles/{prior}/implies/{role}").status_code == 201
    refused = cloud.v3("PUT", f"/roles/{cloud.role('member')}/implies/{local}")
    assert (refused.status_code, "belongs to a domain" in refused.text) == (403, True)
    assert cloud.v3("PUT", f"/roles/{local}/implies/{local}").status_code == 409
    assert cloud.v3("PUT", f"/roles/{local}/implies/absent").status_code == 404
    assert cloud.v3("PUT", f"{path}/{local}").status_code == 204
    assert token_roles(cloud, {"project": {"id": ids["project"]}}) == {"reader"}
    query = f"/role_assignments?user.id={ids['user']}"
    assert [i["role"]["id"] for i in cloud.v3("GET", query).get_json()["role_assignments"]] == [local]
    assert [
        i["role"]["id"] for i in cloud.v3("GET", f"{query}&effective").get_json()["role_assignments"]
    ] == [reader]


# --- application credentials -----------------------------------------------------------------------


def credential(cloud: Companions, token: str, user: str, **values: Any) -> Any:
    body = {"application_credential": {"name": "robot"} | values}
    return cloud.v3("POST", f"/users/{user}/application_credentials", token, json=body)


def by_credential(made: dict[str, Any], secret: str) -> dict[str, Any]:
    return {
        "methods": ["application_credential"],
        "application_credential": {"id": made["id"], "secret": secret},
    }


def test_an_application_credential_logs_in_for_its_project(cloud: Companions) -> None:
    project, user = cloud.member("ada")
    mine = cloud.login("ada", "ada", "ada")
    reply = credential(cloud, mine, user["id"], roles=[{"name": "reader"}])
    made = reply.get_json()["application_credential"]
    assert (reply.status_code, made["project_id"], made["unrestricted"]) == (201, project["id"], False)
    login = cloud.auth(by_credential(made, made["secret"]))
    token = login.get_json()["token"]
    assert (token["project"]["id"], [role["name"] for role in token["roles"]]) == (project["id"], ["reader"])
    assert cloud.auth(by_credential(made, "wrong")).status_code == 401
    named = {
        "name": "robot",
        "user": {"name": "ada", "domain": {"name": "Default"}},
        "secret": made["secret"],
    }
    assert (
        cloud.auth({"methods": ["application_credential"], "application_credential": named}).status_code
        == 201
    )
    path = f"/users/{user['id']}/application_credentials"
    seen = cloud.v3("GET", f"{path}/{made['id']}", mine).get_json()["application_credential"]
    assert "secret" not in seen and seen["roles"][0]["name"] == "reader"
    assert len(cloud.v3("GET", path, mine).get_json()["application_credentials"]) == 1
    assert credential(cloud, mine, user["id"]).status_code == 409
    subject = login.headers["X-Subject-Token"]
    assert cloud.v3("DELETE", f"{path}/{made['id']}", mine).status_code == 204
    assert cloud.auth(by_credential(made, made["secret"])).status_code == 401
    assert cloud.v3("GET", "/auth/projects", subject).status_code == 401


def test_a_restricted_credential_cannot_make_another(cloud: Companions) -> None:
    _, user = cloud.member("ada")
    made = credential(cloud, cloud.login("ada", "ada", "ada"), user["id"]).get_json()[
        "application_credential"
    ]
    token = cloud.auth(by_credential(made, made["secret"])).headers["X-Subject-Token"]
    assert credential(cloud, token, user["id"], name="second").status_code == 403
    traded = cloud.auth({"methods": ["token"], "token": {"id": token}})
    assert traded.status_code == 201
    assert credential(cloud, traded.headers["X-Subject-Token"], user["id"], name="second").status_code == 403
    outside = {"project": {"name": "admin", "domain": {"id": "default"}}}
    assert cloud.auth({"methods": ["token"], "token": {"id": token}}, outside).status_code == 401
    assert cloud.auth(by_credential(made, made["secret"]), outside).status_code == 401


def test_a_credential_loses_roles_with_its_user(cloud: Companions) -> None:
    project, user = cloud.member("ada")
    made = credential(cloud, cloud.login("ada", "ada", "ada"), user["id"]).get_json()[
        "application_credential"
    ]
    cloud.v3("DELETE", f"/projects/{project['id']}/users/{user['id']}/roles/{cloud.role('member')}")
    assert cloud.auth(by_credential(made, made["secret"])).status_code == 401


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"roles": [{"name": "admin"}]}, "do not have role admin"),
        ({"expires_at": "2001-01-01T00:00:00"}, "in the future"),
        ({"expires_at": "soon"}, "must be a time"),
        ({"access_rules": [{"path": "/"}]}, "access_rules"),
        ({"name": ""}, "name"),
    ],
)
def test_bad_credentials_are_explained(cloud: Companions, values: Any, words: str) -> None:
    _, user = cloud.member("ada")
    mine = cloud.login("ada", "ada", "ada")
    reply = credential(cloud, mine, user["id"], **values)
    assert (reply.status_code, words in reply.get_json()["error"]["message"]) == (400, True), reply.text
    path = f"/users/{user['id']}/application_credentials"
    assert cloud.v3("GET", path, mine).get_json()["application_credentials"] == []


def test_nobody_makes_credentials_for_somebody_else(cloud: Companions) -> None:
    _, user = cloud.member("ada")
    assert credential(cloud, cloud.admin, user["id"]).status_code == 403
    assert cloud.login("admin", PASSWORD)


def test_a_credential_made_by_a_credential_has_no_more_roles(cloud: Companions) -> None:
    _, user = cloud.member("ada")
    mine = cloud.login("ada", "ada", "ada")
    made = credential(cloud, mine, user["id"], roles=[{"name": "reader"}], unrestricted=True)
    first = made.get_json()["application_credential"]
    token = cloud.auth(by_credential(first, first["secret"])).headers["X-Subject-Token"]
    second = credential(cloud, token, user["id"], name="second").get_json()["application_credential"]
    assert [role["name"] for role in second["roles"]] == ["reader"]


def test_tokens_end_with_a_role_that_came_by_implication(cloud: Companions) -> None:
    """The administrator's too: admin implies member, that reader, and that what is taken away here."""
    cloud.member("ada")
    reader = cloud.role("reader")
    made = cloud.v3("POST", "/roles", json={"role": {"name": "viewer"}}).get_json()["role"]["id"]
    for gone in (f"/roles/{reader}/implies/{made}", f"/roles/{made}"):
        assert cloud.v3("PUT", f"/roles/{reader}/implies/{made}").status_code == 201
        token = cloud.login("ada", "ada", "ada")
        assert cloud.v3("GET", "/auth/projects", token).status_code == 200
        assert cloud.v3("DELETE", gone).status_code == 204
        assert cloud.v3("GET", "/auth/projects", token).status_code == 401
        cloud.admin = cloud.login("admin", PASSWORD, project="admin")


def test_tokens_end_with_the_domain_of_the_group_that_gave_the_role(cloud: Companions) -> None:
    project, user = cloud.member("ada")
    cloud.v3("DELETE", f"/projects/{project['id']}/users/{user['id']}/roles/{cloud.role('member')}")
    domain = cloud.v3("POST", "/domains", json={"domain": {"name": "guests"}}).get_json()["domain"]["id"]
    body = {"group": {"name": "helpers", "domain_id": domain}}
    group = cloud.v3("POST", "/groups", json=body).get_json()["group"]["id"]
    given = f"/projects/{project['id']}/groups/{group}/roles/{cloud.role('member')}"
    assert cloud.v3("PUT", given).status_code == 204
    assert cloud.v3("PUT", f"/groups/{group}/users/{user['id']}").status_code == 204
    token = cloud.login("ada", "ada", "ada")
    cloud.v3("PATCH", f"/domains/{domain}", json={"domain": {"enabled": False}})
    assert cloud.v3("DELETE", f"/domains/{domain}").status_code == 204
    assert cloud.v3("GET", "/auth/projects", token).status_code == 401
