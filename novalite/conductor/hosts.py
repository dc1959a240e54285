"""Hypervisor hosts: what they report, what schedulers read, what operators look at."""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy.orm import Session

from novalite.conductor.env import Env
from novalite.context import Context
from novalite.db import hosts, hypervisors, services
from novalite.objects.base import Record
from novalite.objects.hosts import HostInventory, HostTableDump
from novalite.rpc.contracts.hosts import Hosts


class HostsEndpoint(Hosts):
    """See the contract for each method's meaning and errors."""

    def __init__(self, env: Env) -> None:
        self.env = env

    def started(self, ctx: Context, inventory: HostInventory) -> str:
        def work(session: Session) -> str:
            service_id, _ = services.beat(session, inventory.host, services.COMPUTE, self.env.tasks.now())
            hosts.record(session, inventory)
            return service_id

        service_id = self.env.db.run(work)
        self.env.feed.changed([inventory.host])
        self.env.tasks.host_started(inventory.host)
        return service_id

    def table(self, ctx: Context) -> HostTableDump:
        # Before the rows: a change between the two is told again, one the other way round would be lost.
        seqs = {self.env.feed.source: self.env.feed.seq}
        with self.env.db.read() as session:
            rows = tuple(row for row in hosts.rows(session) if not row.deleted)
        return HostTableDump(rows=rows, seqs=seqs)

    def hypervisors(
        self,
        ctx: Context,
        pattern: str | None = None,
        with_servers: bool = False,
        limit: int | None = None,
        marker: str | None = None,
    ) -> list[Record]:
        with self.env.db.read() as session:
            records = hypervisors.page(session, self.env.conf.service_down_time, pattern, limit, marker)
            if with_servers:
                hypervisors.add_servers(session, records)
        return records

    def hypervisor(self, ctx: Context, hypervisor_id: str, with_servers: bool = False) -> Record:
        with self.env.db.read() as session:
            record = hypervisors.get(session, self.env.conf.service_down_time, hypervisor_id)
            if with_servers:
                hypervisors.add_servers(session, [record])
        return record

    def resources(self, ctx: Context, host: str) -> list[Record]:
        with self.env.db.read() as session:
            return hypervisors.resources(session, host)

    def zones(self, ctx: Context, detail: bool = False) -> list[Record]:
        with self.env.db.read() as session:
            records = services.listing(session)
        return zones(records, detail, self.env.conf.service_down_time, time.time())


def zones(found: list[Record], detail: bool, down_after: float, now: float) -> list[Record]:
    """Zones of these services, by name; one is available while any of its services is enabled."""
    made: dict[str, Record] = {}
    for service in found:
        name = service["zone"]
        if name == services.INTERNAL_ZONE and not detail:
            continue
        zone = made.setdefault(name, {"name": name, "available": False, "hosts": {}})
        zone["available"] = zone["available"] or not service["disabled"]
        daemon: dict[str, Any] = {
            "available": services.is_up(service, down_after, now),
            "active": not service["disabled"],
            "updated_at": service["updated_at"],
        }
        zone["hosts"].setdefault(service["host"], {})[service["binary"]] = daemon
    for zone in made.values():
        if not detail:
            del zone["hosts"]
    return [made[name] for name in sorted(made)]
