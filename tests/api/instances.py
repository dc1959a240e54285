"""Values for a JSON schema, so that tests can send a body to a route they have never heard of."""

from __future__ import annotations

import random
from typing import Any

UUID = "00000000-0000-4000-8000-00000000ffff"
BY_NAME = {
    "name": "made", "flavorRef": "tiny", "networks": "none", "public_key": "", "tenant": "absent",
    "fixed_ip": "192.0.2.1", "address": "192.0.2.1", "state": "active", "rotation": 1, "host": "absent",
    "binary": "nova-compute", "imageRef": UUID,
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


class Dice:
    """Values that fit a schema, or nearly: limits are met exactly as often as not."""

    def __init__(self, dice: random.Random, models: Any, known: list[str]) -> None:
        self.dice, self.models, self.known = dice, models, known

    def value(self, schema: Any, name: str = "") -> Any:
        """One value."""
        if "$ref" in schema:
            return self.value(self.models[schema["$ref"].rsplit("/", 1)[-1]], name)
        for choice in ("anyOf", "oneOf"):
            if choice in schema:
                return self.value(self.dice.choice(schema[choice]), name)
        if "enum" in schema:
            return self.dice.choice(schema["enum"])
        if "const" in schema:
            return schema["const"]
        kind = schema.get("type", "string")
        kind = self.dice.choice(kind) if isinstance(kind, list) else kind
        made: Any = getattr(self, f"_{kind}")(schema, name)
        return made

    def _object(self, schema: Any, name: str) -> Any:
        needed = schema.get("required", ())
        made = {
            key: self.value(kind, key)
            for key, kind in schema.get("properties", {}).items()
            if key in needed or self.dice.random() < 0.4
        }
        more = schema.get("additionalProperties") or next(iter(schema.get("patternProperties", {}).values()), None)
        if more:
            for _ in range(self.dice.choice((0, 1, 2))):
                made[self._string({"maxLength": 255}, "key")] = self.value(more if isinstance(more, dict) else {})
        return made

    def _array(self, schema: Any, name: str) -> Any:
        low, high = schema.get("minItems", 0), schema.get("maxItems", 3)
        count = self.dice.choice((low, low + 1, min(high, low + 2), high))
        return [self.value(schema.get("items", {}), name) for _ in range(count)]

    def _string(self, schema: Any, name: str) -> str:
        if schema.get("format") == "uuid" or (name in ("imageRef", "id") and self.dice.random() < 0.7):
            return self.dice.choice([UUID, *self.known])
        if schema.get("pattern", "").startswith("^-?[0-9]"):
            return str(self._integer(schema, name))
        if name in BY_NAME and isinstance(BY_NAME[name], str) and self.dice.random() < 0.7:
            return str(BY_NAME[name])
        low, high = schema.get("minLength", 0), schema.get("maxLength", 300)
        length = self.dice.choice((low, low + 1, 8, high, min(high, 5000)))
        return self.dice.choice(("a", "a-", "é", "0", "𐍈", " a")) * length if high < 5000 else "QUJD" * (length // 4)

    def _integer(self, schema: Any, name: str) -> int:
        low, high = schema.get("minimum", -1), schema.get("maximum", 2**63 - 1)
        return int(self.dice.choice((low, low + 1, 1, high, min(high, 2**31 - 1), min(high, 2**31))))

    def _number(self, schema: Any, name: str) -> float:
        return float(self.dice.choice((schema.get("minimum", 0), 1.5, schema.get("maximum", 1e300))))

    def _boolean(self, schema: Any, name: str) -> bool:
        return self.dice.random() < 0.5

    def _null(self, schema: Any, name: str) -> None:
        return None
