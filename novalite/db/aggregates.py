"""Host aggregates: named sets of hosts with metadata. The zone of a host follows from those it is in.

`hosts.zone` and `hosts.aggregates` repeat for each host what the tables here say, so that reading hosts
costs no join; `settle` brings them up to date inside the transaction of every change.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from sqlalchemy import bindparam, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from novalite.db import quotas
from novalite.db.capacity import FACTS, RATIOS, capacity
from novalite.db.models.aggregates import Aggregate, AggregateHost
from novalite.db.models.base import iso, now
from novalite.db.models.compute import Host, Server, new_id
from novalite.errors import AggregateExists, AggregateHostExists, AggregateHostNotFound, AggregateNotFound
from novalite.objects.base import Record

ZONE = "availability_zone"
"""The metadata key that makes an aggregate a zone."""
DEFAULT_ZONE = "nova"
"""The zone of hosts that no aggregate puts into one."""

_COLUMNS = [
    Aggregate.id, Aggregate.uuid, Aggregate.name, Aggregate.aggregate_metadata, Aggregate.created_at,
    Aggregate.updated_at,
]  # fmt: skip
_KEYS = ("id", "uuid", "name", "metadata", "created_at", "updated_at")
_HOSTS: Any = Host.__table__
_SETTLE = (
    update(_HOSTS)
    .where(_HOSTS.c.host == bindparam("b_host"))
    .values(
        **{f"cap_{name}": bindparam(f"b_cap_{name}") for name in RATIOS},
        zone=bindparam("b_zone"), aggregates=bindparam("b_aggregates", type_=_HOSTS.c.aggregates.type),
        version=_HOSTS.c.version + 1, generation=_HOSTS.c.generation + 1, updated_at=bindparam("b_now"),
    )
)  # fmt: skip


class Move(NamedTuple):
    """A host whose zone is another one now, and how many servers it carries."""

    host: str
    before: str
    after: str
    servers: int


class Settled(NamedTuple):
    """What became of the zones of hosts: those that moved, and those that are in several zones now."""

    moves: list[Move]
    torn: dict[str, list[str]]


def lock(session: Session) -> None:
    """Let one change of aggregates wait for another: zones are decided over all of them."""
    quotas.lock(session, "aggregates")


def page(session: Session) -> list[Record]:
    """Every aggregate with its hosts, by id; two statements."""
    return _read(session)


def get(session: Session, aggregate_id: int) -> Record:
    """One aggregate with its hosts; raises AggregateNotFound."""
    found = _read(session, aggregate_id)
    if not found:
        raise AggregateNotFound(aggregate_id=aggregate_id)
    return found[0]


def _read(session: Session, aggregate_id: int | None = None) -> list[Record]:
    query = select(*_COLUMNS).order_by(Aggregate.id)
    members = select(AggregateHost.aggregate_id, AggregateHost.host).order_by(AggregateHost.host)
    if aggregate_id is not None:
        query = query.where(Aggregate.id == aggregate_id)
        members = members.where(AggregateHost.aggregate_id == aggregate_id)
    records = {}
    for row in session.execute(query):
        record: Record = {**dict(zip(_KEYS, row, strict=True)), "hosts": []}
        record["metadata"] = record["metadata"] or {}
        record["created_at"], record["updated_at"] = iso(record["created_at"]), iso(record["updated_at"])
        records[record["id"]] = record
    for number, host in session.execute(members) if records else ():
        if number in records:
            records[number]["hosts"].append(host)
    return list(records.values())


def create(session: Session, name: str, zone: str | None) -> int:
    """A new aggregate; answers its id. Raises AggregateExists."""
    values = {"uuid": new_id(), "name": name, "aggregate_metadata": {ZONE: zone} if zone else {}}
    try:
        with session.begin_nested():
            session.execute(insert(Aggregate).values(**values))
    except IntegrityError:
        raise AggregateExists(name=name) from None
    return int(session.execute(select(Aggregate.id).where(Aggregate.uuid == values["uuid"])).scalar_one())


def rename(session: Session, aggregate_id: int, name: str) -> None:
    """Raises AggregateExists."""
    try:
        with session.begin_nested():
            _change(session, aggregate_id, name=name)
    except IntegrityError:
        raise AggregateExists(name=name) from None


def set_metadata(session: Session, aggregate: Record, changes: dict[str, str | None]) -> None:
    """Set keys; None removes one."""
    merged = {**aggregate["metadata"], **changes}
    kept = {key: value for key, value in merged.items() if value is not None}
    _change(session, aggregate["id"], aggregate_metadata=kept)


def _change(session: Session, aggregate_id: int, **values: Any) -> None:
    session.execute(update(Aggregate).where(Aggregate.id == aggregate_id).values(updated_at=now(), **values))


def remove(session: Session, aggregate_id: int) -> None:
    """Delete an aggregate; its hosts must have left it."""
    session.execute(delete(Aggregate).where(Aggregate.id == aggregate_id))


def add_host(session: Session, aggregate: Record, host: str) -> None:
    """Raises AggregateHostExists."""
    try:
        with session.begin_nested():
            session.execute(insert(AggregateHost).values(aggregate_id=aggregate["id"], host=host))
    except IntegrityError:
        raise AggregateHostExists(aggregate_id=aggregate["id"], host=host) from None


def remove_host(session: Session, aggregate: Record, host: str) -> None:
    """Raises AggregateHostNotFound."""
    same = (AggregateHost.aggregate_id == aggregate["id"], AggregateHost.host == host)
    gone = session.execute(delete(AggregateHost).where(*same))
    if gone.rowcount == 0:  # type: ignore[attr-defined]
        raise AggregateHostNotFound(aggregate_id=aggregate["id"], host=host)


def forget_host(session: Session, host: str) -> None:
    """A host that is no more leaves every aggregate."""
    if session.execute(delete(AggregateHost).where(AggregateHost.host == host)).rowcount:  # type: ignore[attr-defined]
        settle(session, [host])


def settle(session: Session, names: Iterable[str]) -> Settled:
    """Bring `hosts.zone`, `hosts.aggregates` and what these hosts may give (aggregates override ratios) up to date;
    tells what became of their zones.

    The caller refuses what must not be by an error, which rolls everything back.
    """
    wanted = sorted(set(names))
    columns = [getattr(Host, name) for name in FACTS]
    read = session.execute(select(Host.host, Host.zone, *columns).where(Host.host.in_(wanted))).all()
    known = [(row[0], row[1]) for row in read]
    told: dict[str, dict[str, dict[str, str]]] = {host: {} for host, _ in known}
    rows = session.execute(
        select(AggregateHost.host, Aggregate.name, Aggregate.aggregate_metadata)
        .join(Aggregate, Aggregate.id == AggregateHost.aggregate_id)
        .where(AggregateHost.host.in_(wanted))
        .order_by(Aggregate.id)
    )
    for host, name, metadata in rows:
        if host in told:
            told[host][name] = metadata or {}
    torn = {host: zones for host, found in told.items() if len(zones := zones_of(found)) > 1}
    after = {host: (zones_of(found) or [DEFAULT_ZONE])[0] for host, found in told.items()}
    if told:
        facts = {row[0]: dict(zip(FACTS, row[2:], strict=True)) for row in read}
        values = [
            {"b_host": host, "b_zone": after[host], "b_aggregates": found, "b_now": now(),
             **{f"b_{name}": number for name, number in capacity(facts[host], found).items()}}
            for host, found in told.items()
        ]  # fmt: skip
        session.connection().execute(_SETTLE, values)
    moved = [(host, before) for host, before in known if before != after[host]]
    carried = _servers(session, [host for host, _ in moved])
    return Settled([Move(host, old, after[host], carried.get(host, 0)) for host, old in moved], torn)


def zones_of(aggregates: dict[str, dict[str, str]]) -> list[str]:
    """The zones that these aggregates name, each once."""
    return list(dict.fromkeys(zone for metadata in aggregates.values() if (zone := metadata.get(ZONE))))


def _servers(session: Session, hosts: list[str]) -> dict[str, int]:
    if not hosts:
        return {}
    query = select(Server.host, func.count()).where(Server.host.in_(hosts), Server.deleted.is_(False))
    return {str(host): int(count) for host, count in session.execute(query.group_by(Server.host))}
