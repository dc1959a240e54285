"""Resource providers as plain values, hosts and others alike, read in a bounded number of statements."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from sqlalchemy import Select, false, or_, select
from sqlalchemy.orm import Session

from novalite.db.capacity import RATIOS, ratio_of
from novalite.db.models.aggregates import Aggregate, AggregateHost
from novalite.db.models.base import iso
from novalite.db.models.compute import Host, Service
from novalite.db.models.placement import (
    ProviderAggregate,
    ProviderInventory,
    ProviderTrait,
    ResourceProvider,
)
from novalite.db.placement.parts import of_hosts as parts_of_hosts
from novalite.objects.placement import DEDICATED, NATIVE, Inventory, Provider
from novalite.objects.placement_names import class_order

EVERYTHING = frozenset({"inventories", "traits", "aggregates"})
"""What can be read of providers beside the providers themselves."""

_NATIVE_COLUMNS = [
    column
    for resource, (ratio, _) in RATIOS.items()
    for column in (resource, f"reserved_{resource}", ratio, f"used_{resource}")
]
_HOST = ("uuid", "node", "host", "version", "updated_at", "created_at", "numa", "numa_used")
_HOST_PARTS = {"traits": ("traits",), "inventories": ("aggregates", "pcpus", "used_pcpus", *_NATIVE_COLUMNS)}
"""Columns of a host that only some readers need: reading them takes half of the time."""
_PROVIDER = ("uuid", "name", "generation", "root_uuid", "parent_uuid", "updated_at")


def read(
    session: Session,
    uuids: Iterable[str] | None = None,
    roots: Iterable[str] | None = None,
    names: Iterable[str] | None = None,
    parts: frozenset[str] = EVERYTHING,
) -> list[Provider]:
    """Providers with the `parts` asked for: those of `uuids`, of the trees with these `roots`, or of these `names`;
    else all. Roots come before what is below them. At most eight statements, however many providers there are.

    On PostgreSQL and MariaDB the statements see what is committed when each begins: whoever writes on the
    strength of it compares generations.
    """
    hosts = _hosts(session, uuids, roots, names, parts)
    others = _others(session, uuids, roots, names)
    some = uuids is not None or roots is not None or names is not None
    below = _below(session, hosts, len(others), uuids, roots, names)
    wanted = [row["uuid"] for row in (*hosts, *others)] if some else None
    inventories = inventories_of(session, wanted) if "inventories" in parts else {}
    traits = traits_of(session, wanted) if "traits" in parts else {}
    aggregates = aggregates_of(session, wanted, hosts) if "aggregates" in parts else {}
    found = [
        Provider(
            uuid=row["uuid"], name=row["node"], generation=row["version"], root=row["uuid"], host=row["host"],
            updated=iso(row["updated_at"] or row["created_at"]),
            inventories={**native(row), **inventories.get(row["uuid"], {})} if "inventories" in parts else {},
            traits=frozenset(row["traits"] or ()) if "traits" in parts else frozenset(),
            aggregates=aggregates.get(row["uuid"], frozenset()),
        )
        for row in hosts
    ]  # fmt: skip
    found += [
        Provider(
            uuid=row["uuid"], name=row["name"], generation=row["generation"], root=row["root_uuid"],
            parent=row["parent_uuid"], updated=iso(row["updated_at"]),
            inventories=inventories.get(row["uuid"], {}), traits=traits.get(row["uuid"], frozenset()),
            aggregates=aggregates.get(row["uuid"], frozenset()),
        )
        for row in others
    ]  # fmt: skip
    return [*found, *below]


def _below(
    session: Session, hosts: list[dict[str, Any]], others: int, uuids: Iterable[str] | None,
    roots: Iterable[str] | None, names: Iterable[str] | None,
) -> list[Provider]:  # fmt: skip
    """Parts of hosts that are asked for. By uuid or name those of all hosts are looked through, unless everything that
    is asked for was found already."""
    wanted = set(uuids if uuids is not None else names if names is not None else ())
    if uuids is None and names is None:
        return parts_of_hosts(session, hosts, every=roots is None)
    if len(hosts) + others >= len(wanted):
        return []
    candidates = _hosts(session, None, roots, None, frozenset(), with_parts=True)
    found = parts_of_hosts(session, candidates, every=roots is None)
    return [one for one in found if (one.uuid if uuids is not None else one.name) in wanted]


def one(session: Session, uuid: str, parts: frozenset[str] = frozenset()) -> Provider | None:
    """One provider, or None."""
    return next(iter(read(session, uuids=[uuid], parts=parts)), None)


def tree_of(session: Session, uuid: str) -> str | None:
    """The root of the tree that a provider is in, or None when there is no such provider."""
    found = one(session, uuid)
    return None if found is None else found.root


def native(row: dict[str, Any]) -> dict[str, Inventory]:
    """What a host's row says it has. A resource that it has nothing of is no inventory."""
    found = {}
    for name, resource in NATIVE.items():
        ratio, key = RATIOS[resource]
        total = row[resource]
        if total > 0:
            found[name] = Inventory(
                total=total, reserved=row[f"reserved_{resource}"], max_unit=total, used=row[f"used_{resource}"],
                allocation_ratio=ratio_of(row["aggregates"], key, row[ratio]),
            )  # fmt: skip
    if row["pcpus"] > 0:
        found[DEDICATED] = Inventory(total=row["pcpus"], max_unit=row["pcpus"], used=row["used_pcpus"])
    return found


