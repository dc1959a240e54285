"""POST /servers/{id}/action: every published action name, its body, versions, policy and what it does."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from novalite.api.actions import NO_VALUE, Action, Actions
from novalite.api.routing import Call, Result
from novalite.api.runtime import runtime
from novalite.api.schemas import Body, Int, Since
from novalite.api.servers.access import guard, load, poke
from novalite.errors import Gone, NotImplementedHere
from novalite.objects.servers import ServerAction
from novalite.rpc.contracts.servers import Servers

ACTIONS = Actions()

PLAIN = {
    # action: (verb in states.ACTIONS, policy)
    "os-start": ("start", "os_compute_api:servers:start"),
    "os-stop": ("stop", "os_compute_api:servers:stop"),
    "pause": ("pause", "os_compute_api:os-pause-server:pause"),
    "unpause": ("unpause", "os_compute_api:os-pause-server:unpause"),
    "suspend": ("suspend", "os_compute_api:os-suspend-server:suspend"),
    "resume": ("resume", "os_compute_api:os-suspend-server:resume"),
}
"""Actions without a body that one verb carries out."""

LATER = {
    # action: (policy, first minor version, last minor version)
    "rescue": ("os_compute_api:os-rescue", 1, None),
    "unrescue": ("os_compute_api:os-unrescue", 1, None),
    "shelve": ("os_compute_api:os-shelve:shelve", 1, None),
    "shelveOffload": ("os_compute_api:os-shelve:shelve_offload", 1, None),
    "unshelve": ("os_compute_api:os-shelve:unshelve", 1, None),
    "resize": ("os_compute_api:servers:resize", 1, None),
    "confirmResize": ("os_compute_api:servers:confirm_resize", 1, None),
    "revertResize": ("os_compute_api:servers:revert_resize", 1, None),
    "rebuild": ("os_compute_api:servers:rebuild", 1, None),
    "createImage": ("os_compute_api:servers:create_image", 1, None),
    "createBackup": ("os_compute_api:os-create-backup", 1, None),
    "changePassword": ("os_compute_api:os-admin-password", 1, None),
    "addSecurityGroup": ("os_compute_api:os-security-groups:add", 1, None),
    "removeSecurityGroup": ("os_compute_api:os-security-groups:remove", 1, None),
    "forceDelete": ("os_compute_api:os-deferred-delete:force", 1, None),
    "restore": ("os_compute_api:os-deferred-delete:restore", 1, None),
    "trigger_crash_dump": ("os_compute_api:servers:trigger_crash_dump", 17, None),
    "migrate": ("os_compute_api:os-migrate-server:migrate", 1, None),
    "os-migrateLive": ("os_compute_api:os-migrate-server:migrate_live", 1, None),
    "evacuate": ("os_compute_api:os-evacuate", 1, None),
    "os-resetState": ("os_compute_api:os-admin-actions:reset_state", 1, None),
    "injectNetworkInfo": ("os_compute_api:os-admin-actions:inject_network_info", 1, None),
    "addFixedIp": ("os_compute_api:os-multinic:add", 1, 43),
    "removeFixedIp": ("os_compute_api:os-multinic:remove", 1, 43),
    "addFloatingIp": ("os_compute_api:os-floating-ips:add", 1, 43),
    "removeFloatingIp": ("os_compute_api:os-floating-ips:remove", 1, 43),
    "os-getVNCConsole": ("os_compute_api:os-remote-consoles", 1, 5),
    "os-getSPICEConsole": ("os_compute_api:os-remote-consoles", 1, 5),
    "os-getSerialConsole": ("os_compute_api:os-remote-consoles", 1, 5),
}
"""Published actions this cloud cannot do yet: the server is looked up, then 501."""

GONE = ("resetNetwork", "os-getRDPConsole")
"""Actions that answer 410 at every version."""


def begin(call: Call, server_id: str, verb: str, rule: str) -> None:
    """Write the intent and wake its task."""
    guard(call, server_id, rule)
    accepted = runtime().peer(Servers).act(call.ctx, ServerAction(server_id=server_id, verb=verb))
    poke(call.ctx, accepted)


def _plain(name: str, verb: str, rule: str) -> None:
    def handler(call: Call, server_id: str, value: Any) -> Result:
        begin(call, server_id, verb, rule)
        return None

    ACTIONS.rows[name] = Action(name, handler)


def _later(name: str, rule: str, since: int, until: int | None) -> None:
    def handler(call: Call, server_id: str, value: Any) -> Result:
        load(call, server_id, rule)
        raise NotImplementedHere(f"The action {name} is not available in this cloud yet.")

    ACTIONS.rows[name] = Action(name, handler, Any, since, until)


def _gone(name: str) -> None:
    def handler(call: Call, server_id: str, value: Any) -> Result:
        raise Gone

    ACTIONS.rows[name] = Action(name, handler, Any)


for _name, (_verb, _rule) in PLAIN.items():
    _plain(_name, _verb, _rule)
for _name, _row in LATER.items():
    _later(_name, *_row)
for _name in GONE:
    _gone(_name)


class Reboot(Body):
    """What stands behind `reboot`."""

    type: Literal["SOFT", "Soft", "soft", "HARD", "Hard", "hard"]


@ACTIONS.action("reboot", value=Reboot)
def reboot(call: Call, server_id: str, value: Reboot) -> Result:
    """SOFT asks the guest, HARD resets it."""
    verb = "reboot_hard" if value.type.upper() == "HARD" else "reboot"
    begin(call, server_id, verb, "os_compute_api:servers:reboot")
    return None


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
    """The conductor refuses to lift an admin's lock for others."""
    guard(call, server_id, "os_compute_api:os-lock-server:unlock")
    runtime().peer(Servers).unlock(call.ctx, server_id)
    return None


class ConsoleOutput(Body):
    """What may stand behind `os-getConsoleOutput`; no length, null or -1 mean all there is."""

    length: Annotated[Int, Field(ge=-1)] | None = None


@ACTIONS.action("os-getConsoleOutput", value=ConsoleOutput | None, status=200)
def console_output(call: Call, server_id: str, value: ConsoleOutput | None) -> Result:
    """The last lines of the serial console."""
    guard(call, server_id, "os_compute_api:os-console-output")
    length = value.length if value else None
    shown = None if length is None or length < 0 else length
    return {"output": runtime().peer(Servers).console_output(call.ctx, server_id, shown)}
