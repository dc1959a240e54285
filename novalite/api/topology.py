"""How a guest's memory and processors lie: /servers/{id}/topology."""

from __future__ import annotations

from typing import Any

from novalite.api.routing import Call, Result, Routes
from novalite.api.servers.access import load
from novalite.api.shapes import NUMBER

ROUTES = Routes()
RULE = "compute:server:topology:index"


@ROUTES.get(
    "/servers/<server_id>/topology",
    policy=RULE,
    since=78,
    answer={"nodes": list[dict[str, Any]], "pagesize_kb": NUMBER},
)
def show(call: Call, server_id: str) -> Result:
    """Guests here have one plain memory and no processors of their own, which the API tells as no nodes; so there
    is nothing of the host to show to those who may see it (`compute:server:topology:host:index`) either."""
    load(call, server_id, RULE)
    return {"nodes": [], "pagesize_kb": None}
