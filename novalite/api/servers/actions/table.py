"""The table of server actions, and how a handler begins one."""

from __future__ import annotations

from typing import Any

from novalite.api.actions import Actions
from novalite.api.routing import Call
from novalite.api.runtime import runtime
from novalite.api.servers.access import guard, poke
from novalite.objects.servers import Accepted, ServerAction
from novalite.rpc.contracts.servers import Servers

ACTIONS = Actions()


def begin(
    call: Call, server_id: str, verb: str, rule: str, show: bool = False, password: str | None = None,
    **params: Any,
) -> Accepted:
    """Check `rule`, write the intent to do `verb` (a key of states.ACTIONS) and wake its task.

    `params` are what the flow of the verb reads; with `show` the facts hold the new record as `server`;
    `password` is for the administrator of the guest.
    """
    guard(call, server_id, rule)
    asked = ServerAction(server_id=server_id, verb=verb, params=params, show=show, admin_pass=password)
    accepted = runtime().peer(Servers).act(call.ctx, asked)
    poke(call.ctx, accepted)
    return accepted
