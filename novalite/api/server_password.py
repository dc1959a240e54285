"""The password a guest made up and left with the metadata service, encrypted with the server's key:
/servers/{id}/os-server-password. Only who has the private key can read it."""

from __future__ import annotations

from novalite.api.routing import Call, Result, Routes
from novalite.api.runtime import runtime
from novalite.api.servers.access import guard
from novalite.rpc.contracts.passwords import Passwords

ROUTES = Routes()
RULE = "os_compute_api:os-server-password:"


@ROUTES.get("/servers/<server_id>/os-server-password", policy=RULE + "show", answer={"password": str})
def show(call: Call, server_id: str) -> Result:
    """What was left; an empty text when nothing was."""
    guard(call, server_id, RULE + "show")
    return {"password": runtime().peer(Passwords).left(call.ctx, server_id)}


@ROUTES.delete("/servers/<server_id>/os-server-password", policy=RULE + "clear")
def clear(call: Call, server_id: str) -> Result:
    """Nothing is left afterwards, and the guest may leave another one."""
    guard(call, server_id, RULE + "clear")
    runtime().peer(Passwords).forget(call.ctx, server_id)
    return None
