"""Host aggregates: /os-aggregates. There are none yet, and clients that ask about a host ask for them too."""

from __future__ import annotations

from novalite.api.routing import Call, Result, Routes

ROUTES = Routes()


@ROUTES.get("/os-aggregates", policy="os_compute_api:os-aggregates:index")
def index(call: Call) -> Result:
    """An empty list: nothing makes one."""
    return {"aggregates": []}
