"""One OpenAPI 3.1 document per microversion, built from the tables that answer the requests.

Routes and actions give the operations, pydantic models the bodies, Query tables the query keys, Views and
the column `answer` the answers. GET /v2.1/openapi.json serves it; it tells nothing about this cloud, so it
needs no token. `novalite-manage openapi` prints it, and reference.py makes the HTML page from the same parts.
"""

from __future__ import annotations

import inspect
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any, ClassVar

import orjson
from flask import Flask, Response, request
from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from novalite.api import microversions, shapes
from novalite.api.actions import Action
from novalite.api.microversions import HISTORY, MAX, MIN
from novalite.api.middleware import public
from novalite.api.paging import ANY, Key
from novalite.api.policy import Rule
from novalite.api.routing import JSON_TYPES, Row
from novalite.api.schemas import Body
from novalite.api.shapes import Schema
from novalite.errors import BadRequest

PATH = "/v2.1/openapi.json"
REFS = "#/components/schemas/{model}"
FAULT: Schema = {
    "type": "object",
    "description": "One key, named after the status, e.g. itemNotFound.",
    "minProperties": 1,
    "maxProperties": 1,
    "additionalProperties": {
        "type": "object",
        "properties": {"code": {"type": "integer"}, "message": {"type": "string"}},
        "required": ["code", "message"],
    },
}
_HELD = {"ge": "minimum", "le": "maximum", "gt": "exclusiveMinimum", "lt": "exclusiveMaximum"}
"""Limits that pydantic leaves in its own words behind a validator of ours."""
_METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH")


# --- bodies ------------------------------------------------------------------------------------


class _Generator(GenerateJsonSchema):
    """Schemas of Body models as they are at one minor version; None: all fields, with notes."""

    minor: ClassVar[int | None] = None

    def model_schema(self, schema: Any) -> Schema:
        made = super().model_schema(schema)
        made.pop("title", None)
        kind = schema["cls"]
        if not issubclass(kind, Body):
            return made
        shown, needed = made.get("properties", {}), list(made.get("required", []))
        for key, spans in kind.gated.items():
            if self.minor is None:
                low, high = spans.ranges[0][0], spans.ranges[-1][1]
                shown[key] = {**shown[key], **shapes.versions(low, high)}
            elif not spans.cover(self.minor):
                shown.pop(key, None)
                needed = [name for name in needed if name != key]
        for key, since in kind.required_since.items():
            if self.minor is None:
                until = {"x-required-until": f"2.{since.until}"} if since.until else {}
                shown[key] = {**shown[key], "x-required-since": f"2.{since.minor}", **until}
            elif since.at(self.minor) and key not in needed:
                needed.append(key)
        made.pop("required", None)
        return made | ({"required": needed} if needed else {})

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def _tidy(found: Any, named: bool = False) -> Any:
    """Limits in the words of JSON Schema; defaults left out that only mean "not given".

    `named`: the keys of this object are names of properties, not words of the schema.
    """
    if isinstance(found, list):
        return [_tidy(item) for item in found]
    if not isinstance(found, dict):
        return found
    if named:
        return {key: _tidy(item) for key, item in found.items()}
    made = {}
    for key, item in found.items():
        if key in ("min_length", "max_length"):
            what = "Items" if found.get("type") == "array" else "Length"
            key = key[:3] + what
        elif key == "default" and item in (None, "", [], {}):
            continue
        made[_HELD.get(key, key)] = _tidy(item, key in ("properties", "$defs"))
    return made


def _bodies(kinds: Sequence[Any], minor: int | None) -> tuple[list[Schema], Schema]:
    """Schemas of request types in order, and the models they refer to by name."""
    generator = type("Generator", (_Generator,), {"minor": minor})
    inputs: list[Any] = [(str(n), "validation", TypeAdapter(kind)) for n, kind in enumerate(kinds)]
    found, shared = TypeAdapter.json_schemas(inputs, ref_template=REFS, schema_generator=generator)
    ordered = [_tidy(found[str(n), "validation"]) for n in range(len(kinds))]
    return ordered, _tidy(shared.get("$defs", {}), named=True)


def _used(root: Any, models: Schema) -> Schema:
    """Only those models that something refers to."""
    wanted: dict[str, None] = {}
    todo = [root]
    while todo:
        names = re.findall(rb"#/components/schemas/([^\"]+)", orjson.dumps(todo.pop()))
        for name in {n.decode() for n in names} - wanted.keys():
            wanted[name] = None
            todo.append(models.get(name))
    return {name: model for name, model in sorted(models.items()) if name in wanted}


# --- operations --------------------------------------------------------------------------------


