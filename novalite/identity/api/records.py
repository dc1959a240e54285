"""List, show, create, change and delete, the same for eight kinds of record."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from flask import Blueprint, Response, request
from pydantic import create_model

from novalite.api.policy import allowed, authorize
from novalite.api.schemas import Body
from novalite.context import Context
from novalite.errors import BadRequest, NotFound, PolicyNotAuthorized
from novalite.identity.api.http import (
    answer,
    body,
    caller,
    filters,
    identity,
    link,
    listing,
    nothing,
    page_size,
    peer,
)
from novalite.identity.api.schemas import BODIES
from novalite.objects.base import Record
from novalite.objects.identity import NOUNS


def _wrapped(noun: str, kind: type[Body]) -> type[Body]:
    """A body {noun: kind}."""
    field: dict[str, Any] = {noun: (kind, ...)}
    made: type[Body] = create_model(f"{kind.__name__}Body", __base__=Body, **field)
    return made


_WRAPPED: dict[tuple[str, bool], Any] = {
    (noun, new): _wrapped(noun, kind)
    for noun, pair in BODIES.items()
    for new, kind in zip((True, False), pair, strict=True)
}
_HOME = ("project", "user", "group")
"""Nouns that live in a domain; without one they go to the caller's."""
_REVOKES = ("domain", "project", "user", "group", "role")
_CATALOG = ("service", "endpoint", "region")


def add_routes(bp: Blueprint) -> None:
    """/v3/<plural> and /v3/<plural>/<id> for every noun."""
    for noun, facts in NOUNS.items():
        path = f"/v3/{facts.plural}"
        for verb, method, tail, view in _VIEWS:
            bp.add_url_rule(path + tail, f"{verb}_{noun}", partial(view, noun), methods=[method])
    bp.add_url_rule("/v3/regions/<record_id>", "put_region", put_region, methods=["PUT"])


def with_links(noun: str, record: Record) -> Record:
    """A record as clients see it."""
    path = f"{NOUNS[noun].plural}/{record['id']}"
    links = {"self": link(path)}
    if noun == "service":
        links["endpoints"] = link(f"{path}/endpoints")
    return record | {"links": links}


def target_of(noun: str, record: Record) -> Record:
    """What policies may ask about a record."""
    facts = {f"{noun}_id": record["id"]}
    if noun != "domain" and record.get("domain_id"):
        facts["domain_id"] = record["domain_id"]
    return facts


def fetch(noun: str, record_id: str, rule: str) -> Record:
    """The record, when the caller passes `rule` for it; others are not told whether it exists."""
    try:
        found = peer().show(caller(), noun, record_id)
    except NotFound:
        if not allowed(rule, {}):
            raise PolicyNotAuthorized(rule=rule) from None
        raise
    authorize(rule, target_of(noun, found))
    return found


def check(noun: str, record_id: str, rule: str) -> None:
    """Authorise a change; only callers who are not allowed everything cost a look at the record."""
    if not allowed(rule, {}):
        fetch(noun, record_id, rule)


def home_domain(ctx: Context) -> str:
    """The domain of records that do not name one."""
    return ctx.domain_id or ctx.project_domain_id or "default"


def page(noun: str) -> Response:
    """A list; callers with a domain token may be allowed their own domain only."""
    rule, ctx, facts = f"identity:list_{noun}s", caller(), NOUNS[noun]
    asked = filters(facts.filters)
    if not allowed(rule, {}):
        authorize(rule, {"domain_id": ctx.domain_id} if ctx.domain_id else {})
        if noun in _HOME:
            asked["domain_id"] = ctx.domain_id
    if noun == "role":
        asked.setdefault("domain_id", None)
    size = page_size()
    found = peer().page(ctx, noun, asked, limit=size, marker=request.args.get("marker"))
    return listing(facts.plural, [with_links(noun, record) for record in found], size)


def show(noun: str, record_id: str) -> Response:
    """One record."""
    found = fetch(noun, record_id, f"identity:get_{noun}")
    return answer({noun: with_links(noun, found)})


def create(noun: str) -> Response:
    """A new record."""
    values = _values(noun, new=True)
    if noun in _HOME and not values.get("domain_id"):
        values["domain_id"] = home_domain(caller())
    return _create(noun, values)


def put_region(record_id: str) -> Response:
    """A new region with an id of the caller's choice."""
    values = _values("region", new=True)
    if values.get("id") not in (None, record_id):
        raise BadRequest("The id in the body is not the one in the path.")
    return _create("region", values | {"id": record_id})


def _create(noun: str, values: Record) -> Response:
    domain = values.get("domain_id")
    authorize(f"identity:create_{noun}", {"domain_id": domain} if domain else {})
    made = peer().create(caller(), noun, values)
    if noun in _CATALOG:
        identity().changed()
    return answer({noun: with_links(noun, made)}, 201)


def update(noun: str, record_id: str) -> Response:
    """Change what the body names."""
    check(noun, record_id, f"identity:update_{noun}")
    values = _values(noun, new=False)
    for key in NOUNS[noun].fixed & values.keys():
        if values.pop(key) != peer().show(caller(), noun, record_id).get(key):
            raise BadRequest(f"{key} of a {noun} cannot be changed.")
    changed = peer().update(caller(), noun, record_id, values)
    if noun in _CATALOG or "enabled" in values or "password" in values:
        identity().changed()
    return answer({noun: with_links(noun, changed)})


def delete(noun: str, record_id: str) -> Response:
    """Delete with everything that depends on it."""
    check(noun, record_id, f"identity:delete_{noun}")
    peer().delete(caller(), noun, record_id)
    if noun in _REVOKES + _CATALOG:
        identity().changed()
    return nothing()


def _values(noun: str, new: bool) -> Record:
    """The body's record as the conductor takes it: only what was given, nulls where they mean something."""
    read = getattr(body(_WRAPPED[(noun, new)]), noun)
    extra = read.model_extra or {}
    given = {k: v for k, v in read.model_dump(exclude_unset=True).items() if k not in extra}
    given.pop("is_domain", None)
    if noun == "endpoint" and "region" in given:
        given.setdefault("region_id", given["region"])
    nullable = ("email", "default_project_id", "password", "region_id", "parent_region_id", "region")
    found = {}
    for key, value in given.items():
        if value is not None or key in nullable:
            found[key] = value
        elif key == "description":
            found[key] = ""
    if extra:
        found["extra"] = extra
    return found


_VIEWS: tuple[tuple[str, str, str, Callable[..., Response]], ...] = (
    ("list", "GET", "", page),
    ("create", "POST", "", create),
    ("show", "GET", "/<record_id>", show),
    ("update", "PATCH", "/<record_id>", update),
    ("delete", "DELETE", "/<record_id>", delete),
)
