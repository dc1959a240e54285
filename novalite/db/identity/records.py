"""Eight kinds of record, one set of functions: what differs stands in the tables MODELS and SHOWN."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import uuid4

from sqlalchemy import ColumnElement, exists, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from novalite.db.models import identity as m
from novalite.db.models.base import iso
from novalite.errors import BadRequest, Conflict, Forbidden, NotFound
from novalite.objects.base import Record

MODELS: dict[str, Any] = {
    "domain": m.Domain,
    "project": m.Project,
    "user": m.User,
    "group": m.Group,
    "role": m.Role,
    "service": m.CatalogService,
    "endpoint": m.Endpoint,
    "region": m.Region,
}
SHOWN = {
    "domain": ("id", "name", "description", "enabled", "tags", "options"),
    "project": ("id", "name", "domain_id", "parent_id", "description", "enabled", "tags", "options"),
    "user": (
        "id", "name", "domain_id", "enabled", "email", "description", "default_project_id",
        "password_expires_at", "options",
    ),
    "group": ("id", "name", "domain_id", "description"),
    "role": ("id", "name", "domain_id", "description", "options"),
    "service": ("id", "type", "name", "description", "enabled"),
    "endpoint": ("id", "service_id", "interface", "url", "region_id", "enabled", "name", "description"),
    "region": ("id", "description", "parent_region_id"),
}  # fmt: skip
_DEFAULTS: dict[str, Record] = {
    "domain": {"description": "", "enabled": True, "tags": [], "options": {}},
    "project": {"description": "", "enabled": True, "tags": [], "options": {}},
    "user": {"enabled": True, "options": {}},
    "group": {"description": ""},
    "role": {"options": {}},
    "service": {"enabled": True},
    "endpoint": {"enabled": True},
    "region": {"description": ""},
}
_RESERVED = {"id", "links", "extra", "is_domain", "password", "original_password", "password_hash"}
"""Names that no extra attribute may take, besides those of a record's own fields."""
_OPTIONAL = {"user": ("email", "description", "default_project_id"), "endpoint": ("name", "description")}
"""Keys that are left out while they have no value, as clients are used to."""


def missing(noun: str, record_id: str) -> NotFound:
    """The error for an unknown id."""
    return NotFound(f"Could not find {noun}: {record_id}.")


def show(session: Session, noun: str, record_id: str) -> Record:
    """One record; NotFound otherwise."""
    model = MODELS[noun]
    row = session.execute(select(*columns(noun)).where(model.id == record_id)).first()
    if row is None:
        raise missing(noun, record_id)
    return record(noun, row)


def names(session: Session, noun: str, ids: Iterable[str] | None = None) -> dict[str, str]:
    """Name by id, of all records or of some."""
    model = MODELS[noun]
    query = select(model.id, model.name)
    if ids is not None:
        query = query.where(model.id.in_(list(ids)))
    return {row[0]: row[1] for row in session.execute(query)}


def page(
    session: Session, noun: str, filters: Mapping[str, Any], limit: int, marker: str | None = None
) -> list[Record]:
    """At most `limit` records after id `marker`, by id, that match every filter."""
    model = MODELS[noun]
    query = select(*columns(noun)).order_by(model.id).limit(limit)
    if marker is not None:
        query = query.where(model.id > marker)
    tags = {k: str(v).split(",") for k, v in filters.items() if "tags" in k}
    for key, value in filters.items():
        if key not in tags:
            query = query.where(_matches(noun, key, value))
    if not tags:
        return [record(noun, row) for row in session.execute(query)]
    rows = (record(noun, row) for row in session.execute(query.limit(None)))
    return [r for r in rows if _tagged(r["tags"], tags)][:limit]


def columns(noun: str) -> list[Any]:
    """What to select for `record`."""
    return [getattr(MODELS[noun], name) for name in (*SHOWN[noun], "extra")]


def _matches(noun: str, key: str, value: Any) -> ColumnElement[bool]:
    model = MODELS[noun]
    if (noun, key) == ("user", "group_id"):
        return exists().where(m.Membership.user_id == model.id, m.Membership.group_id == value)
    if (noun, key) == ("group", "user_id"):
        return exists().where(m.Membership.group_id == model.id, m.Membership.user_id == value)
    if (noun, key) == ("role", "domain_id"):
        value = value or ""
    column = getattr(model, key)
    return column.is_(None) if value is None else column == value


def _tagged(has: list[str], asked: dict[str, list[str]]) -> bool:
    found = set(has)
    tests = {
        "tags": lambda names: found.issuperset(names),
        "tags-any": lambda names: not found.isdisjoint(names),
        "not-tags": lambda names: not found.issuperset(names),
        "not-tags-any": lambda names: found.isdisjoint(names),
    }
    return all(tests[key](names) for key, names in asked.items())


