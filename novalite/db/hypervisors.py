"""Hypervisors as operators see them: hosts whose compute service exists, with what they have and carry."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from sqlalchemy import ColumnElement, and_, func, select
from sqlalchemy.orm import Session

from novalite.db import services
from novalite.db.models.compute import Host, Server, Service
from novalite.errors import HostNotFound, MarkerNotFound, NotFound
from novalite.objects.base import Record

_BUSY = (
    select(func.count())
    .where(Server.host == Host.host, Server.deleted.is_(False), Server.task_state.is_not(None))
    .correlate(Host)
    .scalar_subquery()
)
_COLUMNS: dict[str, Any] = {
    "id": Host.id,
    "uuid": Host.uuid,
    "node": Host.node,
    "host": Host.host,
    "hypervisor_type": Host.hypervisor_type,
    "hypervisor_version": Host.hypervisor_version,
    "host_ip": Host.host_ip,
    "service_id": Service.id,
    "service_uuid": Service.uuid,
    "disabled_reason": Service.disabled_reason,
    "cpu_info": Host.cpu_info,
    "vcpus": Host.vcpus + Host.pcpus,
    "vcpus_used": Host.used_vcpus + Host.used_pcpus,
    "memory_mb": Host.ram_mb,
    "memory_mb_used": Host.used_ram_mb + Host.reserved_ram_mb,
    "local_gb": Host.disk_gb,
    "local_gb_used": Host.used_disk_gb + Host.reserved_disk_gb,
    "disk_available_least": Host.disk_available_least_gb,
    "running_vms": Host.servers,
    "current_workload": _BUSY,
    "uptime": Host.uptime,
}
_STATE = {"disabled": Service.disabled, "forced_down": Service.forced_down, "last_seen": Service.last_seen}


def _select(
    down_after: float, session: Session, *where: ColumnElement[bool], limit: int | None = None
) -> Any:
    compute = and_(Service.host == Host.host, Service.binary == services.COMPUTE)
    columns = {**_COLUMNS, **_STATE}
    query = select(*columns.values()).join(Service, compute).where(*where).order_by(Host.id).limit(limit)
    now = time.time()
    for row in session.execute(query):
        record = dict(zip(columns, row, strict=True))
        record["state"] = "up" if services.is_up(record, down_after, now) else "down"
        record["status"] = "disabled" if record["disabled"] else "enabled"
        for key in _STATE:
            del record[key]
        yield record


def _same(hypervisor_id: str) -> ColumnElement[bool]:
    """The condition for a public id: an integer or a uuid."""
    if hypervisor_id.isdigit() and len(hypervisor_id) < 10:
        return Host.id == int(hypervisor_id)
    return Host.uuid == hypervisor_id


def page(
    session: Session,
    down_after: float,
    pattern: str | None = None,
    limit: int | None = None,
    marker: str | None = None,
) -> list[Record]:
    """Hypervisors by id, those whose name contains `pattern`; raises MarkerNotFound."""
    where: list[ColumnElement[bool]] = []
    if pattern is not None:
        where.append(Host.node.contains(pattern, autoescape=True))
    if marker is not None:
        after = session.scalar(select(Host.id).where(_same(marker)))
        if after is None:
            raise MarkerNotFound(marker=marker)
        where.append(Host.id > after)
    return list(_select(down_after, session, *where, limit=limit))


def get(session: Session, down_after: float, hypervisor_id: str) -> Record:
    """One hypervisor by integer id or uuid; raises NotFound."""
    found = list(_select(down_after, session, _same(hypervisor_id)))
    if not found:
        raise NotFound(f"Hypervisor with ID '{hypervisor_id}' could not be found.")
    return dict(found[0])


def add_servers(session: Session, records: Iterable[Record]) -> None:
    """Put `servers` [{uuid, name}] into each record, oldest first; one statement."""
    by_host = {record["host"]: record for record in records}
    for record in by_host.values():
        record["servers"] = []
    if not by_host:
        return
    rows = session.execute(
        select(Server.host, Server.id, Server.name)
        .where(Server.host.in_(by_host), Server.deleted.is_(False))
        .order_by(Server.number)
    )
    for host, server_id, name in rows:
        by_host[host]["servers"].append({"uuid": server_id, "name": name})


_AMOUNTS = ("cpu", "memory_mb", "disk_gb")


def resources(session: Session, host: str) -> list[Record]:
    """One host in the words of os-hosts: total, in use, and what its servers may use by project. Two statements.

    Raises HostNotFound when no compute service answers for it.
    """
    compute = and_(Service.host == Host.host, Service.binary == services.COMPUTE)
    machine = session.execute(
        select(
            Host.vcpus + Host.pcpus, Host.ram_mb, Host.disk_gb,
            Host.used_vcpus + Host.used_pcpus + Host.reserved_vcpus, Host.used_ram_mb + Host.reserved_ram_mb,
            Host.used_disk_gb + Host.reserved_disk_gb,
        ).join(Service, compute).where(Host.host == host)
    ).first()  # fmt: skip
    if machine is None:
        raise HostNotFound(host=host)
    projects = session.execute(
        select(Server.project_id, func.sum(Server.vcpus), func.sum(Server.ram_mb), func.sum(Server.disk_gb))
        .where(Server.host == host, Server.deleted.is_(False))
        .group_by(Server.project_id)
        .order_by(Server.project_id)
    )
    by_project = {row[0]: tuple(int(amount) for amount in row[1:]) for row in projects}
    most = tuple(sum(amounts) for amounts in zip(*by_project.values(), strict=True)) or (0, 0, 0)
    rows = {"(total)": machine[:3], "(used_now)": machine[3:], "(used_max)": most, **by_project}
    return [{"project": name, **dict(zip(_AMOUNTS, row, strict=True))} for name, row in rows.items()]