def text_of(handler: Callable[..., Any], otherwise: str) -> str:
    """The first sentence of a handler's docstring, unless it only repeats the route."""
    said = (inspect.getdoc(handler) or "").split("\n\n")[0].replace("\n", " ")
    said = re.sub(r"^(GET|POST|PUT|DELETE) \S+(: )?", "", said).strip()
    return said[:1].upper() + said[1:] if said else otherwise


def template(path: str) -> str:
    """`/servers/{server_id}` of `/servers/<server_id>`."""
    return re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", path)


def shape_of(path: str) -> str:
    """A path without the names of its parameters: what two routes share that answer one URL."""
    return re.sub(r"[<{][^>}]*[>}]", "{}", path)


def _guarded(row: Row) -> str:
    """The path under which rules know a route: os-volumes_boot is another name of servers."""
    return re.sub(r"^/os-volumes_boot\b", "/servers", shape_of(row.path))


class Rules:
    """Which published rules guard a route, read off the operations of the policy tables."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._found: dict[tuple[str, str], list[str]] = {}
        self._actions: dict[str, list[str]] = {}
        self._texts = {rule.name: rule.description for rule in rules}
        for rule in rules:
            for line in rule.operations:
                method, path, *what = line.split(" ", 2)
                self._found.setdefault((method, shape_of(path)), []).append(rule.name)
                for action in what[0].strip("()").split(",") if what else ():
                    self._actions.setdefault(f"{shape_of(path)} {action.strip()}", []).append(rule.name)

    def of_route(self, row: Row) -> list[str]:
        """Rules of a route, that of its row first."""
        named = [row.policy] if row.policy else []
        return list(dict.fromkeys([*named, *self._found.get((row.method, _guarded(row)), [])]))

    def of_action(self, row: Row, action: Action) -> list[str]:
        """Rules of an action of a route."""
        named = [action.policy] if action.policy else []
        more = self._actions.get(f"{_guarded(row)} {action.name}", [])
        return list(dict.fromkeys([*named, *more]))

    def says(self, row: Row, action: Action) -> str:
        """What the first rule of an action calls it; else the action's name."""
        return next((self._texts[name] for name in self.of_action(row, action)), action.name)


def actions_of(row: Row, minor: int | None) -> list[Action]:
    """The actions behind a route, by name."""
    rows = row.actions.rows if row.actions is not None else {}
    return [rows[name] for name in sorted(rows) if minor is None or rows[name].at(minor)]


