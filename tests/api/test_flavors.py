"""Flavors through the API, with the real conductor and database behind it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.nouns import NounsUnderTest
from tests.api.nouns import empty_database as empty_database
from tests.api.nouns import nouns as nouns
from tests.api.support import OTHER_PROJECT, PROJECT, message

TINY = {"name": "tiny", "ram": 512, "vcpus": 1, "disk": 1}
ADMIN: dict[str, Any] = {"token": "admin"}


def make(nouns: NounsUnderTest, **changes: Any) -> dict[str, Any]:
    """A flavor, made through the API."""
    reply = nouns.post("/flavors", {"flavor": {**TINY, **changes}}, **ADMIN)
    assert reply.status_code == 200, reply.text
    found: dict[str, Any] = reply.get_json()["flavor"]
    return found


def names(nouns: NounsUnderTest, query: str = "", **more: Any) -> list[str]:
    """Names in a list."""
    reply = nouns.get(f"/flavors{query}", **more)
    assert reply.status_code == 200, reply.text
    return [one["name"] for one in reply.get_json()["flavors"]]


def test_a_flavor_in_the_oldest_and_newest_shape(nouns: NounsUnderTest) -> None:
    made = make(nouns, id="7")
    links = [
        {"rel": "self", "href": "http://localhost/v2.1/flavors/7"},
        {"rel": "bookmark", "href": "http://localhost/flavors/7"},
    ]
    always = {
        "id": "7", "name": "tiny", "ram": 512, "vcpus": 1, "disk": 1, "OS-FLV-EXT-DATA:ephemeral": 0,
        "os-flavor-access:is_public": True, "links": links,
    }  # fmt: skip
    oldest = {**always, "swap": "", "rxtx_factor": 1.0, "OS-FLV-DISABLED:disabled": False}
    assert made == oldest
    assert nouns.get("/flavors/7").get_json() == {"flavor": oldest}
    assert nouns.get("/flavors/detail").get_json() == {"flavors": [oldest]}
    assert nouns.get("/flavors").get_json() == {"flavors": [{"id": "7", "name": "tiny", "links": links}]}
    newest = {**always, "swap": 0, "description": None, "extra_specs": {}}
    assert nouns.get("/flavors/7", version="latest").get_json() == {"flavor": newest}


@pytest.mark.parametrize(
    ("field", "first", "last"),
    [
        ("description", "2.55", "2.104"),
        ("extra_specs", "2.61", "2.104"),
        ("rxtx_factor", "2.1", "2.101"),
        ("OS-FLV-DISABLED:disabled", "2.1", "2.101"),
    ],
)
def test_fields_come_and_go(nouns: NounsUnderTest, field: str, first: str, last: str) -> None:
    make(nouns, id="7")
    for version in ("2.1", "2.54", "2.55", "2.60", "2.61", "2.101", "2.102", "2.104"):
        minor = int(version.partition(".")[2])
        expected = int(first[2:]) <= minor <= int(last[2:])
        shown = nouns.get("/flavors/7", version=version).get_json()["flavor"]
        assert (field in shown) is expected, version


def test_the_short_list_shows_descriptions_from_2_55(nouns: NounsUnderTest) -> None:
    make(nouns)
    assert "description" not in nouns.get("/flavors", version="2.54").get_json()["flavors"][0]
    assert nouns.get("/flavors", version="2.55").get_json()["flavors"][0]["description"] is None


def test_swap_is_a_number_from_2_75(nouns: NounsUnderTest) -> None:
    make(nouns, id="7")
    make(nouns, id="8", name="swapping", swap=64)
    assert nouns.get("/flavors/7", version="2.74").get_json()["flavor"]["swap"] == ""
    assert nouns.get("/flavors/7", version="2.75").get_json()["flavor"]["swap"] == 0
    assert nouns.get("/flavors/8", version="2.74").get_json()["flavor"]["swap"] == 64


@pytest.mark.parametrize("asked", [None, "auto"])
def test_an_id_of_our_own(nouns: NounsUnderTest, asked: str | None) -> None:
    assert len(make(nouns, id=asked)["id"]) == 36


@pytest.mark.parametrize(("asked", "found"), [(42, "42"), ("a b-c_d.e", "a b-c_d.e")])
def test_ids_that_are_taken_as_they_are(nouns: NounsUnderTest, asked: Any, found: str) -> None:
    assert make(nouns, id=asked)["id"] == found


def test_numbers_may_be_text(nouns: NounsUnderTest) -> None:
    made = make(nouns, ram="512", vcpus="2", disk="0", swap="16", rxtx_factor="1.5")
    assert (made["ram"], made["vcpus"], made["swap"], made["rxtx_factor"]) == (512, 2, 16, 1.5)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": ""}, "flavor.name"),
        ({"name": " x"}, "blanks"),
        ({"name": "x" * 256}, "at most 255"),
        ({"name": None}, "flavor.name"),
        ({"ram": 0}, "flavor.ram. It must be at least 1"),
        ({"ram": "many"}, "flavor.ram. It must be an integer"),
        ({"ram": 2**31}, "at most 2147483647"),
        ({"vcpus": 0}, "flavor.vcpus"),
        ({"vcpus": True}, "flavor.vcpus"),
        ({"disk": -1}, "flavor.disk"),
        ({"swap": -1}, "flavor.swap"),
        ({"OS-FLV-EXT-DATA:ephemeral": -1}, "ephemeral"),
        ({"ephemeral": 1}, "There is no such field"),
        ({"id": ""}, "flavor.id"),
        ({"id": " 1"}, "flavor.id"),
        ({"id": "a/b"}, "flavor.id"),
        ({"id": True}, "flavor.id"),
        ({"id": "x" * 256}, "flavor.id"),
        ({"rxtx_factor": 0}, "rxtx_factor"),
        ({"rxtx_factor": 1e39}, "rxtx_factor"),
        ({"rxtx_factor": "fast"}, "rxtx_factor"),
        ({"os-flavor-access:is_public": "perhaps"}, "is_public"),
        ({"description": "early"}, "no such field in API version 2.1"),
        ({"colour": "blue"}, "colour"),
    ],
)
def test_bad_flavors_are_refused(nouns: NounsUnderTest, changes: dict[str, Any], words: str) -> None:
    reply = nouns.post("/flavors", {"flavor": {**TINY, **changes}}, **ADMIN)
    assert (reply.status_code, words in message(reply)) == (400, True), message(reply)
    assert names(nouns) == []


def test_rxtx_factor_is_unknown_from_2_102(nouns: NounsUnderTest) -> None:
    body = {"flavor": {**TINY, "rxtx_factor": 2.0}}
    assert nouns.post("/flavors", body, version="2.102", **ADMIN).status_code == 400
    assert nouns.post("/flavors", body, version="2.101", **ADMIN).status_code == 200


def test_names_and_ids_are_unique(nouns: NounsUnderTest) -> None:
    make(nouns, id="7")
    for body in ({**TINY, "id": "8"}, {**TINY, "name": "other", "id": "7"}):
        reply = nouns.post("/flavors", {"flavor": body}, **ADMIN)
        assert (reply.status_code, "already exists" in message(reply)) == (409, True)
    assert names(nouns) == ["tiny"]


def test_only_admins_manage_flavors(nouns: NounsUnderTest) -> None:
    make(nouns, id="7")
    assert nouns.post("/flavors", {"flavor": TINY}).status_code == 403
    assert nouns.put("/flavors/7", {"flavor": {"description": "x"}}, version="2.55").status_code == 403
    assert nouns.delete("/flavors/7").status_code == 403
    assert nouns.post("/flavors/7/action", {"addTenantAccess": {"tenant": PROJECT}}).status_code == 403
    assert nouns.get("/flavors/7/os-flavor-access").status_code == 403


def test_describe(nouns: NounsUnderTest) -> None:
    make(nouns, id="7")
    body = {"flavor": {"description": "small"}}
    assert nouns.put("/flavors/7", body, version="2.54", **ADMIN).status_code == 404
    shown = nouns.put("/flavors/7", body, version="2.55", **ADMIN).get_json()["flavor"]
    assert (shown["id"], shown["description"]) == ("7", "small")
    nouns.put("/flavors/7", {"flavor": {"description": None}}, version="2.55", **ADMIN)
    assert nouns.get("/flavors/7", version="2.55").get_json()["flavor"]["description"] is None
    assert nouns.put("/flavors/8", body, version="2.55", **ADMIN).status_code == 404
    for bad in (
        {"flavor": {}},
        {"flavor": {"description": "x", "name": "y"}},
        {"flavor": {"description": 1}},
    ):
        assert nouns.put("/flavors/7", bad, version="2.55", **ADMIN).status_code == 400
    long = {"flavor": {"description": "x" * 65536}}
    assert nouns.put("/flavors/7", long, version="2.55", **ADMIN).status_code == 400


def test_delete(nouns: NounsUnderTest) -> None:
    make(nouns, id="7")
    assert nouns.delete("/flavors/7", **ADMIN).status_code == 202
    assert nouns.get("/flavors/7").status_code == 404
    assert nouns.delete("/flavors/7", **ADMIN).status_code == 404
    make(nouns, id="7")  # a name or id that was used before may be used again


# --- lists -------------------------------------------------------------------------------------


@pytest.fixture
def five(nouns: NounsUnderTest) -> NounsUnderTest:
    """Flavors a to e of growing size; d is private."""
    for number, name in enumerate("abcde", 1):
        make(nouns, id=str(number), name=name, ram=number * 128, disk=number,
             **{"os-flavor-access:is_public": name != "d"})  # fmt: skip
    return nouns


def test_filters(five: NounsUnderTest) -> None:
    assert names(five) == ["a", "b", "c", "e"]
    assert names(five, "?minRam=256&minDisk=3") == ["c", "e"]
    assert names(five, "?name=b", version="2.102") == ["b"]
    assert five.get("/flavors?name=b", version="2.101").status_code == 400


def test_private_flavors(five: NounsUnderTest) -> None:
    assert names(five, "?is_public=None") == ["a", "b", "c", "e"]
    assert names(five, "?is_public=None", **ADMIN) == ["a", "b", "c", "d", "e"]
    assert names(five, "?is_public=false", **ADMIN) == ["d"]
    assert names(five, "?is_public=true", **ADMIN) == ["a", "b", "c", "e"]
    assert five.get("/flavors/4").status_code == 404
    five.post("/flavors/4/action", {"addTenantAccess": {"tenant": PROJECT}}, **ADMIN)
    assert names(five) == ["a", "b", "c", "d", "e"]
    assert five.get("/flavors/4").status_code == 200
    assert names(five, token="other") == ["a", "b", "c", "e"]


def test_sorting_and_pages(five: NounsUnderTest) -> None:
    assert names(five, "?sort_key=memory_mb&sort_dir=desc") == ["e", "c", "b", "a"]
    first = five.get("/flavors?limit=2&sort_key=name").get_json()
    assert [one["name"] for one in first["flavors"]] == ["a", "b"]
    (link,) = first["flavors_links"]
    assert link["rel"] == "next"
    path = link["href"].removeprefix("http://localhost/v2.1")
    assert names(five, path.removeprefix("/flavors")) == ["c", "e"]
    assert names(five, "?marker=3&sort_dir=desc") == ["b", "a"]
    assert names(five, "?marker=1&sort_key=is_public") == ["b", "c", "e"]


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("?marker=none", "none"),
        ("?marker=4", "4"),
        ("?limit=-1", "limit"),
        ("?limit=many", "limit"),
        ("?minRam=much", "minRam"),
        ("?sort_key=colour", "colour"),
        ("?sort_dir=sideways", "sort_dir"),
        ("?is_public=perhaps", "is_public"),
    ],
)
def test_bad_queries(five: NounsUnderTest, query: str, words: str) -> None:
    reply = five.get(f"/flavors{query}")
    assert (reply.status_code, words in message(reply)) == (400, True)


def test_unknown_query_keys(nouns: NounsUnderTest) -> None:
    assert nouns.get("/flavors?colour=blue", version="2.74").status_code == 200
    assert nouns.get("/flavors?colour=blue", version="2.75").status_code == 400
    make(nouns, id="7")
    assert nouns.get("/flavors/7?colour=blue", version="2.101").status_code == 200
    assert nouns.get("/flavors/7?colour=blue", version="2.102").status_code == 400


def test_a_page_is_one_statement(five: NounsUnderTest) -> None:
    assert five.statements("/flavors/detail", version="2.61") == 1
    assert five.statements("/flavors/detail?marker=1", version="2.61") == 2


# --- extra specs -------------------------------------------------------------------------------

SPECS = "/flavors/7/os-extra_specs"


def test_extra_specs(nouns: NounsUnderTest) -> None:
    make(nouns, id="7")
    body = {"extra_specs": {"hw:cpu_policy": "shared", "weight": 5}}
    reply = nouns.post(SPECS, body, **ADMIN)
    assert (reply.status_code, reply.get_json()["extra_specs"]["weight"]) == (200, "5")
    assert nouns.put(f"{SPECS}/weight", {"weight": "6"}, **ADMIN).get_json() == {"weight": "6"}
    assert nouns.get(SPECS).get_json() == {"extra_specs": {"hw:cpu_policy": "shared", "weight": "6"}}
    assert nouns.get(f"{SPECS}/weight").get_json() == {"weight": "6"}
    reply = nouns.delete(f"{SPECS}/weight", **ADMIN)
    assert (reply.status_code, reply.data) == (200, b"")
    assert nouns.delete(f"{SPECS}/weight", **ADMIN).status_code == 404
    assert nouns.get(f"{SPECS}/weight").status_code == 404
    shown = nouns.get("/flavors/7", version="2.61").get_json()["flavor"]
    assert shown["extra_specs"] == {"hw:cpu_policy": "shared"}


def test_extra_specs_are_hidden_from_strangers_to_the_project(nouns: NounsUnderTest) -> None:
    make(nouns, id="7")
    shown = nouns.get("/flavors/7", version="2.61", token="nobody").get_json()["flavor"]
    assert "extra_specs" not in shown
    assert nouns.get(SPECS, token="nobody").status_code == 403


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("", {"extra_specs": {"a/b": "x"}}, "extra_specs"),
        ("", {"extra_specs": {"": "x"}}, "extra_specs"),
        ("", {"extra_specs": {"a": "x" * 256}}, "at most 255"),
        ("", {"extra_specs": {"a": None}}, "string or a number"),
        ("", {"extra_specs": {"a": ["x"]}}, "string or a number"),
        ("", {"specs": {}}, "extra_specs"),
        ("/a", {"b": "x"}, "URL"),
        ("/a", {"a": "x", "b": "y"}, "at most 1"),
        ("/a", {}, "at least 1"),
    ],
)
def test_bad_extra_specs(nouns: NounsUnderTest, path: str, body: Any, words: str) -> None:
    make(nouns, id="7")
    reply = nouns.request("PUT" if path else "POST", SPECS + path, json=body, **ADMIN)
    assert (reply.status_code, words in message(reply)) == (400, True), message(reply)
    assert nouns.get(SPECS).get_json() == {"extra_specs": {}}


def test_extra_specs_of_no_flavor(nouns: NounsUnderTest) -> None:
    assert nouns.get(SPECS).status_code == 404
    assert nouns.post(SPECS, {"extra_specs": {"a": "b"}}, **ADMIN).status_code == 404
    assert nouns.delete(f"{SPECS}/a", **ADMIN).status_code == 404


# --- access ------------------------------------------------------------------------------------


def act(nouns: NounsUnderTest, action: str, tenant: str = PROJECT, **more: Any) -> Any:
    """An access action of an administrator."""
    return nouns.post("/flavors/7/action", {action: {"tenant": tenant}}, **ADMIN, **more)


def test_access(nouns: NounsUnderTest) -> None:
    make(nouns, id="7", **{"os-flavor-access:is_public": False})
    assert nouns.get("/flavors/7/os-flavor-access", **ADMIN).get_json() == {"flavor_access": []}
    mine = {"flavor_access": [{"flavor_id": "7", "tenant_id": PROJECT}]}
    reply = act(nouns, "addTenantAccess")
    assert (reply.status_code, reply.get_json()) == (200, mine)
    assert nouns.get("/flavors/7/os-flavor-access", **ADMIN).get_json() == mine
    assert act(nouns, "addTenantAccess").status_code == 409
    assert act(nouns, "removeTenantAccess").get_json() == {"flavor_access": []}
    assert act(nouns, "removeTenantAccess").status_code == 404


def test_access_of_a_public_flavor(nouns: NounsUnderTest) -> None:
    make(nouns, id="7")
    assert nouns.get("/flavors/7/os-flavor-access", **ADMIN).status_code == 404
    assert act(nouns, "addTenantAccess", version="2.7").status_code == 409
    assert act(nouns, "addTenantAccess", version="2.6").status_code == 200


def test_bad_access_actions(nouns: NounsUnderTest) -> None:
    make(nouns, id="7", **{"os-flavor-access:is_public": False})
    both = {"addTenantAccess": {"tenant": PROJECT}, "removeTenantAccess": {"tenant": PROJECT}}
    for body in ({}, both, {"addTenantAccess": {}}, {"addTenantAccess": {"tenant": ""}}, {"shout": {}}):
        assert nouns.post("/flavors/7/action", body, **ADMIN).status_code == 400
    reply = act(nouns, "addTenantAccess", tenant="ffffffffffffffffffffffffffffffff")
    assert (reply.status_code, "not a valid project" in message(reply)) == (400, True)
    assert act(nouns, "removeTenantAccess", tenant=OTHER_PROJECT).status_code == 404
    assert nouns.get("/flavors/7/os-flavor-access", **ADMIN).get_json() == {"flavor_access": []}
