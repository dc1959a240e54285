"""Tags of networks, subnets, ports, routers, floating addresses and security groups."""

from __future__ import annotations

from flask import Blueprint, Response

from novalite.api.policy import authorize
from novalite.api.schemas import parse
from novalite.networks.api.fields import Noun
from novalite.networks.api.http import VERSION, answer, caller, nothing, peer
from novalite.networks.api.nouns import TAGGED
from novalite.networks.api.records import body
from novalite.networks.api.values import Tag, Tags
from novalite.objects.network_errors import TagNotFound


def add_routes(bp: Blueprint) -> None:
    """/v2.0/<nouns>/<id>/tags and /tags/<tag>"""
    for path, noun in TAGGED.items():
        many = f"/v2.0/{path}/<resource_id>/tags"
        one = f"{many}/<tag>"
        rows = (
            ("GET", many, page), ("PUT", many, replace), ("DELETE", many, clear),
            ("GET", one, show), ("PUT", one, add), ("DELETE", one, remove),
        )  # fmt: skip
        for method, where, view in rows:
            name = f"{view.__name__}_tags_{noun.kind}_{'one' if where == one else 'all'}"
            bp.add_url_rule(where, name, view, methods=[method], defaults={"noun": noun})


def page(noun: Noun, resource_id: str) -> Response:
    """All tags."""
    authorize(f"get_{noun.kind}_tags")
    return answer({"tags": peer().tags(caller(), noun.kind, resource_id)})


def replace(noun: Noun, resource_id: str) -> Response:
    """Exactly these."""
    authorize(f"update_{noun.kind}_tags")
    wanted = parse(Tags, body("tags"), VERSION, "tags")
    return answer({"tags": peer().set_tags(caller(), noun.kind, resource_id, wanted)})


def clear(noun: Noun, resource_id: str) -> Response:
    """None."""
    authorize(f"delete_{noun.kind}_tags")
    peer().set_tags(caller(), noun.kind, resource_id, [])
    return nothing()


def show(noun: Noun, resource_id: str, tag: str) -> Response:
    """Whether the tag is there."""
    authorize(f"get_{noun.kind}_tags")
    if tag not in peer().tags(caller(), noun.kind, resource_id):
        raise TagNotFound(tag=tag)
    return nothing()


def add(noun: Noun, resource_id: str, tag: str) -> Response:
    """One more."""
    authorize(f"update_{noun.kind}_tags")
    peer().add_tag(caller(), noun.kind, resource_id, parse(Tag, tag, VERSION, "tag"))
    return nothing(201)


def remove(noun: Noun, resource_id: str, tag: str) -> Response:
    """One less."""
    authorize(f"delete_{noun.kind}_tags")
    peer().remove_tag(caller(), noun.kind, resource_id, tag)
    return nothing()
