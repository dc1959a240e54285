"""Resource classes."""

from __future__ import annotations

from novalite.errors import Conflict
from novalite.objects.base import Record
from novalite.placement.api import schemas
from novalite.placement.api.http import NOTHING, NOW, Answer, Call, latest, location, peer, root
from novalite.placement.api.routing import Routes
from novalite.placement.api.schemas import validate

ROUTES = Routes()
_P = "placement:resource_classes"
_ONE = "/resource_classes/<name>"


def _view(name: str) -> Record:
    return {"name": name, "links": [{"rel": "self", "href": f"{root()}/resource_classes/{name}"}]}


@ROUTES.add("GET", "/resource_classes", since=2, policy=f"{_P}:list")
def page(call: Call) -> Answer:
    """Standard and custom ones."""
    found = peer().classes(call.ctx)
    return Answer({"resource_classes": [_view(one["name"]) for one in found]}, modified=NOW)


@ROUTES.add("POST", "/resource_classes", since=2, policy=f"{_P}:create")
def create(call: Call) -> Answer:
    """A new one."""
    name = call.body(schemas.NEW_CLASS)["name"]
    if not peer().add_class(call.ctx, name):
        raise Conflict(f"Conflicting resource class already exists: {name}")
    return Answer(status=201, headers=location(f"/resource_classes/{name}"))


@ROUTES.add("GET", _ONE, since=2, policy=f"{_P}:show")
def show(call: Call, name: str) -> Answer:
    """One."""
    found = peer().show_class(call.ctx, name)
    return Answer(_view(found["name"]), modified=latest([found], "updated_at"))


@ROUTES.add("PUT", _ONE, since=2, until=6, policy=f"{_P}:update")
def rename(call: Call, name: str) -> Answer:
    """Another name."""
    new = call.body(schemas.NEW_CLASS)["name"]
    peer().rename_class(call.ctx, name, new)
    return Answer(_view(new), modified=NOW)


@ROUTES.add("PUT", _ONE, since=7, policy=f"{_P}:update", body=False)
def ensure(call: Call, name: str) -> Answer:
    """It is there from now on."""
    validate({"name": name}, schemas.NEW_CLASS, "JSON does not validate")
    new = peer().add_class(call.ctx, name)
    return Answer(status=201 if new else 204, headers=location(f"/resource_classes/{name}"))


@ROUTES.add("DELETE", _ONE, since=2, policy=f"{_P}:delete")
def delete(call: Call, name: str) -> Answer:
    """It is gone."""
    peer().delete_class(call.ctx, name)
    return NOTHING
