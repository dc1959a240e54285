"""Actions that one order to the host carries out: start, stop, reboot, pause, suspend and back."""

from __future__ import annotations

from typing import Any, Literal

from novalite.api.actions import Action
from novalite.api.routing import Call, Result
from novalite.api.schemas import Body
from novalite.api.servers.actions.table import ACTIONS, begin

PLAIN = {
    # action: (verb in states.ACTIONS, policy)
    "os-start": ("start", "os_compute_api:servers:start"),
    "os-stop": ("stop", "os_compute_api:servers:stop"),
    "pause": ("pause", "os_compute_api:os-pause-server:pause"),
    "unpause": ("unpause", "os_compute_api:os-pause-server:unpause"),
    "suspend": ("suspend", "os_compute_api:os-suspend-server:suspend"),
    "resume": ("resume", "os_compute_api:os-suspend-server:resume"),
    "trigger_crash_dump": ("trigger_crash_dump", "os_compute_api:servers:trigger_crash_dump"),
}
"""Actions without a body that one verb carries out."""
SINCE = {"trigger_crash_dump": 17}
"""Minor versions of those that are younger than the API."""


def _plain(name: str, verb: str, rule: str) -> None:
    def handler(call: Call, server_id: str, value: Any) -> Result:
        begin(call, server_id, verb, rule)
        return None

    ACTIONS.rows[name] = Action(name, handler, since=SINCE.get(name, 1))


for _name, (_verb, _rule) in PLAIN.items():
    _plain(_name, _verb, _rule)


class Reboot(Body):
    """What stands behind `reboot`."""

    type: Literal["SOFT", "Soft", "soft", "HARD", "Hard", "hard"]


@ACTIONS.action("reboot", value=Reboot)
def reboot(call: Call, server_id: str, value: Reboot) -> Result:
    """SOFT asks the guest, HARD resets it."""
    verb = "reboot_hard" if value.type.upper() == "HARD" else "reboot"
    begin(call, server_id, verb, "os_compute_api:servers:reboot")
    return None
