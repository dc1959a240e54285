"""Pages of images: who sees what, filters, order, markers."""

from __future__ import annotations

import operator
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, false, func, or_, select, true
from sqlalchemy.orm import Session

from novalite.context import Context
from novalite.db.images.records import assemble, columns, may_see, member_of
from novalite.db.models import images as m
from novalite.db.models.base import from_iso
from novalite.errors import MarkerNotFound
from novalite.objects.base import Record
from novalite.objects.images import ImageQuery

_TESTS = {
    "gt": operator.gt, "gte": operator.ge, "lt": operator.lt, "lte": operator.le, "eq": operator.eq,
    "neq": operator.ne,
}  # fmt: skip
_NO_VALUE: dict[str, Any] = {
    "name": "", "owner": "", "disk_format": "", "container_format": "", "size": -1, "virtual_size": -1,
}  # fmt: skip
"""What a NULL counts as in an order: databases disagree on where NULLs go."""


def page(session: Session, ctx: Context, query: ImageQuery) -> list[Record]:
    """At most `query.limit` images that match, after the marker."""
    order = _order(query)
    chosen = select(*columns()).where(_listed(ctx, query), *_filters(query)).limit(query.limit)
    chosen = chosen.order_by(*(key.asc() if way == "asc" else key.desc() for key, way in order))
    if query.marker is not None:
        chosen = chosen.where(_after(session, ctx, query.marker, order))
    return assemble(session, session.execute(chosen).all())


def _listed(ctx: Context, query: ImageQuery) -> ColumnElement[bool]:
    """What belongs in a list. Images of the community are in it only for those who ask, and their owner."""
    row, mine = m.Image, m.Image.owner == ctx.project_id if ctx.project_id is not None else false()
    answer = None if query.member_status == "all" else query.member_status
    shared_with_me = member_of(ctx.project_id, answer) if ctx.project_id is not None else false()
    kind = query.visibility
    if ctx.sees_all_projects:
        if kind is None:
            return or_(row.visibility != "community", mine)
        return true() if kind == "all" else row.visibility == kind
    reach = {
        "public": row.visibility == "public",
        "community": row.visibility == "community",
        "private": and_(row.visibility == "private", mine),
        "shared": and_(row.visibility == "shared", or_(mine, shared_with_me)),
    }
    if kind is None:
        return or_(reach["public"], mine, reach["shared"])
    return or_(*reach.values()) if kind == "all" else reach[kind]


def _filters(query: ImageQuery) -> list[ColumnElement[bool]]:
    row = m.Image
    tests: list[ColumnElement[bool]] = [row.os_hidden == query.os_hidden]
    for name, values in query.equals.items():
        tests.append(getattr(row, name).in_(values))
    if query.size_min is not None:
        tests.append(row.size >= query.size_min)
    if query.size_max is not None:
        tests.append(row.size <= query.size_max)
    for test in query.times:
        compare: Any = _TESTS[test.op]
        tests.append(compare(getattr(row, test.column), from_iso(test.moment)))
    for tag in query.tags:
        tests.append(exists().where(m.ImageTag.image_id == row.id, m.ImageTag.tag == tag))
    prop = m.ImageProperty
    for name, value in query.properties.items():
        tests.append(exists().where(prop.image_id == row.id, prop.name == name, prop.value == value))
    return tests


def _order(query: ImageQuery) -> list[tuple[Any, str]]:
    """The asked keys, then created_at and id, so that the order is total."""
    asked = list(query.sort)
    way = asked[-1][1] if asked else "desc"
    for last in ("created_at", "id"):
        if all(key != last for key, _ in asked):
            asked.append((last, way))
    return [(_key(name), way) for name, way in asked]


def _key(name: str) -> Any:
    column = getattr(m.Image, name)
    return func.coalesce(column, _NO_VALUE[name]) if name in _NO_VALUE else column


def _after(session: Session, ctx: Context, marker: str, order: list[tuple[Any, str]]) -> ColumnElement[bool]:
    """Rows that come after the marker: equal in the first n keys and beyond it in the next."""
    find = select(*(key for key, _ in order)).where(m.Image.id == marker)
    seen = may_see(ctx)
    found = session.execute(find if seen is None else find.where(seen)).first()
    if found is None:
        raise MarkerNotFound(marker=marker)
    steps = []
    for number, (key, way) in enumerate(order):
        same = [earlier == value for (earlier, _), value in zip(order[:number], found, strict=False)]
        beyond = key > found[number] if way == "asc" else key < found[number]
        steps.append(and_(*same, beyond))
    return or_(*steps)
