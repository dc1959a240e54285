"""Service records over RPC."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from novalite.conductor.env import Env
from novalite.context import Context
from novalite.db import hosts, services
from novalite.db.models.compute import Host, Server, Service
from novalite.errors import Conflict, ServiceNotFound
from novalite.objects.base import Record
from novalite.objects.hosts import Heartbeat
from novalite.rpc.contracts.hosts import Services

COMPUTE = "nova-compute"
CHANGEABLE = ("disabled", "disabled_reason", "forced_down")


class ServicesEndpoint(Services):
    """See the contract."""

    def __init__(self, env: Env) -> None:
        self.env = env

    def heartbeat(self, ctx: Context, beat: Heartbeat) -> str:
        def work(session: Session) -> str:
            service_id, _ = services.beat(session, beat.host, beat.binary)
            if beat.binary == COMPUTE:
                if beat.inventory:
                    hosts.record(session, beat.inventory)
                self.env.tasks.host_busy(session, beat.host, list(beat.busy))
            return service_id

        service_id = self.env.db.run(work)
        if beat.binary == COMPUTE:
            self.env.feed.changed([beat.host])
        return service_id

    def page(self, ctx: Context, host: str | None = None, binary: str | None = None) -> list[Record]:
        where: list[ColumnElement[bool]] = []
        if host is not None:
            where.append(Service.host == host)
        if binary is not None:
            where.append(Service.binary == binary)
        with self.env.db.read() as session:
            return self._shown(session, services.page(session, *where))

    def _shown(self, session: Session, records: list[Record]) -> list[Record]:
        zones: dict[str, str] = {}
        if any(r["binary"] == COMPUTE for r in records):
            zones = {row[0]: row[1] for row in session.execute(select(Host.host, Host.zone))}
        return [
            {
                "id": r["id"],
                "uuid": r["uuid"],
                "binary": r["binary"],
                "host": r["host"],
                "zone": zones.get(r["host"], "nova") if r["binary"] == COMPUTE else "internal",
                "status": "disabled" if r["disabled"] else "enabled",
                "state": "up" if services.is_up(r, self.env.conf.service_down_time) else "down",
                "updated_at": r["updated_at"],
                "disabled_reason": r["disabled_reason"],
                "forced_down": bool(r["forced_down"]),
            }
            for r in records
        ]

    def update(self, ctx: Context, service_id: str, changes: dict[str, bool | str | None]) -> Record:
        return self._change(lambda session: services.get(session, service_id), changes)

    def update_by_name(
        self, ctx: Context, host: str, binary: str, changes: dict[str, bool | str | None]
    ) -> Record:
        def find(session: Session) -> Record:
            found = services.page(session, Service.host == host, Service.binary == binary)
            if not found:
                raise ServiceNotFound(f"Could not find binary {binary} on host {host}.")
            return found[0]

        return self._change(find, changes)

    def _change(self, find: Any, changes: dict[str, bool | str | None]) -> Record:
        def work(session: Session) -> Record:
            service = find(session)
            values = {k: v for k, v in changes.items() if k in CHANGEABLE}
            changed = services.change(session, service["uuid"], **values)
            if service["binary"] == COMPUTE:
                hosts.touch(session, [service["host"]])
            return self._shown(session, [changed])[0]

        shown = self.env.db.run(work)
        if shown["binary"] == COMPUTE:
            self.env.feed.changed([shown["host"]])
        return shown

    def delete(self, ctx: Context, service_id: str) -> None:
        def work(session: Session) -> Record:
            service = services.get(session, service_id)
            if service["binary"] == COMPUTE:
                on_it = select(func.count()).where(Server.host == service["host"], Server.deleted.is_(False))
                if session.execute(on_it).scalar_one():
                    raise Conflict("Unable to delete compute service that is hosting instances. Migrate or "
                                   "delete the instances first.")  # fmt: skip
                hosts.remove(session, service["host"])
            services.remove(session, service_id)
            return service

        gone = self.env.db.run(work)
        if gone["binary"] == COMPUTE:
            self.env.feed.removed([gone["host"]])
