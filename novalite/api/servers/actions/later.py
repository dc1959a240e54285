"""Published actions this cloud cannot do yet, and those that are gone for good."""

from __future__ import annotations

from typing import Any

from novalite.api.actions import Action
from novalite.api.routing import Call, Result
from novalite.api.servers.access import load
from novalite.api.servers.actions.table import ACTIONS
from novalite.errors import Gone, NotImplementedHere

LATER = {
    # action: (policy, first minor version, last minor version)
    "migrate": ("os_compute_api:os-migrate-server:migrate", 1, None),
    "os-migrateLive": ("os_compute_api:os-migrate-server:migrate_live", 1, None),
    "evacuate": ("os_compute_api:os-evacuate", 1, None),
}
"""Published actions this cloud cannot do yet: the server is looked up, then 501."""

GONE = ("resetNetwork", "os-getRDPConsole")
"""Actions that answer 410 at every version."""


def _later(name: str, rule: str, since: int, until: int | None) -> None:
    def handler(call: Call, server_id: str, value: Any) -> Result:
        load(call, server_id, rule)
        raise NotImplementedHere(f"The action {name} is not available in this cloud yet.")

    ACTIONS.rows[name] = Action(name, handler, Any, since, until)


def _gone(name: str) -> None:
    def handler(call: Call, server_id: str, value: Any) -> Result:
        raise Gone

    ACTIONS.rows[name] = Action(name, handler, Any)


for _name, _row in LATER.items():
    _later(_name, *_row)
for _name in GONE:
    _gone(_name)
