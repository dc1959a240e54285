"""Host aggregates: /os-aggregates."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator
from pydantic import Field as Limits

from novalite.api.fields import Field, View
from novalite.api.policy import authorize
from novalite.api.routing import Answer, Call, Result, Routes
from novalite.api.runtime import runtime
from novalite.api.schemas import MOST_ITEMS, Body, MetadataKey, MetadataValue, Name, Uuid, wrong
from novalite.api.shapes import Reply
from novalite.errors import AggregateNotFound, BadRequest
from novalite.rpc.contracts.aggregates import Aggregates

ROUTES = Routes()
RULE = "os_compute_api:os-aggregates:"
CACHE = "compute:aggregates:images"
ZONE = "availability_zone"


# --- bodies ------------------------------------------------------------------------------------


def _no_colon(value: str) -> str:
    """POST /servers splits `zone:host:node` at colons."""
    if ":" in value:
        raise wrong("The name of an availability zone must not contain a colon.")
    return value


def _each_once(items: list[ImageToCache]) -> list[ImageToCache]:
    if len({item.id for item in items}) != len(items):
        raise wrong("It must not name an image twice.")
    return items


Zone = Annotated[Name, AfterValidator(_no_colon)]
HostName = Annotated[str, Limits(min_length=1, max_length=255, pattern=r"^[a-zA-Z0-9-._]*$")]


class NewAggregate(Body):
    """The `aggregate` of POST /os-aggregates."""

    name: Name
    availability_zone: Zone | None = None


class CreateAggregate(Body):
    """POST /os-aggregates."""

    aggregate: NewAggregate


class AggregateChanges(Body):
    """The `aggregate` of PUT /os-aggregates/{id}; null takes it out of its zone."""

    name: Name | None = None
    availability_zone: Zone | None = None


class UpdateAggregate(Body):
    """PUT /os-aggregates/{id}."""

    aggregate: AggregateChanges


class OneHost(Body):
    """The host to add or remove."""

    host: HostName


class NewMetadata(Body):
    """Keys to set; null removes one."""

    metadata: Annotated[dict[MetadataKey, MetadataValue | None], Limits(max_length=MOST_ITEMS)]


class AggregateAction(Body):
    """POST /os-aggregates/{id}/action: exactly one of the three."""

    add_host: OneHost | None = None
    remove_host: OneHost | None = None
    set_metadata: NewMetadata | None = None


class ImageToCache(Body):
    """One image of POST /os-aggregates/{id}/images."""

    id: Uuid


class CacheImages(Body):
    """POST /os-aggregates/{id}/images."""

    cache: Annotated[list[ImageToCache], Limits(min_length=1, max_length=1000), AfterValidator(_each_once)]


# --- answers -----------------------------------------------------------------------------------

_BRIEF = (
    Field("id", lambda r, see: r["id"], kind=int),
    Field("uuid", lambda r, see: r["uuid"], since=41),
    Field("name", lambda r, see: r["name"]),
    Field(ZONE, lambda r, see: r["metadata"].get(ZONE)),
    Field("created_at", lambda r, see: r["created_at"]),
    Field("updated_at", lambda r, see: r["updated_at"]),
    Field("deleted", lambda r, see: False),
    Field("deleted_at", lambda r, see: None),
)
CREATED = View(*_BRIEF)
AGGREGATE = View(
    *_BRIEF,
    Field("hosts", lambda r, see: r["hosts"], kind=list[str]),
    Field("metadata", lambda r, see: r["metadata"]),
)


def _number(aggregate_id: str) -> int:
    """Public ids are integers; BadRequest for anything else."""
    digits = aggregate_id.removeprefix("-")
    if not digits.isascii() or not digits.isdigit():
        raise BadRequest(f"Invalid input received: aggregate id {aggregate_id[:60]} is not an integer.")
    if digits != aggregate_id or len(digits) > 9:
        raise AggregateNotFound(aggregate_id=aggregate_id[:60])
    return int(aggregate_id)


# --- routes ------------------------------------------------------------------------------------


@ROUTES.get("/os-aggregates", policy=RULE + "index", answer={"aggregates": [AGGREGATE]})
def index(call: Call) -> Result:
    """All of them."""
    return {"aggregates": AGGREGATE.show_all(runtime().peer(Aggregates).page(call.ctx), call.see())}


@ROUTES.post("/os-aggregates", policy=RULE + "create", body=CreateAggregate, answer={"aggregate": CREATED})
def create(call: Call) -> Result:
    """A new one, without hosts."""
    asked: NewAggregate = call.body.aggregate
    record = runtime().peer(Aggregates).create(call.ctx, asked.name, asked.availability_zone)
    return {"aggregate": CREATED.show(record, call.see())}


@ROUTES.get("/os-aggregates/<aggregate_id>", policy=RULE + "show", answer={"aggregate": AGGREGATE})
def show(call: Call, aggregate_id: str) -> Result:
    """One."""
    record = runtime().peer(Aggregates).show(call.ctx, _number(aggregate_id))
    return {"aggregate": AGGREGATE.show(record, call.see())}


@ROUTES.put(
    "/os-aggregates/<aggregate_id>",
    policy=RULE + "update",
    body=UpdateAggregate,
    answer={"aggregate": AGGREGATE},
)
def update(call: Call, aggregate_id: str) -> Result:
    """Another name, another zone."""
    asked: AggregateChanges = call.body.aggregate
    given = asked.model_fields_set
    if not given:
        raise BadRequest(
            "Invalid input for field/attribute aggregate. It must hold name or availability_zone."
        )
    if "name" in given and asked.name is None:
        raise BadRequest("Invalid input for field/attribute aggregate.name. It must be a string.")
    zone = {ZONE: asked.availability_zone} if ZONE in given else None
    record = runtime().peer(Aggregates).update(call.ctx, _number(aggregate_id), asked.name, zone)
    return {"aggregate": AGGREGATE.show(record, call.see())}


@ROUTES.delete("/os-aggregates/<aggregate_id>", policy=RULE + "delete", status=200)
def delete(call: Call, aggregate_id: str) -> Result:
    """Only while it has no hosts."""
    runtime().peer(Aggregates).delete(call.ctx, _number(aggregate_id))
    return None


@ROUTES.post("/os-aggregates/<aggregate_id>/action", body=AggregateAction, answer={"aggregate": AGGREGATE})
def act(call: Call, aggregate_id: str) -> Result:
    """Add or remove a host, or set metadata."""
    asked: AggregateAction = call.body
    given = [name for name in AggregateAction.model_fields if getattr(asked, name) is not None]
    if len(given) != 1:
        raise BadRequest("The body must hold exactly one of add_host, remove_host and set_metadata.")
    name, value = given[0], getattr(asked, given[0])
    authorize(RULE + name)
    number, peer = _number(aggregate_id), runtime().peer(Aggregates)
    if name == "set_metadata":
        record = peer.update(call.ctx, number, metadata=_metadata(value.metadata))
    else:
        record = getattr(peer, name)(call.ctx, number, value.host)
    return {"aggregate": AGGREGATE.show(record, call.see())}


def _metadata(asked: dict[str, Any]) -> dict[str, Any]:
    """A zone needs a name that POST /servers can say."""
    if (zone := asked.get(ZONE)) is not None and (not zone or ":" in zone):
        raise BadRequest("The name of an availability zone must not be empty nor contain a colon.")
    return asked


@ROUTES.post(
    "/os-aggregates/<aggregate_id>/images", since=81, policy=CACHE, body=CacheImages, answer=Reply(202)
)
def cache_images(call: Call, aggregate_id: str) -> Result:
    """Its hosts fetch these images, in their own time."""
    images = [image.id for image in call.body.cache]
    runtime().peer(Aggregates).cache_images(call.ctx, _number(aggregate_id), images)
    return Answer(None, 202)