class _Document:
    """Collects operations; bodies are made together at the end, because they share models."""

    def __init__(self, rows: Sequence[Row], rules: Sequence[Rule], minor: int) -> None:
        self.minor, self.rules = minor, Rules(rules)
        self.kinds: list[Any] = []
        self.waiting: list[Callable[[list[Schema]], None]] = []
        self.paths: dict[str, dict[str, Any]] = {}
        names: dict[str, str] = {}
        for row in sorted((r for r in rows if r.at(minor)), key=lambda r: (r.path, _METHODS.index(r.method))):
            path = names.setdefault(shape_of(row.path), template(row.path))
            self.paths.setdefault(path, {}).setdefault(row.method.lower(), self.operation(row, path))

    def body(self, kind: Any, place: Schema, key: str) -> None:
        """Put the schema of a request type at place[key], once it is known."""
        number = len(self.kinds)
        self.kinds.append(kind)
        self.waiting.append(lambda found: place.__setitem__(key, found[number]))

    def operation(self, row: Row, path: str) -> Schema:
        noun = path.split("/")[1]
        slug = re.sub(r"[^a-zA-Z0-9]+", "_", path).strip("_")
        made: Schema = {
            "operationId": f"{row.method.lower()}_{slug}",
            "tags": [noun],
            "summary": text_of(row.handler, f"{row.method} {path}"),
        }
        rules = self.rules.of_route(row)
        if rules and row.actions is None:
            made["x-policies"] = rules
        made["parameters"] = [{"$ref": "#/components/parameters/microversion"}, *_in_path(path)]
        made["parameters"] += in_query(row, self.minor)
        answers = list(shapes.replies(row.answer, row.status))
        if row.body is not None:
            media: Schema = {}
            made["requestBody"] = {"required": True, "content": {JSON_TYPES[0]: media}}
            if row.actions is None:
                self.body(row.body, media, "schema")
            else:
                media["schema"] = {"oneOf": [self.action(row, one) for one in actions_of(row, self.minor)]}
                answers = []
                for one in actions_of(row, self.minor):
                    answers += shapes.replies(one.answer, one.status)
        made["responses"] = self.responses([reply for reply in answers if reply.at(self.minor)])
        return made

    def action(self, row: Row, action: Action) -> Schema:
        """The body that asks for one action."""
        made: Schema = {
            "type": "object",
            "title": action.name,
            "description": text_of(action.handler, self.rules.says(row, action)),
            "properties": {},
            "required": [action.name],
            "additionalProperties": False,
        }
        if rules := self.rules.of_action(row, action):
            made["x-policies"] = rules
        self.body(action.value, made["properties"], action.name)
        return made

    def responses(self, answers: list[shapes.Reply]) -> Schema:
        made: Schema = {}
        for reply in sorted(answers, key=lambda one: one.status):
            response = made.setdefault(str(reply.status), {"description": _STATUS[reply.status // 100]})
            if reply.shape is None:
                continue
            shape = shapes.schema(reply.shape, self.minor)
            media = response.setdefault("content", {}).setdefault(JSON_TYPES[0], {"schema": shape})
            if media["schema"] != shape:
                media["schema"] = {"anyOf": [*media["schema"].get("anyOf", [media["schema"]]), shape]}
        made["default"] = {"$ref": "#/components/responses/fault"}
        return made

    def whole(self) -> Schema:
        found, models = _bodies(self.kinds, self.minor)
        for put in self.waiting:
            put(found)
        said = f"2.{self.minor}"
        header = {"type": "string", "enum": [f"compute {said}"]}
        return {
            "openapi": "3.1.0",
            "info": {
                "title": "Compute API",
                "version": said,
                "summary": f"The compute API of novalite at microversion {said}.",
                "description": HISTORY[self.minor],
            },
            "servers": [{"url": "/v2.1"}],
            "security": [{"token": []}],
            "paths": self.paths,
            "components": {
                "schemas": {"Fault": FAULT, **_used(self.paths, models)},
                "responses": {
                    "fault": {
                        "description": "It was refused or failed: the status says why, the message how.",
                        "content": {JSON_TYPES[0]: {"schema": {"$ref": REFS.format(model="Fault")}}},
                    }
                },
                "parameters": {
                    "microversion": {
                        "name": microversions.STANDARD_HEADER,
                        "in": "header",
                        "required": True,
                        "description": "The microversion this document is about; without it, 2.1 answers.",
                        "schema": header,
                    }
                },
                "securitySchemes": {"token": {"type": "apiKey", "in": "header", "name": "X-Auth-Token"}},
            },
        }


_STATUS = {2: "Done, or accepted to be done.", 3: "Elsewhere.", 4: "Refused.", 5: "Not in this cloud."}


def _in_path(path: str) -> Iterator[Schema]:
    for name in re.findall(r"{(\w+)}", path):
        yield {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}


def in_query(row: Row, minor: int | None) -> list[Schema]:
    """The query keys of a route; of all versions with notes when `minor` is None."""
    if row.query is ANY:
        return []
    made = []
    for name, key in sorted(row.query.keys.items()):
        if minor is None or key.at(minor):
            notes = shapes.versions(key.since, key.until) if minor is None else {}
            made.append({"name": name, "in": "query", "schema": _of_key(key), **notes})
    return made


def _of_key(key: Key) -> Schema:
    return dict(getattr(key.read, "__says__", {"type": "string"}))


# --- documents ---------------------------------------------------------------------------------


def document(rows: Sequence[Row], rules: Sequence[Rule], minor: int) -> Schema:
    """The whole API at 2.`minor`."""
    return _Document(rows, rules, minor).whole()


def bodies(kinds: Sequence[Any], minor: int | None = None) -> tuple[list[Schema], Schema]:
    """Request types as schemas of every version with notes, and the models they name; for reference.py."""
    return _bodies(kinds, minor)


def minor_of(asked: str) -> int:
    """The minor version that `2.90` or `latest` names; BadRequest when there is none."""
    if asked == "latest":
        return MAX[1]
    form = re.fullmatch(r"2\.([1-9][0-9]{0,3})", asked)
    if form is None or not MIN[1] <= int(form[1]) <= MAX[1]:
        raise BadRequest(f"microversion must be latest or one of 2.{MIN[1]} to 2.{MAX[1]}.")
    return int(form[1])


def install(app: Flask, rows: Sequence[Row], rules: Sequence[Rule]) -> None:
    """Serve the documents: `?microversion=2.90`, else what the version headers ask, else the newest."""

    @lru_cache(maxsize=len(HISTORY))
    def packed(minor: int) -> bytes:
        return zlib.compress(orjson.dumps(document(rows, rules, minor)), 6)

    @public
    def serve() -> Response:
        asked = request.args.get("microversion")
        headers = any(
            h in request.headers for h in (microversions.STANDARD_HEADER, microversions.LEGACY_HEADER)
        )
        if asked is not None:
            minor = minor_of(asked)
        else:
            minor = (microversions.negotiate(request.headers) if headers else MAX)[1]
        return Response(zlib.decompress(packed(minor)), mimetype="application/json")

    app.add_url_rule(PATH, PATH, serve, methods=["GET"])
