"""Traits: standard and custom ones, and which providers have them.

Those of a host are in `hosts.traits`, where schedulers read them: what the host reports, and what operators add.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import delete, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from novalite.db.models.compute import Host
from novalite.db.models.placement import CustomTrait, ProviderTrait
from novalite.db.placement import inventories, overrides, providers
from novalite.errors import BadRequest, Conflict
from novalite.objects.placement import Provider
from novalite.objects.placement_errors import TraitNotFound
from novalite.objects.placement_names import standard_traits

PARTS = frozenset({"traits"})


def page(
    session: Session, names: Iterable[str] | None = None, prefix: str | None = None, used: bool | None = None
) -> list[str]:
    """Names of traits, in order: those of `names` that are there, those that begin with `prefix`, those that a
    provider has (`used`) or has not."""
    found = set(standard_traits()) | set(session.scalars(select(CustomTrait.name)))
    worn = _worn(session)
    found |= worn
    if names is not None:
        found &= set(names)
    if prefix is not None:
        found = {name for name in found if name.startswith(prefix)}
    if used is not None:
        found = {name for name in found if (name in worn) is used}
    return sorted(found)


def _worn(session: Session) -> set[str]:
    """Traits that providers have. Hosts are alike, so that few lists are read of many hosts."""
    found = set(session.scalars(select(ProviderTrait.trait).distinct()))
    for told in session.scalars(select(Host.traits).distinct()):
        found.update(told or ())
    return found


def exists(session: Session, name: str) -> bool:
    """Whether there is a trait of this name."""
    return not missing(session, [name])


def missing(session: Session, names: Iterable[str]) -> list[str]:
    """Those of `names` that are no traits, in order."""
    left = set(names) - standard_traits()
    if left:
        left -= set(session.scalars(select(CustomTrait.name).where(CustomTrait.name.in_(left))))
    if left:
        left -= _worn(session)
    return sorted(left)


def add(session: Session, name: str) -> bool:
    """Make a custom trait; False when it was there."""
    if session.execute(select(CustomTrait.name).where(CustomTrait.name == name)).first():
        return False
    try:
        with session.begin_nested():
            session.execute(insert(CustomTrait).values(name=name))
    except IntegrityError:
        return False
    return True


def remove(session: Session, name: str) -> None:
    """It is gone; BadRequest for a standard one, a Conflict while a provider has it."""
    if name in standard_traits():
        raise BadRequest(f"Cannot delete standard trait {name}.")
    if not exists(session, name):
        raise TraitNotFound(names=name)
    session.execute(delete(CustomTrait).where(CustomTrait.name == name))
    if name in _worn(session):
        raise Conflict(f"The trait {name} is in use by a resource provider.")


def write(session: Session, uuid: str, names: Iterable[str], seen: int | None) -> Provider:
    """The provider has exactly these traits from now on (a host also those that it reports). BadRequest for one that
    is none, ConcurrentUpdate."""
    provider = providers.find(session, uuid)
    wanted = sorted(set(names))
    if unknown := missing(session, wanted):
        raise BadRequest(f"No such trait(s): {', '.join(unknown)}.")
    providers.grow(session, provider, seen, claims_void=True)
    if provider.host is not None:
        row = inventories.host_row(session, uuid)
        own = set(overrides.own_of(row)["traits"] or ())
        before = row["overrides"] or {}
        added = [name for name in wanted if name not in own]
        inventories.save_overrides(session, uuid, row, {**before, "traits": added})
    else:
        mine = select(ProviderTrait.trait).where(ProviderTrait.provider_uuid == uuid)
        _set(session, uuid, set(session.scalars(mine)), set(wanted))
    return providers.find(session, uuid, PARTS)


def _set(session: Session, uuid: str, before: set[str], after: set[str]) -> None:
    row = ProviderTrait
    if gone := before - after:
        session.execute(delete(row).where(row.provider_uuid == uuid, row.trait.in_(sorted(gone))))
    if new := after - before:
        values: list[dict[str, Any]] = [{"provider_uuid": uuid, "trait": name} for name in sorted(new)]
        session.execute(insert(row), values)
