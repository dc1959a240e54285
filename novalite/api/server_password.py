"""The password a guest made up and left, encrypted with the server's key: /servers/{id}/os-server-password.

Guests leave it with the metadata service. This cloud has none, so there never is one: the public answer for that is
an empty string, and clearing it succeeds.
"""

from __future__ import annotations

from novalite.api.routing import Call, Result, Routes
from novalite.api.servers.access import load

ROUTES = Routes()
RULE = "os_compute_api:os-server-password:"


@ROUTES.get("/servers/<server_id>/os-server-password", policy=RULE + "show", answer={"password": str})
def show(call: Call, server_id: str) -> Result:
    """Nothing was left."""
    load(call, server_id, RULE + "show")
    return {"password": ""}


@ROUTES.delete("/servers/<server_id>/os-server-password", policy=RULE + "clear")
def clear(call: Call, server_id: str) -> Result:
    """Nothing is left afterwards."""
    load(call, server_id, RULE + "clear")
    return None
