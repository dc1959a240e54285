"""Bytes on their way: an upload owns its image until it finishes, fails or shows no life any more."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from novalite.context import Context
from novalite.db.images.records import find_own
from novalite.db.models import images as m
from novalite.db.models.base import now
from novalite.errors import BadRequest, Conflict, Gone
from novalite.objects.base import Record
from novalite.objects.images import StoredBytes

_IDLE = {"upload_id": None, "upload_seen_at": None}


def begin(session: Session, ctx: Context, image_id: str, stage: bool) -> Record:
    """Give the image to a new upload; of two callers at once exactly one succeeds."""
    row = m.Image
    found = find_own(session, ctx, image_id, row.disk_format, row.container_format)
    if not (found.disk_format and found.container_format):
        raise BadRequest("disk_format and container_format must be set before bytes can be uploaded.")
    upload_id = str(uuid4())
    taken = session.execute(
        update(row)
        .where(row.id == image_id, row.status == "queued")
        .values(status="uploading" if stage else "saving", upload_id=upload_id, upload_seen_at=now())
    )
    if taken.rowcount == 0:  # type: ignore[attr-defined]
        raise Conflict(f"Image {image_id} is {found.status}; bytes can be uploaded only while it is queued.")
    return {
        "upload_id": upload_id,
        "disk_format": found.disk_format,
        "container_format": found.container_format,
    }


def renew(session: Session, image_id: str, upload_id: str) -> None:
    """The upload lives; Gone when the image is no longer its."""
    row = m.Image
    kept = session.execute(
        update(row).where(row.id == image_id, row.upload_id == upload_id).values(upload_seen_at=now())
    )
    if kept.rowcount == 0:  # type: ignore[attr-defined]
        raise _gone(image_id)


def _gone(image_id: str) -> Gone:
    return Gone(f"The upload of image {image_id} was given up, or the image was deleted.")


def finish(session: Session, image_id: str, upload_id: str, stored: StoredBytes) -> None:
    """All bytes are there. May be called again; Gone when the image is no longer the upload's."""
    row = m.Image
    mine = update(row).where(row.id == image_id, row.upload_id == upload_id)
    facts = stored.model_dump() | _IDLE | {"updated_at": now()}
    done = session.execute(mine.where(row.status == "saving").values(status="active", **facts))
    if done.rowcount:  # type: ignore[attr-defined]
        return
    done = session.execute(
        mine.where(row.status == "uploading").values(**facts)
    )  # staged: import comes later
    if done.rowcount:  # type: ignore[attr-defined]
        return
    if session.scalar(select(row.location).where(row.id == image_id)) != stored.location:
        raise _gone(image_id)


def give_up(session: Session, image_id: str, upload_id: str) -> None:
    """The upload failed: its image, if it is still its, waits for bytes again."""
    row = m.Image
    session.execute(
        update(row).where(row.id == image_id, row.upload_id == upload_id).values(status="queued", **_IDLE)
    )


def expire(session: Session, lease_seconds: float) -> list[str]:
    """Give up uploads without a sign of life for `lease_seconds`; answers their images' ids."""
    row = m.Image
    dead = row.upload_seen_at < now() - timedelta(seconds=lease_seconds)
    ids = list(session.scalars(select(row.id).where(dead)))
    if ids:
        session.execute(update(row).where(row.id.in_(ids), dead).values(status="queued", **_IDLE))
    return ids
