"""Quotas through the API, with the real conductor and database behind it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.nouns import NounsUnderTest, a_server_row
from tests.api.nouns import empty_database as empty_database
from tests.api.nouns import nouns as nouns
from tests.api.support import OTHER_PROJECT, PROJECT, message

ADMIN: dict[str, Any] = {"token": "admin"}
SET = f"/os-quota-sets/{PROJECT}"
CLASS = "/os-quota-class-sets/default"

ALWAYS = {
    "instances": 10, "cores": 20, "ram": 51200, "key_pairs": 100, "metadata_items": 128,
}  # fmt: skip
GROUPS = {"server_groups": 10, "server_group_members": 10}
FILES = {"injected_files": 5, "injected_file_content_bytes": 10240, "injected_file_path_bytes": 255}
NETWORK = {"fixed_ips": -1, "floating_ips": -1, "security_groups": -1, "security_group_rules": -1}


def show(nouns: NounsUnderTest, path: str = SET, version: str = "latest", **more: Any) -> Any:
    """The quota set of an answer."""
    reply = nouns.get(path, version=version, **more)
    assert reply.status_code == 200, reply.text
    (found,) = reply.get_json().values()
    return found


def put(nouns: NounsUnderTest, path: str = SET, version: str = "latest", **limits: Any) -> Any:
    """PUT by an administrator."""
    key = "quota_class_set" if "class" in path else "quota_set"
    return nouns.put(path, {key: limits}, version=version, **ADMIN)


@pytest.mark.parametrize(
    ("version", "more"),
    [
        ("2.1", {**FILES, **NETWORK}),
        ("2.35", {**FILES, **NETWORK}),
        ("2.36", FILES),
        ("2.56", FILES),
        ("2.57", {}),
        ("2.104", {}),
    ],
)
def test_limits_by_version(nouns: NounsUnderTest, version: str, more: dict[str, int]) -> None:
    expected = {"id": PROJECT, **ALWAYS, **GROUPS, **more}
    assert show(nouns, version=version) == expected
    assert show(nouns, f"{SET}/defaults", version) == expected
    detail = show(nouns, f"{SET}/detail", version)
    assert detail.pop("id") == PROJECT
    assert {name: facts["limit"] for name, facts in detail.items()} == {**ALWAYS, **GROUPS, **more}


@pytest.mark.parametrize(
    ("version", "more"),
    [
        ("2.1", {**FILES, **NETWORK}),
        ("2.49", {**FILES, **NETWORK}),
        ("2.50", {**FILES, **GROUPS}),
        ("2.57", GROUPS),
    ],
)
def test_the_default_class_by_version(nouns: NounsUnderTest, version: str, more: dict[str, int]) -> None:
    assert show(nouns, CLASS, version, **ADMIN) == {"id": "default", **ALWAYS, **more}


def test_use_is_counted(nouns: NounsUnderTest) -> None:
    nouns.add_servers(
        a_server_row(vcpus=2, ram_mb=1024),
        a_server_row(vm_state="error", user_id="u-reader"),
        a_server_row(deleted=True),
        a_server_row(project_id=OTHER_PROJECT),
    )
    detail = show(nouns, f"{SET}/detail")
    assert detail["instances"] == {"limit": 10, "in_use": 2, "reserved": 0}
    assert (detail["cores"]["in_use"], detail["ram"]["in_use"]) == (3, 1536)
    assert show(nouns, f"{SET}/detail?user_id=u-reader")["cores"]["in_use"] == 1
    assert nouns.statements(f"{SET}/detail") == 2


def test_set_and_forget(nouns: NounsUnderTest) -> None:
    reply = put(nouns, instances=3, cores="-1")
    assert reply.status_code == 200
    assert reply.get_json() == {"quota_set": {**ALWAYS, **GROUPS, "instances": 3, "cores": -1}}
    assert show(nouns)["instances"] == 3
    assert show(nouns, f"{SET}/defaults")["instances"] == 10
    assert show(nouns, f"/os-quota-sets/{OTHER_PROJECT}", **ADMIN)["instances"] == 10
    put(nouns, instances=4)  # the rest stays
    assert (show(nouns)["instances"], show(nouns)["cores"]) == (4, -1)
    reply = nouns.delete(SET, **ADMIN)
    assert (reply.status_code, reply.data) == (202, b"")
    assert show(nouns)["instances"] == 10


def test_limits_of_one_user(nouns: NounsUnderTest) -> None:
    mine = f"{SET}?user_id=u-member"
    assert put(nouns, mine, instances=2).status_code == 200
    assert show(nouns, mine)["instances"] == 2
    assert show(nouns)["instances"] == 10
    reply = put(nouns, mine, cores=21)
    assert (reply.status_code, "less than or equal to" in message(reply)) == (400, True)
    assert put(nouns, mine, cores=-1).status_code == 400
    assert nouns.delete(mine, **ADMIN).status_code == 202
    assert show(nouns, mine)["instances"] == 10


def test_limits_below_use_need_force(nouns: NounsUnderTest) -> None:
    nouns.add_servers(a_server_row(), a_server_row())
    reply = put(nouns, instances=1)
    assert (reply.status_code, "already used and reserved 2" in message(reply)) == (400, True)
    assert show(nouns)["instances"] == 10
    assert put(nouns, instances=1, force=True).status_code == 200
    assert show(nouns)["instances"] == 1


@pytest.mark.parametrize(
    ("version", "limits", "words"),
    [
        ("2.1", {"instances": -2}, "quota_set.instances. It must be at least -1"),
        ("2.1", {"instances": "many"}, "integer"),
        ("2.1", {"instances": None}, "integer"),
        ("2.1", {"instances": 2**31}, "at most"),
        ("2.1", {"volumes": 1}, "volumes"),
        ("2.1", {"force": "perhaps"}, "force"),
        ("2.36", {"floating_ips": 1}, "no such field in API version 2.36"),
        ("2.57", {"injected_files": 1}, "no such field in API version 2.57"),
    ],
)
def test_bad_limits(nouns: NounsUnderTest, version: str, limits: dict[str, Any], words: str) -> None:
    reply = put(nouns, version=version, **{"cores": 1, **limits})
    assert (reply.status_code, words in message(reply)) == (400, True), message(reply)
    assert show(nouns)["cores"] == 20


def test_projects_must_exist(nouns: NounsUnderTest) -> None:
    path = "/os-quota-sets/ffffffffffffffffffffffffffffffff"
    for method, tail in (("GET", ""), ("GET", "/detail"), ("GET", "/defaults"), ("PUT", "")):
        body = {"quota_set": {"cores": 1}} if method == "PUT" else None
        reply = nouns.request(method, path + tail, json=body, **ADMIN)
        assert (reply.status_code, "not a valid project" in message(reply)) == (400, True)
    assert nouns.delete(path, **ADMIN).status_code == 202


def test_who_may_what(nouns: NounsUnderTest) -> None:
    assert nouns.get(SET, token="reader").status_code == 200
    assert nouns.get(SET, token="other").status_code == 403
    assert nouns.get(f"{SET}/detail", token="other").status_code == 403
    assert nouns.get(f"{SET}/defaults", token="other").status_code == 200
    assert nouns.put(SET, {"quota_set": {"cores": 1}}).status_code == 403
    assert nouns.delete(SET).status_code == 403
    assert nouns.get(CLASS).status_code == 403
    assert nouns.put(CLASS, {"quota_class_set": {"cores": 1}}).status_code == 403


def test_the_default_class_changes_everybody(nouns: NounsUnderTest) -> None:
    put(nouns, cores=5)
    reply = put(nouns, CLASS, instances=7, cores=9)
    assert reply.get_json() == {"quota_class_set": {**ALWAYS, **GROUPS, "instances": 7, "cores": 9}}
    assert (show(nouns)["instances"], show(nouns)["cores"]) == (7, 5)
    assert show(nouns, f"{SET}/defaults")["cores"] == 9
    nouns.delete(SET, **ADMIN)
    assert show(nouns)["cores"] == 9
    assert put(nouns, CLASS, instances=-5).status_code == 400


def test_another_class_keeps_its_limits_and_binds_nobody(nouns: NounsUnderTest) -> None:
    put(nouns, CLASS, cores=9)
    gold = "/os-quota-class-sets/gold"
    shown = nouns.get(gold, **ADMIN).get_json()["quota_class_set"]
    assert (shown["id"], shown["cores"]) == ("gold", 20), "what is configured, not what the class default says"
    assert put(nouns, gold, cores=3).get_json()["quota_class_set"]["cores"] == 3
    assert nouns.get(gold, **ADMIN).get_json()["quota_class_set"]["cores"] == 3
    assert nouns.get(CLASS, **ADMIN).get_json()["quota_class_set"]["cores"] == 9
    assert show(nouns)["cores"] == 9
    assert nouns.get(f"/os-quota-class-sets/{'x' * 256}", **ADMIN).status_code == 400


def test_query_keys(nouns: NounsUnderTest) -> None:
    assert nouns.get(f"{SET}?colour=blue", version="2.74").status_code == 200
    assert nouns.get(f"{SET}?colour=blue", version="2.75").status_code == 400
