"""Tags of a server: /servers/{id}/tags. Read only so far; they are given at create."""

from __future__ import annotations

from novalite.api.routing import Answer, Call, Result, Routes
from novalite.api.servers.access import load
from novalite.errors import NotFound

ROUTES = Routes()
RULE = "os_compute_api:os-server-tags:"


@ROUTES.get("/servers/<server_id>/tags", policy=RULE + "index", since=26)
def index(call: Call, server_id: str) -> Result:
    """All tags."""
    return {"tags": load(call, server_id, RULE + "index")["tags"] or []}


@ROUTES.get("/servers/<server_id>/tags/<tag>", policy=RULE + "show", since=26)
def show(call: Call, server_id: str, tag: str) -> Result:
    """204 when the server has the tag."""
    if tag not in (load(call, server_id, RULE + "show")["tags"] or []):
        raise NotFound(f"Server {server_id} has no tag '{tag}'")
    return Answer(None, 204)
