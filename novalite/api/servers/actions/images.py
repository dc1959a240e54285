"""Images made of servers: createImage and createBackup."""

from __future__ import annotations

from pydantic import Field

from novalite.api.routing import Answer, Call, Result
from novalite.api.schemas import Body, Metadata, Name, NonNegativeInt
from novalite.api.servers.actions.table import ACTIONS, begin
from novalite.api.shapes import Part, Reply
from novalite.objects.servers import Accepted


class CreateImage(Body):
    """What stands behind `createImage`."""

    name: Name
    metadata: Metadata = Field(default_factory=dict)


class CreateBackup(Body):
    """What stands behind `createBackup`; `rotation` is how many backups of that type stay."""

    name: Name
    backup_type: str = Field(max_length=255)
    rotation: NonNegativeInt
    metadata: Metadata = Field(default_factory=dict)


MADE = (Reply(202, until=44), Reply(202, {"image_id": Part(str, maybe=True)}, since=45))
"""The image; it is in the header Location before 2.45, and missing when a rotation of 0 makes none."""


@ACTIONS.action("createImage", value=CreateImage, answer=MADE)
def create_image(call: Call, server_id: str, value: CreateImage) -> Result:
    """Make an image of the server as it is now; the image is queued at once and active when it has its bytes."""
    rule = "os_compute_api:servers:create_image"
    return _image(call, begin(call, server_id, "createImage", rule, **value.model_dump()))


@ACTIONS.action("createBackup", value=CreateBackup, answer=MADE)
def create_backup(call: Call, server_id: str, value: CreateBackup) -> Result:
    """Make an image of the server, and remove its oldest backups of the same type beyond `rotation`."""
    rule = "os_compute_api:os-create-backup"
    return _image(call, begin(call, server_id, "createBackup", rule, **value.model_dump()))


def _image(call: Call, accepted: Accepted) -> Result:
    """Which image it will be: from 2.45 in the body, before in the Location; nothing when there will be none."""
    image_id = accepted.facts.get("image_id")
    if image_id is None:
        return None
    if call.minor >= 45:
        return {"image_id": image_id}
    location = call.links.bookmark("images", image_id)[0]["href"]
    return Answer(None, 202, {"Location": location})
