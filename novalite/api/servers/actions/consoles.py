"""What is seen of a server's console."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from novalite.api.routing import Call, Result
from novalite.api.runtime import runtime
from novalite.api.schemas import MOST_INT, Body, Int
from novalite.api.servers.access import guard
from novalite.api.servers.actions.table import ACTIONS
from novalite.rpc.contracts.servers import Servers


class ConsoleOutput(Body):
    """What may stand behind `os-getConsoleOutput`; no length, null or -1 mean all there is."""

    length: Annotated[Int, Field(ge=-1, le=MOST_INT)] | None = None


@ACTIONS.action("os-getConsoleOutput", value=ConsoleOutput | None, status=200, answer={"output": str})
def console_output(call: Call, server_id: str, value: ConsoleOutput | None) -> Result:
    """The last lines of the serial console."""
    guard(call, server_id, "os_compute_api:os-console-output")
    length = value.length if value else None
    shown = None if length is None or length < 0 else length
    return {"output": runtime().peer(Servers).console_output(call.ctx, server_id, shown)}
