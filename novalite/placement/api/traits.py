"""Traits, and those of a provider."""

from __future__ import annotations

from novalite.errors import BadRequest
from novalite.objects.base import Record
from novalite.objects.placement_errors import TraitNotFound
from novalite.objects.placement_names import is_custom
from novalite.placement.api import schemas
from novalite.placement.api.http import NOTHING, NOW, Answer, Call, latest, location, peer
from novalite.placement.api.routing import Routes
from novalite.placement.values import canonical

ROUTES = Routes()
_P = "placement:traits"
_OF = "placement:resource_providers:traits"
_PATH = "/resource_providers/<uuid>/traits"


@ROUTES.add("GET", "/traits", since=6, policy=f"{_P}:list")
def page(call: Call) -> Answer:
    """Names; `name` limits to some or to a beginning, `associated` to those that providers have."""
    asked = call.query(schemas.TRAITS_QUERY)
    told = asked.get("associated")
    if told is not None and told.lower() not in ("true", "false"):
        raise BadRequest('The query parameter "associated" only accepts "true" or "false"')
    names, prefix = None, None
    if "name" in asked:
        how, _, what = asked["name"].partition(":")
        if how == "in" and what:
            names = what.split(",")
        elif how == "startswith" and what:
            prefix = what
        else:
            raise BadRequest(
                "Badly formatted name parameter. Expected name query string parameter in form: "
                f'?name=[in|startswith]:[name1,name2|prefix]. Got: "{asked["name"]}"'
            )
    found = peer().traits(call.ctx, names, prefix, None if told is None else told.lower() == "true")
    return Answer({"traits": found}, modified=NOW)


@ROUTES.add("GET", "/traits/<name>", since=6, policy=f"{_P}:show")
def show(call: Call, name: str) -> Answer:
    """Whether it is there."""
    if not peer().traits(call.ctx, [name]):
        raise TraitNotFound(names=name)
    return Answer(status=204, modified=NOW)


@ROUTES.add("PUT", "/traits/<name>", since=6, policy=f"{_P}:update", body=False)
def create(call: Call, name: str) -> Answer:
    """It is there from now on."""
    if not is_custom(name):
        raise BadRequest(
            "The trait is invalid. A valid trait must be no longer than 255 characters, start with the prefix "
            '"CUSTOM_" and use following characters: "A"-"Z", "0"-"9" and "_"'
        )
    new = peer().add_trait(call.ctx, name)
    return Answer(status=201 if new else 204, modified=NOW, headers=location(f"/traits/{name}"))


@ROUTES.add("DELETE", "/traits/<name>", since=6, policy=f"{_P}:delete")
def delete(call: Call, name: str) -> Answer:
    """It is gone."""
    peer().delete_trait(call.ctx, name)
    return NOTHING


# --- of a provider -------------------------------------------------------------------------------


def _answer(found: Record) -> Answer:
    body = {"traits": found["traits"], "resource_provider_generation": found["generation"]}
    return Answer(body, modified=latest([found]))


@ROUTES.add("GET", _PATH, since=6, policy=f"{_OF}:list")
def of_provider(call: Call, uuid: str) -> Answer:
    """All."""
    return _answer(peer().show(call.ctx, canonical(uuid), "traits"))


@ROUTES.add("PUT", _PATH, since=6, policy=f"{_OF}:update")
def replace(call: Call, uuid: str) -> Answer:
    """Exactly these."""
    body = call.body(schemas.TRAITS)
    seen = body["resource_provider_generation"]
    return _answer(peer().set_traits(call.ctx, canonical(uuid), body["traits"], seen))


@ROUTES.add("DELETE", _PATH, since=6, policy=f"{_OF}:delete")
def clear(call: Call, uuid: str) -> Answer:
    """None any more."""
    peer().set_traits(call.ctx, canonical(uuid), [])
    return NOTHING
