"""Inventories of providers. What a host has of itself are columns of `hosts`: see db/placement/overrides.py."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from sqlalchemy import bindparam, delete, insert, select, update
from sqlalchemy.orm import Session

from novalite.db.capacity import FACTS, RATIOS, capacity
from novalite.db.models.base import now
from novalite.db.models.compute import Host
from novalite.db.models.placement import ConsumerAllocation, CustomResourceClass, ProviderInventory
from novalite.db.placement import overrides, parts, providers
from novalite.errors import BadRequest, Conflict
from novalite.objects.placement import DEDICATED, NATIVE, Inventory, InventoryChange, Provider
from novalite.objects.placement_errors import InventoryInUse, InventoryNotFound
from novalite.objects.placement_names import STANDARD_CLASSES, class_order

PARTS = frozenset({"inventories"})
OWN = (*NATIVE, DEDICATED)
"""What a host has of itself."""
_LARGEST = 1 << 62
"""What a column holds of a capacity; nobody takes more."""


def known_classes(session: Session, names: list[str]) -> set[str]:
    """Which of these names are resource classes."""
    found = {name for name in names if name in STANDARD_CLASSES}
    others = [name for name in names if name not in found]
    if others:
        row = CustomResourceClass
        found |= set(session.scalars(select(row.name).where(row.name.in_(others))))
        found |= parts.device_classes(session, set(others) - found)
    return found


def write(
    session: Session, uuid: str, change: InventoryChange, new: str | None = None, old: str | None = None
) -> Provider:
    """Write inventories; answers the provider with all of them. Nothing is written unless all of it may be.
    There must be no inventory yet of the class `new`, and one of the class `old`.

    ConcurrentUpdate, BadRequest for a class that is not there or amounts that make no sense, InventoryInUse for one
    that goes although somebody holds of it.
    """
    provider = _locked(session, uuid, change.generation)
    wanted = {name: Inventory(**fields) for name, fields in change.inventories.items()}
    _check(session, provider, wanted, change, "create" if new else "update")
    if new in provider.inventories:
        raise Conflict(f"Update conflict: resource provider {uuid} has an inventory of class {new}.")
    if old is not None and old not in provider.inventories:
        raise BadRequest(f"No inventory record with resource class for resource provider {uuid}: {old}.")
    gone = [name for name in provider.inventories if name not in wanted] if change.whole else []
    _write(session, provider, wanted, gone)
    return providers.find(session, uuid, PARTS)


def remove(session: Session, uuid: str, name: str | None = None) -> None:
    """One inventory, or all, are gone: InventoryNotFound, InventoryInUse. What a host has of itself is then again
    as the host says."""
    provider = _locked(session, uuid, None)
    if name is not None and name not in provider.inventories:
        raise InventoryNotFound(f"No inventory of class {name} found for delete.")
    _write(session, provider, {}, list(provider.inventories) if name is None else [name])


def _locked(session: Session, uuid: str, seen: int | None) -> Provider:
    """The provider, which only this transaction changes from now on; its generation has grown."""
    providers.grow(session, providers.find(session, uuid), seen, claims_void=True)
    return providers.find(session, uuid, PARTS)


# --- what may be written -------------------------------------------------------------------------


def _check(
    session: Session, provider: Provider, wanted: dict[str, Inventory], change: InventoryChange, verb: str = "update"
) -> None:
    known = known_classes(session, list(wanted))
    if unknown := [name for name in wanted if name not in known]:
        raise BadRequest(
            f"Unknown resource class in inventory for resource provider {provider.uuid}: "
            f"No such resource class {', '.join(unknown)}."
        )
    for name, one in wanted.items():
        what = f"Unable to {verb} inventory for resource provider {provider.uuid}: Invalid inventory for '{name}'."
        if not change.may_reserve_all and one.reserved >= one.total:
            raise BadRequest(f"{what} The reserved value is greater than or equal to total.")
        if one.reserved > one.total:
            raise BadRequest(f"{what} The reserved value is greater than total.")
        if provider.host is not None and name in OWN:
            _check_native(provider, name, one, what)


def _check_native(provider: Provider, name: str, one: Inventory, what: str) -> None:
    """Of what a host has of itself, operators set what is reserved and the ratio; the rest is the host's."""
    own = provider.inventories.get(name)
    if own is None:
        raise BadRequest(f"{what} Host {provider.host} has none.")
    if one.total != own.total:
        raise BadRequest(f"{what} The total of host {provider.host} is what it has, {own.total}.")
    if one.min_unit != 1 or one.step_size != 1 or one.max_unit < own.total:
        raise BadRequest(f"{what} A host gives any amount from 1 to {own.total}.")
    if name == DEDICATED and (one.reserved or one.allocation_ratio != 1.0):
        raise BadRequest(f"{what} Dedicated CPUs of a host are each given once, and all of them.")
    if one.allocation_ratio <= 0:
        raise BadRequest(f"{what} The allocation ratio of a host must be greater than 0.")


