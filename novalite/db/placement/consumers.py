"""Consumers and what they hold: servers and migrations of the compute core, and whoever else was given something.

What is held of a host's own resources is in `allocations`, the rest in `consumer_allocations`. A consumer is told as a
record: project_id, user_id, consumer_type, generation, of which `own` is what its row says (0: it has none), and held
{provider uuid: {class: amount}}.
"""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, delete, exists, func, select, update
from sqlalchemy.orm import Session, aliased

from novalite.db.models.base import iso
from novalite.db.models.compute import Allocation, Host, Server
from novalite.db.models.migrations import Migration
from novalite.db.models.pci import PciDevice
from novalite.db.models.placement import Consumer, ConsumerAllocation, ProviderInventory
from novalite.db.placement import parts
from novalite.objects.base import Record
from novalite.objects.placement import DEDICATED, NATIVE, Provider

UNKNOWN = "unknown"
"""The type of a consumer that was never told one."""
SERVER, MIGRATION = "INSTANCE", "MIGRATION"
"""Types of what the compute core makes, as its users know them."""


class Native(NamedTuple):
    """What a holder has of a host's own resources."""

    holder: str
    host: str
    provider: str
    vcpus: int
    ram_mb: int
    disk_gb: int
    pcpus: int
    numa: str | None
    since: str

    @property
    def resources(self) -> dict[str, int]:
        """By class; nothing is not told."""
        columns = {**NATIVE, DEDICATED: "pcpus"}
        return {name: amount for name, column in columns.items() if (amount := getattr(self, column))}


def natives(session: Session, holders: Iterable[str]) -> list[Native]:
    """What these hold of hosts, by host; one statement."""
    row = Allocation
    query = (
        select(row.server_id, row.host, Host.uuid, row.vcpus, row.ram_mb, row.disk_gb, row.pcpus, row.numa,
               row.created_at)
        .join(Host, Host.host == row.host)
        .where(row.server_id.in_(list(holders)))
        .order_by(row.server_id, row.host)
    )
    return [Native(*one[:-1], str(iso(one[-1]))) for one in session.execute(query)]


def _parts(session: Session, mine: Mapping[str, list[Native]]) -> dict[str, dict[str, dict[str, int]]]:
    """By holder and provider: cells and devices of hosts that these have."""
    if not mine:
        return {}
    places = [(one.holder, one.provider, one.numa) for some in mine.values() for one in some]
    return parts.held(session, mine, places)


def fingerprint(mine: Iterable[Native]) -> int:
    """A number that changes with what a holder has of hosts, so that it serves as a generation without claims of
    the core having to count; 0 for nothing."""
    told = "|".join(":".join(map(str, one)) for one in sorted(mine))
    return zlib.crc32(told.encode()) & 0x7FFFFFFF if told else 0


def read(session: Session, uuids: Iterable[str]) -> dict[str, Record]:
    """Those of these consumers that hold something; five statements."""
    wanted = list(uuids)
    who = owners(session, wanted)  # first: who writes then on this generation did not miss what was written since
    held: dict[str, dict[str, dict[str, int]]] = defaultdict(lambda: defaultdict(dict))
    mine: dict[str, list[Native]] = defaultdict(list)
    for one in natives(session, wanted):
        mine[one.holder].append(one)
        held[one.holder][one.provider].update(one.resources)
    for holder, some in _parts(session, mine).items():
        held[holder].update(some)
    row = ConsumerAllocation
    query = select(row.consumer_uuid, row.provider_uuid, row.resource_class, row.amount)
    for consumer, provider, name, amount in session.execute(query.where(row.consumer_uuid.in_(wanted))):
        held[consumer][provider][name] = amount
    return {
        consumer: {**who[consumer], "generation": who[consumer]["own"] + fingerprint(mine[consumer]),
                   "held": {provider: dict(some) for provider, some in found.items()}}
        for consumer, found in held.items()
    }  # fmt: skip


def owners(session: Session, uuids: list[str]) -> dict[str, Record]:
    """project_id, user_id, consumer_type and `own` of consumers; what Placement was told wins over what the core
    knows."""
    found: dict[str, Record] = {one: _owner(None, None, None, 0) for one in uuids}
    server, migration, row = Server, Migration, Consumer
    known: tuple[tuple[Any, str], ...] = (
        (select(server.id, server.project_id, server.user_id).where(server.id.in_(uuids)), SERVER),
        (
            select(migration.uuid, server.project_id, server.user_id)
            .join(server, server.id == migration.server_id)
            .where(migration.uuid.in_(uuids)),
            MIGRATION,
        ),
    )
    for query, kind in known:
        for uuid, project, user in session.execute(query):
            found[uuid] = _owner(project, user, kind, 0)
    own = select(row.uuid, row.project_id, row.user_id, row.consumer_type, row.generation)
    for uuid, project, user, told, generation in session.execute(own.where(row.uuid.in_(uuids))):
        found[uuid] = _owner(project, user, told or found[uuid]["consumer_type"], generation)
    return found


def _owner(project: str | None, user: str | None, kind: str | None, generation: int) -> Record:
    return {"project_id": project, "user_id": user, "consumer_type": kind, "own": generation}


