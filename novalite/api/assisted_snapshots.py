"""Snapshots of attached volumes, which Block Storage asks for: /os-assisted-volume-snapshots.

No server of this cloud has a volume attached, so there is none to be snapshotted.
"""

from __future__ import annotations

from typing import Annotated, Literal

import orjson
from pydantic import Field as Limits

from novalite.api.paging import Query
from novalite.api.routing import Call, Result, Routes
from novalite.api.schemas import Body, parse
from novalite.errors import BadRequest

ROUTES = Routes()
RULE = "os_compute_api:os-assisted-volume-snapshots:"

Id = Annotated[str, Limits(min_length=1, max_length=255)]


class CreateInfo(Body):
    """How the snapshot is to be made."""

    snapshot_id: Id
    type: Literal["qcow2"]
    new_file: Id
    id: Id | None = None


class NewSnapshot(Body):
    """The `snapshot` of POST /os-assisted-volume-snapshots."""

    volume_id: Id
    create_info: CreateInfo


class CreateSnapshot(Body):
    """POST /os-assisted-volume-snapshots."""

    snapshot: NewSnapshot


class DeleteInfo(Body, extra="ignore"):
    """The JSON in `delete_info`: which volume, and files that only a host with that volume reads."""

    volume_id: Id


def _json(value: str) -> str:
    if len(value) > 65535:
        raise ValueError("it is too long")
    return value


def _unknown(volume_id: str) -> BadRequest:
    return BadRequest(f"No volume Block Device Mapping with id {volume_id}.")


@ROUTES.post("/os-assisted-volume-snapshots", policy=RULE + "create", body=CreateSnapshot)
def create(call: Call) -> Result:
    """Of a volume that a server has attached."""
    raise _unknown(call.body.snapshot.volume_id)


@ROUTES.delete(
    "/os-assisted-volume-snapshots/<snapshot_id>", policy=RULE + "delete", query=Query(delete_info=_json)
)
def delete(call: Call, snapshot_id: str) -> Result:
    """Of a volume that a server has attached."""
    text = call.query.one("delete_info")
    if text is None:
        raise BadRequest("The query parameter delete_info is required.")
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise BadRequest("Invalid input for query parameter delete_info: it must be JSON.") from None
    raise _unknown(parse(DeleteInfo, found, call.version, "delete_info").volume_id)
