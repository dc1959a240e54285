"""Requests made to hurt: endless patterns, thousands of conditions, values between the limits of layers."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import quote

import pytest

from tests.api.world import World, refused
from tests.rest import Rest

IMAGES = "/image/v2/images"
PATCH = "application/openstack-images-v2.1-json-patch"


def many(count: int, pair: str) -> str:
    return "&".join(pair.format(number) for number in range(count))


REFUSED = [
    (f"{IMAGES}?name=" + quote("in:a\rb"), "no list"),
    (f"{IMAGES}?name=" + quote('in:"' + "a" * 140_000), "no list"),
    (f"{IMAGES}?id=in:" + ",".join(map(str, range(2000))), "at most 1000"),
    (f"{IMAGES}?created_at=" + quote("gt:0001-01-01T00:00:00+14:00"), "must be a time"),
    (f"{IMAGES}?updated_at=" + quote("9999-12-31T23:59:59-14:00"), "must be a time"),
    (f"{IMAGES}?" + many(1500, "p{0}=x"), "at most 64"),
    (f"{IMAGES}?" + many(1500, "tag=x{0}"), "at most 64"),
    ("/servers?" + many(1500, "tags=x{0}"), "at most 50 tags"),
    ("/servers?name=" + quote("(a+)+$"), "too many repeats"),
    ("/servers?name=" + quote("a?" * 60 + "a" * 60), "too many repeats"),
    ("/servers?name=" + quote(".*.*.*.*!"), "too many repeats"),
]


@pytest.mark.parametrize("path, words", REFUSED, ids=lambda text: text[:40])
def test_it_is_refused_at_once(world: World, path: str, words: str) -> None:
    began = time.process_time()
    refused(world, 400, words, lambda: world.member("GET", path))
    assert time.process_time() - began < 2


@pytest.mark.parametrize("query", [
    f"{{}}&{many(500, 'sort_key=display_name')}",
    "{}&" + many(2500, "status=ACTIVE"),
    "{}&name=" + quote("^w(eb|ww)[0-9]*.*$"),
], ids=lambda text: text[:30])  # fmt: skip
def test_saying_it_again_costs_nothing(world: World, query: str) -> None:
    began = time.process_time()
    world.member.get("/servers?" + query.format(f"marker={world.names['server']}"))
    assert time.process_time() - began < 2


def test_a_credential_that_expires_outside_of_time(world: World) -> None:
    path = f"/identity/v3/users/{world.member.user_id}/application_credentials"
    body = {"application_credential": {"name": "a", "expires_at": "9999-12-31T23:59:59-14:00"}}
    refused(world, 400, "expires_at must be a time", lambda: world.member.post(path, body))


@pytest.mark.parametrize("data, words", [
    (b'[{"op":"replace","path":"/owner","value":"a\\u0000"}]', "null characters"),
    (b'[{"op":"add","path":"/x","value":' + b"[" * 900 + b"]" * 900 + b"}]", "levels deep"),
    (b"", "must have a body"),
])  # fmt: skip
def test_a_patch_is_read_like_any_body(world: World, data: bytes, words: str) -> None:
    path = f"{IMAGES}/{world.names['image']}"
    refused(world, 400, words, lambda: world.admin("PATCH", path, data=data, content_type=PATCH))


def test_a_service_is_no_member_of_every_project(world: World) -> None:
    """The role service lets image data and tokens be read; servers stay those of the own project."""
    admin, stranger = world.admin, world.stranger
    role = admin.get("/identity/v3/roles?name=service")["roles"][0]["id"]
    path = f"/identity/v3/projects/{stranger.project_id}/users/{stranger.user_id}/roles/{role}"
    assert admin("PUT", path).status_code == 204
    who = {"name": "stranger", "domain": {"id": "default"}, "password": "stranger"}
    asked = {"auth": {"identity": {"methods": ["password"], "password": {"user": who}},
                      "scope": {"project": {"id": stranger.project_id}}}}  # fmt: skip
    token = Rest(stranger.http, None).post("/identity/v3/auth/tokens", asked).headers["X-Subject-Token"]
    service, server = Rest(stranger.http, token), f"/servers/{world.names['server']}"
    before = world.holds()
    tries: list[tuple[str, str, Any]] = [
        ("GET", server, None),
        ("PUT", server, {"server": {"name": "mine"}}),
        ("DELETE", server, None),
        ("POST", f"{server}/action", {"os-stop": None}),
        ("POST", f"{server}/action", {"lock": None}),
        ("POST", f"{server}/action", {"os-getConsoleOutput": {}}),
        ("POST", f"{server}/metadata", {"metadata": {"a": "c"}}),
        ("DELETE", f"{server}/metadata/a", None),
        ("GET", f"{server}/os-instance-actions", None),
        ("GET", f"{server}/tags", None),
    ]
    answers = [service(*one).status_code for one in tries]
    assert set(answers) <= {403, 404}, answers
    assert world.holds() == before
    assert admin("DELETE", path).status_code == 204


def test_other_users_of_the_machine_cannot_read_images(world: World) -> None:
    files = [path for path in world.folder.rglob("*.*") if len(path.name) == 73]
    assert files and all(path.stat().st_mode & 0o007 == 0 for path in files)
