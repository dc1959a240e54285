"""How much is in use: of a provider, and by a project."""

from __future__ import annotations

from typing import Any

from novalite.api.policy import authorize
from novalite.placement.api import schemas
from novalite.placement.api.http import NOW, Answer, Call, latest, peer
from novalite.placement.api.routing import Routes
from novalite.placement.values import canonical

ROUTES = Routes()


@ROUTES.add("GET", "/resource_providers/<uuid>/usages", policy="placement:resource_providers:usages")
def of_provider(call: Call, uuid: str) -> Answer:
    """By resource class."""
    found = peer().show(call.ctx, canonical(uuid), "inventories")
    usages = {name: one["used"] for name, one in found["inventories"].items()}
    body = {"resource_provider_generation": found["generation"], "usages": usages}
    return Answer(body, modified=latest([found]))


@ROUTES.add("GET", "/usages", since=9)
def of_project(call: Call) -> Answer:
    """By resource class, since 1.38 by type of consumer first."""
    asked = call.query(schemas.usages_query(call.minor))
    authorize("placement:usages", {"project_id": asked["project_id"]})
    typed = call.minor >= 38
    kind = asked.get("consumer_type") if typed else "all"
    found = peer().usages(call.ctx, asked["project_id"], asked.get("user_id"), kind)
    if not typed:
        sums: dict[str, Any] = found.get("all", {})
        found = {name: amount for name, amount in sums.items() if name != "consumer_count"}
    return Answer({"usages": found}, modified=NOW)
