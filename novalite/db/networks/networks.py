"""Networks and their segments: find, create, change, delete."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from novalite.context import Context
from novalite.db.models.networks import Network, Subnet
from novalite.db.networks import rows
from novalite.objects.base import Record
from novalite.objects.network_errors import NetworkNotFound


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
