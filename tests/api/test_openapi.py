"""The documents of the API: valid, complete, and of one microversion each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from openapi_spec_validator import validate

from novalite.api.app import routes, rules
from novalite.api.microversions import HISTORY
from novalite.api.openapi import actions_of, bodies, document, minor_of, shape_of
from novalite.api.reference import page
from novalite.cmd import manage
from novalite.errors import BadRequest
from tests.api.support import ApiUnderTest, message


def made(minor: int) -> Any:
    """The document as it is sent."""
    return orjson.loads(orjson.dumps(document(routes(), rules(), minor)))


def fields(found: Any, model: str) -> set[str]:
    return set(found["components"]["schemas"][model]["properties"])


@pytest.mark.parametrize("minor", [1, 104])
def test_it_is_valid_openapi(minor: int) -> None:
    validate(made(minor))


def test_every_route_is_in_the_documents_of_its_versions_and_in_no_other() -> None:
    for minor in (1, 35, 36, 64, 104):
        found = made(minor)
        told = {(m.upper(), shape_of(path)) for path, item in found["paths"].items() for m in item}
        assert told == {(row.method, shape_of(row.path)) for row in routes() if row.at(minor)}


def test_bodies_are_those_of_the_version() -> None:
    early, late = made(1), made(104)
    assert "personality" in fields(early, "NewServer") and "hostname" not in fields(early, "NewServer")
    assert "personality" not in fields(late, "NewServer") and "hostname" in fields(late, "NewServer")
    assert "networks" not in early["components"]["schemas"]["NewServer"]["required"]
    assert "networks" in late["components"]["schemas"]["NewServer"]["required"]
    assert "File" in early["components"]["schemas"] and "File" not in late["components"]["schemas"]
    ram = late["components"]["schemas"]["NewFlavor"]["properties"]["ram"]
    assert (ram["minimum"], ram["maximum"]) == (1, 0x7FFFFFFF)


def test_queries_and_actions_are_those_of_the_version() -> None:
    def keys(minor: int) -> set[str]:
        return {p["name"] for p in made(minor)["paths"]["/flavors"]["get"]["parameters"] if "name" in p}

    def actions(minor: int) -> dict[str, Any]:
        body = made(minor)["paths"]["/servers/{server_id}/action"]["post"]["requestBody"]
        return {one["title"]: one for one in body["content"]["application/json"]["schema"]["oneOf"]}

    assert keys(102) - keys(101) == {"name"}
    assert "trigger_crash_dump" in actions(17) and "trigger_crash_dump" not in actions(16)
    assert actions(104)["pause"]["x-policies"] == ["os_compute_api:os-pause-server:pause"]
    assert actions(104)["pause"]["description"] == "Pause a server."


def test_it_is_served_to_anybody() -> None:
    api = ApiUnderTest()
    reply = api.get("/openapi.json?microversion=2.90", token=None)
    assert (reply.status_code, reply.get_json()["info"]["version"]) == (200, "2.90")
    assert api.get("/openapi.json", token=None).get_json()["info"]["version"] == f"2.{max(HISTORY)}"
    assert api.get("/openapi.json", token=None, version="2.3").get_json()["info"]["version"] == "2.3"
    for wrong in ("2.0", "2.105", "3.1", "two", "2.1 ", "2.٣"):
        reply = api.get("/openapi.json", token=None, query_string={"microversion": wrong})
        assert (reply.status_code, "must be latest or one of" in message(reply)) == (400, True), wrong


def test_the_operator_may_print_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert manage.run(["openapi", "2.90"]) == 0
    assert orjson.loads(capsys.readouterr().out)["info"]["version"] == "2.90"
    assert manage.run(["openapi", "2.900"]) == 2
    assert "must be latest or one of" in capsys.readouterr().err


def test_the_reference_page_is_up_to_date() -> None:
    kept = Path(__file__).parents[2] / "docs" / "reference.html"
    assert page(routes(), rules()) == kept.read_text(), "make docs writes it again"


def test_versions_are_told_by_their_names() -> None:
    assert (minor_of("2.1"), minor_of("latest")) == (1, max(HISTORY))
    with pytest.raises(BadRequest):
        minor_of("2.0")


# --- limits ------------------------------------------------------------------------------------

_BOUND = {
    "string": ("maxLength", "pattern", "format"),
    "array": ("maxItems",),
    "integer": ("maximum", "maxLength", "pattern"),
}
OPEN = {
    "Hints: object", "Specs.extra_specs.*: integer", "body.*: integer", "BlockDevice.no_device: anything",
    "body: anything",
}  # fmt: skip
"""Kept as they come and bounded by the size of a body; numbers that are read as text of a bounded length."""


def unbounded(schema: Any, at: str) -> Iterator[str]:
    """Places of a schema where something may be as long or as large as it likes."""
    for choice in ("anyOf", "oneOf"):
        for one in schema.get(choice, ()):
            yield from unbounded(one, at)
    if {"enum", "const", "$ref", "anyOf", "oneOf"} & schema.keys():
        return
    kinds = schema.get("type", "anything")
    for kind in kinds if isinstance(kinds, list) else [kinds]:
        if kind in _BOUND and not any(word in schema for word in _BOUND[kind]):
            yield f"{at}: {kind}"
        if kind == "anything":
            yield f"{at}: anything"
    if schema.get("type") == "object":
        if schema.get("additionalProperties") is not False and "maxProperties" not in schema:
            yield f"{at}: object"
        for name, one in schema.get("properties", {}).items():
            yield from unbounded(one, f"{at}.{name}")
        for one in schema.get("patternProperties", {}).values():
            yield from unbounded(one, f"{at}.*")
    if isinstance(schema.get("items"), dict):
        yield from unbounded(schema["items"], f"{at}[]")


def test_everything_a_body_may_hold_has_a_limit() -> None:
    rows = routes()
    kinds = [row.body for row in rows if row.body is not None and row.actions is None]
    kinds += [one.value for row in rows for one in actions_of(row, None)]
    found, models = bodies(kinds)
    places = {place for name, model in models.items() for place in unbounded(model, name)}
    places |= {place for schema in found for place in unbounded(schema, "body")}
    assert places <= OPEN, sorted(places - OPEN)
