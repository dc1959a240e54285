"""Opening a console of a server: which kinds there are, what stands in the way, and the URL."""

from __future__ import annotations

import secrets
from urllib.parse import urlsplit

from flask import request

from novalite.api.routing import Call
from novalite.api.runtime import runtime
from novalite.api.servers.access import guard, load
from novalite.errors import BadRequest, ConsoleTypeUnavailable, ServerNotReady
from novalite.objects.consoles import NOVNC, SERIAL, ConsoleWanted, digest
from novalite.rpc.contracts.consoles import Consoles
from novalite.states import CONSOLE_POWER

RULE = "os_compute_api:os-remote-consoles"
PAGE = "console.html"

KINDS = {
    # protocol: (type, first minor version of the type)
    "vnc": (("novnc", 1), ("xvpvnc", 1)),
    "spice": (("spice-html5", 1), ("spice-direct", 99)),
    "serial": (("serial", 1),),
    "rdp": (("rdp-html5", 1),),
    "mks": (("webmks", 8),),
}
OFFERED = (NOVNC, SERIAL)


def open_console(call: Call, server_id: str, protocol: str, kind: str) -> str:
    """The URL of a console, with a token that is valid from now on.

    ServerNotReady for a guest that does not run, BadRequest for a kind that is not offered.
    """
    if kind not in {name for name, since in KINDS[protocol] if call.minor >= since}:
        raise BadRequest(f"Invalid console type {kind} for protocol {protocol}.")
    if kind not in OFFERED:
        server = load(call, server_id, RULE)
        if server["host"] is None or server["power_state"] not in CONSOLE_POWER:
            raise ServerNotReady(server_id=server_id)
        raise ConsoleTypeUnavailable(kind=kind)
    guard(call, server_id, RULE)
    token = secrets.token_urlsafe(32)
    wanted = ConsoleWanted(server_id=server_id, kind=kind, digest=digest(token))
    runtime().peer(Consoles).open(call.ctx, wanted)
    return url_of(kind, token)


def url_of(kind: str, token: str) -> str:
    """Where the console is opened: a page for a screen, a websocket for a serial console."""
    base = base_url()
    if kind == SERIAL:
        return f"ws{base.removeprefix('http')}/?token={token}"
    return f"{base}/{PAGE}?path=%3Ftoken%3D{token}"


def base_url() -> str:
    """Where novalite-novncproxy is, without a slash at the end."""
    conf = runtime().conf
    if conf.consoles.base_url:
        return str(conf.consoles.base_url).rstrip("/")
    host = urlsplit(conf.api.public_url or request.host_url).hostname or "127.0.0.1"
    scheme = "https" if conf.consoles.cert else "http"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{conf.consoles.port}"
