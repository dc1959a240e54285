"""Daemons of the cloud: heartbeats, and what operators decide about them."""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session

from novalite.conductor.env import Env
from novalite.context import Context
from novalite.db import aggregates, hosts, image_requests, services
from novalite.db.models.compute import Server, Service
from novalite.db.models.migrations import Migration
from novalite.db.placement import providers
from novalite.errors import BadRequest, Conflict
from novalite.objects.base import Record
from novalite.objects.hosts import Heartbeat
from novalite.rpc.contracts.hosts import Services

_CHANGEABLE = ("disabled", "disabled_reason", "forced_down")


class ServicesEndpoint(Services):
    """See the contract for each method's meaning and errors."""

    def __init__(self, env: Env) -> None:
        self.env = env

    def heartbeat(self, ctx: Context, beat: Heartbeat) -> str:
        def work(session: Session) -> str:
            service_id, _ = services.beat(session, beat.host, beat.binary, self.env.tasks.now())
            if beat.inventory is not None:
                hosts.record(session, beat.inventory)
            self.env.tasks.host_busy(session, beat.host, list(beat.busy))
            return service_id

        service_id = self.env.db.run(work)
        if beat.binary == services.COMPUTE:
            self.env.feed.changed([beat.host])  # at least last_seen, by which schedulers know it is alive
        return service_id

    def page(self, ctx: Context, host: str | None = None, binary: str | None = None) -> list[Record]:
        where: list[ColumnElement[bool]] = []
        if host is not None:
            where.append(Service.host == host)
        if binary is not None:
            where.append(Service.binary == binary)
        with self.env.db.read() as session:
            return self._seen(services.listing(session, *where))

    def _seen(self, records: list[Record]) -> list[Record]:
        """Records with `status` and `state` in the API's words."""
        now, down_after = time.time(), self.env.conf.service_down_time
        for record in records:
            record["status"] = "disabled" if record["disabled"] else "enabled"
            record["state"] = "up" if services.is_up(record, down_after, now) else "down"
        return records

    def update(self, ctx: Context, service_id: str, changes: dict[str, bool | str | None]) -> Record:
        def work(session: Session) -> Record:
            service = services.get(session, service_id)
            if service["binary"] != services.COMPUTE:
                raise BadRequest(f"Updating a {service['binary']} service is not supported. Must be nova-compute.")
            return self._change(session, service, changes)

        return self._told(self.env.db.run(work))

    def update_by_name(
        self, ctx: Context, host: str, binary: str, changes: dict[str, bool | str | None]
    ) -> Record:
        def work(session: Session) -> Record:
            return self._change(session, services.by_name(session, host, binary), changes)

        return self._told(self.env.db.run(work))

    def _change(self, session: Session, service: Record, changes: dict[str, Any]) -> Record:
        unknown = set(changes) - set(_CHANGEABLE)
        if unknown:
            raise BadRequest(f"Cannot change {', '.join(sorted(unknown))} of a service.")
        if changes:
            services.change(session, service["uuid"], **changes)
            hosts.touch(session, [service["host"]])
        return self._seen(services.listing(session, Service.uuid == service["uuid"]))[0]

    def _told(self, service: Record) -> Record:
        if service["binary"] == services.COMPUTE:
            self.env.feed.changed([service["host"]])
        return service

    def delete(self, ctx: Context, service_id: str) -> None:
        def work(session: Session) -> Record:
            service = services.get(session, service_id)
            if service["binary"] == services.COMPUTE:
                _refuse_with_servers(session, service["host"])
                aggregates.lock(session)
                aggregates.forget_host(session, service["host"])
                providers.forget_host(session, service["host"])
                image_requests.forget(session, service["host"])
                hosts.touch(session, [service["host"]])
            services.remove(session, service["uuid"])
            return service

        self._told(self.env.db.run(work))


def _refuse_with_servers(session: Session, host: str) -> None:
    """Nothing may live there, nor be on its way from or to it."""
    here = select(func.count()).where(Server.host == host, Server.deleted.is_(False))
    if session.scalar(here):
        raise Conflict(
            "Unable to delete compute service that is hosting instances. "
            "Migrate or delete the instances first."
        )
    moving = select(func.count()).where(
        or_(Migration.source_host == host, Migration.dest_host == host), Migration.status.not_in(OVER)
    )
    if session.scalar(moving):
        raise Conflict(
            "Unable to delete compute service that has in-progress migrations. "
            "Complete the migrations or delete the instances first."
        )


OVER = ("confirmed", "reverted", "error", "failed", "completed", "cancelled", "done")
"""Migrations of these states are history."""
