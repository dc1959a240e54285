"""The reference page: every route of every microversion in one static HTML file, from the tables themselves.

It uses the same parts as openapi.py, at "all versions": each field tells since when and until when it is
there. No script, no external files, the same text for the same tables. `make docs` writes it to docs/.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from typing import Any

from novalite import states
from novalite.api import shapes
from novalite.api.actions import Action
from novalite.api.microversions import HISTORY, MAX
from novalite.api.openapi import Rules, actions_of, bodies, in_query, template, text_of
from novalite.api.policy import Rule
from novalite.api.routing import Row
from novalite.api.shapes import Schema

STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:72rem;margin:0 auto;padding:1rem;color:#1d2733}
h1{font-size:1.7rem}h2{margin-top:2.5rem;border-bottom:2px solid #d5dde5}h3{margin:1.4rem 0 .2rem}
code,.m{font-family:ui-monospace,monospace;font-size:.92em}.m{font-weight:700;color:#0b5cad}
.v{color:#6a4a00;background:#fff3d6;border-radius:3px;padding:0 .3em;font-size:.85em;white-space:nowrap}
table{border-collapse:collapse;margin:.4rem 0;width:100%}td,th{border:1px solid #d5dde5;padding:.15rem .5rem;
text-align:left;vertical-align:top}th{background:#f2f5f8;font-weight:600}nav{columns:14rem}nav a{display:block}
details{margin:.3rem 0}summary{cursor:pointer;color:#44525f}p{margin:.3rem 0}
"""
_INTRODUCTION = f"""
<p>Every route, field and action of the compute API, microversions 2.1 to 2.{MAX[1]}. It is made from the tables
that answer the requests, so it cannot differ from them. A document for one version is at
<code>GET /v2.1/openapi.json?microversion=2.90</code>, without a token, and from
<code>novalite-manage openapi 2.90</code>.</p>
<p>Paths begin with <code>/v2.1</code>; a project id may follow it. A request chooses its version with the header
<code>OpenStack-API-Version: compute 2.90</code>; without it 2.1 answers. <span class="v">2.19–2.56</span> says in
which versions something is there; what has no such mark is in all of them. A star marks what must be given.</p>
"""
MOST_DEEP = 5
"""Levels of a body or answer that are shown."""


# --- small parts -------------------------------------------------------------------------------


def _versions(since: str | None, until: str | None) -> str:
    if since is None and until is None:
        return ""
    span = f"{since or '2.1'}–{until}" if until else f"from {since}"
    return f' <span class="v">{span}</span>'


def _row_versions(row: Row | Action) -> str:
    notes = shapes.versions(row.since, row.until)
    return _versions(notes.get("x-since"), notes.get("x-until"))


def _code(text: str) -> str:
    return f"<code>{escape(text)}</code>"


def _table(heads: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    body = "\n".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in line) + "</tr>" for line in lines)
    if not body:
        return ""
    head = "".join(f"<th>{name}</th>" for name in heads)
    return f"<table><tr>{head}</tr>\n{body}</table>\n"


_LIMITS = {
    "minimum": "at least {}",
    "exclusiveMinimum": "more than {}",
    "maximum": "at most {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
    "pattern": "matches {}",
    "format": "{}",
    "contentEncoding": "{}",
}


def kind_of(schema: Schema) -> str:
    """A schema in a few words: `string or null`, `integer, at least 1`."""
    if set(schema.get("enum", ())) >= {True, False, "yes", "no"}:
        return "boolean, or a word that means one"
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(kind_of(one) for one in schema["anyOf"]))
    if "$ref" in schema:
        return "object"
    if "enum" in schema or "const" in schema:
        return "one of " + ", ".join(str(one) for one in schema.get("enum", [schema.get("const")]))
    kind = schema.get("type", "anything")
    words = " or ".join(kind) if isinstance(kind, list) else kind
    if kind == "array":
        words = "list of " + kind_of(schema.get("items", {}))
    if kind == ["integer", "string"]:
        words = "integer"
        schema = {key: value for key, value in schema.items() if key != "pattern"}
    said = [form.format(schema[name]) for name, form in _LIMITS.items() if name in schema]
    return ", ".join([words, *said])


def fields_of(
    schema: Schema, models: Schema, at: str = "", deep: int = 0
) -> Iterator[tuple[str, bool, Schema]]:
    """(path, required, schema) of every property in a schema, e.g. `server.networks[].uuid`."""
    if deep > MOST_DEEP:
        return
    if "$ref" in schema:
        yield from fields_of(models[schema["$ref"].rsplit("/", 1)[-1]], models, at, deep)
    for one in schema.get("anyOf", ()):
        yield from fields_of(one, models, at, deep)
    if isinstance(schema.get("items"), dict):
        yield from fields_of(schema["items"], models, f"{at}[]", deep)
    needed = schema.get("required", ())
    for name, found in schema.get("properties", {}).items():
        path = f"{at}.{name}" if at else name
        yield path, name in needed, found
        yield from fields_of(found, models, path, deep + 1)


def _fields(schema: Schema, models: Schema, at: str = "") -> str:
    lines, seen = [], set()
    for path, needed, found in fields_of(schema, models, at):
        parts = (
            found["anyOf"]
            if any("x-since" in p or "x-until" in p for p in found.get("anyOf", ()))
            else [found]
        )
        for part in parts:
            spans = _versions(part.get("x-since"), part.get("x-until"))
            if since := part.get("x-required-since"):
                spans += f' <span class="v">required from {since}</span>'
            policy = f"only with {_code(part['x-policy'])}" if "x-policy" in part else ""
            note = " ".join(
                filter(None, (escape(part.get("description", "")) if "type" in part else "", policy))
            )
            line = (_code(path) + ("*" if needed else "") + spans, escape(kind_of(part)), note)
            if line not in seen:
                seen.add(line)
                lines.append(line)
    return _table(("Field", "Value", "Note"), lines)


