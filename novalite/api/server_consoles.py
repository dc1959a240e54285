"""POST /servers/{id}/remote-consoles (2.6)."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, ValidationInfo

from novalite.api.routing import Call, Result, Routes
from novalite.api.schemas import Body, Says, wrong
from novalite.api.servers.remote_console import KINDS, RULE, open_console

ROUTES = Routes()
_PROTOCOL_SINCE = {"mks": 8}
_TYPES = [name for kinds in KINDS.values() for name, _ in kinds]


def _protocol(value: str, info: ValidationInfo) -> str:
    known = [name for name in KINDS if _PROTOCOL_SINCE.get(name, 1) <= int(info.context or 1)]
    if value not in known:
        raise wrong(f"It must be one of {', '.join(known)}.")
    return value


def _kind(value: str, info: ValidationInfo) -> str:
    minor = int(info.context or 1)
    known = [name for kinds in KINDS.values() for name, since in kinds if since <= minor]
    if value not in known:
        raise wrong(f"It must be one of {', '.join(known)}.")
    return value


class Wanted(Body):
    """A kind of console."""

    protocol: Annotated[str, AfterValidator(_protocol), Says(enum=list(KINDS))]
    type: Annotated[str, AfterValidator(_kind), Says(enum=_TYPES)]


class RemoteConsole(Body):
    """POST remote-consoles."""

    remote_console: Wanted


@ROUTES.post(
    "/servers/<server_id>/remote-consoles",
    since=6,
    policy=RULE,
    body=RemoteConsole,
    status=200,
    answer={"remote_console": {"protocol": str, "type": str, "url": str}},
)
def create(call: Call, server_id: str) -> Result:
    """A URL to see the console at, valid for a while."""
    asked: Any = call.body.remote_console
    url = open_console(call, server_id, asked.protocol, asked.type)
    return {"remote_console": {"protocol": asked.protocol, "type": asked.type, "url": url}}