# --- writing -------------------------------------------------------------------------------------


def _write(session: Session, provider: Provider, wanted: dict[str, Inventory], gone: list[str]) -> None:
    mine = set(OWN) if provider.host is not None else set()
    if provider.host is not None and (mine & wanted.keys() or mine & set(gone)):
        _override(session, provider, {k: v for k, v in wanted.items() if k in NATIVE}, mine & set(gone))
    _remove_rows(session, provider, [name for name in gone if name not in mine])
    now_there = provider.inventories
    for name, one in wanted.items():
        if name in mine:
            continue
        values = {**asdict(one), "capacity": max(0, min(one.capacity, _LARGEST)), "updated_at": now()}
        del values["used"]
        row = ProviderInventory
        if name in now_there:
            same = (row.provider_uuid == provider.uuid, row.resource_class == name)
            session.execute(update(row).where(*same).values(**values))
        else:
            session.execute(insert(row).values(provider_uuid=provider.uuid, resource_class=name, **values))


def _remove_rows(session: Session, provider: Provider, names: list[str]) -> None:
    if not names:
        return
    row, held = ProviderInventory, ConsumerAllocation
    used = set(
        session.scalars(
            select(held.resource_class).where(
                held.provider_uuid == provider.uuid, held.resource_class.in_(names)
            )
        )
    )
    if used:
        told = ", ".join(sorted(used, key=class_order))
        raise InventoryInUse(classes=told, uuid=provider.uuid)
    same = (row.provider_uuid == provider.uuid, row.resource_class.in_(names))
    done: Any = session.execute(delete(row).where(*same, row.used == 0))
    if done.rowcount != len(set(names)):  # somebody took of it just now
        raise InventoryInUse(classes=", ".join(sorted(names, key=class_order)), uuid=provider.uuid)


_HOSTS: Any = Host.__table__
_READ = ("overrides", "aggregates", "traits", *FACTS)
_ROW = select(*(_HOSTS.c[name] for name in _READ)).where(_HOSTS.c.uuid == bindparam("b_uuid"))


def host_row(session: Session, uuid: str) -> dict[str, Any]:
    """What overrides are made of."""
    return dict(zip(_READ, session.execute(_ROW, {"b_uuid": uuid}).one(), strict=True))


def save_overrides(session: Session, uuid: str, row: dict[str, Any], wanted: dict[str, Any]) -> None:
    """Bring a host's columns up to date with `wanted` overrides; `row` is of `host_row`."""
    values = overrides.over(wanted, overrides.own_of(row))
    values |= capacity({**row, **values}, row["aggregates"])
    session.execute(update(_HOSTS).where(_HOSTS.c.uuid == uuid).values(**values))


def _override(session: Session, provider: Provider, wanted: dict[str, Inventory], gone: set[str]) -> None:
    row = host_row(session, provider.uuid)
    before = row["overrides"] or {}
    kept = {name: dict(fields) for name, fields in before.get("inventory", {}).items() if name not in gone}
    for name, one in wanted.items():
        shown = provider.inventories[name]
        for field in ("reserved", "allocation_ratio"):
            value = getattr(one, field)
            if value != getattr(shown, field):
                kept.setdefault(name, {})[field] = value
        _refuse_without_effect(provider, name, one, row)
    save_overrides(session, provider.uuid, row, {**before, "inventory": kept})


def _refuse_without_effect(provider: Provider, name: str, one: Inventory, row: dict[str, Any]) -> None:
    """An aggregate's ratio counts before the host's: setting the host's would seem to do nothing."""
    key = RATIOS[NATIVE[name]][1]
    said = [metadata[key] for metadata in (row["aggregates"] or {}).values() if key in metadata]
    if said and one.allocation_ratio != provider.inventories[name].allocation_ratio:
        raise Conflict(
            f"Unable to update inventory for resource provider {provider.uuid}: the aggregates of host {provider.host} "
            f"set {key} to {', '.join(said)}."
        )