# --- routes ------------------------------------------------------------------------------------


class _Page:
    """Writes the parts that need the tables."""

    def __init__(self, rows: Sequence[Row], rules: Sequence[Rule]) -> None:
        self.rules = Rules(rules)
        self.checks = {rule.name: rule.check for rule in rules}
        self.nouns: dict[str, list[Row]] = {}
        for row in sorted(rows, key=lambda r: (r.path, r.method, r.since)):
            self.nouns.setdefault(row.path.split("/")[1], []).append(row)
        kinds = [row.body for row in rows if row.body is not None and row.actions is None]
        kinds += [one.value for row in rows for one in actions_of(row, None)]
        found, self.models = bodies(kinds)
        self.bodies = {id(kind): schema for kind, schema in zip(kinds, found, strict=True)}

    def noun(self, noun: str) -> str:
        return f'<h2 id="{noun}">/{noun}</h2>\n' + "\n".join(self.route(row) for row in self.nouns[noun])

    def route(self, row: Row) -> str:
        path = template(row.path)
        rules = [] if row.actions is not None else self.rules.of_route(row)
        parts = [
            f'<h3><span class="m">{row.method}</span> {_code(path)}{_row_versions(row)}</h3>',
            f"<p>{escape(text_of(row.handler, ''))}</p>",
            self.policies(rules),
        ]
        keys = in_query(row, None)
        lines = [
            (_code(k["name"]) + _versions(k.get("x-since"), k.get("x-until")), escape(kind_of(k["schema"])))
            for k in keys
        ]
        if lines:
            parts.append(_folded("Query", _table(("Key", "Value"), lines)))
        if row.actions is not None:
            parts += [self.action(row, one) for one in actions_of(row, None)]
            return "\n".join(filter(None, parts))
        if row.body is not None and (told := _fields(self.bodies[id(row.body)], self.models)):
            parts.append(_folded("Body", told))
        parts.append(self.answers(row.answer, row.status))
        return "\n".join(filter(None, parts))

    def action(self, row: Row, action: Action) -> str:
        says = text_of(action.handler, self.rules.says(row, action))
        told = _fields(self.bodies[id(action.value)], self.models, action.name)
        parts = [
            f"<h4>{_code(action.name)}{_row_versions(action)}</h4><p>{escape(says)}</p>",
            self.policies(self.rules.of_action(row, action)),
            _folded("Body", told) if told else "",
            self.answers(action.answer, action.status),
        ]
        return "\n".join(filter(None, parts))

    def policies(self, names: list[str]) -> str:
        said = [f"{_code(name)} ({escape(who(self.checks.get(name, '')))})" for name in names]
        return f"<p>Policy: {', '.join(said)}</p>" if said else ""

    def answers(self, answer: Any, status: int) -> str:
        parts = []
        for reply in shapes.replies(answer, status):
            notes = shapes.versions(reply.since, reply.until)
            name = f"Answer {reply.status}{_versions(notes.get('x-since'), notes.get('x-until'))}"
            told = _fields(shapes.schema(reply.shape, None), {}) if reply.shape is not None else ""
            parts.append(_folded(name, told) if told else f"<p>{name}</p>")
        return "\n".join(parts)


_WHO = {
    "@": "anybody with a token",
    "rule:context_is_admin": "admin",
    "rule:project_reader_or_admin": "reader of the project, or admin",
    "rule:project_member_or_admin": "member of the project, or admin",
    "rule:project_manager_or_admin": "manager of the project, or admin",
    "rule:service_or_admin": "service, or admin",
    "rule:context_is_admin or user_id:%(user_id)s": "the user itself, or admin",
}


def who(check: str) -> str:
    """A default check in words."""
    return _WHO.get(check, check)


def _folded(title: str, inside: str) -> str:
    return f"<details><summary>{title}</summary>\n{inside}</details>"


# --- tables of their own -----------------------------------------------------------------------


def _states() -> str:
    lines = []
    for verb, rule in sorted(states.ACTIONS.items()):
        lands = rule.lands_in or "as it was, or as the action decides"
        lines.append((_code(verb), ", ".join(rule.allowed_from), rule.busy or "", lands, rule.record or verb))
    shown = [(_code(vm), name) for vm, name in states.STATUS_BY_VM_STATE.items()]
    return (
        '<h2 id="states">States</h2>\n<p>What each action needs and where it leads; anything else is a 409. '
        "A server that is busy with something accepts nothing else but a delete.</p>\n"
        + _table(("Action", "Accepted in vm_state", "task_state", "Ends in", "Instance action"), lines)
        + _table(("vm_state", "Status shown"), shown)
    )


def _history() -> str:
    lines = [(f'<span class="v">2.{minor}</span>', escape(text)) for minor, text in HISTORY.items()]
    return '<h2 id="history">Microversions</h2>\n' + _table(("Version", "What it changed"), lines)


def page(rows: Sequence[Row], rules: Sequence[Rule]) -> str:
    """The whole page."""
    made = _Page(rows, rules)
    links = [f'<a href="#{noun}">/{noun}</a>' for noun in made.nouns]
    links += ['<a href="#states">States</a>', '<a href="#history">Microversions</a>']
    return "\n".join(
        [
            '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>Compute API of novalite</title>',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<style>{STYLE}</style></head><body>\n<h1>Compute API of novalite</h1>",
            _INTRODUCTION,
            f"<nav>{chr(10).join(links)}</nav>",
            *(made.noun(noun) for noun in made.nouns),
            _states(),
            _history(),
            "</body></html>\n",
        ]
    )
