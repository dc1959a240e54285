"""Metadata of a server: /servers/{id}/metadata."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from novalite.api.routing import Call, Result, Routes
from novalite.api.runtime import runtime
from novalite.api.schemas import Body, Metadata, MetadataKey, MetadataValue
from novalite.api.servers.access import guard, load
from novalite.api.shapes import ITEM, ITEMS
from novalite.errors import BadRequest, NotFound
from novalite.rpc.contracts.servers import Servers

ROUTES = Routes()
RULE = "os_compute_api:server-metadata:"


class Items(Body):
    """POST and PUT /metadata."""

    metadata: Metadata


class Item(Body):
    """PUT /metadata/{key}."""

    meta: Annotated[dict[MetadataKey, MetadataValue], Field(min_length=1, max_length=1)]


@ROUTES.get("/servers/<server_id>/metadata", policy=RULE + "index", answer=ITEMS)
def index(call: Call, server_id: str) -> Result:
    """All items."""
    return {"metadata": load(call, server_id, RULE + "index")["metadata"] or {}}


@ROUTES.post("/servers/<server_id>/metadata", policy=RULE + "create", body=Items, status=200, answer=ITEMS)
def add(call: Call, server_id: str) -> Result:
    """Add or change items; the others stay."""
    guard(call, server_id, RULE + "create")
    items = runtime().peer(Servers).set_metadata(call.ctx, server_id, call.body.metadata)
    return {"metadata": items}


@ROUTES.put("/servers/<server_id>/metadata", policy=RULE + "update_all", body=Items, answer=ITEMS)
def replace_all(call: Call, server_id: str) -> Result:
    """Exactly these items."""
    guard(call, server_id, RULE + "update_all")
    items = runtime().peer(Servers).set_metadata(call.ctx, server_id, call.body.metadata, replace=True)
    return {"metadata": items}


@ROUTES.get("/servers/<server_id>/metadata/<key>", policy=RULE + "show", answer=ITEM)
def show(call: Call, server_id: str, key: str) -> Result:
    """One item."""
    items = load(call, server_id, RULE + "show")["metadata"] or {}
    if key not in items:
        raise NotFound("Metadata item was not found")
    return {"meta": {key: items[key]}}


@ROUTES.put("/servers/<server_id>/metadata/<key>", policy=RULE + "update", body=Item, answer=ITEM)
def update(call: Call, server_id: str, key: str) -> Result:
    """One item; the body repeats its key."""
    guard(call, server_id, RULE + "update")
    if key not in call.body.meta:
        raise BadRequest("Request body and URI mismatch: meta must name the key of the URL.")
    runtime().peer(Servers).set_metadata(call.ctx, server_id, call.body.meta)
    return {"meta": call.body.meta}


@ROUTES.delete("/servers/<server_id>/metadata/<key>", policy=RULE + "delete")
def delete(call: Call, server_id: str, key: str) -> Result:
    """Remove one item."""
    guard(call, server_id, RULE + "delete")
    runtime().peer(Servers).delete_metadata(call.ctx, server_id, key)
    return None