def record(noun: str, values: Iterable[Any]) -> Record:
    """The values of `columns(noun)` as the API shows them."""
    row = dict(zip((*SHOWN[noun], "extra"), values, strict=True))
    extra = row.pop("extra") or {}
    if noun == "project":
        row["is_domain"] = False
    elif noun == "user":
        row["password_expires_at"] = iso(row["password_expires_at"])
    elif noun == "role":
        row["domain_id"] = row["domain_id"] or None
    elif noun == "endpoint":
        row["region"] = row["region_id"]
    for key in _OPTIONAL.get(noun, ()):
        if row[key] is None:
            del row[key]
    return extra | row


def create(session: Session, noun: str, values: Record) -> Record:
    """Write a new record; answers it. Errors as in the contract."""
    row: Record = {"id": uuid4().hex} | values
    row["extra"] = _extra(noun, values.get("extra"))
    if noun == "project":
        row.setdefault("parent_id", row["domain_id"])
    row = _adopt_region(session, row)
    _check_references(session, noun, row)
    if noun == "role":
        row["domain_id"] = row.get("domain_id") or ""
    row = _DEFAULTS[noun] | row
    try:
        session.execute(insert(MODELS[noun]).values(**row))
    except IntegrityError:
        raise _taken(noun, row) from None
    return record(noun, [row.get(key) for key in (*SHOWN[noun], "extra")])


def _extra(noun: str, given: Record | None, before: Record | None = None) -> Record | None:
    """Extra attributes after a change: null removes one; those named like a field are left out."""
    merged = {**(before or {}), **(given or {})}
    taken = _RESERVED | set(SHOWN[noun])
    return {k: v for k, v in merged.items() if v is not None and k not in taken} or None


def _taken(noun: str, row: Record) -> Conflict:
    if noun in ("region", "endpoint", "service"):
        return Conflict(f"A {noun} with id {row.get('id')} exists already.")
    place = f" in domain {row['domain_id']}" if row.get("domain_id") else ""
    return Conflict(f"A {noun} named '{row.get('name')}' exists already{place}.")


def _check_references(session: Session, noun: str, row: Record) -> None:
    """Every id that `row` names must exist."""
    if row.get("domain_id"):
        enabled = session.scalar(select(m.Domain.enabled).where(m.Domain.id == row["domain_id"]))
        if enabled is None:
            raise missing("domain", row["domain_id"])
        if not enabled and noun == "project":
            raise Forbidden(f"Domain {row['domain_id']} is disabled.")
    if noun == "project" and row["parent_id"] != row["domain_id"]:
        parent = session.execute(
            select(m.Project.domain_id, m.Project.enabled).where(m.Project.id == row["parent_id"])
        ).first()
        if parent is None:
            raise missing("project", row["parent_id"])
        if parent[0] != row["domain_id"]:
            raise BadRequest("A project must be in the same domain as its parent.")
        if not parent[1]:
            raise Forbidden(f"The parent project {row['parent_id']} is disabled.")
    if row.get("service_id"):
        _must_exist(session, "service", row["service_id"])
    for key in ("region_id", "parent_region_id"):
        if row.get(key):
            _must_exist(session, "region", row[key])


def _adopt_region(session: Session, row: Record) -> Record:
    """Endpoints may still name their region as `region`, and then it is made when there is none."""
    if row.get("region") is None:
        return {key: value for key, value in row.items() if key != "region"}
    if session.scalar(select(m.Region.id).where(m.Region.id == row["region"])) is None:
        session.execute(insert(m.Region).values(id=row["region"], description=""))
    return {key: value for key, value in row.items() if key != "region"} | {"region_id": row["region"]}


def _must_exist(session: Session, noun: str, record_id: str) -> None:
    if session.scalar(select(MODELS[noun].id).where(MODELS[noun].id == record_id)) is None:
        raise BadRequest(f"The {noun} {record_id} does not exist.")


def change(session: Session, noun: str, record_id: str, values: Record) -> Record:
    """Write `values` over the record; answers it whole."""
    model = MODELS[noun]
    if noun in ("endpoint", "region"):
        values = _adopt_region(session, values)
        _check_references(session, noun, values)
        _refuse_circle(session, noun, record_id, values)
    if "extra" in values:
        before = session.scalar(select(model.extra).where(model.id == record_id))
        values = values | {"extra": _extra(noun, values["extra"], before)}
    if values:
        try:
            changed = session.execute(update(model).where(model.id == record_id).values(**values))
        except IntegrityError:
            raise _taken(noun, values) from None
        if changed.rowcount == 0:  # type: ignore[attr-defined]
            raise missing(noun, record_id)
    return show(session, noun, record_id)


def _refuse_circle(session: Session, noun: str, record_id: str, values: Record) -> None:
    """A region must not become its own ancestor."""
    above = values.get("parent_region_id") if noun == "region" else None
    while above:
        if above == record_id:
            raise BadRequest(f"Region {record_id} cannot be inside itself.")
        above = session.scalar(select(m.Region.parent_region_id).where(m.Region.id == above))
