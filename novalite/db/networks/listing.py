"""Pages of anything: who sees what, filters, order, markers."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, and_, exists, func, or_, select
from sqlalchemy.orm import Session
from sqlalchemy.types import Boolean, DateTime, Integer

from novalite.context import Context
from novalite.db.models.network_services import PortGroup
from novalite.db.models.networks import IpAllocation, NetworkPort, NetworkTag
from novalite.db.networks import rows
from novalite.db.networks.kinds import NOUNS, seen_by
from novalite.objects.base import Record
from novalite.objects.networks import Kind, NetworkQuery

Order = list[tuple[Any, bool]]
"""Keys, and whether they rise."""


def page(session: Session, ctx: Context, kind: Kind, query: NetworkQuery) -> list[Record]:
    """What matches, oldest first unless sorted otherwise; the kind's own error for a marker that is not there."""
    noun = NOUNS[kind]
    where = _filters(noun.model, query)
    if (seen := seen_by(ctx, kind)) is not None:
        where.append(seen)
    order = _order(noun.model, query)
    if query.marker is not None:
        where.append(_after(session, ctx, kind, query.marker, order))
    chosen = select(*rows.columns(noun.model)).where(*where)
    chosen = chosen.order_by(*(key.asc() if rises else key.desc() for key, rises in order))
    if query.limit is not None:
        chosen = chosen.limit(query.limit)
    found = [rows.record(noun.model, row) for row in session.execute(chosen)]
    if query.reverse:
        found.reverse()
    return noun.complete(session, found)


def _filters(model: Any, query: NetworkQuery) -> list[ColumnElement[bool]]:
    tests: list[ColumnElement[bool]] = []
    for name, values in query.equals.items():
        column = getattr(model, name)
        known = [value for value in values if value is not None]
        test = column.in_(known)
        tests.append(test if len(known) == len(values) else or_(test, column.is_(None)))
    if model is NetworkPort:
        tests += _port_filters(query)
    return tests + _tag_filters(model, query)


def _port_filters(query: NetworkQuery) -> list[ColumnElement[bool]]:
    held, port = IpAllocation, NetworkPort
    mine: Any = held.port_id == port.id
    tests: list[ColumnElement[bool]] = []
    if query.addresses or query.subnets:
        # Of one and the same address, as it is of one subnet.
        wanted = exists().where(mine)
        if query.addresses:
            wanted = wanted.where(held.ip_address.in_(query.addresses))
        if query.subnets:
            wanted = wanted.where(held.subnet_id.in_(query.subnets))
        tests.append(wanted)
    if query.address_parts:
        parts = or_(*(held.ip_address.contains(part, autoescape=True) for part in query.address_parts))
        tests.append(exists().where(mine, parts))
    if query.groups:
        tests.append(
            exists().where(PortGroup.port_id == port.id, PortGroup.security_group_id.in_(query.groups))
        )
    return tests


def _tag_filters(model: Any, query: NetworkQuery) -> list[ColumnElement[bool]]:
    def has(tag: str) -> ColumnElement[bool]:
        return exists().where(NetworkTag.resource_id == model.id, NetworkTag.tag == tag)

    tests = [has(tag) for tag in query.tags_all]
    if query.tags_any:
        tests.append(or_(*map(has, query.tags_any)))
    if query.not_all:
        tests.append(~and_(*map(has, query.not_all)))
    return tests + [~has(tag) for tag in query.not_any]


def _order(model: Any, query: NetworkQuery) -> Order:
    """The asked keys, then created_at and id, so that the order is total."""
    asked = list(query.sort)
    way = asked[-1][1] if asked else "asc"
    for last in ("created_at", "id"):
        if all(name != last for name, _ in asked):
            asked.append((last, way))
    return [(_key(getattr(model, name)), (way == "asc") is not query.reverse) for name, way in asked]


def _key(column: Any) -> Any:
    """Databases disagree on where NULLs go: here first, as the smallest value of their kind."""
    if not column.nullable:
        return column
    smallest: Any = "" if not isinstance(column.type, Integer | Boolean) else -1
    return column if isinstance(column.type, DateTime) else func.coalesce(column, smallest)


def _after(session: Session, ctx: Context, kind: Kind, marker: str, order: Order) -> ColumnElement[bool]:
    """Rows that come after the marker: equal in the first n keys and beyond it in the next."""
    noun = NOUNS[kind]
    find = select(*(key for key, _ in order)).where(noun.model.id == marker)
    if (seen := seen_by(ctx, kind)) is not None:
        find = find.where(seen)
    found = session.execute(find).first()
    if found is None:
        raise noun.absent(marker)
    steps = []
    for number, (key, rises) in enumerate(order):
        same = [earlier == value for (earlier, _), value in zip(order[:number], found, strict=False)]
        steps.append(and_(*same, key > found[number] if rises else key < found[number]))
    return or_(*steps)
