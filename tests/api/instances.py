"""The least that a JSON schema asks for, so that tests can send a body to a route they have never heard of."""

from __future__ import annotations

from typing import Any

UUID = "00000000-0000-4000-8000-00000000ffff"
BY_NAME = {
    "name": "made", "flavorRef": "tiny", "networks": "none", "public_key": "", "tenant": "absent",
    "fixed_ip": "192.0.2.1", "address": "192.0.2.1", "state": "active", "rotation": 1, "host": "absent",
    "binary": "nova-compute",
}  # fmt: skip
"""Values that mean something to a field of that name."""


def least(schema: Any, models: Any, name: str = "") -> Any:
    """A value that fits a schema of a document; `models` are its components."""
    if "$ref" in schema:
        return least(models[schema["$ref"].rsplit("/", 1)[-1]], models, name)
    for choice in ("anyOf", "oneOf"):
        if choice in schema:
            simple = [one for one in schema[choice] if one.get("type") == "null"]
            return None if simple else least(schema[choice][0], models, name)
    if "enum" in schema:
        return schema["enum"][0]
    if "const" in schema:
        return schema["const"]
    kind = schema.get("type")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object":
        return _object(schema, models)
    if kind == "array":
        return [least(schema.get("items", {}), models)] * schema.get("minItems", 0)
    if kind in ("integer", "number"):
        return max(schema.get("minimum", 0), schema.get("exclusiveMinimum", 0), BY_NAME.get(name, 0))
    if kind == "boolean":
        return False
    if kind == "string":
        return _text(schema, name)
    return BY_NAME.get(name)


def _object(schema: Any, models: Any) -> Any:
    shown = schema.get("properties", {})
    made = {key: least(shown[key], models, key) for key in schema.get("required", ())}
    if len(made) < schema.get("minProperties", 0):
        more = schema.get("additionalProperties") or next(iter(schema.get("patternProperties", {}).values()), {})
        key, kind = next(iter(shown.items()), ("a", more))
        made[key] = least(kind if isinstance(kind, dict) else {}, models, key)
    return made


def _text(schema: Any, name: str) -> str:
    if schema.get("format") == "uuid":
        return UUID
    if name in BY_NAME and isinstance(BY_NAME[name], str):
        return BY_NAME[name]
    return {"ipv4": "192.0.2.1", "ipv6": "2001:db8::1"}.get(
        schema.get("format", ""), "a" * max(1, schema.get("minLength", 1))
    )
