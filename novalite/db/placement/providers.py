"""Resource providers themselves: making, renaming, moving in their tree, deleting, and their generations."""

from __future__ import annotations

from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from novalite.db.models.base import now
from novalite.db.models.compute import Allocation, Host, new_id
from novalite.db.models.placement import (
    ConsumerAllocation,
    ProviderAggregate,
    ProviderInventory,
    ProviderTrait,
    ResourceProvider,
)
from novalite.db.placement import consumers, trees
from novalite.errors import BadRequest, Conflict
from novalite.objects.placement import Provider, ProviderQuery, passes
from novalite.objects.placement_errors import (
    ConcurrentUpdate,
    DuplicateProvider,
    ProviderHasChildren,
    ProviderInUse,
    ProviderNotFound,
)

_FOR_FILTERS = {"member_of": "aggregates", "required": "traits", "resources": "inventories"}


def find(session: Session, uuid: str, parts: frozenset[str] = frozenset(), purpose: str = "") -> Provider:
    """One provider. ProviderNotFound; `purpose` ends its sentence."""
    found = trees.one(session, uuid, parts)
    if found is None:
        raise ProviderNotFound(uuid=uuid, purpose=purpose)
    return found


def page(session: Session, query: ProviderQuery) -> list[Provider]:
    """Providers that pass every part of `query`."""
    parts = frozenset(part for name, part in _FOR_FILTERS.items() if getattr(query, name))
    roots = None
    if query.in_tree is not None:
        root = trees.tree_of(session, query.in_tree)
        if root is None:
            return []
        roots = [root]
    found = trees.read(
        session, uuids=None if query.uuid is None else [query.uuid], roots=roots,
        names=None if query.name is None else [query.name], parts=parts,
    )  # fmt: skip
    return [one for one in found if passes(one, query)]


# --- generations ---------------------------------------------------------------------------------


def grow(session: Session, provider: Provider, seen: int | None = None, claims_void: bool = False) -> int:
    """The provider changes: its generation grows; the new one is answered. `seen` is the generation that the
    caller knows (None: any); of two who know the same one exactly one succeeds, the other gets ConcurrentUpdate.
    The row is locked until the end of the transaction. `claims_void`: of a host, more changed than use.
    """
    _refuse_part(provider)
    if seen is not None and seen != provider.generation:
        raise ConcurrentUpdate(uuid=provider.uuid)
    if provider.host is not None:
        values: dict[str, Any] = {"version": Host.version + 1, "updated_at": now()}
        if claims_void:
            values["generation"] = Host.generation + 1
        row: Any = Host
        same, number = Host.uuid == provider.uuid, Host.version
    else:
        row = ResourceProvider
        values = {"generation": ResourceProvider.generation + 1, "updated_at": now()}
        same, number = ResourceProvider.uuid == provider.uuid, ResourceProvider.generation
    change = update(row).where(same).values(**values).execution_options(synchronize_session=False)
    if seen is not None:
        change = change.where(number == seen)
    done: Any = session.execute(change)
    if done.rowcount == 0:
        raise ConcurrentUpdate(uuid=provider.uuid)
    return int(session.execute(select(number).where(same)).scalar_one())


def _refuse_part(provider: Provider) -> None:
    if provider.part_of is not None:
        raise Conflict(
            f"Resource provider {provider.uuid} is a part of compute host {provider.part_of}, which reports it; "
            "it is not changed here."
        )


# --- making and changing -------------------------------------------------------------------------


def create(session: Session, name: str, uuid: str | None, parent: str | None) -> Provider:
    """A new provider. BadRequest for a parent that is not there, DuplicateProvider for a name or uuid that is."""
    made = uuid or new_id()
    what = f'Unable to create resource provider "{name}", {made}'
    if parent == made:
        raise BadRequest(f"{what}: parent provider UUID cannot be same as UUID.")
    above = None if parent is None else trees.one(session, parent)
    if parent is not None and above is None:
        raise BadRequest(f"{what}: parent provider UUID does not exist.")
    _refuse_duplicates(session, name, made)
    if above is not None:
        hold(session, above)
    try:
        with session.begin_nested():
            session.execute(
                insert(ResourceProvider).values(
                    uuid=made, name=name, root_uuid=above.root if above else made, parent_uuid=parent
                )
            )
    except IntegrityError:
        _refuse_duplicates(session, name, made)
        raise DuplicateProvider(field="name", value=name) from None
    return find(session, made)


def _refuse_duplicates(session: Session, name: str, uuid: str | None) -> None:
    """No two providers of one uuid or name, hosts included."""
    if uuid is not None and _is_there(session, ResourceProvider.uuid == uuid, Host.uuid == uuid):
        raise DuplicateProvider(field="uuid", value=uuid)
    if _is_there(session, ResourceProvider.name == name, Host.node == name):
        raise DuplicateProvider(field="name", value=name)


def _is_there(session: Session, row: Any, host: Any) -> bool:
    return bool(
        session.execute(select(ResourceProvider.uuid).where(row)).first()
        or session.execute(select(Host.uuid).where(host)).first()
    )


