"""One image: show, create, change, delete, tags."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import uuid4

from sqlalchemy import ColumnElement, and_, bindparam, delete, exists, insert, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from novalite.context import Context
from novalite.db.models import images as m
from novalite.db.models.base import iso, now
from novalite.db.session import run_statement
from novalite.errors import Conflict, Forbidden, ImageNotFound, NotFound, TooLarge
from novalite.objects.base import Record
from novalite.objects.images import Image, ImageChange, patched

SHOWN = (
    "id", "name", "status", "visibility", "owner", "protected", "os_hidden", "disk_format",
    "container_format", "size", "virtual_size", "checksum", "os_hash_algo", "os_hash_value", "min_disk",
    "min_ram", "created_at", "updated_at",
)  # fmt: skip


_SHOW = select(*[getattr(m.Image, name) for name in SHOWN]).where(m.Image.id == bindparam("b_id"))
_PROPERTIES = (
    select(m.ImageProperty.name, m.ImageProperty.value)
    .where(m.ImageProperty.image_id == bindparam("b_id"))
    .order_by(m.ImageProperty.name)
)
_TAGS = select(m.ImageTag.tag).where(m.ImageTag.image_id == bindparam("b_id")).order_by(m.ImageTag.tag)
_MEMBER = select(m.ImageMember.member).where(
    m.ImageMember.image_id == bindparam("b_id"), m.ImageMember.member == bindparam("b_project")
)


def columns() -> list[Any]:
    """What to select for `assemble`."""
    return [getattr(m.Image, name) for name in SHOWN]


def may_see(ctx: Context) -> ColumnElement[bool] | None:
    """The images a caller may show by id; None: all."""
    if ctx.sees_all_projects:
        return None
    row = m.Image
    everybody = row.visibility.in_(("public", "community"))
    if ctx.project_id is None:
        return everybody
    shared = and_(row.visibility == "shared", member_of(ctx.project_id))
    return or_(everybody, row.owner == ctx.project_id, shared)


def member_of(project_id: str, status: str | None = None) -> ColumnElement[bool]:
    """Images shared with a project, whatever it answered or with one answer."""
    row = m.ImageMember
    match = exists().where(row.image_id == m.Image.id, row.member == project_id)
    return match if status is None else match.where(row.status == status)


def find(session: Session, ctx: Context, image_id: str, *more: Any) -> Any:
    """(id, owner, visibility, protected, status, *more) of an image the caller sees; else ImageNotFound."""
    row = m.Image
    query = select(row.id, row.owner, row.visibility, row.protected, row.status, *more).where(
        row.id == image_id
    )
    seen = may_see(ctx)
    found = session.execute(query if seen is None else query.where(seen)).first()
    if found is None:
        raise ImageNotFound(image_id=image_id)
    return found


def find_own(session: Session, ctx: Context, image_id: str, *more: Any) -> Any:
    """The same, for a caller who wants to change it: Forbidden unless it is the caller's or an admin asks."""
    found = find(session, ctx, image_id, *more)
    if not ctx.is_admin and (ctx.project_id is None or found.owner != ctx.project_id):
        raise Forbidden(f"You are not permitted to modify image {image_id}.")
    return found


def show(session: Session, ctx: Context, image_id: str, tags: bool = True) -> Record:
    """One image the caller sees; ImageNotFound otherwise. Without `tags` it costs a statement less."""
    row = run_statement(session, _SHOW, b_id=image_id).first()
    if row is None or not _sees(session, ctx, row):
        raise ImageNotFound(image_id=image_id)
    record = dict(zip(SHOWN, row, strict=True))
    record["created_at"], record["updated_at"] = iso(record["created_at"]), iso(record["updated_at"])
    record["properties"] = dict(run_statement(session, _PROPERTIES, b_id=image_id).all())
    record["tags"] = list(run_statement(session, _TAGS, b_id=image_id).scalars()) if tags else []
    return record


def _sees(session: Session, ctx: Context, row: Any) -> bool:
    """`may_see` for one row; asks the database only about images shared with the caller."""
    if ctx.sees_all_projects or row.visibility in ("public", "community"):
        return True
    if ctx.project_id is None:
        return False
    if row.owner == ctx.project_id:
        return True
    if row.visibility != "shared":
        return False
    return run_statement(session, _MEMBER, b_id=row.id, b_project=ctx.project_id).first() is not None


def assemble(session: Session, rows: Sequence[Any]) -> list[Record]:
    """Rows of `columns()` with their properties and tags, two more statements for all of them."""
    found = [dict(zip(SHOWN, row, strict=True)) for row in rows]
    ids = [record["id"] for record in found]
    properties: dict[str, dict[str, str]] = {image_id: {} for image_id in ids}
    tags: dict[str, list[str]] = {image_id: [] for image_id in ids}
    if ids:
        row, tag = m.ImageProperty, m.ImageTag
        for image_id, name, value in session.execute(
            select(row.image_id, row.name, row.value).where(row.image_id.in_(ids)).order_by(row.name)
        ):
            properties[image_id][name] = value
        for image_id, text in session.execute(
            select(tag.image_id, tag.tag).where(tag.image_id.in_(ids)).order_by(tag.tag)
        ):
            tags[image_id].append(text)
    for record in found:
        record["created_at"], record["updated_at"] = iso(record["created_at"]), iso(record["updated_at"])
        record["properties"], record["tags"] = properties[record["id"]], tags[record["id"]]
    return found


