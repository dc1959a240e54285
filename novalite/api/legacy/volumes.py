"""Volumes and snapshots by way of the compute API, up to 2.35; the volume service answers."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field as Limits

from novalite.api.fields import Field, See, View
from novalite.api.paging import Query, integer
from novalite.api.routing import Call, Result, Routes
from novalite.api.runtime import runtime
from novalite.api.schemas import Body, Bool, Metadata, PositiveInt
from novalite.api.shapes import TEXT
from novalite.objects.base import Record

ROUTES = Routes()
RULE = "os_compute_api:os-volumes:"
SNAPSHOTS = RULE + "snapshots:"
LAST = 35
PAGE = Query(limit=integer(0), offset=integer(0))
Text = Annotated[str, Limits(max_length=255)]


class NewVolume(Body):
    """A volume as it is asked for; size in GB."""

    size: PositiveInt
    display_name: Text | None = None
    display_description: Text | None = None
    volume_type: Text | None = None
    metadata: Metadata | None = None
    snapshot_id: Text | None = None
    availability_zone: Text | None = None


class VolumeBody(Body):
    """POST /os-volumes."""

    volume: NewVolume


class NewSnapshot(Body):
    """A snapshot as it is asked for."""

    volume_id: Text
    display_name: Text | None = None
    display_description: Text | None = None
    force: Bool = False


class SnapshotBody(Body):
    """POST /os-snapshots."""

    snapshot: NewSnapshot


def _attachments(record: Record, see: See) -> list[Record]:
    shown = [
        {"id": a["id"], "volumeId": a["volume_id"], "serverId": a["server_id"], "device": a["device"]}
        for a in record["attachments"]
    ]
    return shown or [{}]


VOLUME = View(
    Field("id", lambda r, see: r["id"]),
    Field("status", lambda r, see: r["status"]),
    Field("size", lambda r, see: r["size"]),
    Field("availabilityZone", lambda r, see: r["availability_zone"], kind=TEXT),
    Field("createdAt", lambda r, see: r["created_at"]),
    Field("attachments", _attachments, kind=list[dict[str, Any]]),
    Field("displayName", lambda r, see: r["name"]),
    Field("displayDescription", lambda r, see: r["description"]),
    Field("volumeType", lambda r, see: r["volume_type"], kind=TEXT),
    Field("snapshotId", lambda r, see: r["snapshot_id"], kind=TEXT),
    Field("metadata", lambda r, see: r["metadata"] or {}),
)
SNAPSHOT = View(
    Field("id", lambda r, see: r["id"]),
    Field("status", lambda r, see: r["status"]),
    Field("size", lambda r, see: r["size"]),
    Field("volumeId", lambda r, see: r["volume_id"], kind=str),
    Field("createdAt", lambda r, see: r["created_at"]),
    Field("displayName", lambda r, see: r["name"]),
    Field("displayDescription", lambda r, see: r["description"]),
)


def _page(call: Call, records: list[Record]) -> list[Record]:
    start, (limit, _) = call.query.one("offset", 0), call.page()
    return records[start : start + limit]


def _volumes(call: Call) -> Result:
    """Volumes of the project; the short list has all fields as well."""
    return {"volumes": VOLUME.show_all(_page(call, runtime().volumes.volumes(call.ctx)), call.see())}


def _snapshots(call: Call) -> Result:
    """Snapshots of the project; the short list has all fields as well."""
    return {"snapshots": SNAPSHOT.show_all(_page(call, runtime().volumes.snapshots(call.ctx)), call.see())}


_V, _S = {"volumes": [VOLUME]}, {"snapshots": [SNAPSHOT]}
ROUTES.get("/os-volumes", until=LAST, policy=RULE + "list", query=PAGE, answer=_V)(_volumes)
ROUTES.get("/os-volumes/detail", until=LAST, policy=RULE + "detail", query=PAGE, answer=_V)(_volumes)
ROUTES.get("/os-snapshots", until=LAST, policy=SNAPSHOTS + "list", query=PAGE, answer=_S)(_snapshots)
ROUTES.get("/os-snapshots/detail", until=LAST, policy=SNAPSHOTS + "detail", query=PAGE, answer=_S)(_snapshots)


@ROUTES.get("/os-volumes/<volume_id>", until=LAST, policy=RULE + "show", answer={"volume": VOLUME})
def show_volume(call: Call, volume_id: str) -> Result:
    """One volume."""
    return {"volume": VOLUME.show(runtime().volumes.volume(call.ctx, volume_id), call.see())}


@ROUTES.post(
    "/os-volumes", until=LAST, policy=RULE + "create", body=VolumeBody, status=200, answer={"volume": VOLUME}
)
def create_volume(call: Call) -> Result:
    """A volume."""
    asked: NewVolume = call.body.volume
    values = {
        "size": asked.size,
        "name": asked.display_name,
        "description": asked.display_description,
        "volume_type": asked.volume_type,
        "metadata": asked.metadata or {},
        "snapshot_id": asked.snapshot_id,
        "availability_zone": asked.availability_zone,
    }
    return {"volume": VOLUME.show(runtime().volumes.create_volume(call.ctx, values), call.see())}


@ROUTES.delete("/os-volumes/<volume_id>", until=LAST, policy=RULE + "delete", status=202)
def delete_volume(call: Call, volume_id: str) -> Result:
    """Delete a volume."""
    runtime().volumes.delete_volume(call.ctx, volume_id)
    return None


@ROUTES.get(
    "/os-snapshots/<snapshot_id>", until=LAST, policy=SNAPSHOTS + "show", answer={"snapshot": SNAPSHOT}
)
def show_snapshot(call: Call, snapshot_id: str) -> Result:
    """One snapshot."""
    return {"snapshot": SNAPSHOT.show(runtime().volumes.snapshot(call.ctx, snapshot_id), call.see())}


@ROUTES.post(
    "/os-snapshots",
    until=LAST,
    policy=SNAPSHOTS + "create",
    body=SnapshotBody,
    status=200,
    answer={"snapshot": SNAPSHOT},
)
def create_snapshot(call: Call) -> Result:
    """A snapshot of a volume."""
    asked: NewSnapshot = call.body.snapshot
    values = {
        "volume_id": asked.volume_id,
        "name": asked.display_name,
        "description": asked.display_description,
    }
    made = runtime().volumes.create_snapshot(call.ctx, values, asked.force)
    return {"snapshot": SNAPSHOT.show(made, call.see())}


@ROUTES.delete("/os-snapshots/<snapshot_id>", until=LAST, policy=SNAPSHOTS + "delete", status=202)
def delete_snapshot(call: Call, snapshot_id: str) -> Result:
    """Delete a snapshot."""
    runtime().volumes.delete_snapshot(call.ctx, snapshot_id)
    return None