# --- rows ----------------------------------------------------------------------------------------


def hosts_query(*columns: Any) -> Select[Any]:
    """Hosts that are providers: those whose compute service is there."""
    return select(*columns).join(Service, (Service.host == Host.host) & (Service.binary == "nova-compute"))


def _hosts(
    session: Session, uuids: Iterable[str] | None, roots: Iterable[str] | None, names: Iterable[str] | None,
    parts: frozenset[str], with_parts: bool = False,
) -> list[dict[str, Any]]:  # fmt: skip
    names_of = [*_HOST, *(name for part, some in _HOST_PARTS.items() if part in parts for name in some)]
    query = hosts_query(*(getattr(Host, name) for name in names_of)).order_by(Host.id)
    if with_parts:
        query = query.where(or_(Host.numa.is_not(None), Host.pci_pools.is_not(None)))
    for column, values in ((Host.uuid, uuids), (Host.uuid, roots), (Host.node, names)):
        if values is not None:
            query = query.where(column.in_(list(values)))
    return [dict(zip(names_of, row, strict=True)) for row in session.execute(query)]


def _others(
    session: Session, uuids: Iterable[str] | None, roots: Iterable[str] | None, names: Iterable[str] | None
) -> list[dict[str, Any]]:
    row = ResourceProvider
    query = select(*(getattr(row, name) for name in _PROVIDER))
    for column, values in ((row.uuid, uuids), (row.root_uuid, roots), (row.name, names)):
        if values is not None:
            query = query.where(column.in_(list(values)))
    found = [dict(zip(_PROVIDER, one, strict=True)) for one in session.execute(query)]
    return sorted(found, key=lambda one: (one["parent_uuid"] is not None, one["name"]))


def inventories_of(session: Session, uuids: list[str] | None = None) -> dict[str, dict[str, Inventory]]:
    """By provider and class: inventories that are rows; all, or those of some providers."""
    row = ProviderInventory
    query = select(
        row.provider_uuid, row.resource_class, row.total, row.reserved, row.min_unit, row.max_unit, row.step_size,
        row.allocation_ratio, row.used,
    )  # fmt: skip
    found: dict[str, dict[str, Inventory]] = defaultdict(dict)
    for uuid, name, *fields in _some(session, query, row.provider_uuid, uuids):
        found[uuid][name] = Inventory(*fields)
    return {uuid: {name: some[name] for name in sorted(some, key=class_order)} for uuid, some in found.items()}


def traits_of(session: Session, uuids: list[str] | None = None) -> dict[str, frozenset[str]]:
    """Traits of providers that are no hosts."""
    query = select(ProviderTrait.provider_uuid, ProviderTrait.trait)
    return _grouped(_some(session, query, ProviderTrait.provider_uuid, uuids))


def aggregates_of(
    session: Session, uuids: list[str] | None, hosts: Iterable[dict[str, Any]]
) -> dict[str, frozenset[str]]:
    """Aggregates by provider: those named by the Placement API, and of hosts those of the compute API."""
    row = ProviderAggregate
    query = select(row.provider_uuid, row.aggregate_uuid)
    pairs = [tuple(one) for one in _some(session, query, row.provider_uuid, uuids)]
    by_name = {one["host"]: one["uuid"] for one in hosts}
    if by_name:
        members = select(AggregateHost.host, Aggregate.uuid).join(
            Aggregate, Aggregate.id == AggregateHost.aggregate_id
        )
        some = list(by_name) if uuids is not None else None
        pairs += [
            (by_name[host], uuid)
            for host, uuid in _some(session, members, AggregateHost.host, some)
            if host in by_name
        ]
    return _grouped(pairs)


def _some(session: Session, query: Any, column: Any, values: list[str] | None) -> Iterator[Any]:
    if values is not None:
        query = query.where(column.in_(values)) if values else query.where(false())
    yield from session.execute(query)


def _grouped(pairs: Iterable[Any]) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for key, value in pairs:
        found[key].add(value)
    return {key: frozenset(values) for key, values in found.items()}