def create(session: Session, values: Record, quota: int) -> Record:
    """A queued image from fields of BASE, `properties` and perhaps `id`."""
    moment = now()
    properties, tags = values.get("properties") or {}, sorted(set(values.get("tags") or ()))
    check_quota("properties", len(properties), quota)
    check_quota("tags", len(tags), quota)
    defaults: Record = {"id": str(uuid4()), "status": "queued", "visibility": "shared", "protected": False}
    defaults |= {"os_hidden": False, "min_disk": 0, "min_ram": 0, "created_at": moment, "updated_at": moment}
    row = defaults | {k: v for k, v in values.items() if k not in ("properties", "tags")}
    try:
        session.execute(insert(m.Image).values(**row))
    except IntegrityError:
        raise Conflict(f"An image with id {row['id']} exists already.") from None
    _add_properties(session, row["id"], properties)
    _add_tags(session, row["id"], tags)
    made = {name: row.get(name) for name in SHOWN}
    made |= {"created_at": iso(moment), "updated_at": iso(moment), "properties": properties, "tags": tags}
    return made


def check_quota(what: str, count: int, quota: int) -> None:
    """TooLarge when an image would have more than `quota` of something."""
    if count > quota:
        raise TooLarge(f"An image may have at most {quota} {what}; this would be {count}.")


def _add_properties(session: Session, image_id: str, properties: Mapping[str, str]) -> None:
    rows = [{"image_id": image_id, "name": name, "value": value} for name, value in properties.items()]
    if rows:
        session.execute(insert(m.ImageProperty), rows)


def _add_tags(session: Session, image_id: str, tags: Iterable[str]) -> None:
    rows = [{"image_id": image_id, "tag": tag} for tag in tags]
    if rows:
        session.execute(insert(m.ImageTag), rows)


def change(
    session: Session, ctx: Context, image_id: str, changes: Sequence[ImageChange], quota: int
) -> Record:
    """Apply a patch; answers the new record. Errors as in objects.images.patched."""
    find_own(session, ctx, image_id)
    # Locks the row, so that of two patches at once the second sees what the first wrote.
    session.execute(update(m.Image).where(m.Image.id == image_id).values(updated_at=now()))
    old = Image(**show(session, ctx, image_id))
    new = patched(old, changes)
    check_quota("properties", len(new.properties), quota)
    check_quota("tags", len(set(new.tags)), quota)
    fields = {name: getattr(new, name) for name in SHOWN if getattr(new, name) != getattr(old, name)}
    if fields:
        session.execute(update(m.Image).where(m.Image.id == image_id).values(**fields))
    _rewrite_properties(session, image_id, old.properties, new.properties)
    if set(new.tags) != set(old.tags):
        session.execute(delete(m.ImageTag).where(m.ImageTag.image_id == image_id))
        _add_tags(session, image_id, sorted(set(new.tags)))
    return show(session, ctx, image_id)


def _rewrite_properties(session: Session, image_id: str, old: dict[str, str], new: dict[str, str]) -> None:
    row = m.ImageProperty
    gone = [name for name in old if new.get(name) != old[name]]
    if gone:
        session.execute(delete(row).where(row.image_id == image_id, row.name.in_(gone)))
    _add_properties(session, image_id, {k: v for k, v in new.items() if old.get(k) != v})


def remove(session: Session, ctx: Context, image_id: str) -> str | None:
    """Delete an image with all that belongs to it; answers where its bytes are."""
    found = find_own(session, ctx, image_id, m.Image.location)
    if found.protected:
        raise Forbidden(f"Image {image_id} is protected and cannot be deleted.")
    session.execute(delete(m.Image).where(m.Image.id == image_id))
    for table in (m.ImageProperty, m.ImageTag, m.ImageMember):
        session.execute(delete(table).where(table.image_id == image_id))
    location: str | None = found.location
    return location


def add_tag(session: Session, ctx: Context, image_id: str, tag: str, quota: int) -> None:
    """Tag an image; nothing happens when it has the tag."""
    find_own(session, ctx, image_id)
    row = m.ImageTag
    tags = session.scalars(select(row.tag).where(row.image_id == image_id)).all()
    if tag in tags:
        return
    check_quota("tags", len(tags) + 1, quota)
    _add_tags(session, image_id, [tag])
    session.execute(update(m.Image).where(m.Image.id == image_id).values(updated_at=now()))


def remove_tag(session: Session, ctx: Context, image_id: str, tag: str) -> None:
    """NotFound when the image does not have the tag."""
    find_own(session, ctx, image_id)
    row = m.ImageTag
    gone = session.execute(delete(row).where(row.image_id == image_id, row.tag == tag))
    if gone.rowcount == 0:  # type: ignore[attr-defined]
        raise NotFound(f"Image {image_id} has no tag '{tag}'.")
    session.execute(update(m.Image).where(m.Image.id == image_id).values(updated_at=now()))


def set_status(session: Session, image_id: str, before: str, after: str) -> bool:
    """Move an image from one status to another; False when it was not in the first."""
    row = m.Image
    moved = session.execute(
        update(row).where(row.id == image_id, row.status == before).values(status=after, updated_at=now())
    )
    return bool(moved.rowcount)  # type: ignore[attr-defined]


def known_locations(session: Session, locations: Sequence[str]) -> list[str]:
    """Those that belong to an image."""
    return list(session.scalars(select(m.Image.location).where(m.Image.location.in_(list(locations)))))
