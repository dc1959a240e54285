"""Places that are held for nothing, servers without a place, and hosts that count wrongly: found, and put right.

Flows keep the books by themselves; this is for what a defect, a restored backup or a hand in the database left. Each
finding is looked at again under locks before anything is changed, so that a flow that is under way loses nothing.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, and_, exists, func, or_, select, update
from sqlalchemy.orm import Session

from novalite.db import allocations, numa, server_migrations, servers
from novalite.db.allocations import Amount
from novalite.db.models.compute import Allocation, Host, Server, Task
from novalite.db.models.migrations import Migration
from novalite.db.models.placement import Consumer
from novalite.db.placement import consumers
from novalite.objects.migrations import UNCONFIRMED

MOST = 500
"""Findings of one kind in one run; the next run finds the rest."""


class Held(NamedTuple):
    """What a server or migration holds on a host, or should hold there."""

    holder: str
    host: str


def _busy() -> ColumnElement[bool]:
    """SQL: something is being done to the server."""
    return exists(select(Task.id).where(Task.server_id == Server.id, Task.state == "open"))


def orphans(session: Session, only: Held | None = None) -> list[Held]:
    """Places of servers that are gone or live elsewhere, and of migrations that are over. What the Placement API
    gave is no orphan: somebody asked for it."""
    told = exists(select(Consumer.uuid).where(Consumer.uuid == Allocation.server_id))
    elsewhere = or_(Server.deleted.is_(True), func.coalesce(Server.host, "") != Allocation.host)
    of_servers = (
        select(Allocation.server_id, Allocation.host)
        .outerjoin(Server, Server.id == Allocation.server_id)
        .where(
            or_(Server.id.is_(None), and_(elsewhere, ~_busy())),
            ~server_migrations.exists_for(Allocation.server_id),
            ~told,
        )
    )
    wanted = exists(
        select(Server.id).where(
            Server.id == Migration.server_id,
            or_(_busy(), and_(Server.migration_id == Migration.uuid, Server.deleted.is_(False),
                              Migration.status.in_(UNCONFIRMED))),
        )
    )  # fmt: skip
    of_migrations = (
        select(Allocation.server_id, Allocation.host)
        .join(Migration, Migration.uuid == Allocation.server_id)
        .where(~wanted, ~told)
    )
    found = []
    for query in (of_servers, of_migrations):
        if only is not None:
            query = query.where(Allocation.server_id == only.holder, Allocation.host == only.host)
        found += [Held(*row) for row in session.execute(query.limit(MOST))]
    return found


def placeless(session: Session, only: Held | None = None) -> list[Held]:
    """Servers that live on a host and hold nothing of it."""
    claim = exists(
        select(Allocation.host).where(Allocation.server_id == Server.id, Allocation.host == Server.host)
    )
    there = exists(select(Host.id).where(Host.host == Server.host))
    query = select(Server.id, Server.host).where(Server.deleted.is_(False), there, ~claim, ~_busy())
    if only is not None:
        query = query.where(Server.id == only.holder, Server.host == only.host)
    return [Held(server_id, str(host)) for server_id, host in session.execute(query.limit(MOST))]


def drifted(session: Session) -> list[str]:
    """Hosts that may count wrongly: what two statements saw need not have been at the same moment."""
    sums = _sums(session)
    columns = (Host.host, Host.used_vcpus, Host.used_ram_mb, Host.used_disk_gb, Host.servers)
    none = (0, 0, 0, 0)
    return [host for host, *told in session.execute(select(*columns)) if tuple(told) != sums.get(host, none)][:MOST]


def _sums(session: Session, host: str | None = None) -> dict[str, tuple[int, ...]]:
    """By host: what claims add up to, and how many of them are of servers."""
    aside = server_migrations.exists_for(Allocation.server_id) | consumers.is_stranger(Allocation.server_id)
    row, found = Allocation, dict[str, tuple[int, ...]]()
    amounts = select(row.host, func.sum(row.vcpus), func.sum(row.ram_mb), func.sum(row.disk_gb))
    counts = select(row.host, func.count()).where(~aside)
    if host is not None:
        amounts, counts = amounts.where(row.host == host), counts.where(row.host == host)
    number = {name: int(count) for name, count in session.execute(counts.group_by(row.host))}
    for name, *summed in session.execute(amounts.group_by(row.host)):
        found[name] = (*map(int, summed), number.get(name, 0))
    return found


# --- putting right -------------------------------------------------------------------------------


def give_back(session: Session, one: Held) -> bool:
    """An orphan's place is free again; False when it was none any more."""
    servers.hold(session, one.holder)
    if one not in orphans(session, one):
        return False
    aside = session.execute(select(Migration.id).where(Migration.uuid == one.holder)).first()
    freed = allocations.release_aside(session, one.holder) if aside else allocations.release(session, *one)
    return bool(freed)


def heal(session: Session, one: Held) -> bool:
    """The server holds what it takes of its host, whether there is room or not: it is there. False when it does
    already or is gone."""
    servers.hold(session, one.holder)
    if one not in placeless(session, one):
        return False
    row = session.execute(
        select(Server.vcpus, Server.ram_mb, Server.disk_gb).where(Server.id == one.holder)
    ).one()
    allocations.take_anyway(session, one.holder, one.host, Amount(*row))
    return True


def recount(session: Session, host: str) -> bool:
    """The host counts as used what its claims add up to; False when it did. Claims and releases of it wait."""
    columns = (Host.used_vcpus, Host.used_ram_mb, Host.used_disk_gb, Host.servers)
    told = session.execute(select(*columns).where(Host.host == host).with_for_update()).first()
    if told is None:
        return False
    summed = _sums(session, host).get(host, (0, 0, 0, 0))
    if tuple(told) == summed:
        return False
    values: dict[str, Any] = {column.key: number for column, number in zip(columns, summed, strict=True)}
    session.execute(
        update(Host)
        .where(Host.host == host)
        .values(version=Host.version + 1, **values)
        .execution_options(synchronize_session=False)
    )
    numa.tell(session, host)
    return True
