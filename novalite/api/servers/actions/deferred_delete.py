"""Deferred delete: bring a soft-deleted server back, or delete one for good at once."""

from __future__ import annotations

from typing import Any

from novalite.api.actions import NO_VALUE
from novalite.api.routing import Call, Result
from novalite.api.runtime import runtime
from novalite.api.servers.access import guard, poke
from novalite.api.servers.actions.table import ACTIONS, begin
from novalite.rpc.contracts.servers import Servers


@ACTIONS.action("restore", value=NO_VALUE)
def restore(call: Call, server_id: str, value: Any) -> Result:
    """It must fit into the quota again."""
    begin(call, server_id, "restore", "os_compute_api:os-deferred-delete:restore")
    return None


@ACTIONS.action("forceDelete", value=NO_VALUE)
def force_delete(call: Call, server_id: str, value: Any) -> Result:
    """In every state, whatever is being done to it."""
    guard(call, server_id, "os_compute_api:os-deferred-delete:force")
    poke(call.ctx, runtime().peer(Servers).delete(call.ctx, server_id, force=True))
    return None
