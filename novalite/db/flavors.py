"""Flavors: pages, one by public id, extra specs, access of projects to private ones."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, case, delete, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from novalite.context import Context
from novalite.db.models.base import now
from novalite.db.models.flavors import Flavor, FlavorAccess
from novalite.db.session import run_statement
from novalite.errors import (
    FlavorAccessExists,
    FlavorAccessNotFound,
    FlavorExists,
    FlavorExtraSpecNotFound,
    FlavorNotFound,
    MarkerNotFound,
)
from novalite.objects.base import Record

_COLUMNS = [
    Flavor.flavor_id, Flavor.name, Flavor.vcpus, Flavor.ram_mb, Flavor.disk_gb, Flavor.ephemeral_gb,
    Flavor.swap_mb, Flavor.rxtx_factor, Flavor.is_public, Flavor.disabled, Flavor.description,
    Flavor.extra_specs,
]  # fmt: skip
_KEYS = [c.key for c in _COLUMNS]

_GET_ANY = select(*_COLUMNS).where(Flavor.flavor_id == bindparam("b_id"))
_GET = _GET_ANY.where(
    or_(
        Flavor.is_public.is_(True),
        Flavor.id.in_(select(FlavorAccess.flavor).where(FlavorAccess.project_id == bindparam("b_project"))),
    )
)

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
    # Not every database compares booleans.
    "is_public": case((Flavor.is_public.is_(True), 1), else_=0),
    "disabled": case((Flavor.disabled.is_(True), 1), else_=0),
    # NULLs sort differently on every database.
    "description": func.coalesce(Flavor.description, ""),
    "created_at": Flavor.created_at,
    "updated_at": func.coalesce(Flavor.updated_at, Flavor.created_at),
}
"""Column by public sort key (API reference, "List flavors")."""


def _granted(project_id: str | None) -> ColumnElement[bool]:
    """Private flavors the project was given access to."""
    own = select(FlavorAccess.flavor).where(FlavorAccess.project_id == (project_id or ""))
    return Flavor.id.in_(own)


def _visible(ctx: Context) -> list[ColumnElement[bool]]:
    return [] if ctx.sees_all_projects else [or_(Flavor.is_public.is_(True), _granted(ctx.project_id))]


def _record(row: Any) -> Record:
    record = dict(zip(_KEYS, row, strict=True))
    record["is_public"], record["disabled"] = bool(record["is_public"]), bool(record["disabled"])
    record["extra_specs"] = record["extra_specs"] or {}
    return record


def page(
    session: Session,
    ctx: Context,
    is_public: bool | None = True,
    min_disk_gb: int | None = None,
    min_ram_mb: int | None = None,
    name: str | None = None,
    limit: int = 1000,
    marker: str | None = None,
    sort_key: str = "flavorid",
    sort_dir: str = "asc",
) -> list[Record]:
    """One page in one statement, two with a marker. KeyError for a sort key not in SORT_KEYS.

    Raises MarkerNotFound. `is_public` as in the contract; callers who do not see all projects get no
    more than public flavors and those they were given.
    """
    where = _visible(ctx)
    if is_public is True:
        where.append(or_(Flavor.is_public.is_(True), _granted(ctx.project_id)))
    elif is_public is False:
        where.append(Flavor.is_public.is_(False))
    if min_disk_gb is not None:
        where.append(Flavor.disk_gb >= min_disk_gb)
    if min_ram_mb is not None:
        where.append(Flavor.ram_mb >= min_ram_mb)
    if name is not None:
        where.append(Flavor.name == name)
    column, down = SORT_KEYS[sort_key], sort_dir == "desc"
    if marker is not None:
        where.append(_after(session, ctx, column, marker, down))
    order = (column.desc(), Flavor.id.desc()) if down else (column, Flavor.id)
    rows = session.execute(select(*_COLUMNS).where(*where).order_by(*order).limit(limit))
    return [_record(row) for row in rows]


def _after(session: Session, ctx: Context, column: Any, marker: str, down: bool) -> ColumnElement[bool]:
    """Rows that come after the marker's."""
    found = session.execute(
        select(column, Flavor.id).where(Flavor.flavor_id == marker, *_visible(ctx))
    ).first()
    if found is None:
        raise MarkerNotFound(marker=marker)
    value, number = found
    beyond = column < value if down else column > value
    return or_(beyond, and_(column == value, Flavor.id < number if down else Flavor.id > number))


