"""What operators do to servers that are in a bad way."""

from __future__ import annotations

from typing import Any, Literal

from novalite.api.actions import NO_VALUE
from novalite.api.routing import Call, Result
from novalite.api.runtime import runtime
from novalite.api.schemas import Body
from novalite.api.servers.access import guard
from novalite.api.servers.actions.table import ACTIONS
from novalite.rpc.contracts.servers import Servers


class ResetState(Body):
    """What stands behind `os-resetState`."""

    state: Literal["active", "error"]


@ACTIONS.action("os-resetState", value=ResetState)
def reset_state(call: Call, server_id: str, value: ResetState) -> Result:
    """The server is what the administrator says, and nothing is being done to it."""
    guard(call, server_id, "os_compute_api:os-admin-actions:reset_state")
    runtime().peer(Servers).reset_state(call.ctx, server_id, value.state)
    return None


@ACTIONS.action("injectNetworkInfo", value=NO_VALUE)
def inject_network_info(call: Call, server_id: str, value: Any) -> Result:
    """Make the guest's network what the records say."""
    guard(call, server_id, "os_compute_api:os-admin-actions:inject_network_info")
    runtime().peer(Servers).inject_network_info(call.ctx, server_id)
    return None
