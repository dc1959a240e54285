"""Aggregates of a provider."""

from __future__ import annotations

from novalite.objects.base import Record
from novalite.placement.api import schemas
from novalite.placement.api.http import Answer, Call, latest, peer
from novalite.placement.api.routing import Routes
from novalite.placement.values import canonical

ROUTES = Routes()
_P = "placement:resource_providers:aggregates"
_PATH = "/resource_providers/<uuid>/aggregates"
COUNTED = 19
"""The minor version since which a change of aggregates is a change of the provider."""


def _answer(call: Call, found: Record) -> Answer:
    body = {"aggregates": found["aggregates"]}
    if call.minor >= COUNTED:
        body["resource_provider_generation"] = found["generation"]
    return Answer(body, modified=latest([found]))


@ROUTES.add("GET", _PATH, since=1, policy=f"{_P}:list")
def page(call: Call, uuid: str) -> Answer:
    """All."""
    return _answer(call, peer().show(call.ctx, canonical(uuid), "aggregates"))


@ROUTES.add("PUT", _PATH, since=1, policy=f"{_P}:update")
def replace(call: Call, uuid: str) -> Answer:
    """Exactly these."""
    peer().show(call.ctx, canonical(uuid))
    body = call.body(schemas.aggregates(call.minor))
    counted = call.minor >= COUNTED
    # Kept as they are spelled, with dashes or without: clients look for what they sent.
    wanted = [one.lower() for one in (body["aggregates"] if counted else body)]
    seen = body["resource_provider_generation"] if counted else None
    found = peer().set_aggregates(call.ctx, canonical(uuid), wanted, seen, counted)
    ordered = sorted(found["aggregates"], key=lambda one: wanted.index(one) if one in wanted else len(wanted))
    return _answer(call, {**found, "aggregates": ordered})
