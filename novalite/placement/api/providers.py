"""Resource providers."""

from __future__ import annotations

from novalite.objects.base import Record
from novalite.objects.placement import ProviderQuery
from novalite.placement import values
from novalite.placement.api import schemas
from novalite.placement.api.http import NOTHING, Answer, Call, latest, location, peer, root
from novalite.placement.api.routing import Routes
from novalite.placement.values import canonical

ROUTES = Routes()
_P = "placement:resource_providers"
_ONE = "/resource_providers/<uuid>"
LINKS = {"self": 0, "inventories": 0, "usages": 0, "aggregates": 1, "traits": 6, "allocations": 11}
"""Links of a provider, and the minor version that brought each."""


def view(record: Record, minor: int) -> Record:
    """A provider as clients see it."""
    path = f"{root()}/resource_providers/{record['uuid']}"
    links = [
        {"rel": rel, "href": path if rel == "self" else f"{path}/{rel}"}
        for rel, since in LINKS.items()
        if minor >= since
    ]
    shown = {key: record[key] for key in ("uuid", "name", "generation")}
    if minor >= 14:
        shown |= {"parent_provider_uuid": record["parent"], "root_provider_uuid": record["root"]}
    return {**shown, "links": links}


@ROUTES.add("GET", "/resource_providers", policy=f"{_P}:list")
def page(call: Call) -> Answer:
    """Those that match."""
    asked = call.query(schemas.providers_query(call.minor))
    query = ProviderQuery(
        name=asked.get("name"),
        uuid=canonical(asked["uuid"]) if "uuid" in asked else None,
        in_tree=canonical(asked["in_tree"]) if "in_tree" in asked else None,
        member_of=tuple(values.memberships(call.all("member_of"), call.minor)),
        required=tuple(values.all_traits(call.all("required"), call.minor)),
        resources=values.resources(asked["resources"]) if "resources" in asked else {},
    )
    found = peer().page(call.ctx, query)
    shown = [view(record, call.minor) for record in found]
    return Answer({"resource_providers": shown}, modified=latest(found))


@ROUTES.add("POST", "/resource_providers", policy=f"{_P}:create")
def create(call: Call) -> Answer:
    """A new one."""
    body = call.body(schemas.provider(call.minor, new=True))
    uuid, parent = body.get("uuid"), body.get("parent_provider_uuid")
    made = peer().create(
        call.ctx, body["name"], canonical(uuid) if uuid else None, canonical(parent) if parent else None
    )
    headers = location(f"/resource_providers/{made['uuid']}")
    if call.minor < 20:
        return Answer(status=201, headers=headers)
    return Answer(view(made, call.minor), modified=latest([made]), headers=headers)


@ROUTES.add("GET", _ONE, policy=f"{_P}:show")
def show(call: Call, uuid: str) -> Answer:
    """One."""
    found = peer().show(call.ctx, canonical(uuid))
    return Answer(view(found, call.minor), modified=latest([found]))


@ROUTES.add("PUT", _ONE, policy=f"{_P}:update")
def change(call: Call, uuid: str) -> Answer:
    """Another name, or another place in a tree."""
    body = call.body(schemas.provider(call.minor, new=False))
    freely = call.minor >= 37
    parent = body.get("parent_provider_uuid")
    found = peer().change(
        call.ctx, canonical(uuid), body["name"], move="parent_provider_uuid" in body,
        parent=canonical(parent) if parent else None, freely=freely,
    )  # fmt: skip
    return Answer(view(found, call.minor), modified=latest([found]))


@ROUTES.add("DELETE", _ONE, policy=f"{_P}:delete")
def delete(call: Call, uuid: str) -> Answer:
    """It is gone."""
    peer().delete(call.ctx, canonical(uuid))
    return NOTHING
