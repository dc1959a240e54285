"""Claims: the one place where capacity changes hands."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import Integer, Update, and_, bindparam, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from novalite.db import numa, pci
from novalite.db.models import compute
from novalite.db.session import run_statement
from novalite.errors import ClaimLost

_HOSTS: Any = compute.Host.__table__
_ALLOCATIONS: Any = compute.Allocation.__table__
Host, Allocation = _HOSTS.c, _ALLOCATIONS.c
_HELD = select(Allocation.server_id, Allocation.pci_devices).where(
    Allocation.server_id.in_((bindparam("b_one"), bindparam("b_other"))), Allocation.host == bindparam("b_host")
)
_LOOK = (
    select(Host.zone, Allocation.server_id)
    .select_from(_HOSTS)
    .outerjoin(
        _ALLOCATIONS,
        and_(Allocation.host == Host.host, Allocation.server_id == bindparam("b_server")),
    )
    .where(Host.host == bindparam("b_host"))
)
_TAKE = insert(_ALLOCATIONS)
_LOCK = (
    select(
        Host.host, Host.zone, Host.generation,
        Host.cap_vcpus - Host.used_vcpus, Host.cap_ram_mb - Host.used_ram_mb, Host.cap_disk_gb - Host.used_disk_gb,
    )
    .where(Host.host.in_(bindparam("b_hosts", expanding=True)))
    .order_by(Host.host)
    .with_for_update()
)  # fmt: skip
_FILL = (
    update(_HOSTS)
    .where(Host.host == bindparam("b_host"))
    .values(
        used_vcpus=Host.used_vcpus + bindparam("b_vcpus", type_=Integer),
        used_ram_mb=Host.used_ram_mb + bindparam("b_ram", type_=Integer),
        used_disk_gb=Host.used_disk_gb + bindparam("b_disk", type_=Integer),
        servers=Host.servers + bindparam("b_servers", type_=Integer),
        version=Host.version + 1,
    )
)
_CLAIMED = "claimed"


@dataclass(frozen=True)
class Amount:
    """What one server takes: vCPUs on shared CPUs, MB of RAM, GB of disk (root, ephemeral and swap)."""

    vcpus: int
    ram_mb: int
    disk_gb: int


def claim(
    session: Session, server_id: str, host: str, seen: int, amount: Amount, force: bool = False
) -> str:
    """Take capacity, provided the host is as the scheduler saw it (`seen`) and still has room; answers its zone.

    `generation` tells every change but use; use is compared by the arithmetic of this very statement,
    so racing claims need no retry as long as there is room for all. A server that already holds a
    claim on the host keeps it. `force` (a host named by an administrator) skips the generation only.
    What `claim_many` took in this transaction is answered as it is. Raises ClaimLost.
    """
    if (taken := session.info.get(_CLAIMED, {}).get((server_id, host))) is not None:
        return str(taken)
    found = run_statement(session, _LOOK, b_server=server_id, b_host=host).first()
    if found is None:
        raise ClaimLost(host=host)
    zone, held = found
    if held is not None:
        return str(zone)
    wanted = {"b_vcpus": amount.vcpus, "b_ram": amount.ram_mb}
    if amount.disk_gb:
        wanted["b_disk"] = amount.disk_gb
    if not force:
        wanted["b_seen"] = seen
    moved = run_statement(session, _claim(bool(amount.disk_gb), force), b_host=host, **wanted)
    if moved.rowcount == 0:
        raise ClaimLost(host=host)
    run_statement(session, _TAKE, **_row(server_id, host, amount))
    return str(zone)


def _row(server_id: str, host: str, amount: Amount) -> dict[str, Any]:
    return {
        "server_id": server_id, "host": host,
        "vcpus": amount.vcpus, "ram_mb": amount.ram_mb, "disk_gb": amount.disk_gb,
    }  # fmt: skip


@dataclass(frozen=True)
class Want:
    """A place that one server would like: a host at the generation that the scheduler saw."""

    server_id: str
    host: str
    seen: int
    amount: Amount


def claim_many(session: Session, wants: Collection[Want]) -> set[str]:
    """Take the places that there are, by three statements however many; answers whose they are. `claim` answers for
    these in the rest of the transaction. Each server wants one place.

    The rows of the hosts are locked first, in the order of their names, so that what is read of them holds until
    the end, and two transactions that want the same hosts never wait for each other. Who gets none here, because the
    host is full or has changed, asks `claim` in a transaction of its own; so does everybody when this one breaks
    because a server has its place already.
    """
    names = sorted({want.host for want in wants})
    hosts = {name: list(facts) for name, *facts in run_statement(session, _LOCK, b_hosts=names)}
    taken, rows = dict[str, list[int]](), []
    claimed = session.info[_CLAIMED] = {}
    for want in wants:
        if want.host not in hosts:
            continue
        zone, generation, *free = hosts[want.host]
        amount = want.amount.vcpus, want.amount.ram_mb, want.amount.disk_gb
        if generation != want.seen or not _fits(free, amount):
            continue
        hosts[want.host][2:] = [has - takes for has, takes in zip(free, amount, strict=True)]
        sums = taken.setdefault(want.host, [0, 0, 0, 0])
        taken[want.host] = [a + b for a, b in zip(sums, (*amount, 1), strict=True)]
        rows.append(_row(want.server_id, want.host, want.amount))
        claimed[want.server_id, want.host] = zone
    if rows:
        keys = "b_host", "b_vcpus", "b_ram", "b_disk", "b_servers"
        fill = [dict(zip(keys, (host, *sums), strict=True)) for host, sums in sorted(taken.items())]
        session.connection().execute(_FILL, fill)
        session.connection().execute(_TAKE, rows)
    return {server_id for server_id, _ in claimed}


def _fits(free: list[int], amount: tuple[int, int, int]) -> bool:
    """As `_claim` has it: who wants no disk fits where images have overfilled it."""
    vcpus, ram_mb, disk_gb = (has >= takes for has, takes in zip(free, amount, strict=True))
    return vcpus and ram_mb and (disk_gb or not amount[2])


@cache
def _claim(disk: bool, force: bool) -> Update:
    """The statement that takes capacity. No disk wanted (boot from volume, flavor 0) fits even where images
    have overfilled the disk."""
    vcpus, ram_mb, disk_gb = (bindparam(f"b_{name}", type_=Integer) for name in ("vcpus", "ram", "disk"))
    room = [
        Host.used_vcpus + vcpus <= Host.cap_vcpus,
        Host.used_ram_mb + ram_mb <= Host.cap_ram_mb,
    ]
    values = {
        "used_vcpus": Host.used_vcpus + vcpus,
        "used_ram_mb": Host.used_ram_mb + ram_mb,
        "servers": Host.servers + 1,
        "version": Host.version + 1,
    }
    if disk:
        room.append(Host.used_disk_gb + disk_gb <= Host.cap_disk_gb)
        values["used_disk_gb"] = Host.used_disk_gb + disk_gb
    if not force:
        room.append(Host.generation == bindparam("b_seen"))
    return update(_HOSTS).where(Host.host == bindparam("b_host"), *room).values(**values)


def holds(session: Session, holder: str) -> list[str]:
    """Hosts on which a server, or a migration, holds something."""
    rows = session.execute(select(Allocation.host).where(Allocation.server_id == holder))
    return [row[0] for row in rows]


def release(session: Session, server_id: str, host: str | None = None) -> list[str]:
    """Give back what a server holds, on one host or on all; answers the hosts that changed. Repeatable."""
    return _give_back(session, server_id, host, servers=1)


def _give_back(session: Session, holder: str, host: str | None, servers: int) -> list[str]:
    mine = [Allocation.server_id == holder] + ([Allocation.host == host] if host else [])
    held = session.execute(
        select(
            Allocation.host, Allocation.vcpus, Allocation.ram_mb, Allocation.disk_gb, Allocation.pci_devices,
            Allocation.numa,
        ).where(*mine)
    ).all()
    freed = []
    for name, vcpus, ram_mb, disk_gb, devices, cells in held:
        gone = session.execute(
            delete(_ALLOCATIONS).where(Allocation.server_id == holder, Allocation.host == name)
        )
        if gone.rowcount == 0:  # type: ignore[attr-defined]
            continue  # another release was first
        session.execute(
            update(_HOSTS)
            .where(Host.host == name)
            .values(
                used_vcpus=Host.used_vcpus - vcpus,
                used_ram_mb=Host.used_ram_mb - ram_mb,
                used_disk_gb=Host.used_disk_gb - disk_gb,
                servers=Host.servers - servers,
                version=Host.version + 1,
            )
        )
        if devices:
            pci.give_back(session, name, holder)
        if cells:
            numa.tell(session, name)
        freed.append(name)
    return freed


# --- a place kept by a migration, until the server's resize or move is confirmed or taken back


def set_aside(session: Session, server_id: str, migration_id: str, host: str) -> None:
    """The server's place on a host stays taken, but by its migration, so that the server can claim another, there
    or elsewhere. A place aside is no server of the host's `servers`. Repeatable. Raises ClaimLost when the server
    holds nothing there."""
    _hand_over(session, server_id, migration_id, host, servers=-1)


def take_back(session: Session, server_id: str, migration_id: str, host: str) -> None:
    """The opposite, when the server has given its other place back. Repeatable. Raises ClaimLost when the
    migration holds nothing there."""
    _hand_over(session, migration_id, server_id, host, servers=1)


def release_aside(session: Session, migration_id: str) -> list[str]:
    """Give back the place that a migration kept; answers the hosts that changed. Repeatable."""
    return _give_back(session, migration_id, None, servers=0)


def _hand_over(session: Session, holder: str, taker: str, host: str, servers: int) -> None:
    held = dict(run_statement(session, _HELD, b_one=taker, b_other=holder, b_host=host).all())
    if taker in held:
        return
    moved = session.execute(
        update(_ALLOCATIONS)
        .where(Allocation.server_id == holder, Allocation.host == host)
        .values(server_id=taker)
    )
    if moved.rowcount == 0:  # type: ignore[attr-defined]
        raise ClaimLost(host=host)
    session.execute(
        update(_HOSTS)
        .where(Host.host == host)
        .values(servers=Host.servers + servers, version=Host.version + 1)
    )
    if held.get(holder):
        pci.hand_over(session, host, holder, taker)


# --- what others than flows give and take (Placement)


def assign(session: Session, holder: str, host: str, before: Amount, after: Amount, servers: int) -> bool:
    """A holder that has `before` on a host has `after` from now on; `servers` is how many more the host carries.
    Compared like a claim, in one statement, but only what grows needs room. False when there is none.

    Raises ClaimLost when the holder no longer has `before`: the caller, who read it, starts again.
    """
    grown = Amount(
        after.vcpus - before.vcpus, after.ram_mb - before.ram_mb, after.disk_gb - before.disk_gb
    )
    room = []
    if grown.vcpus > 0:
        room.append(Host.used_vcpus + grown.vcpus <= Host.cap_vcpus)
    if grown.ram_mb > 0:
        room.append(Host.used_ram_mb + grown.ram_mb <= Host.cap_ram_mb)
    if grown.disk_gb > 0:
        room.append(Host.used_disk_gb + grown.disk_gb <= Host.cap_disk_gb)
    taken = session.execute(
        update(_HOSTS)
        .where(Host.host == host, *room)
        .values(
            used_vcpus=Host.used_vcpus + grown.vcpus,
            used_ram_mb=Host.used_ram_mb + grown.ram_mb,
            used_disk_gb=Host.used_disk_gb + grown.disk_gb,
            servers=Host.servers + servers,
            version=Host.version + 1,
        )
    )
    if taken.rowcount == 0:  # type: ignore[attr-defined]
        return False
    _write_down(session, holder, host, before, after)
    return True


def take_anyway(session: Session, server_id: str, host: str, amount: Amount) -> None:
    """A server that is on a host without a claim has one from now on, whether there is room or not."""
    fill = {"b_vcpus": amount.vcpus, "b_ram": amount.ram_mb, "b_disk": amount.disk_gb, "b_servers": 1}
    run_statement(session, _FILL, b_host=host, **fill)
    run_statement(session, _TAKE, **_row(server_id, host, amount))


NOTHING = Amount(0, 0, 0)


def _write_down(session: Session, holder: str, host: str, before: Amount, after: Amount) -> None:
    mine = (Allocation.server_id == holder, Allocation.host == host)
    if before == NOTHING:
        try:
            with session.begin_nested():
                session.execute(insert(_ALLOCATIONS).values(server_id=holder, host=host, **vars(after)))
        except IntegrityError:
            raise ClaimLost(host=host) from None
        return
    same = (
        *mine,
        Allocation.vcpus == before.vcpus,
        Allocation.ram_mb == before.ram_mb,
        Allocation.disk_gb == before.disk_gb,
    )
    if after == NOTHING:
        done = session.execute(delete(_ALLOCATIONS).where(*same))
        pci.give_back(session, host, holder)
        numa.tell(session, host)
    elif after == before:
        return
    else:
        done = session.execute(update(_ALLOCATIONS).where(*same).values(**vars(after)))
    if done.rowcount == 0:  # type: ignore[attr-defined]
        raise ClaimLost(host=host)


def totals(session: Session) -> dict[str, Amount]:
    """What the allocations of each host add up to; equals its `used_*` (checked by `db check`)."""
    rows = session.execute(
        select(
            Allocation.host,
            func.sum(Allocation.vcpus),
            func.sum(Allocation.ram_mb),
            func.sum(Allocation.disk_gb),
        ).group_by(Allocation.host)
    )
    return {host: Amount(int(v), int(r), int(d)) for host, v, r, d in rows}