def hold(session: Session, provider: Provider) -> None:
    """Keep a provider from being deleted or moved until the end of this transaction."""
    _refuse_part(provider)
    row: Any = Host if provider.host is not None else ResourceProvider
    if session.execute(select(row.uuid).where(row.uuid == provider.uuid).with_for_update()).first() is None:
        raise ConcurrentUpdate(uuid=provider.uuid)


def change(session: Session, uuid: str, name: str, move: bool, parent: str | None, freely: bool) -> Provider:
    """Rename a provider, and with `move` put it under `parent` (None: it becomes a root). Unless `freely`, only a
    provider without a parent may get one. The name of a host is the host's: BadRequest."""
    provider = find(session, uuid)
    _refuse_part(provider)
    if provider.host is not None and (name != provider.name or (move and parent is not None)):
        raise BadRequest(f"Resource provider {uuid} is the compute host {provider.host}; it is not renamed nor moved.")
    if name != provider.name:
        _rename(session, provider, name)
    if move and parent != provider.parent:
        _move(session, provider, parent, freely)
    return find(session, uuid)


def _rename(session: Session, provider: Provider, name: str) -> None:
    _refuse_duplicates(session, name, None)
    row = ResourceProvider
    try:
        with session.begin_nested():
            session.execute(update(row).where(row.uuid == provider.uuid).values(name=name, updated_at=now()))
    except IntegrityError:
        raise DuplicateProvider(field="name", value=name) from None


def _move(session: Session, provider: Provider, parent: str | None, freely: bool) -> None:
    what = f"Unable to save resource provider {provider.uuid}"
    if not freely and provider.parent is not None:
        how = "un-parenting" if parent is None else "re-parenting"
        raise BadRequest(f"{what}: {how} a provider is not currently allowed.")
    above = None if parent is None else trees.one(session, parent)
    if parent is not None and above is None:
        raise BadRequest(f"{what}: parent provider UUID does not exist.")
    # Both trees stay as they are until this is done: their roots' rows are held.
    for root in sorted({provider.root, above.root if above else provider.root}):
        if (top := trees.one(session, root)) is not None:
            hold(session, top)
    below = _below(trees.read(session, roots=[provider.root], parts=frozenset()), provider.uuid)
    if parent in below:
        raise BadRequest(f"{what}: creating loop in the provider tree is not allowed.")
    row = ResourceProvider
    root = above.root if above else provider.uuid
    session.execute(update(row).where(row.uuid.in_(sorted(below))).values(root_uuid=root))
    session.execute(update(row).where(row.uuid == provider.uuid).values(parent_uuid=parent, updated_at=now()))


def _below(tree: list[Provider], uuid: str) -> set[str]:
    """A provider and everything under it."""
    found, grown = {uuid}, True
    while grown:
        more = {one.uuid for one in tree if one.parent in found} - found
        grown = bool(more)
        found |= more
    return found


def remove(session: Session, uuid: str) -> None:
    """It is gone with its inventories, traits and aggregates. ProviderHasChildren, ProviderInUse; a Conflict for a
    host, which goes with its compute service."""
    provider = find(session, uuid, purpose=" for delete")
    if provider.host is None:
        hold(session, provider)
    row = ResourceProvider
    if session.execute(select(row.uuid).where(row.parent_uuid == uuid).limit(1)).first():
        raise ProviderHasChildren(uuid=uuid)
    held = session.execute(
        select(ConsumerAllocation.provider_uuid).where(ConsumerAllocation.provider_uuid == uuid).limit(1)
    ).first()
    if provider.host is not None and not held:
        held = session.execute(select(Allocation.host).where(Allocation.host == provider.host).limit(1)).first()
    if held:
        raise ProviderInUse(uuid=uuid)
    if provider.host is not None:
        raise Conflict(
            f"Unable to delete resource provider {uuid}: it is the compute host {provider.host}; "
            "delete its compute service."
        )
    forget(session, [uuid])


def forget_host(session: Session, host: str) -> None:
    """A host is no provider any more, nor is what is below it; what operators set of it is taken back. Conflict while
    somebody was given something of it by this API."""
    uuid = session.execute(select(Host.uuid).where(Host.host == host)).scalar()
    if uuid is None:
        return
    row, held, claim = ResourceProvider, ConsumerAllocation, Allocation
    tree = [uuid, *session.scalars(select(row.uuid).where(row.root_uuid == uuid).with_for_update())]
    stranger = select(claim.server_id).where(claim.host == host, consumers.is_stranger(claim.server_id))
    told = session.execute(select(held.consumer_uuid).where(held.provider_uuid.in_(tree)).limit(1)).scalar()
    told = told or session.execute(stranger.limit(1)).scalar()
    if told:
        raise Conflict(
            f"Unable to delete the compute service of host {host}: consumer {told} holds resources of its provider."
        )
    forget(session, tree)
    session.execute(update(Host).where(Host.uuid == uuid).values(overrides=None))


def forget(session: Session, uuids: list[str]) -> None:
    """Rows of these providers and of what belongs to them are gone, whatever they say."""
    for model in (ProviderInventory, ProviderTrait, ProviderAggregate):
        session.execute(delete(model).where(model.provider_uuid.in_(uuids)))
    session.execute(delete(ResourceProvider).where(ResourceProvider.uuid.in_(uuids)))
