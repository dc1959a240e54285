"""Everything the service keeps, by kind: its table, who sees it, what else belongs to its records."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import exists, false
from sqlalchemy.orm import Session

from novalite.context import Context
from novalite.db.models.network_services import FloatingIp, Router, SecurityGroup, SecurityGroupRule
from novalite.db.models.networks import Network, NetworkPort, Subnet, SubnetPool
from novalite.db.networks import floating_ips, groups, networks, pools, ports, routers, rows, subnets
from novalite.errors import NovaliteError
from novalite.objects import network_errors as e
from novalite.objects.base import Record
from novalite.objects.networks import Kind

Complete = Callable[[Session, list[Record]], list[Record]]


@dataclass(frozen=True)
class Noun:
    """One kind. `shared` adds what a caller sees although it is another project's."""

    model: Any
    complete: Complete
    missing: type[NovaliteError]
    key: str
    shared: Callable[[str], Any] | None = None

    def absent(self, resource_id: str) -> NovaliteError:
        """What is raised for an id that is not there, or not the caller's to see."""
        return self.missing(**{self.key: resource_id})


def _plain(session: Session, records: list[Record]) -> list[Record]:
    return records


def _of_shared_network(model: Any) -> Callable[[str], Any]:
    """What lies in a network that is shared, or the caller's own."""
    return lambda project_id: exists().where(
        Network.id == model.network_id, Network.shared | (Network.project_id == project_id)
    )


def _of_own_network(project_id: str) -> Any:
    return exists().where(Network.id == NetworkPort.network_id, Network.project_id == project_id)


NOUNS: dict[Kind, Noun] = {
    "network": Noun(
        Network,
        networks.complete,
        e.NetworkNotFound,
        "network_id",
        lambda _: Network.shared | Network.external,
    ),
    "subnet": Noun(Subnet, subnets.complete, e.SubnetNotFound, "subnet_id", _of_shared_network(Subnet)),
    "subnetpool": Noun(
        SubnetPool, pools.complete, e.SubnetPoolNotFound, "pool_id", lambda _: SubnetPool.shared
    ),
    "port": Noun(NetworkPort, ports.complete, e.PortNotFound, "port_id", _of_own_network),
    "router": Noun(Router, routers.complete, e.RouterNotFound, "router_id"),
    "floatingip": Noun(FloatingIp, floating_ips.complete, e.FloatingIpNotFound, "floating_ip_id"),
    "security_group": Noun(SecurityGroup, groups.complete, e.SecurityGroupNotFound, "group_id"),
    "security_group_rule": Noun(SecurityGroupRule, _plain, e.SecurityGroupRuleNotFound, "rule_id"),
}


def seen_by(ctx: Context, kind: Kind) -> Any:
    """The condition for what a caller may see; None: all."""
    if ctx.sees_all_projects:
        return None
    if ctx.project_id is None:
        return false()
    noun = NOUNS[kind]
    own = noun.model.project_id == ctx.project_id
    return own if noun.shared is None else own | noun.shared(ctx.project_id)


def find(session: Session, ctx: Context, kind: Kind, resource_id: str, lock: str | None = None) -> Record:
    """One thing the caller sees, with all that belongs to it."""
    noun = NOUNS[kind]
    where = [noun.model.id == resource_id]
    if (seen := seen_by(ctx, kind)) is not None:
        where.append(seen)
    found = rows.first(session, noun.model, *where, lock=lock)
    if found is None:
        raise noun.absent(resource_id)
    return noun.complete(session, [found])[0]


def find_own(session: Session, ctx: Context, kind: Kind, resource_id: str) -> Record:
    """The same, to change it: NotYours when the caller only sees it. Nobody else changes it meanwhile."""
    found = find(session, ctx, kind, resource_id, lock="write")
    if not ctx.sees_all_projects and found["project_id"] != ctx.project_id:
        if kind == "port" and _is_owner(session, ctx, found["network_id"]):
            return found
        raise e.NotYours(resource_id=resource_id)
    return found


def _is_owner(session: Session, ctx: Context, network_id: str) -> bool:
    network = rows.first(session, Network, Network.id == network_id)
    return network is not None and network["project_id"] == ctx.project_id


def owns_network(session: Session, ctx: Context, network_id: str) -> bool:
    """Whether the caller may decide what happens in a network: its owner, and administrators."""
    return ctx.sees_all_projects or _is_owner(session, ctx, network_id)
