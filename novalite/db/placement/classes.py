"""Resource classes: the standard ones and those that operators made."""

from __future__ import annotations

from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from novalite.db.models.base import iso, now
from novalite.db.models.placement import ConsumerAllocation, CustomResourceClass, ProviderInventory
from novalite.db.placement import parts
from novalite.errors import BadRequest, Conflict
from novalite.objects.base import Record
from novalite.objects.placement_errors import ResourceClassNotFound
from novalite.objects.placement_names import STANDARD_CLASSES

_ROW = CustomResourceClass


def page(session: Session) -> list[Record]:
    """Every class: name, and updated_at of those that were made."""
    rows = session.execute(select(_ROW.name, _ROW.updated_at)).all()
    found: list[Record] = [{"name": name, "updated_at": None} for name in STANDARD_CLASSES]
    custom = {name: iso(at) for name, at in rows}
    reported = dict.fromkeys(parts.device_classes(session))
    return found + [{"name": name, "updated_at": at} for name, at in sorted({**reported, **custom}.items())]


def get(session: Session, name: str) -> Record:
    """One class; ResourceClassNotFound."""
    if name in STANDARD_CLASSES:
        return {"name": name, "updated_at": None}
    at = session.execute(select(_ROW.updated_at).where(_ROW.name == name)).scalar()
    if at is None and not parts.device_classes(session, [name]):
        raise ResourceClassNotFound(name=name)
    return {"name": name, "updated_at": iso(at)}


def add(session: Session, name: str) -> bool:
    """Make a class; False when it was there."""
    if session.execute(select(_ROW.name).where(_ROW.name == name)).first():
        return False
    try:
        with session.begin_nested():
            session.execute(insert(_ROW).values(name=name))
    except IntegrityError:
        return False
    return True


def rename(session: Session, name: str, new: str) -> None:
    """Another name, in inventories and in what is held of them too. A Conflict when there is a class of that name."""
    get(session, name)
    if name in STANDARD_CLASSES:
        raise BadRequest(f"Cannot update standard resource class {name}.")
    if name == new:
        return
    _refuse_reported(session, name)
    if not add(session, new):
        raise Conflict(f"Resource class already exists: {new}.")
    for model in (ProviderInventory, ConsumerAllocation):
        session.execute(update(model).where(model.resource_class == name).values(resource_class=new))
    session.execute(delete(_ROW).where(_ROW.name == name))
    session.execute(update(_ROW).where(_ROW.name == new).values(updated_at=now()))


def remove(session: Session, name: str) -> None:
    """It is gone; BadRequest for a standard one, a Conflict while a provider has some of it."""
    get(session, name)
    if name in STANDARD_CLASSES:
        raise BadRequest(f"Error in delete resource class: Cannot delete standard resource class {name}.")
    _refuse_reported(session, name)
    gone: Any = session.execute(delete(_ROW).where(_ROW.name == name))
    row = ProviderInventory
    if session.execute(select(row.provider_uuid).where(row.resource_class == name).limit(1)).first():
        raise Conflict(f"Error in delete resource class: Class is in use in inventory: {name}.")
    if gone.rowcount == 0:
        raise ResourceClassNotFound(name=name)


def _refuse_reported(session: Session, name: str) -> None:
    if parts.device_classes(session, [name]):
        raise Conflict(f"Error in delete resource class: Class is in use in inventory: hosts report devices of {name}.")
