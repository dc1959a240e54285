"""Hypervisor hosts over RPC."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from novalite.conductor.env import Env
from novalite.conductor.services import COMPUTE
from novalite.context import Context
from novalite.db import hosts, services
from novalite.db.models.compute import Host, Server, Service
from novalite.errors import MarkerNotFound, NotFound
from novalite.objects.base import Record
from novalite.objects.hosts import HostInventory, HostTableDump
from novalite.rpc.contracts.hosts import Hosts

DEFAULT_ZONE = "nova"
INTERNAL_ZONE = "internal"

_KEYS = (
    "id", "uuid", "node", "host", "hypervisor_type", "hypervisor_version", "host_ip", "cpu_info", "vcpus",
    "used_vcpus", "ram_mb", "used_ram_mb", "reserved_ram_mb", "disk_gb", "used_disk_gb", "reserved_disk_gb",
    "disk_available_least_gb", "servers", "uptime",
)  # fmt: skip
_COLUMNS = [getattr(Host, key) for key in _KEYS]


class HostsEndpoint(Hosts):
    """See the contract."""

    def __init__(self, env: Env) -> None:
        self.env = env

    def started(self, ctx: Context, inventory: HostInventory) -> str:
        def work(session: Session) -> str:
            service_id, _ = services.beat(session, inventory.host, COMPUTE)
            hosts.record(session, inventory)
            return service_id

        service_id = self.env.db.run(work)
        self.env.feed.changed([inventory.host])
        self.env.tasks.host_started(inventory.host)
        return service_id

    def table(self, ctx: Context) -> HostTableDump:
        seq = self.env.feed.seq  # before the read: what is sent meanwhile comes again, harmlessly
        with self.env.db.read() as session:
            return HostTableDump(rows=tuple(hosts.rows(session)), seqs={self.env.feed.source: seq})

    def hypervisors(
        self,
        ctx: Context,
        pattern: str | None = None,
        with_servers: bool = False,
        limit: int | None = None,
        marker: str | None = None,
    ) -> list[Record]:
        query = select(*_COLUMNS, *_SERVICE).outerjoin(Service, _JOIN).order_by(Host.id)
        if pattern is not None:
            query = query.where(Host.node.contains(pattern, autoescape=True))
        with self.env.db.read() as session:
            if marker is not None:
                query = query.where(Host.id > _number(session, marker))
            rows = session.execute(query.limit(limit)).all()
            return self._shown(session, rows, with_servers)

    def hypervisor(self, ctx: Context, hypervisor_id: str, with_servers: bool = False) -> Record:
        with self.env.db.read() as session:
            rows = session.execute(
                select(*_COLUMNS, *_SERVICE).outerjoin(Service, _JOIN).where(_identified(hypervisor_id))
            ).all()
            if not rows:
                raise NotFound(f"Hypervisor with ID '{hypervisor_id}' could not be found.")
            return self._shown(session, rows, with_servers)[0]

    def _shown(self, session: Session, rows: Any, with_servers: bool) -> list[Record]:
        found = [self._hypervisor(row) for row in rows]
        if with_servers and found:
            names = [one["host"] for one in found]
            query = select(Server.host, Server.id, Server.name)
            query = query.where(Server.host.in_(names), Server.deleted.is_(False)).order_by(Server.created_at)
            by_host: dict[str, list[Record]] = {}
            for host, server_id, name in session.execute(query):
                by_host.setdefault(host, []).append({"uuid": server_id, "name": name})
            for one in found:
                one["servers"] = by_host.get(one["host"], [])
        return found

    def _hypervisor(self, row: Any) -> Record:
        host = dict(zip((*_KEYS, *_SERVICE_KEYS), row, strict=True))
        alive = host["service_id"] is not None and services.is_up(host, self.env.conf.service_down_time)
        memory, disk = host["ram_mb"], host["disk_gb"]
        used_memory = host["used_ram_mb"] + host["reserved_ram_mb"]
        used_disk = host["used_disk_gb"] + host["reserved_disk_gb"]
        return {
            "id": host["id"],
            "uuid": host["uuid"],
            "node": host["node"],
            "host": host["host"],
            "state": "up" if alive else "down",
            "status": "disabled" if host["disabled"] else "enabled",
            "hypervisor_type": host["hypervisor_type"],
            "hypervisor_version": host["hypervisor_version"],
            "host_ip": host["host_ip"],
            "service_id": host["service_id"],
            "service_uuid": host["service_uuid"],
            "disabled_reason": host["disabled_reason"],
            "cpu_info": host["cpu_info"] or {},
            "vcpus": host["vcpus"],
            "vcpus_used": host["used_vcpus"],
            "memory_mb": memory,
            "memory_mb_used": used_memory,
            "free_ram_mb": memory - used_memory,
            "local_gb": disk,
            "local_gb_used": used_disk,
            "free_disk_gb": disk - used_disk,
            "disk_available_least": host["disk_available_least_gb"],
            "running_vms": host["servers"],
            "current_workload": 0,
            "uptime": host["uptime"],
        }

    def zones(self, ctx: Context, detail: bool = False) -> list[Record]:
        with self.env.db.read() as session:
            zones = {row[0]: row[1] for row in session.execute(select(Host.host, Host.zone))}
            records = services.page(session)
        found: dict[str, Record] = {}
        for record in records:
            compute = record["binary"] == COMPUTE
            if not compute and not detail:
                continue
            name = zones.get(record["host"], DEFAULT_ZONE) if compute else INTERNAL_ZONE
            zone = found.setdefault(name, {"name": name, "available": name == INTERNAL_ZONE, "hosts": {}})
            zone["available"] = zone["available"] or not record["disabled"]
            zone["hosts"].setdefault(record["host"], {})[record["binary"]] = {
                "available": not record["disabled"],
                "active": services.is_up(record, self.env.conf.service_down_time),
                "updated_at": record["updated_at"],
            }
        if not detail:
            for zone in found.values():
                zone["hosts"] = None
        return sorted(found.values(), key=lambda zone: (zone["name"] != INTERNAL_ZONE, zone["name"]))


_SERVICE_KEYS = ("service_id", "service_uuid", "disabled", "disabled_reason", "forced_down", "last_seen")
_SERVICE = (
    Service.id, Service.uuid, Service.disabled, Service.disabled_reason, Service.forced_down, Service.last_seen,
)  # fmt: skip
_JOIN = (Service.host == Host.host) & (Service.binary == COMPUTE)


def _identified(hypervisor_id: str) -> Any:
    if hypervisor_id.isdigit() and len(hypervisor_id) < 10:
        return Host.id == int(hypervisor_id)
    return Host.uuid == hypervisor_id


def _number(session: Session, marker: str) -> int:
    number = session.execute(select(Host.id).where(_identified(marker))).scalar()
    if number is None:
        raise MarkerNotFound(marker=marker)
    return int(number)
