"""Tags of a server: /servers/{id}/tags."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from pydantic import Field

from novalite.api.routing import Answer, Call, Result, Routes
from novalite.api.runtime import runtime
from novalite.api.schemas import Body, parse
from novalite.api.servers.access import guard, load
from novalite.api.servers.schemas import MAX_TAGS, Tag
from novalite.api.shapes import Reply
from novalite.errors import NotFound
from novalite.rpc.contracts import tags as contract

ROUTES = Routes()
RULE = "os_compute_api:os-server-tags:"
TAGS = {"tags": list[str]}
SINCE = 26


class AllTags(Body):
    """PUT /servers/{id}/tags"""

    tags: Annotated[list[Tag], Field(max_length=MAX_TAGS)]


@ROUTES.get("/servers/<server_id>/tags", policy=RULE + "index", since=SINCE, answer=TAGS)
def index(call: Call, server_id: str) -> Result:
    """All tags."""
    return {"tags": load(call, server_id, RULE + "index")["tags"] or []}


@ROUTES.get("/servers/<server_id>/tags/<tag>", policy=RULE + "show", since=SINCE, answer=Reply(204))
def show(call: Call, server_id: str, tag: str) -> Result:
    """204 when the server has the tag."""
    if tag not in (load(call, server_id, RULE + "show")["tags"] or []):
        raise NotFound(f"Server {server_id} has no tag '{tag}'")
    return Answer(None, 204)


@ROUTES.put("/servers/<server_id>/tags", policy=RULE + "update_all", body=AllTags, since=SINCE, answer=TAGS)
def replace(call: Call, server_id: str) -> Result:
    """Exactly these tags."""
    guard(call, server_id, RULE + "update_all")
    return {"tags": runtime().peer(contract.Tags).replace(call.ctx, server_id, list(call.body.tags))}


@ROUTES.put(
    "/servers/<server_id>/tags/<tag>", policy=RULE + "update", since=SINCE, answer=(Reply(201), Reply(204))
)
def add(call: Call, server_id: str, tag: str) -> Result:
    """201 for a new tag, 204 for one the server has; where it is in both cases."""
    guard(call, server_id, RULE + "update")
    parse(Tag, tag, call.version, at="tag")
    new = runtime().peer(contract.Tags).add(call.ctx, server_id, tag)
    location = f"{call.links.of('servers', server_id)[0]['href']}/tags/{quote(tag, safe='')}"
    return Answer(None, 201 if new else 204, {"Location": location})


@ROUTES.delete("/servers/<server_id>/tags", policy=RULE + "delete_all", since=SINCE)
def remove_all(call: Call, server_id: str) -> Result:
    """No tags."""
    guard(call, server_id, RULE + "delete_all")
    runtime().peer(contract.Tags).replace(call.ctx, server_id, [])
    return None


@ROUTES.delete("/servers/<server_id>/tags/<tag>", policy=RULE + "delete", since=SINCE)
def remove(call: Call, server_id: str, tag: str) -> Result:
    """One tag less."""
    guard(call, server_id, RULE + "delete")
    runtime().peer(contract.Tags).remove(call.ctx, server_id, tag)
    return None
