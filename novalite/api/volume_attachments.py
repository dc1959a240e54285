"""Volumes of a server: /servers/{id}/os-volume_attachments. The volume service answers."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field as Limits

from novalite.api.fields import Field, View
from novalite.api.paging import Query, integer
from novalite.api.policy import allowed, authorize
from novalite.api.routing import Answer, Call, Result, Routes
from novalite.api.runtime import runtime
from novalite.api.schemas import Body, Bool, Since, Uuid
from novalite.api.servers.access import load, require
from novalite.api.servers.schemas import Tag
from novalite.api.shapes import TEXT, Reply
from novalite.errors import BadRequest, PolicyNotAuthorized
from novalite.objects.base import Record
from novalite.states import ACTIVE, PAUSED, RESIZED, SHELVED, SHELVED_OFFLOADED, SOFT_DELETED, STOPPED

ROUTES = Routes()
RULE = "os_compute_api:os-volumes-attachments:"
PATH = "/servers/<server_id>/os-volume_attachments"
STATES = (ACTIVE, PAUSED, STOPPED, RESIZED, SOFT_DELETED, SHELVED, SHELVED_OFFLOADED)
SWAP_STATES = (ACTIVE, PAUSED, RESIZED)
EMPTY_SINCE = 101
"""From here on attaching is answered with 202 and nothing."""
FATE_SINCE = 85
"""From here on PUT may change delete_on_termination."""

ATTACHMENT = View(
    Field("id", lambda r, see: r["volume_id"], until=88),
    Field("volumeId", lambda r, see: r["volume_id"], kind=str),
    Field("serverId", lambda r, see: r["server_id"], kind=str),
    Field("device", lambda r, see: r["device"], kind=TEXT),
    Field("tag", lambda r, see: r["tag"], since=70, kind=TEXT),
    Field("delete_on_termination", lambda r, see: r["delete_on_termination"], since=79, kind=bool),
    Field("attachment_id", lambda r, see: r["id"], since=89, kind=str),
    Field("bdm_uuid", lambda r, see: r["bdm_uuid"], since=89, kind=str),
)

Device = Annotated[str, Limits(max_length=255, pattern=r"^(/dev/)?x?[a-z]?d?[a-z]+[0-9]*$")]


class NewAttachment(Body):
    """A volume to attach."""

    volumeId: Uuid
    device: Device | None = None
    tag: Annotated[Tag | None, Since(49)] = None
    delete_on_termination: Annotated[Bool, Since(79)] = False


class Attach(Body):
    """POST os-volume_attachments."""

    volumeAttachment: NewAttachment


class AttachmentChange(Body):
    """Another volume, or, of the same one, another fate. The other fields may repeat what is so."""

    volumeId: Uuid
    delete_on_termination: Annotated[Bool | None, Since(FATE_SINCE)] = None
    device: Annotated[Device | None, Since(FATE_SINCE)] = None
    tag: Annotated[Tag | None, Since(FATE_SINCE)] = None
    serverId: Annotated[Uuid | None, Since(FATE_SINCE)] = None
    id: Annotated[Uuid | None, Since(FATE_SINCE)] = None


class Change(Body):
    """PUT os-volume_attachments/{id}."""

    volumeAttachment: AttachmentChange


@ROUTES.get(
    PATH,
    policy=RULE + "index",
    query=Query(limit=integer(0), offset=integer(0)),
    answer={"volumeAttachments": [ATTACHMENT]},
)
def index(call: Call, server_id: str) -> Result:
    """Every volume."""
    found = runtime().volumes.attachments(call.ctx, load(call, server_id, RULE + "index"))
    start, (limit, _) = call.query.one("offset", 0), call.page()
    shown = [{**record, "server_id": server_id} for record in found[start : start + limit]]
    return {"volumeAttachments": ATTACHMENT.show_all(shown, call.see())}


@ROUTES.get(PATH + "/<volume_id>", policy=RULE + "show", answer={"volumeAttachment": ATTACHMENT})
def show(call: Call, server_id: str, volume_id: str) -> Result:
    """One volume."""
    found = runtime().volumes.attachment(call.ctx, load(call, server_id, RULE + "show"), volume_id)
    return {"volumeAttachment": ATTACHMENT.show({**found, "server_id": server_id}, call.see())}


@ROUTES.post(
    PATH,
    policy=RULE + "create",
    body=Attach,
    status=200,
    answer=(Reply(200, {"volumeAttachment": ATTACHMENT}, until=100), Reply(202, since=EMPTY_SINCE)),
)
def attach(call: Call, server_id: str) -> Result:
    """Attach a volume."""
    asked: NewAttachment = call.body.volumeAttachment
    server = load(call, server_id, RULE + "create")
    require(call, server, "attach_volume", STATES)
    made = runtime().volumes.attach(
        call.ctx,
        server,
        {
            "volume_id": asked.volumeId,
            "device": asked.device,
            "tag": asked.tag,
            "delete_on_termination": asked.delete_on_termination,
        },
    )
    if call.minor >= EMPTY_SINCE:
        return Answer(None, 202)
    return {"volumeAttachment": ATTACHMENT.show({**made, "server_id": server_id}, call.see())}


@ROUTES.put(PATH + "/<volume_id>", body=Change, status=202)
def change(call: Call, server_id: str, volume_id: str) -> Result:
    """Services swap the volume for another; owners (2.85) change what becomes of it with the server."""
    asked: AttachmentChange = call.body.volumeAttachment
    swap = asked.volumeId != volume_id
    if not swap and call.minor < FATE_SINCE:
        raise BadRequest("The new volume must not be the one that is attached.")
    rule = RULE + ("swap" if swap else "update")
    if not allowed(rule):
        raise PolicyNotAuthorized(rule=rule)
    server = load(call, server_id)
    authorize(rule, server)
    _check_same(server_id, volume_id, asked)
    require(call, server, "swap_volume" if swap else "update_attachment", SWAP_STATES if swap else STATES)
    wanted: Record = asked.model_dump(include={"delete_on_termination"})
    runtime().volumes.change_attachment(call.ctx, server, volume_id, {**wanted, "volume_id": asked.volumeId})
    return None


def _check_same(server_id: str, volume_id: str, asked: AttachmentChange) -> None:
    for name, given, is_so in (("serverId", asked.serverId, server_id), ("id", asked.id, volume_id)):
        if given is not None and given != is_so:
            raise BadRequest(f"Invalid volume attachment update: {name} cannot be changed.")


@ROUTES.delete(PATH + "/<volume_id>", policy=RULE + "delete", status=202)
def detach(call: Call, server_id: str, volume_id: str) -> Result:
    """Detach a volume."""
    server = load(call, server_id, RULE + "delete")
    require(call, server, "detach_volume", STATES)
    runtime().volumes.detach(call.ctx, server, volume_id)
    return None
