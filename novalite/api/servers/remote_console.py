"""Opening a console of a server: which kinds there are, and what stands in the way."""

from __future__ import annotations

from novalite.api.routing import Call
from novalite.api.servers.access import load
from novalite.errors import BadRequest, ServerNotReady
from novalite.states import PowerState

RULE = "os_compute_api:os-remote-consoles"

KINDS = {
    # protocol: (type, first minor version of the type)
    "vnc": (("novnc", 1), ("xvpvnc", 1)),
    "spice": (("spice-html5", 1), ("spice-direct", 99)),
    "serial": (("serial", 1),),
    "rdp": (("rdp-html5", 1),),
    "mks": (("webmks", 8),),
}


def open_console(call: Call, server_id: str, protocol: str, kind: str) -> None:
    """Check that the guest runs and that the cloud offers this kind of console: it offers none.

    ServerNotReady for a guest that does not run, BadRequest for the kind.
    """
    if kind not in {name for name, since in KINDS[protocol] if call.minor >= since}:
        raise BadRequest(f"Invalid console type {kind} for protocol {protocol}.")
    server = load(call, server_id, RULE)
    if server["host"] is None or server["power_state"] != PowerState.RUNNING:
        raise ServerNotReady(server_id=server_id)
    raise BadRequest(f"Unavailable console type {kind}.")
