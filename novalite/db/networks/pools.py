"""Subnet pools: find, create, change, delete, and cut ranges from them."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_network
from typing import Any
from uuid import uuid4

from sqlalchemy import delete, exists, insert, select
from sqlalchemy.orm import Session

from novalite.db.models.networks import NetworkTag, Subnet, SubnetPool
from novalite.db.networks import rows
from novalite.objects.base import Record
from novalite.objects.ip_ranges import first_gap, overlap
from novalite.objects.network_errors import (
    SubnetAllocationFailed,
    SubnetPoolInUse,
    SubnetPoolNotFound,
    SubnetPoolQuotaExceeded,
)


def get(session: Session, pool_id: str, lock: str | None = None) -> Record:
    """One pool with its tags; SubnetPoolNotFound."""
    found = rows.first(session, SubnetPool, SubnetPool.id == pool_id, lock=lock)
    if found is None:
        raise SubnetPoolNotFound(pool_id=pool_id)
    return complete(session, [found])[0]


def complete(session: Session, pools: list[Record]) -> list[Record]:
    """Rows with tags: one statement."""
    tags = rows.tags_of(session, [pool["id"] for pool in pools])
    for pool in pools:
        pool["tags"] = tags[pool["id"]]
    return pools


def default_of(session: Session, ip_version: int) -> str:
    """The id of the default pool of a version; SubnetAllocationFailed when there is none."""
    row = SubnetPool
    found = session.scalars(select(row.id).where(row.is_default, row.ip_version == ip_version)).first()
    if found is None:
        raise SubnetAllocationFailed(reason=f"No default subnetpool defined for IPv{ip_version}")
    return found


def create(session: Session, values: Mapping[str, Any]) -> Record:
    """A pool; what it holds has been checked."""
    row = {"id": str(uuid4()), **values}
    session.execute(insert(SubnetPool).values(**row))
    _only_default(session, row["id"], row["ip_version"], row)
    return get(session, row["id"])


def change(session: Session, pool_id: str, values: Mapping[str, Any]) -> Record:
    """Write columns."""
    old = get(session, pool_id, lock="write")
    rows.touch(session, SubnetPool, SubnetPool.id == pool_id, **values)
    _only_default(session, pool_id, old["ip_version"], values)
    return get(session, pool_id)


def _only_default(session: Session, pool_id: str, ip_version: int, values: Mapping[str, Any]) -> None:
    """One default pool of each version: the last that was said to be."""
    if values.get("is_default"):
        row = SubnetPool
        others = (row.id != pool_id, row.ip_version == ip_version, row.is_default)
        rows.touch(session, row, *others, is_default=False)


def remove(session: Session, pool_id: str) -> None:
    """The pool; SubnetPoolInUse while a subnet is of it."""
    get(session, pool_id, lock="write")
    if session.scalar(select(exists().where(Subnet.subnetpool_id == pool_id))):
        raise SubnetPoolInUse(pool_id=pool_id)
    session.execute(delete(NetworkTag).where(NetworkTag.resource_id == pool_id))
    session.execute(delete(SubnetPool).where(SubnetPool.id == pool_id))


def cut(session: Session, pool_id: str, subnet: Mapping[str, Any], length: int | None) -> str:
    """A range for a subnet (project_id, ip_version, cidr if one is wanted) that no other subnet of the pool has.
    Nobody else cuts until the transaction ends."""
    pool = get(session, pool_id, lock="write")
    if pool["ip_version"] != subnet["ip_version"]:
        raise SubnetAllocationFailed(reason=f"the subnet pool is of IPv{pool['ip_version']}")
    row = Subnet
    query = select(row.cidr, row.project_id).where(row.subnetpool_id == pool_id)
    used = [tuple(one) for one in session.execute(query)]
    wanted = subnet.get("cidr")
    if wanted is not None:
        _check_wanted(pool, wanted, [cidr for cidr, _ in used])
        found: str | None = wanted
    else:
        found = _any(pool, length, [cidr for cidr, _ in used])
    mine = [cidr for cidr, project_id in used if project_id == subnet["project_id"]]
    quota = pool["default_quota"]
    if quota is not None and sum(map(_weight, [*mine, str(found)])) > quota:
        raise SubnetPoolQuotaExceeded(pool_id=pool_id)
    return str(found)


def _any(pool: Record, length: int | None, used: list[str]) -> str:
    size = pool["default_prefixlen"] if length is None else length
    _check_length(pool, size)
    found = first_gap(pool["prefixes"], used, size)
    if found is None:
        raise SubnetAllocationFailed(reason="Insufficient prefix space to allocate subnet size /" + str(size))
    return found


def _check_length(pool: Record, length: int) -> None:
    low, high = pool["min_prefixlen"], pool["max_prefixlen"]
    if not low <= length <= high:
        raise SubnetAllocationFailed(reason=f"a prefix length of this pool is {low} to {high}, not {length}")


def _check_wanted(pool: Record, cidr: str, used: list[str]) -> None:
    network: Any = ip_network(cidr)
    _check_length(pool, network.prefixlen)
    if not any(network.subnet_of(ip_network(prefix)) for prefix in pool["prefixes"]):
        raise SubnetAllocationFailed(reason=f"{cidr} is not in the prefixes of the subnet pool")
    if any(overlap(cidr, other) for other in used):
        raise SubnetAllocationFailed(reason=f"{cidr} is in use by another subnet of the pool")


def _weight(cidr: str) -> int:
    """What a range counts against a pool's quota: v4 addresses, v6 networks of /64 (Network API reference)."""
    network = ip_network(cidr)
    return network.num_addresses if network.version == 4 else max(1, network.num_addresses >> 64)
