"""Networks, subnets, ports, routers, floating addresses, security groups and rules: the same five routes for all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, request

from novalite.api.policy import authorize
from novalite.api.routing import read_json
from novalite.errors import BadRequest
from novalite.networks.api import query
from novalite.networks.api.fields import Noun
from novalite.networks.api.http import answer, caller, nothing, peer, root, service
from novalite.networks.api.nouns import NOUNS


def add_routes(bp: Blueprint) -> None:
    """/v2.0/networks, /v2.0/networks/<id> and so on"""
    for noun in NOUNS:
        many, one = f"/v2.0/{noun.path}", f"/v2.0/{noun.path}/<resource_id>"
        rows: list[tuple[str, str, Callable[..., Response]]] = [
            ("GET", many, page),
            ("POST", many, create),
            ("GET", one, show),
            ("DELETE", one, delete),
        ]
        if noun.changes:
            rows.append(("PUT", one, change))
        for method, path, view in rows:
            name = f"{view.__name__}_{noun.kind}"
            bp.add_url_rule(path, name, view, methods=[method], defaults={"noun": noun})


def body(key: str) -> Any:
    """What a request body holds under its one key."""
    data = read_json()
    if not isinstance(data, dict) or key not in data:
        raise BadRequest(f"Resource body required: the request body must be an object with {key}.")
    return data[key]


def page(noun: Noun) -> Response:
    """What the caller sees, all of it or a page."""
    authorize(noun.rule("get"))
    asked = query.read(noun, request.args, service().conf.page_limit)
    found = peer().page(caller(), noun.kind, asked)
    wanted = request.args.getlist("fields")
    answered: dict[str, Any] = {noun.collection: [noun.view(record, wanted) for record in found]}
    if links := query.links(f"{root()}/v2.0/{noun.path}", request.args, asked, found):
        answered[f"{noun.collection}_links"] = links
    return answer(answered)


def create(noun: Noun) -> Response:
    """One, or several at once under the plural's key: all of them or none."""
    data = read_json()
    if isinstance(data, dict) and noun.collection in data:
        many = data[noun.collection]
        most = service().conf.bulk_limit
        if not isinstance(many, list) or not 0 < len(many) <= most:
            raise BadRequest(f"{noun.collection} must be a list of 1 to {most} objects.")
        made = peer().create(caller(), noun.kind, [noun.new(one) for one in many])
        return answer({noun.collection: [noun.view(record) for record in made]}, 201)
    if not isinstance(data, dict) or noun.kind not in data:
        raise BadRequest(f"Resource body required: the request body must be an object with {noun.kind}.")
    made = peer().create(caller(), noun.kind, [noun.new(data[noun.kind])])
    return answer({noun.kind: noun.view(made[0])}, 201)


def show(noun: Noun, resource_id: str) -> Response:
    """One."""
    authorize(noun.rule("get"))
    found = peer().show(caller(), noun.kind, resource_id)
    return answer({noun.kind: noun.view(found, request.args.getlist("fields"))})


def change(noun: Noun, resource_id: str) -> Response:
    """Write what is given."""
    values = noun.changed(body(noun.kind))
    return answer({noun.kind: noun.view(peer().change(caller(), noun.kind, resource_id, values))})


def delete(noun: Noun, resource_id: str) -> Response:
    """It is gone."""
    authorize(noun.rule("delete"))
    peer().delete(caller(), noun.kind, resource_id)
    return nothing()
