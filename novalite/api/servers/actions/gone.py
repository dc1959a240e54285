"""Published actions that are gone for good."""

from __future__ import annotations

from typing import Any

from novalite.api.actions import Action
from novalite.api.routing import Call, Result
from novalite.api.servers.actions.table import ACTIONS
from novalite.errors import Gone

GONE = ("resetNetwork", "os-getRDPConsole")
"""Actions that answer 410 at every version."""


def _gone(name: str) -> None:
    def handler(call: Call, server_id: str, value: Any) -> Result:
        raise Gone

    ACTIONS.rows[name] = Action(name, handler, Any)


for _name in GONE:
    _gone(_name)
