"""Flavors: who may see which, and the few things that can change."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, delete, insert, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from novalite.context import Context
from novalite.db.models.base import now
from novalite.db.models.flavors import Flavor, FlavorAccess
from novalite.errors import (
    FlavorAccessExists,
    FlavorAccessNotFound,
    FlavorExists,
    FlavorExtraSpecNotFound,
    FlavorNotFound,
    MarkerNotFound,
)
from novalite.objects.base import Record

_KEYS = (
    "flavor_id", "name", "vcpus", "ram_mb", "disk_gb", "ephemeral_gb", "swap_mb", "rxtx_factor", "is_public",
    "disabled", "description", "extra_specs",
)  # fmt: skip
_COLUMNS = [getattr(Flavor, key) for key in _KEYS]

SORT_KEYS: dict[str, Any] = {
    "flavorid": Flavor.flavor_id,
    "id": Flavor.id,
    "name": Flavor.name,
    "memory_mb": Flavor.ram_mb,
    "vcpus": Flavor.vcpus,
    "root_gb": Flavor.disk_gb,
    "ephemeral_gb": Flavor.ephemeral_gb,
    "swap": Flavor.swap_mb,
    "rxtx_factor": Flavor.rxtx_factor,
    "is_public": Flavor.is_public,
    "disabled": Flavor.disabled,
    "created_at": Flavor.created_at,
    "updated_at": Flavor.updated_at,
    "description": Flavor.description,
    "vcpu_weight": Flavor.id,
}
"""Sort keys by API name."""


def _record(row: Any) -> Record:
    record = dict(zip(_KEYS, row, strict=True))
    record["extra_specs"] = record["extra_specs"] or {}
    record["is_public"], record["disabled"] = bool(record["is_public"]), bool(record["disabled"])
    return record


def _granted(project_id: str | None) -> ColumnElement[bool]:
    return Flavor.id.in_(select(FlavorAccess.flavor).where(FlavorAccess.project_id == project_id))


def _visible(ctx: Context) -> list[ColumnElement[bool]]:
    if ctx.sees_all_projects:
        return []
    return [or_(Flavor.is_public.is_(True), _granted(ctx.project_id))]


def get(session: Session, ctx: Context, flavor_id: str) -> Record:
    """One flavor the caller may see; raises FlavorNotFound."""
    row = session.execute(select(*_COLUMNS).where(Flavor.flavor_id == flavor_id, *_visible(ctx))).first()
    if row is None:
        raise FlavorNotFound(flavor_id=flavor_id)
    return _record(row)


def page(
    session: Session,
    ctx: Context,
    is_public: bool | None,
    conditions: list[ColumnElement[bool]],
    limit: int,
    marker: str | None,
    sort_key: str,
    descending: bool,
) -> list[Record]:
    """One page, ordered by a key of SORT_KEYS and the flavor's own number. Raises MarkerNotFound."""
    column = SORT_KEYS[sort_key]
    query = select(*_COLUMNS).where(*conditions)
    if is_public is True:
        query = query.where(or_(Flavor.is_public.is_(True), _granted(ctx.project_id)))
    elif is_public is False:
        query = query.where(Flavor.is_public.is_(False))
    if marker is not None:
        at = session.execute(select(column, Flavor.id).where(Flavor.flavor_id == marker)).first()
        if at is None:
            raise MarkerNotFound(marker=marker)
        beyond = column < at[0] if descending else column > at[0]
        tie = Flavor.id < at[1] if descending else Flavor.id > at[1]
        query = query.where(or_(beyond, (column == at[0]) & tie))
    order = (column.desc(), Flavor.id.desc()) if descending else (column, Flavor.id)
    return [_record(row) for row in session.execute(query.order_by(*order).limit(limit))]


def create(session: Session, values: Record) -> None:
    """Raises FlavorExists when name or id is taken."""
    clash = or_(Flavor.flavor_id == values["flavor_id"], Flavor.name == values["name"])
    taken = session.execute(select(Flavor.flavor_id, Flavor.name).where(clash)).first()
    if taken:
        raise FlavorExists(name=values["name"] if taken[1] == values["name"] else values["flavor_id"])
    try:
        with session.begin_nested():
            session.execute(insert(Flavor).values(**{k: v for k, v in values.items() if k in _KEYS}))
    except IntegrityError as error:
        raise FlavorExists(name=values["name"]) from error


def _number(session: Session, flavor_id: str) -> tuple[int, bool, dict[str, str]]:
    row = session.execute(
        select(Flavor.id, Flavor.is_public, Flavor.extra_specs)
        .where(Flavor.flavor_id == flavor_id)
        .with_for_update()
    ).first()
    if row is None:
        raise FlavorNotFound(flavor_id=flavor_id)
    return row[0], bool(row[1]), row[2] or {}


def change(session: Session, flavor_id: str, **values: Any) -> None:
    """Set columns; raises FlavorNotFound."""
    number = _number(session, flavor_id)[0]
    session.execute(update(Flavor).where(Flavor.id == number).values(updated_at=now(), **values))


def remove(session: Session, flavor_id: str) -> None:
    """Raises FlavorNotFound."""
    number = _number(session, flavor_id)[0]
    session.execute(delete(FlavorAccess).where(FlavorAccess.flavor == number))
    session.execute(delete(Flavor).where(Flavor.id == number))


def set_extra_specs(session: Session, flavor_id: str, specs: dict[str, str]) -> None:
    """Merge into what is there."""
    had = _number(session, flavor_id)[2]
    change(session, flavor_id, extra_specs={**had, **specs})


def delete_extra_spec(session: Session, flavor_id: str, key: str) -> None:
    """Raises FlavorExtraSpecNotFound."""
    had = dict(_number(session, flavor_id)[2])
    if key not in had:
        raise FlavorExtraSpecNotFound(flavor_id=flavor_id, key=key)
    del had[key]
    change(session, flavor_id, extra_specs=had)


def access(session: Session, flavor_id: str) -> list[str]:
    """Projects with access; FlavorNotFound for a public flavor, which has no such list."""
    number, is_public, _ = _number(session, flavor_id)
    if is_public:
        raise FlavorNotFound("Access list not available for public flavors.")
    query = select(FlavorAccess.project_id).where(FlavorAccess.flavor == number)
    return list(session.execute(query.order_by(FlavorAccess.project_id)).scalars())


def is_public(session: Session, flavor_id: str) -> bool:
    """Raises FlavorNotFound."""
    return _number(session, flavor_id)[1]


def add_access(session: Session, flavor_id: str, project_id: str) -> None:
    """Raises FlavorAccessExists."""
    number = _number(session, flavor_id)[0]
    try:
        with session.begin_nested():
            session.execute(insert(FlavorAccess).values(flavor=number, project_id=project_id))
    except IntegrityError as error:
        raise FlavorAccessExists(flavor_id=flavor_id, project_id=project_id) from error


def remove_access(session: Session, flavor_id: str, project_id: str) -> None:
    """Raises FlavorAccessNotFound."""
    number = _number(session, flavor_id)[0]
    gone = session.execute(
        delete(FlavorAccess).where(FlavorAccess.flavor == number, FlavorAccess.project_id == project_id)
    )
    if gone.rowcount == 0:  # type: ignore[attr-defined]
        raise FlavorAccessNotFound(flavor_id=flavor_id, project_id=project_id)