def of_provider(session: Session, provider: Provider) -> dict[str, Record]:
    """By consumer: what is held of one provider, and the consumer's generation."""
    uuid, host = provider.uuid, provider.host or provider.part_of
    row = ConsumerAllocation
    found: dict[str, dict[str, int]] = defaultdict(dict)
    if host is not None:
        holders = list(session.scalars(select(Allocation.server_id).where(Allocation.host == host)))
    else:
        holders = []
    query = select(row.consumer_uuid, row.resource_class, row.amount).where(row.provider_uuid == uuid)
    for consumer, name, amount in session.execute(query):
        found[consumer][name] = amount
    everyone = list({*holders, *found})
    mine: dict[str, list[Native]] = defaultdict(list)
    for one in natives(session, everyone):
        mine[one.holder].append(one)
        if one.provider == uuid:
            found[one.holder] = {**one.resources, **found[one.holder]}
    if provider.part_of is not None:
        for holder, some in _parts(session, mine).items():
            found[holder].update(some.get(uuid, {}))
    who = owners(session, everyone)
    return {
        consumer: {"resources": resources, "generation": who[consumer]["own"] + fingerprint(mine[consumer])}
        for consumer, resources in found.items()
        if resources
    }


def is_stranger(holder: Any) -> ColumnElement[bool]:
    """SQL: it holds something by the Placement API and is no server, so it counts among no host's servers."""
    told, server = aliased(Consumer), aliased(Server)
    known = exists(select(told.uuid).where(told.uuid == holder))
    return known & ~exists(select(server.id).where(server.id == holder))


def forget(session: Session, uuid: str) -> None:
    """A server is gone, and has given back what it held of hosts: give back what it was given by the Placement API.
    One statement where that is nothing."""
    gone: Any = session.execute(delete(Consumer).where(Consumer.uuid == uuid))
    if gone.rowcount == 0:
        return
    held, row = ConsumerAllocation, ProviderInventory
    mine = select(held.provider_uuid, held.resource_class, held.amount).where(held.consumer_uuid == uuid)
    for provider, name, amount in session.execute(mine).all():
        same = (held.consumer_uuid == uuid, held.provider_uuid == provider, held.resource_class == name)
        done: Any = session.execute(delete(held).where(*same, held.amount == amount))
        if done.rowcount:
            of = (row.provider_uuid == provider, row.resource_class == name)
            session.execute(update(row).where(*of).values(used=row.used - amount))


# --- sums ----------------------------------------------------------------------------------------


def usages(session: Session, project_id: str, user_id: str | None, kind: str | None) -> dict[str, dict[str, int]]:
    """By type of consumer: how much of each class the consumers of a project hold, and under `consumer_count` how many
    there are. `kind` limits to one type; `all` puts all together."""
    sums: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    who: dict[str, set[str]] = defaultdict(set)
    for consumer, told, resources in _held_by(session, project_id, user_id):
        group = "all" if kind == "all" else told
        if kind not in (None, "all", told):
            continue
        who[group].add(consumer)
        for name, amount in resources.items():
            sums[group][name] += amount
    return {group: {"consumer_count": len(who[group]), **found} for group, found in sums.items()}


def _type_of(consumer: str, server_id: str | None) -> str:
    return UNKNOWN if server_id is None else SERVER if server_id == consumer else MIGRATION


def _held_by(
    session: Session, project_id: str, user_id: str | None
) -> Iterable[tuple[str, str, dict[str, int]]]:
    """(consumer, type, amounts) of a project, perhaps several of one consumer."""
    server, row, taken = Server, Consumer, Allocation
    who = [taken.server_id, row.consumer_type, server.id]
    natively = (
        select(*who, taken.vcpus, taken.ram_mb, taken.disk_gb, taken.pcpus)
        .outerjoin(row, row.uuid == taken.server_id)
        .outerjoin(Migration, Migration.uuid == taken.server_id)
        .outerjoin(server, server.id == func.coalesce(Migration.server_id, taken.server_id))
        .where(func.coalesce(row.project_id, server.project_id) == project_id)
    )
    if user_id is not None:
        natively = natively.where(func.coalesce(row.user_id, server.user_id) == user_id)
    for row_of in session.execute(natively):
        consumer, kind, server_id, *amounts = tuple(row_of)
        taking = zip((*NATIVE, DEDICATED), amounts, strict=True)
        yield consumer, kind or _type_of(consumer, server_id), {name: amount for name, amount in taking if amount}
    device = PciDevice
    with_devices = natively.join(device, (device.holder == taken.server_id) & (device.host == taken.host))
    for given in session.execute(with_devices.with_only_columns(*who, device.vendor_id, device.product_id)):
        consumer, kind, server_id, vendor, product = tuple(given)
        yield consumer, kind or _type_of(consumer, server_id), {parts.class_name(vendor, product): 1}
    held = ConsumerAllocation
    others = (
        select(held.consumer_uuid, row.consumer_type, held.resource_class, held.amount)
        .join(row, row.uuid == held.consumer_uuid)
        .where(row.project_id == project_id)
    )
    if user_id is not None:
        others = others.where(row.user_id == user_id)
    for consumer, kind, name, amount in session.execute(others):
        yield consumer, kind or UNKNOWN, {name: amount}
