"""os-getVNCConsole and its kin, up to 2.5: what POST remote-consoles does since."""

from __future__ import annotations

from typing import Any, Literal

from novalite.api.routing import Call, Result
from novalite.api.schemas import Body
from novalite.api.servers.actions.table import ACTIONS
from novalite.api.servers.remote_console import RULE, open_console

LAST = 5


class Vnc(Body):
    """What stands behind `os-getVNCConsole`."""

    type: Literal["novnc", "xvpvnc"]


class Spice(Body):
    """What stands behind `os-getSPICEConsole`."""

    type: Literal["spice-html5"]


class Serial(Body):
    """What stands behind `os-getSerialConsole`."""

    type: Literal["serial"]


def _row(name: str, protocol: str, value: type[Body]) -> None:
    def handler(call: Call, server_id: str, value: Any) -> Result:
        return {"console": {"type": value.type, "url": open_console(call, server_id, protocol, value.type)}}

    answer = {"console": {"type": str, "url": str}}
    ACTIONS.action(name, value=value, until=LAST, policy=RULE, status=200, answer=answer)(handler)


for _name, _protocol, _value in (
    ("os-getVNCConsole", "vnc", Vnc),
    ("os-getSPICEConsole", "spice", Spice),
    ("os-getSerialConsole", "serial", Serial),
):
    _row(_name, _protocol, _value)