def get(session: Session, ctx: Context, flavor_id: str) -> Record:
    """One flavor the caller may see; raises FlavorNotFound."""
    if ctx.sees_all_projects:
        row = run_statement(session, _GET_ANY, b_id=flavor_id).first()
    else:
        row = run_statement(session, _GET, b_id=flavor_id, b_project=ctx.project_id or "").first()
    if row is None:
        raise FlavorNotFound(flavor_id=flavor_id)
    return _record(row)


def numbers(session: Session, flavor_ids: Iterable[str]) -> dict[str, int]:
    """The integers of flavors that still exist, by public id; migrations show them."""
    query = select(Flavor.flavor_id, Flavor.id).where(Flavor.flavor_id.in_(list(flavor_ids)))
    return {row[0]: row[1] for row in session.execute(query)}


def create(session: Session, values: dict[str, Any]) -> None:
    """Insert a flavor; raises FlavorExists when its name or id is taken."""
    try:
        with session.begin_nested():
            session.execute(insert(Flavor).values(**values))
    except IntegrityError:
        taken = session.scalar(select(Flavor.id).where(Flavor.name == values["name"]))
        raise FlavorExists(name=values["name"] if taken else values["flavor_id"]) from None


def describe(session: Session, flavor_id: str, description: str | None) -> None:
    """Change the description; raises FlavorNotFound."""
    number = _number(session, flavor_id)
    session.execute(
        update(Flavor).where(Flavor.id == number).values(description=description, updated_at=now())
    )


def remove(session: Session, flavor_id: str) -> None:
    """Delete a flavor with its access rows; raises FlavorNotFound."""
    number = _number(session, flavor_id, lock=True)
    session.execute(delete(FlavorAccess).where(FlavorAccess.flavor == number))
    session.execute(delete(Flavor).where(Flavor.id == number))


def _number(session: Session, flavor_id: str, lock: bool = False) -> int:
    query = select(Flavor.id).where(Flavor.flavor_id == flavor_id)
    number = session.scalar(query.with_for_update() if lock else query)
    if number is None:
        raise FlavorNotFound(flavor_id=flavor_id)
    return number


# --- extra specs -------------------------------------------------------------------------------


def _specs(session: Session, flavor_id: str) -> tuple[int, dict[str, str]]:
    """The row's number and its extra specs, locked: of two racing changes none is lost."""
    query = select(Flavor.id, Flavor.extra_specs).where(Flavor.flavor_id == flavor_id)
    row = session.execute(query.with_for_update()).first()
    if row is None:
        raise FlavorNotFound(flavor_id=flavor_id)
    return row[0], dict(row[1] or {})


def _save_specs(session: Session, number: int, specs: dict[str, str]) -> None:
    session.execute(update(Flavor).where(Flavor.id == number).values(extra_specs=specs, updated_at=now()))


def set_specs(session: Session, flavor_id: str, specs: dict[str, str]) -> None:
    """Merge `specs` in; raises FlavorNotFound."""
    number, known = _specs(session, flavor_id)
    _save_specs(session, number, {**known, **specs})


def remove_spec(session: Session, flavor_id: str, key: str) -> None:
    """Raises FlavorNotFound, FlavorExtraSpecNotFound."""
    number, known = _specs(session, flavor_id)
    if key not in known:
        raise FlavorExtraSpecNotFound(flavor_id=flavor_id, key=key)
    del known[key]
    _save_specs(session, number, known)


# --- access ------------------------------------------------------------------------------------


def access(session: Session, flavor_id: str) -> list[str]:
    """Projects with access, sorted; raises FlavorNotFound."""
    number = _number(session, flavor_id)
    query = select(FlavorAccess.project_id).where(FlavorAccess.flavor == number)
    return list(session.scalars(query.order_by(FlavorAccess.project_id)))


def add_access(session: Session, flavor_id: str, project_id: str) -> None:
    """Raises FlavorNotFound, FlavorAccessExists."""
    number = _number(session, flavor_id, lock=True)
    try:
        with session.begin_nested():
            session.execute(insert(FlavorAccess).values(flavor=number, project_id=project_id))
    except IntegrityError:
        raise FlavorAccessExists(flavor_id=flavor_id, project_id=project_id) from None


def remove_access(session: Session, flavor_id: str, project_id: str) -> None:
    """Raises FlavorNotFound, FlavorAccessNotFound."""
    number = _number(session, flavor_id)
    gone = session.execute(
        delete(FlavorAccess).where(FlavorAccess.flavor == number, FlavorAccess.project_id == project_id)
    )
    if gone.rowcount == 0:  # type: ignore[attr-defined]
        raise FlavorAccessNotFound(flavor_id=flavor_id, project_id=project_id)
