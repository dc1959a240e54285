"""RPC endpoint of the embedded network service: open a transaction, do it, tell hosts after commit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from novalite.conductor import gone_ports
from novalite.conductor.env import Env
from novalite.conductor.networks import changes, plugs, services, topology
from novalite.conductor.networks.work import Work, defaults
from novalite.context import Context
from novalite.db.models.network_services import SecurityGroup
from novalite.db.networks import groups, kinds, listing, quotas, tags
from novalite.errors import BadRequest
from novalite.objects.base import Record
from novalite.objects.network_errors import InvalidNetworkInput, QuotaBelowUse
from novalite.objects.networks import Kind, NetworkLimit, NetworkQuery
from novalite.rpc.contracts.networks import Networks

T = TypeVar("T")


@dataclass(frozen=True)
class Verbs:
    """What can be done with a kind."""

    create: Callable[[Work, Record], Record]
    delete: Callable[[Work, str], None]
    change: Callable[[Work, str, Record], Record] | None = None


VERBS: dict[Kind, Verbs] = {
    "network": Verbs(plugs.create_network, plugs.delete_network, plugs.change_network),
    "subnet": Verbs(plugs.create_subnet, plugs.delete_subnet, plugs.change_subnet),
    "subnetpool": Verbs(plugs.create_pool, plugs.delete_pool, plugs.change_pool),
    "port": Verbs(plugs.create_port, plugs.delete_port, plugs.change_port),
    "router": Verbs(services.create_router, services.delete_router, services.change_router),
    "floatingip": Verbs(
        services.create_floating_ip, services.delete_floating_ip, services.change_floating_ip
    ),
    "security_group": Verbs(services.create_group, services.delete_group, services.change_group),
    "security_group_rule": Verbs(services.create_rule, services.delete_rule),
}


class NetworksEndpoint(Networks):
    """See the contract."""

    def __init__(self, env: Env) -> None:
        self.env, self.db, self.conf = env, env.db, env.conf.networks

    # --- records -----------------------------------------------------------------------------

    def page(self, ctx: Context, kind: Kind, query: NetworkQuery) -> list[Record]:
        self._have_default_group(ctx, kind)
        return self._read(lambda session: listing.page(session, ctx, kind, query))

    def show(self, ctx: Context, kind: Kind, resource_id: str) -> Record:
        return self._read(lambda session: kinds.find(session, ctx, kind, resource_id))

    def create(self, ctx: Context, kind: Kind, wanted: list[Record]) -> list[Record]:
        def work(now: Work) -> list[Record]:
            now.check_quota(kind, wanted)
            return [VERBS[kind].create(now, values) for values in wanted]

        return self._write(ctx, work)

    def change(self, ctx: Context, kind: Kind, resource_id: str, values: Record) -> Record:
        change = VERBS[kind].change
        if change is None:
            raise BadRequest("A rule of a security group cannot be changed.")
        return self._write(ctx, lambda now: change(now, resource_id, values))

    def delete(self, ctx: Context, kind: Kind, resource_id: str) -> None:
        self._write(ctx, lambda now: VERBS[kind].delete(now, resource_id))

    def add_interface(self, ctx: Context, router_id: str, wanted: Record) -> Record:
        return self._write(ctx, lambda now: services.add_interface(now, router_id, wanted))

    def remove_interface(self, ctx: Context, router_id: str, wanted: Record) -> Record:
        return self._write(ctx, lambda now: services.remove_interface(now, router_id, wanted))

    # --- tags --------------------------------------------------------------------------------

    def tags(self, ctx: Context, kind: Kind, resource_id: str) -> list[str]:
        found: list[str] = self.show(ctx, kind, resource_id)["tags"]
        return found

    def set_tags(self, ctx: Context, kind: Kind, resource_id: str, tags: list[str]) -> list[str]:
        def work(now: Work) -> list[str]:
            now.own(kind, resource_id)
            return _tags.replace(now.session, resource_id, self._few(tags))

        return self._write(ctx, work)

    def add_tag(self, ctx: Context, kind: Kind, resource_id: str, tag: str) -> None:
        def work(now: Work) -> None:
            had = now.own(kind, resource_id)["tags"]
            self._few([*had, tag])
            _tags.add(now.session, resource_id, tag)

        self._write(ctx, work)

    def _few(self, tags: list[str]) -> list[str]:
        if len(set(tags)) > self.conf.max_tags:
            raise InvalidNetworkInput(reason=f"There may be at most {self.conf.max_tags} tags")
        return tags

    def remove_tag(self, ctx: Context, kind: Kind, resource_id: str, tag: str) -> None:
        def work(now: Work) -> None:
            now.own(kind, resource_id)
            _tags.remove(now.session, resource_id, tag)

        self._write(ctx, work)

    # --- quotas ------------------------------------------------------------------------------

    def quotas(self, ctx: Context, project_id: str) -> dict[str, NetworkLimit]:
        with self.db.read() as session:
            limits = _quotas.limits(session, project_id, defaults(self.conf))
            used = _quotas.in_use(session, project_id)
        return {kind: NetworkLimit(limit=limit, used=used[kind]) for kind, limit in limits.items()}

    def stored_quotas(self, ctx: Context) -> dict[str, dict[str, int]]:
        found = self._read(_quotas.stored)
        return {project_id: defaults(self.conf) | own for project_id, own in found.items()}

    def set_quotas(
        self, ctx: Context, project_id: str, limits: dict[str, int], check: bool = False
    ) -> dict[str, int]:
        def work(session: Session) -> dict[str, int]:
            used = _quotas.in_use(session, project_id) if check else {}
            if below := [kind for kind, limit in limits.items() if 0 <= limit < used.get(kind, 0)]:
                raise QuotaBelowUse(resources=below)
            _quotas.store(session, project_id, limits)
            return _quotas.limits(session, project_id, defaults(self.conf))

        return self.db.run(work)

    def forget_quotas(self, ctx: Context, project_id: str) -> None:
        self.db.run(lambda session: _quotas.forget(session, project_id))

    # --- without naming a network ------------------------------------------------------------

    def topology(self, ctx: Context, project_id: str) -> str:
        return self._write(ctx, lambda now: topology.ensure(now, project_id))

    def forget_topology(self, ctx: Context, project_id: str) -> None:
        self._write(ctx, lambda now: topology.remove(now, project_id))

    # --- transactions ------------------------------------------------------------------------

    def _read(self, work: Callable[[Session], T]) -> T:
        with self.db.read() as session:
            return work(session)

    def _write(self, ctx: Context, work: Callable[[Work], T]) -> T:
        def inside(session: Session) -> tuple[T, Work]:
            now = Work(session, ctx, self.conf, self.env.conf.service_down_time)
            done = work(now)
            return done, now.settle()

        done, now = self.db.run(inside)
        changes.changed(self.env, ctx, now.hosts, now.networks)
        gone_ports.unplug(self.env, ctx, now.gone)
        return done

    def _have_default_group(self, ctx: Context, kind: Kind) -> None:
        """A project has its default group from the moment anybody looks for groups."""
        project_id = ctx.project_id
        if kind not in ("security_group", "security_group_rule") or project_id is None:
            return
        with self.db.read() as session:
            query = select(SecurityGroup.id).where(SecurityGroup.default_of == project_id)
            if session.scalar(query) is not None:
                return
        self.db.run(lambda session: groups.default_of(session, project_id))


_tags, _quotas = tags, quotas
"""Modules, under names that methods of the same name do not hide."""
