"""Allocations: what consumers hold of providers."""

from __future__ import annotations

from novalite.errors import BadRequest
from novalite.objects.base import Record
from novalite.objects.placement import ConsumerAllocations
from novalite.placement.api import schemas
from novalite.placement.api.http import NOTHING, NOW, Answer, Call, latest, peer
from novalite.placement.api.routing import Routes
from novalite.placement.values import canonical, is_uuid

ROUTES = Routes()
_P = "placement:allocations"
_ONE = "/allocations/<consumer>"
UNKNOWN = "unknown"
"""The type of a consumer that was never told one."""


def wanted(consumer: str, body: Record, minor: int) -> ConsumerAllocations:
    """One consumer's part of a body that fits schemas.allocations."""
    told = body["allocations"]
    if isinstance(told, list):
        found: dict[str, dict[str, int]] = {}
        for one in told:
            found.setdefault(canonical(one["resource_provider"]["uuid"]), {}).update(one["resources"])
    else:
        found = {canonical(uuid): one["resources"] for uuid, one in told.items()}
    return ConsumerAllocations(
        consumer=canonical(consumer), allocations=found, project_id=body.get("project_id"),
        user_id=body.get("user_id"), consumer_type=body.get("consumer_type"), checked=minor >= 28,
        generation=body.get("consumer_generation"),
    )  # fmt: skip


@ROUTES.add("POST", "/allocations", since=13, policy=f"{_P}:manage")
def write_many(call: Call) -> Answer:
    """Several consumers hold exactly this from now on."""
    body = call.body(schemas.many_allocations(call.minor))
    peer().allocate(call.ctx, [wanted(consumer, one, call.minor) for consumer, one in body.items()])
    return NOTHING


@ROUTES.add("GET", _ONE, policy=f"{_P}:list")
def show(call: Call, consumer: str) -> Answer:
    """What a consumer holds; nothing for one that is not known."""
    found = peer().consumer(call.ctx, canonical(consumer))
    if found is None:
        return Answer({"allocations": {}}, modified=NOW)
    body: Record = {"allocations": found["held"]}
    if call.minor >= 12:
        body |= {"project_id": found["project_id"], "user_id": found["user_id"]}
    if call.minor >= 28:
        body["consumer_generation"] = found["generation"]
    if call.minor >= 38:
        body["consumer_type"] = found["consumer_type"] or UNKNOWN
    return Answer(body, modified=NOW)


@ROUTES.add("PUT", _ONE, policy=f"{_P}:update")
def write(call: Call, consumer: str) -> Answer:
    """A consumer holds exactly this from now on."""
    if not is_uuid(consumer):
        raise BadRequest(f"Malformed consumer_uuid: {consumer[:60]}")
    body = call.body(schemas.allocations(call.minor))
    peer().allocate(call.ctx, [wanted(consumer, body, call.minor)])
    return NOTHING


@ROUTES.add("DELETE", _ONE, policy=f"{_P}:delete")
def delete(call: Call, consumer: str) -> Answer:
    """It holds nothing any more."""
    peer().give_back(call.ctx, canonical(consumer))
    return NOTHING


@ROUTES.add(
    "GET", "/resource_providers/<uuid>/allocations", policy="placement:resource_providers:allocations:list"
)
def of_provider(call: Call, uuid: str) -> Answer:
    """What is held of a provider, by consumer."""
    found = peer().provider_allocations(call.ctx, canonical(uuid))
    held = {}
    for consumer, one in found["allocations"].items():
        held[consumer] = {"resources": one["resources"]}
        if call.minor >= 28:
            held[consumer]["consumer_generation"] = one["generation"]
    body = {"allocations": held, "resource_provider_generation": found["generation"]}
    return Answer(body, modified=latest([found]))
