"""Lock and unlock."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from novalite.api.actions import NO_VALUE
from novalite.api.policy import allowed
from novalite.api.routing import Call, Result
from novalite.api.runtime import runtime
from novalite.api.schemas import Body, Since
from novalite.api.servers.access import guard
from novalite.api.servers.actions.table import ACTIONS
from novalite.rpc.contracts.servers import Servers


class Lock(Body):
    """What may stand behind `lock`."""

    locked_reason: Annotated[str, Field(min_length=1, max_length=255), Since(73)] = ""


@ACTIONS.action("lock", value=Lock | None)
def lock(call: Call, server_id: str, value: Lock | None) -> Result:
    """Keep everybody but admins from changing the server."""
    guard(call, server_id, "os_compute_api:os-lock-server:lock")
    reason = (value.locked_reason or None) if value else None
    runtime().peer(Servers).lock(call.ctx, server_id, reason)
    return None


@ACTIONS.action("unlock", value=NO_VALUE)
def unlock(call: Call, server_id: str, value: Any) -> Result:
    """The conductor refuses to lift an admin's lock for its owner, unless a rule of its own lets it."""
    guard(call, server_id, "os_compute_api:os-lock-server:unlock")
    override = allowed("os_compute_api:os-lock-server:unlock:unlock_override")
    runtime().peer(Servers).unlock(call.ctx, server_id, override)
    return None
