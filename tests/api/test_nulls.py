"""Null in the place of every field of every body, one at a time: refused or understood, never a failure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from novalite.api.microversions import MAX
from tests.api.instances import least
from tests.api.test_no_5xx import Documented
from tests.api.world import World
from tests.served import ServedCloud

HOSTS = ("/os-services", "/os-hosts")
"""What takes hosts out of service comes last."""


@pytest.fixture
def own_world(tmp_path: Path) -> Iterator[World]:
    """One of its own: what is understood changes things."""
    made = World(tmp_path, ServedCloud)
    yield made
    made.close()


def _fields(schema: Any, models: Any) -> list[str]:
    """The names of an object's fields; none of what is no object."""
    if "$ref" in schema:
        return _fields(models[schema["$ref"].rsplit("/", 1)[-1]], models)
    for choice in ("anyOf", "oneOf"):
        if choice in schema:
            return [name for one in schema[choice] for name in _fields(one, models)]
    return list(schema.get("properties", {}))


def _with_nulls(schema: Any, models: Any) -> list[Any]:
    """The least body of each form of a schema, with null in the place of one field of what it wraps."""
    found = []
    for form in schema.get("oneOf", [schema]):
        if "$ref" in form:
            form = models[form["$ref"].rsplit("/", 1)[-1]]
        body = least(form, models)
        for key, inner in form.get("properties", {}).items():
            held = body.get(key)
            held = held if isinstance(held, dict) else {}
            found += [{**body, key: {**held, name: None}} for name in _fields(inner, models)] or [
                {**body, key: None}
            ]
    return found


def _server(world: World) -> str:
    """A server that is there: some null deletes it."""
    if world.admin("GET", f"/servers/{world.names['server']}").status_code == 404:
        world.names["server"] = world.cloud.boot("again")
    return world.names["server"]


@pytest.mark.parametrize("minor", [1, MAX[1]])
def test_null_in_the_place_of_any_field_makes_nothing_fail(own_world: World, minor: int) -> None:
    requests, failed, taken = Documented(own_world, 1, (minor,)), [], 0
    for _, values, path, method, operation in sorted(
        requests.operations, key=lambda o: o[2].startswith(HOSTS)
    ):
        if "requestBody" not in operation:
            continue
        schema = operation["requestBody"]["content"]["application/json"].get("schema", {})
        for body in _with_nulls(schema, values.models):
            if not path.startswith(HOSTS):
                requests.there["servers"] = requests.there["os-volumes_boot"] = _server(own_world)
            url = path
            for word, known in requests.there.items():
                url = re.sub(rf"/{word}/{{\w+}}", f"/{word}/{known}", url)
            reply = own_world.admin(method, re.sub(r"{\w+}", "x", url), body, version=f"2.{minor}")
            taken += reply.status_code in (200, 201, 202, 204)
            if reply.status_code >= 500 and reply.status_code != 501:
                failed.append((reply.status_code, method, url, str(body)[:400]))
            reply.close()
    assert not failed, "\n".join(map(str, failed[:20]))
    assert taken > 10, "some nulls are understood"


def test_where_a_tag_is_can_be_said_of_any_tag(own_world: World) -> None:
    path = f"/servers/{_server(own_world)}/tags/"
    for tag in ("plain", "a b", "Ⱦ\n𐍈", "%", "?x=#y"):
        reply = own_world.admin("PUT", path + quote(tag, safe=""))
        assert reply.status_code == 201, (tag, reply.text)
        where = reply.headers["Location"].split("/v2.1")[1]
        assert own_world.admin("GET", where).status_code == 204, where
