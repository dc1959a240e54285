"""Every route of the Placement API: who may, and that nothing a client sends is answered with a 5xx."""

from __future__ import annotations

import re
from typing import Any

import pytest

from novalite.placement.api import MODULES
from novalite.placement.api.routing import Row
from tests.api.placement.conftest import Placement
from tests.cloud import Cloud

ROWS = [row for module in MODULES for row in module.ROUTES.rows if row.path != "/"]
BODIES: tuple[Any, ...] = (
    None, [], {}, "text", 5, {"name": "\ud7ff" * 300}, {"name": 5, "uuid": None}, [[]] * 3,
    {"resource_provider_generation": 10**30, "inventories": {"VCPU": {"total": 1.5}}},
    {"resource_provider_generation": 1, "inventories": {"VCPU": {"total": 1, "allocation_ratio": -1}}, "traits": [1]},
    {"resource_class": "VCPU", "total": 2**31}, {"traits": ["X"] * 9, "resource_provider_generation": -1},
    {"allocations": {"1" * 32: {"resources": {"VCPU": 2**40}}}, "project_id": "p", "user_id": "u",
     "consumer_generation": 2**70, "consumer_type": "A"},
    {"1" * 32: {"allocations": {}, "project_id": "p", "user_id": "u", "consumer_generation": None,
                "consumer_type": "A"}},
)  # fmt: skip
WORDS = ("nobody", "1" * 32, "x" * 400, "☃", "VCPU", "%2e%2e", "'; --")
QUERIES = (
    "", "?resources=VCPU:99999999999999999999", "?resources=:1", "?required=in:", "?member_of=!in:!", "?in_tree=x",
    "?name=%00", "?name=in:", "?project_id=%F0%9F%92%A9&user_id=x", "?limit=-1&limit=x", "?resources1=VCPU:1",
)  # fmt: skip


def _path(row: Row, word: str) -> str:
    return re.sub("<[^>]*>", word, row.path)


@pytest.mark.parametrize("who", ["stranger", "member", "reader"])
def test_only_administrators_and_services_may(cloud: Cloud, who: str) -> None:
    for row in ROWS:
        if who == "stranger":
            rest = cloud.rest("member")
            rest = type(rest)(rest.http, None)
        else:
            rest = cloud.rest(who, role=who)
        path = _path(row, "1" * 32)
        if row.path == "/usages":
            own, other = (f"{path}?project_id={one}" for one in (rest.project_id, "somebody"))
            answers = [Placement(rest)("GET", one).status_code for one in (own, other)]
            assert answers == ([401, 401] if who == "stranger" else [200, 403]), who
            continue
        asked = Placement(rest)(row.method, path, {} if row.body else None, minor=row.until)
        assert asked.status_code == (401 if who == "stranger" else 403), (row.method, row.path, asked.text)


def test_nothing_is_answered_with_a_defect(admin: Placement) -> None:
    sent = 0
    for row in ROWS:
        sends = BODIES if row.body else QUERIES
        words = WORDS if "<" in row.path else WORDS[:1]
        for word, more in {(word, at) for word in words for at in range(len(sends)) if word == WORDS[0] or at == 1}:
            path = _path(row, word) + ("" if row.body else str(sends[more]))
            reply = admin(row.method, path, sends[more] if row.body else None, minor=row.until)
            assert reply.status_code < 500, (row.method, path, sends[more], reply.text)
            sent += 1
    assert sent > 400


@pytest.mark.parametrize("version", ["1.40", "2.0", "1.-1", "1", "x", "1.0.0"])
def test_versions_that_there_are_not(admin: Placement, version: str) -> None:
    reply = admin("GET", "/traits", **{"OpenStack-API-Version": f"placement {version}"})
    assert reply.status_code in (400, 406) and reply.get_json()["errors"][0]["request_id"]


def test_a_provider_goes_with_its_compute_service(cloud: Cloud, admin: Placement) -> None:
    root = admin.host()
    child = admin.provider("gpu", {"VGPU": {"total": 2}}, parent=root["uuid"])
    (service,) = (one for one in cloud.rest("admin").get("/os-services")["services"] if one["host"] == "alpha")
    body = {"allocations": {child: {"resources": {"VGPU": 1}}}, "project_id": "p", "user_id": "u",
            "consumer_generation": None, "consumer_type": "X"}  # fmt: skip
    admin.ok("PUT", "/allocations/" + "1" * 32, body)
    assert cloud.rest("admin").delete(f"/os-services/{service['id']}").status_code == 409
    admin.ok("DELETE", "/allocations/" + "1" * 32)
    assert cloud.rest("admin").delete(f"/os-services/{service['id']}").status_code == 204
    assert admin.ok("GET", "/resource_providers")["resource_providers"] == []
