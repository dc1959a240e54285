"""Projects that an image is shared with."""

from __future__ import annotations

from typing import Any

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from novalite.context import Context
from novalite.db.images.records import check_quota, find, find_own
from novalite.db.models import images as m
from novalite.db.models.base import iso, now
from novalite.errors import Conflict, Forbidden, NotFound
from novalite.objects.base import Record


def _record(row: Any) -> Record:
    return {
        "image_id": row.image_id,
        "member_id": row.member,
        "status": row.status,
        "created_at": iso(row.created_at),
        "updated_at": iso(row.updated_at),
    }


def _query(image_id: str) -> Any:
    row = m.ImageMember
    columns = (row.image_id, row.member, row.status, row.created_at, row.updated_at)
    return select(*columns).where(row.image_id == image_id)


def page(session: Session, ctx: Context, image_id: str) -> list[Record]:
    """All members for the owner or an admin; for a member, itself."""
    found = find(session, ctx, image_id)
    if found.visibility != "shared":
        raise Forbidden("Only shared images have members.")
    query = _query(image_id).order_by(m.ImageMember.member)
    if not ctx.is_admin and found.owner != ctx.project_id:
        query = query.where(m.ImageMember.member == ctx.project_id)
    return [_record(row) for row in session.execute(query)]


def add(session: Session, ctx: Context, image_id: str, member: str, quota: int) -> Record:
    """Share an image with a project."""
    if find_own(session, ctx, image_id).visibility != "shared":
        raise Forbidden("Only shared images have members.")
    row = m.ImageMember
    count = session.scalar(select(func.count()).select_from(row).where(row.image_id == image_id)) or 0
    check_quota("members", count + 1, quota)
    moment = now()
    values = {"image_id": image_id, "member": member, "status": "pending"}
    values |= {"created_at": moment, "updated_at": moment}  # type: ignore[dict-item]
    try:
        session.execute(insert(row).values(**values))
    except IntegrityError:
        raise Conflict(f"Image {image_id} is shared with {member} already.") from None
    return _one(session, image_id, member)


def _one(session: Session, image_id: str, member: str) -> Record:
    row = session.execute(_query(image_id).where(m.ImageMember.member == member)).first()
    if row is None:
        raise NotFound(f"Image {image_id} is not shared with {member}.")
    return _record(row)


def answer(session: Session, ctx: Context, image_id: str, member: str, status: str) -> Record:
    """The member accepts or rejects; Forbidden for everybody else, the owner too."""
    find(session, ctx, image_id)
    if not ctx.is_admin and ctx.project_id != member:
        raise Forbidden("Only the member itself may set its status.")
    row = m.ImageMember
    session.execute(
        update(row)
        .where(row.image_id == image_id, row.member == member)
        .values(status=status, updated_at=now())
    )
    return _one(session, image_id, member)


def remove(session: Session, ctx: Context, image_id: str, member: str) -> None:
    """Share no longer."""
    if find_own(session, ctx, image_id).visibility != "shared":
        raise Forbidden("Only shared images have members.")
    row = m.ImageMember
    gone = session.execute(delete(row).where(row.image_id == image_id, row.member == member))
    if gone.rowcount == 0:  # type: ignore[attr-defined]
        raise NotFound(f"Image {image_id} is not shared with {member}.")
