"""JSON schemas of bodies and query strings, by minor version, and the check against them.

Errors of bodies are told in the words of the jsonschema library, as clients of this API know them.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import orjson

from novalite.errors import BadRequest
from novalite.objects.placement import MOST
from novalite.placement.values import is_uuid

Schema = dict[str, Any]
_LONGEST = 2000
"""Characters of an error that are told; it quotes the body."""

CLASS = "^[A-Z0-9_]+$"
UUID = {"type": "string", "format": "uuid"}
UUID_KEY = "^[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}$"
ID = {"type": "string", "minLength": 1, "maxLength": 255}
GENERATION = {"type": "integer"}
LARGEST_RATIO = 3.40282e38
"""The largest 32-bit float (Placement API reference)."""


def validate(data: Any, schema: Schema, problem: str) -> None:
    """BadRequest that begins with `problem` unless `data` fits `schema`."""
    from jsonschema.exceptions import best_match

    error = best_match(_validator(orjson.dumps(schema)).iter_errors(data))
    if error is not None:
        raise BadRequest(f"{problem}: {str(error)[:_LONGEST]}")


@lru_cache(maxsize=128)
def _validator(schema: bytes) -> Any:
    # Loaded by the first request that needs it: it takes a tenth of a second.
    from jsonschema import Draft4Validator, FormatChecker

    formats = FormatChecker(formats=())
    formats.checks("uuid")(lambda value: not isinstance(value, str) or is_uuid(value))
    return Draft4Validator(orjson.loads(schema), format_checker=formats)


def _object(properties: Schema, *required: str) -> Schema:
    found: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return {**found, "required": list(required)} if required else found


def _by(pattern: str, value: Schema, least: int = 0) -> Schema:
    found: Schema = {"type": "object", "patternProperties": {pattern: value}, "additionalProperties": False}
    return {**found, "minProperties": least} if least else found


# --- providers and what they have -----------------------------------------------------------------

_NAME = {"type": "string", "minLength": 1, "maxLength": 200}
_MAYBE_UUID = {"type": ["string", "null"], "format": "uuid"}


def provider(minor: int, new: bool) -> Schema:
    """POST or PUT of a provider."""
    fields: Schema = {"name": _NAME}
    if new:
        fields["uuid"] = UUID
    if minor >= 14:
        fields["parent_provider_uuid"] = _MAYBE_UUID
    return _object(fields, "name")


def providers_query(minor: int) -> Schema:
    """The query string of a list of providers."""
    fields: Schema = {"name": {"type": "string"}, "uuid": UUID}
    more: tuple[tuple[int, str, Schema], ...] = (
        (3, "member_of", {"type": "string"}),
        (4, "resources", {"type": "string"}),
        (14, "in_tree", UUID),
        (18, "required", {"type": "string"}),
    )
    return _object(fields | {name: kind for since, name, kind in more if minor >= since})


def _whole(least: int) -> Schema:
    return {"type": "integer", "minimum": least, "maximum": MOST}


_FIELDS = {
    "total": _whole(1),
    "reserved": _whole(0),
    "min_unit": _whole(1),
    "max_unit": _whole(1),
    "step_size": _whole(1),
    "allocation_ratio": {"type": "number", "minimum": 0, "maximum": LARGEST_RATIO},
}
_SEEN = {"resource_provider_generation": GENERATION}
INVENTORY = _object(_FIELDS, "total")
NEW_INVENTORY = _object(
    {"resource_class": {"type": "string", "pattern": CLASS, "maxLength": 255}} | _FIELDS, "resource_class", "total"
)
ONE_INVENTORY = _object(_SEEN | _FIELDS, "resource_provider_generation", "total")
ALL_INVENTORIES = _object(
    _SEEN | {"inventories": _by(CLASS, INVENTORY)}, "resource_provider_generation", "inventories"
)
_AGGREGATES = {"type": "array", "items": UUID, "uniqueItems": True}


def aggregates(minor: int) -> Schema:
    """PUT of a provider's aggregates."""
    if minor < 19:
        return _AGGREGATES
    return _object(_SEEN | {"aggregates": _AGGREGATES}, "aggregates", "resource_provider_generation")


TRAITS = _object(
    _SEEN | {"traits": {"type": "array", "items": {"type": "string", "pattern": CLASS, "maxLength": 255},
                        "uniqueItems": True}},
    "traits", "resource_provider_generation",
)  # fmt: skip
TRAITS_QUERY = _object({"name": {"type": "string"}, "associated": {"type": "string"}})
NEW_CLASS = _object(
    {"name": {"type": "string", "pattern": "^CUSTOM_[A-Z0-9_]+$", "maxLength": 255}}, "name"
)


def usages_query(minor: int) -> Schema:
    """The query string of usages."""
    fields: Schema = {"project_id": ID, "user_id": ID}
    if minor >= 38:
        fields["consumer_type"] = {"type": "string", "pattern": f"{CLASS}|^all$|^unknown$", "maxLength": 255}
    return _object(fields, "project_id")


# --- allocations ---------------------------------------------------------------------------------

_RESOURCES = _by(CLASS, _whole(1), least=1)
_LISTED = {
    "type": "array",
    "minItems": 1,
    "items": _object(
        {"resource_provider": _object({"uuid": UUID}, "uuid"), "resources": _RESOURCES},
        "resource_provider", "resources",
    ),
}  # fmt: skip
_MAPPINGS = _by("^[a-zA-Z0-9_-]{0,64}$", {"type": "array", "minItems": 1, "items": UUID}, least=1)


def allocations(minor: int, many: bool = False) -> Schema:
    """What one consumer shall hold: the body of PUT, or with `many` one entry of POST."""
    if minor < 12:
        fields: Schema = {"allocations": _LISTED}
    else:
        held = _object({"resources": _RESOURCES, "generation": GENERATION}, "resources")
        fields = {"allocations": _by(UUID_KEY, held, least=0 if many or minor >= 28 else 1)}
    more: tuple[tuple[int, str, Schema], ...] = (
        (8, "project_id", ID),
        (8, "user_id", ID),
        (28, "consumer_generation", {"type": ["integer", "null"]}),
        (38, "consumer_type", {"type": "string", "pattern": CLASS, "minLength": 1, "maxLength": 255}),
    )
    fields |= {name: kind for since, name, kind in more if minor >= since}
    required = list(fields)
    if minor >= 34:
        fields["mappings"] = _MAPPINGS
    return _object(fields, *required)


def reshape(minor: int) -> Schema:
    """Inventories by provider, and what consumers shall hold."""
    held = _by(UUID_KEY, allocations(minor, many=True))
    fields = {"inventories": _by(UUID_KEY, ALL_INVENTORIES, least=1), "allocations": held}
    return _object(fields, *fields)


def many_allocations(minor: int) -> Schema:
    """What several consumers shall hold: the body of POST."""
    return _by(UUID_KEY, allocations(minor, many=True), least=1)
