"""Inventories of a provider."""

from __future__ import annotations

from typing import Any

from novalite.objects.base import Record
from novalite.objects.placement import InventoryChange
from novalite.objects.placement_errors import InventoryNotFound
from novalite.placement.api import schemas
from novalite.placement.api.http import NOTHING, Answer, Call, latest, location, peer
from novalite.placement.api.routing import Routes
from novalite.placement.values import canonical

ROUTES = Routes()
_P = "placement:resource_providers:inventories"
_ALL = "/resource_providers/<uuid>/inventories"
_ONE = f"{_ALL}/<resource_class>"
FIELDS = ("total", "reserved", "min_unit", "max_unit", "step_size", "allocation_ratio")
_GENERATION = "resource_provider_generation"


def shown(inventory: Record) -> Record:
    """One inventory as clients see it."""
    return {name: inventory[name] for name in FIELDS}


def _everything(found: Record) -> Answer:
    inventories = {name: shown(one) for name, one in found["inventories"].items()}
    return Answer({_GENERATION: found["generation"], "inventories": inventories}, modified=latest([found]))


def _single(found: Record, name: str, **more: Any) -> Answer:
    body = {_GENERATION: found["generation"], **shown(found["inventories"][name])}
    return Answer(body, modified=latest([found]), **more)


def _change(call: Call, inventories: dict[str, Record], generation: int | None, whole: bool) -> InventoryChange:
    return InventoryChange(
        inventories=inventories, generation=generation, whole=whole, may_reserve_all=call.minor >= 26
    )


@ROUTES.add("GET", _ALL, policy=f"{_P}:list")
def page(call: Call, uuid: str) -> Answer:
    """All."""
    return _everything(peer().show(call.ctx, canonical(uuid), "inventories"))


@ROUTES.add("POST", _ALL, policy=f"{_P}:create")
def create(call: Call, uuid: str) -> Answer:
    """One more."""
    body = call.body(schemas.NEW_INVENTORY)
    name = body.pop("resource_class")
    change = _change(call, {name: body}, None, whole=False)
    found = peer().set_inventories(call.ctx, canonical(uuid), change, new=name)
    where = location(f"/resource_providers/{found['uuid']}/inventories/{name}")
    return _single(found, name, status=201, headers=where)


@ROUTES.add("PUT", _ALL, policy=f"{_P}:update")
def replace(call: Call, uuid: str) -> Answer:
    """Exactly these."""
    body = call.body(schemas.ALL_INVENTORIES)
    change = _change(call, body["inventories"], body[_GENERATION], whole=True)
    return _everything(peer().set_inventories(call.ctx, canonical(uuid), change))


@ROUTES.add("DELETE", _ALL, policy=f"{_P}:delete", since=5, absent=405)
def clear(call: Call, uuid: str) -> Answer:
    """None any more."""
    peer().remove_inventories(call.ctx, canonical(uuid))
    return NOTHING


@ROUTES.add("GET", _ONE, policy=f"{_P}:show")
def show(call: Call, uuid: str, resource_class: str) -> Answer:
    """One."""
    found = peer().show(call.ctx, canonical(uuid), "inventories")
    if resource_class not in found["inventories"]:
        raise InventoryNotFound(resource_class=resource_class, uuid=found["uuid"])
    return _single(found, resource_class)


@ROUTES.add("PUT", _ONE, policy=f"{_P}:update")
def update(call: Call, uuid: str, resource_class: str) -> Answer:
    """Change one that is there."""
    body = call.body(schemas.ONE_INVENTORY)
    change = _change(call, {resource_class: body}, body.pop(_GENERATION), whole=False)
    found = peer().set_inventories(call.ctx, canonical(uuid), change, old=resource_class)
    return _single(found, resource_class)


@ROUTES.add("DELETE", _ONE, policy=f"{_P}:delete")
def delete(call: Call, uuid: str, resource_class: str) -> Answer:
    """One is gone."""
    peer().remove_inventories(call.ctx, canonical(uuid), resource_class)
    return NOTHING
