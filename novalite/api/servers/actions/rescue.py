"""Rescue: start a server from another image to mend it; and unrescue."""

from __future__ import annotations

from typing import Any

from novalite.api.actions import NO_VALUE
from novalite.api.routing import Call, Result
from novalite.api.schemas import Body
from novalite.api.servers.actions.table import ACTIONS, begin
from novalite.api.servers.passwords import generate_password, shown
from novalite.api.servers.schemas import ImageUuid, Password
from novalite.api.shapes import Part


class Rescue(Body):
    """What may stand behind `rescue`."""

    adminPass: Password | None = None
    rescue_image_ref: ImageUuid | None = None


@ACTIONS.action("rescue", value=Rescue | None, status=200, answer={"adminPass": Part(str, maybe=True)})
def rescue(call: Call, server_id: str, value: Rescue | None) -> Result:
    """From the image that is named, or from the server's own."""
    value = value or Rescue()
    password = value.adminPass or generate_password()
    rule = "os_compute_api:os-rescue"
    begin(call, server_id, "rescue", rule, password=password, image_id=value.rescue_image_ref)
    return shown(password)


@ACTIONS.action("unrescue", value=NO_VALUE)
def unrescue(call: Call, server_id: str, value: Any) -> Result:
    """Start from its own disks again."""
    begin(call, server_id, "unrescue", "os_compute_api:os-unrescue")
    return None
