"""Hypervisor hosts: what they report, and the rows the scheduler reads."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import and_, bindparam, case, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from novalite.db import numa, pci
from novalite.db.capacity import capacity
from novalite.db.models.base import now
from novalite.db.models.compute import Allocation, Host, Server, Service, Task, new_id
from novalite.db.placement import consumers, overrides
from novalite.db.server_migrations import exists_for
from novalite.db.session import run_statement
from novalite.objects.hosts import HostInventory, HostRow

_REPORTED = (
    "node", "hypervisor_type", "hypervisor_version", "host_ip", "vcpus", "ram_mb", "disk_gb",
    "reserved_vcpus", "reserved_ram_mb", "reserved_disk_gb", "cpu_ratio", "ram_ratio", "disk_ratio",
    "cpu_info", "traits", "supported_instances", "physical_networks", "bandwidth_mbps",
    "pcpus", "numa",
)  # fmt: skip
_UNIMPORTANT = ("disk_available_least_gb", "uptime", "cached_images", "metrics", "failed_builds")
"""Reported too, but of no interest to a claim: they do not move the generation."""


def record(session: Session, inventory: HostInventory) -> bool:
    """Store what a host reports; True when something that matters to placement changed."""
    query = select(Host).where(Host.host == inventory.host).execution_options(populate_existing=True)
    row = session.execute(query).scalar_one_or_none()
    had_devices = row is not None and row.pci_pools is not None
    changed = _record(session, inventory, row)
    if inventory.pci_devices or had_devices:  # others pay nothing for it
        changed = pci.report(session, inventory.host, inventory.pci_devices) or changed
    return changed


def _record(session: Session, inventory: HostInventory, row: Host | None) -> bool:
    told = _told(inventory)
    lesser = {k: told[k] for k in _UNIMPORTANT}
    values = {k: told[k] for k in _REPORTED}
    if row is not None and row.overrides:
        values |= overrides.over(row.overrides, values)
    values |= capacity(values, row.aggregates if row is not None else None)
    if row is None:
        try:
            with session.begin_nested():
                session.execute(
                    insert(Host).values(
                        uuid=new_id(), host=inventory.host, updated_at=now(), **values, **lesser,
                        **_used(session, inventory.host),
                    )
                )  # fmt: skip
        except IntegrityError:  # two first reports raced
            return record(session, inventory)
        numa.tell(session, inventory.host)
        return True
    if all(getattr(row, k) == v for k, v in values.items()):
        changed = {k: v for k, v in lesser.items() if getattr(row, k) != v}
        if changed:
            session.execute(update(Host).where(Host.host == inventory.host).values(**changed))
        return False
    done: Any = session.execute(
        update(Host)
        .where(Host.host == inventory.host, Host.generation == row.generation)
        .values(
            version=Host.version + 1, generation=Host.generation + 1, updated_at=now(), **values, **lesser
        )
        .execution_options(synchronize_session=False)
    )
    # Aggregates or an operator changed the row meanwhile: what follows from them has to be made of the new ones.
    return True if done.rowcount else record(session, inventory)


def _told(inventory: HostInventory) -> dict[str, Any]:
    """What a host reports as columns; devices have rows of their own."""
    told = inventory.model_dump(mode="json", exclude={"pci_devices", "numa"})
    return {**told, "numa": inventory.numa.model_dump_json() if inventory.numa else None}


def add_new(session: Session, inventories: Iterable[HostInventory], seen: float) -> None:
    """Many hosts that are not there yet, and their services, heard of at `seen` (seconds since the epoch)."""
    told = [_told(inventory) for inventory in inventories]
    named = [{"host": one["host"], "uuid": new_id()} for one in told]
    facts = [{k: one[k] for k in (*_REPORTED, *_UNIMPORTANT)} | capacity(one, None) for one in told]
    session.execute(insert(Service), [{**one, "binary": "nova-compute", "last_seen": seen} for one in named])
    session.execute(insert(Host), [{**one, **more} for one, more in zip(named, facts, strict=True)])


def _used(session: Session, host: str) -> dict[str, int]:
    """What allocations already say of a host whose row was removed and comes back."""
    aside = exists_for(Allocation.server_id) | consumers.is_stranger(Allocation.server_id)
    total = session.execute(
        select(
            func.coalesce(func.sum(Allocation.vcpus), 0),
            func.coalesce(func.sum(Allocation.ram_mb), 0),
            func.coalesce(func.sum(Allocation.disk_gb), 0),
            func.coalesce(func.sum(case((aside, 0), else_=1)), 0),
        ).where(Allocation.host == host)
    ).one()
    return dict(zip(("used_vcpus", "used_ram_mb", "used_disk_gb", "servers"), map(int, total), strict=True))


def touch(session: Session, hosts: Iterable[str]) -> None:
    """Something other than use changed (enabled, forced down, zone): claims seen before are void."""
    session.execute(
        update(Host)
        .where(Host.host.in_(list(hosts)))
        .values(version=Host.version + 1, generation=Host.generation + 1, updated_at=now())
        .execution_options(synchronize_session=False)
    )


IO_HEAVY = (
    "create", "evacuate", "migrate", "rebuild", "resize", "revert_resize", "snapshot", "shelve", "unshelve", "rescue",
)  # fmt: skip
"""Kinds of flows whose work on a host reads or writes whole disks."""
_BUSY = (
    select(func.count())
    .where(Task.wait_host == Host.host, Task.state == "open", Task.kind.in_(IO_HEAVY))
    .scalar_subquery()
)
"""How many servers a host is building, copying or imaging at the moment."""
_ROW = {
    "host": Host.host,
    "node": Host.node,
    "version": Host.version,
    "generation": Host.generation,
    "disabled": Service.disabled,
    "forced_down": Service.forced_down,
    "last_seen": Service.last_seen,
    "zone": Host.zone,
    "cap_vcpus": Host.cap_vcpus,
    "cap_ram_mb": Host.cap_ram_mb,
    "cap_disk_gb": Host.cap_disk_gb,
    "used_vcpus": Host.used_vcpus,
    "used_ram_mb": Host.used_ram_mb,
    "used_disk_gb": Host.used_disk_gb,
    "servers": Host.servers,
    "total_vcpus": Host.vcpus,
    "total_ram_mb": Host.ram_mb,
    "total_disk_gb": Host.disk_gb,
    "hypervisor_type": Host.hypervisor_type,
    "hypervisor_version": Host.hypervisor_version,
    "traits": Host.traits,
    "aggregates": Host.aggregates,
    "failed_builds": Host.failed_builds,
    "bandwidth_mbps": Host.bandwidth_mbps,
    "host_ip": Host.host_ip,
    "cpu_info": Host.cpu_info,
    "supported_instances": Host.supported_instances,
    "physical_networks": Host.physical_networks,
    "cached_images": Host.cached_images,
    "metrics": Host.metrics,
    "pci_pools": Host.pci_pools,
    "numa": Host.numa,
    "numa_used": Host.numa_used,
    "io_ops": _BUSY,
}


_ROWS = select(*_ROW.values()).outerjoin(
    Service, and_(Service.host == Host.host, Service.binary == "nova-compute")
)
_SOME_ROWS = _ROWS.where(Host.host.in_(bindparam("b_hosts", expanding=True)))
_ZONE = select(Host.zone).where(Host.host == bindparam("b_host"))


def rows(session: Session, hosts: Iterable[str] | None = None) -> list[HostRow]:
    """Hosts as the scheduler sees them; all of them, or those named."""
    if hosts is None:
        found = run_statement(session, _ROWS)
    else:
        found = run_statement(session, _SOME_ROWS, b_hosts=list(hosts))
    return [_host_row(dict(zip(_ROW, row, strict=True))) for row in found]


def zone(session: Session, host: str) -> str | None:
    """The availability zone of a host."""
    found: str | None = run_statement(session, _ZONE, b_host=host).scalar()
    return found


def address(session: Session, host: str) -> str | None:
    """The IP address a host reported."""
    return session.execute(select(Host.host_ip).where(Host.host == host)).scalar()


def _host_row(record: dict[str, Any]) -> HostRow:
    disabled = record.pop("disabled")
    # The row outlives a deleted service, so that a daemon that comes back finds its claims counted.
    record["deleted"] = disabled is None
    record["enabled"] = disabled is False or disabled == 0
    record["forced_down"] = bool(record["forced_down"])
    record["last_seen"] = record["last_seen"] or 0.0
    record["traits"] = tuple(record["traits"] or ())
    for name in ("numa", "numa_used"):
        record[name] = record[name] or ""
    for name in ("aggregates", "cpu_info", "metrics"):
        record[name] = record[name] or {}
    for name in ("supported_instances", "physical_networks", "cached_images", "pci_pools"):
        record[name] = tuple(record[name] or ())
    return HostRow(**record)


def hosted(session: Session, host: str, deleted_after: Any) -> list[Any]:
    """Servers on a host, and those deleted there after a moment: rows for HostedServer."""
    return list(
        session.execute(
            select(
                Server.id, Server.number, Server.vm_state, Server.task_state, Server.power_state,
                Server.deleted, Server.task_id,
            ).where(
                Server.host == host,
                or_(Server.deleted.is_(False), Server.terminated_at > deleted_after),
            )
        )
    )  # fmt: skip
