"""Resize, and what becomes of it: confirmed or reverted."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from novalite.api.actions import NO_VALUE
from novalite.api.routing import Call, Result
from novalite.api.schemas import Body
from novalite.api.servers.actions.table import ACTIONS, begin
from novalite.api.servers.schemas import DiskConfig, Reference


class Resize(Body):
    """What stands behind `resize`."""

    flavorRef: Reference
    disk_config: DiskConfig | None = Field(None, alias="OS-DCF:diskConfig")


@ACTIONS.action("resize", value=Resize)
def resize(call: Call, server_id: str, value: Resize) -> Result:
    """Give the server another flavor; it then waits to be confirmed or reverted."""
    rule = "os_compute_api:servers:resize"
    begin(call, server_id, "resize", rule, flavor_id=value.flavorRef, disk_config=value.disk_config)
    return None


@ACTIONS.action("confirmResize", value=NO_VALUE, status=204)
def confirm(call: Call, server_id: str, value: Any) -> Result:
    """Keep the new flavor, and let go of the old disks."""
    begin(call, server_id, "confirm_resize", "os_compute_api:servers:confirm_resize")
    return None


@ACTIONS.action("revertResize", value=NO_VALUE)
def revert(call: Call, server_id: str, value: Any) -> Result:
    """Go back to the old flavor and the old disks."""
    begin(call, server_id, "revert_resize", "os_compute_api:servers:revert_resize")
    return None
