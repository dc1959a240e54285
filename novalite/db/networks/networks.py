"""Networks and their segments: find, create, change, delete."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import uuid4

from sqlalchemy import delete, exists, insert, select
from sqlalchemy.orm import Session

from novalite.context import Context
from novalite.db.models.network_services import FloatingIp, Router
from novalite.db.models.networks import Network, NetworkPort, NetworkTag, Subnet
from novalite.db.networks import floating_ips, rows, segments
from novalite.objects.base import Record
from novalite.objects.network_errors import (
    ExternalNetworkInUse,
    NetworkInUse,
    NetworkNotFound,
    SharedNetworkInUse,
)
from novalite.objects.networks import ROUTER_GATEWAY


def may_use(ctx: Context) -> Any:
    """The condition for networks a caller may see: its own, shared and external ones; None: all."""
    if ctx.sees_all_projects:
        return None
    return (Network.project_id == (ctx.project_id or "-")) | Network.shared | Network.external


def get(session: Session, network_id: str, ctx: Context | None = None, lock: str | None = None) -> Record:
    """One network, with `subnets` (ids) and tags; NetworkNotFound also when `ctx` may not see it."""
    where = [Network.id == network_id]
    if ctx is not None and (seen := may_use(ctx)) is not None:
        where.append(seen)
    found = rows.first(session, Network, *where, lock=lock)
    if found is None:
        raise NetworkNotFound(network_id=network_id)
    return complete(session, [found])[0]


def fetch(session: Session, *where: Any) -> list[Record]:
    """Networks where all conditions hold, oldest first."""
    return complete(session, rows.fetch(session, Network, *where, order=(Network.created_at, Network.id)))


def of_ids(session: Session, network_ids: Iterable[str]) -> dict[str, Record]:
    """Those of the networks that are there, by id."""
    return {network["id"]: network for network in fetch(session, Network.id.in_(list(network_ids)))}


def usable(session: Session, project_id: str) -> list[Record]:
    """Where a project's servers may be plugged in unasked: its own networks and shared ones."""
    return fetch(session, (Network.project_id == project_id) | Network.shared)


def complete(session: Session, networks: list[Record]) -> list[Record]:
    """Rows with subnets and tags: two statements."""
    ids = [network["id"] for network in networks]
    found: dict[str, list[str]] = {one: [] for one in ids}
    if ids:
        query = select(Subnet.network_id, Subnet.id).where(Subnet.network_id.in_(ids))
        for network_id, subnet_id in session.execute(query.order_by(Subnet.created_at, Subnet.id)):
            found[network_id].append(subnet_id)
    tags = rows.tags_of(session, ids)
    for network in networks:
        network["subnets"], network["tags"] = found[network["id"]], tags[network["id"]]
    return networks


def create(session: Session, values: Mapping[str, Any], offers: list[segments.Offer]) -> Record:
    """A network of project_id. With network_type, its segment is that, physical_network and segmentation_id (None:
    any of the offers of that type and physical network); without, any of the offers."""
    row = {"id": str(uuid4()), **values}
    if row.get("network_type") is not None and row.get("segmentation_id") is not None:
        kind, physical, number = row["network_type"], row.get("physical_network"), row["segmentation_id"]
        segments.take(session, row["id"], kind, physical, number)
    else:
        kind, physical, number = segments.any_of(session, row["id"], offers)
    row |= {"network_type": kind, "physical_network": physical, "segmentation_id": number}
    if kind == "flat":
        row["segmentation_id"] = None
    _only_default(session, row["id"], row)
    session.execute(insert(Network).values(**row))
    return get(session, row["id"])


def change(session: Session, network_id: str, values: Mapping[str, Any]) -> Record:
    """Write columns. SharedNetworkInUse, ExternalNetworkInUse when others rely on what it was."""
    old = get(session, network_id, lock="write")
    port = NetworkPort
    if old["shared"] and values.get("shared") is False:
        others = port.project_id.not_in((old["project_id"], "")) & (port.network_id == network_id)
        if session.scalar(select(exists().where(others))):
            raise SharedNetworkInUse(network_id=network_id)
    if old["external"] and values.get("external") is False:
        gateways = (port.network_id == network_id) & (port.device_owner == ROUTER_GATEWAY)
        if session.scalar(select(exists().where(gateways))):
            raise ExternalNetworkInUse(network_id=network_id)
    _only_default(session, network_id, values)
    rows.touch(session, Network, Network.id == network_id, **values)
    return get(session, network_id)


def _only_default(session: Session, network_id: str, values: Mapping[str, Any]) -> None:
    """At most one external network is the default one: the last that was said to be."""
    if values.get("is_default"):
        rows.touch(session, Network, Network.id != network_id, Network.is_default, is_default=False)


def remove(session: Session, network_id: str) -> None:
    """The network, its subnets, and floating addresses of it that point nowhere; NetworkInUse while it has ports."""
    get(session, network_id, lock="write")
    idle = (FloatingIp.floating_network_id == network_id) & FloatingIp.port_id.is_(None)
    for floating in session.scalars(select(FloatingIp.id).where(idle)).all():
        floating_ips.remove(session, floating)
    port = NetworkPort
    used = session.scalars(select(port.id).where(port.network_id == network_id).limit(5)).all()
    if used:
        some = ", ".join(used)
        raise NetworkInUse(
            network_id=network_id,
            reason=f"There are one or more ports still in use on the network, id(s) {some}.",
        )
    if session.scalar(select(exists().where(Router.external_network_id == network_id))) or session.scalar(
        select(exists().where(FloatingIp.floating_network_id == network_id))
    ):
        raise NetworkInUse(network_id=network_id, reason="A router or floating IP still uses it.")
    subnets = select(Subnet.id).where(Subnet.network_id == network_id)
    ids = [network_id, *session.scalars(subnets)]
    session.execute(delete(NetworkTag).where(NetworkTag.resource_id.in_(ids)))
    session.execute(delete(Subnet).where(Subnet.network_id == network_id))
    segments.give_back(session, network_id)
    session.execute(delete(Network).where(Network.id == network_id))
