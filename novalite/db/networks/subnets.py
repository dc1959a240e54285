"""Subnets: find, create, change, delete."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy.orm import Session

from novalite.db.models.networks import Subnet
from novalite.db.networks import rows
from novalite.objects.base import Record
from novalite.objects.network_errors import SubnetNotFound


def get(session: Session, subnet_id: str, lock: str | None = None) -> Record:
    """One subnet with its tags; SubnetNotFound."""
    found = rows.first(session, Subnet, Subnet.id == subnet_id, lock=lock)
    if found is None:
        raise SubnetNotFound(subnet_id=subnet_id)
    return complete(session, [found])[0]


def fetch(session: Session, *where: Any) -> list[Record]:
    """Subnets where all conditions hold, oldest first."""
    return complete(session, rows.fetch(session, Subnet, *where, order=(Subnet.created_at, Subnet.id)))


def of_networks(session: Session, network_ids: Iterable[str]) -> dict[str, list[Record]]:
    """Subnets by network."""
    found: dict[str, list[Record]] = {one: [] for one in network_ids}
    if found:
        for subnet in fetch(session, Subnet.network_id.in_(list(found))):
            found[subnet["network_id"]].append(subnet)
    return found


def complete(session: Session, subnets: list[Record]) -> list[Record]:
    """Rows with tags: one statement."""
    tags = rows.tags_of(session, [subnet["id"] for subnet in subnets])
    for subnet in subnets:
        subnet["tags"] = tags[subnet["id"]]
    return subnets
