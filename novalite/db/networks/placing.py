"""Which host carries a router, and what is known of its being carried."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import and_, or_, outerjoin, select, update
from sqlalchemy.orm import Session

from novalite.db import services
from novalite.db.models.base import now
from novalite.db.models.compute import Service
from novalite.db.models.network_hosts import NetworkHost
from novalite.db.models.network_services import FloatingIp, Router
from novalite.db.models.networks import Network, NetworkPort
from novalite.db.networks import rows
from novalite.objects.base import Record
from novalite.objects.host_networks import ANY, CarriedRouter
from novalite.objects.networks import ROUTER_GATEWAY, ROUTER_INTERFACE

PLUGS = (ROUTER_INTERFACE, ROUTER_GATEWAY)
Hosts = Mapping[str, frozenset[str]]
"""Host -> physical networks that it has."""


def willing(session: Session, down_after: float, at: float | None = None) -> Hosts:
    """Hosts that may be given routers: they have said that they carry them, are heard of, and are not disabled."""
    row = NetworkHost
    chosen = select(row.host, row.physical_networks).where(row.carries_routers)
    said = {host: frozenset(physical or ()) for host, physical in session.execute(chosen)}
    if not said:
        return {}
    known = services.page(session, Service.binary == services.COMPUTE, Service.host.in_(list(said)))
    at = time.time() if at is None else at
    up = {one["host"] for one in known if not one["disabled"] and services.is_up(one, down_after, at)}
    return {host: physical for host, physical in said.items() if host in up}


def able(session: Session, hosts: Hosts, external_network_id: str | None) -> list[str]:
    """Those of the hosts from where a router reaches an external network."""
    network = None if external_network_id is None else rows.first(session, Network, Network.id == external_network_id)
    need = None if network is None else network["physical_network"]
    return sorted(host for host, physical in hosts.items() if _reaches(physical, need))


def _reaches(physical: frozenset[str], need: str | None) -> bool:
    return need is None or not physical.isdisjoint((need, ANY))


def choose(router_id: str, hosts: Iterable[str]) -> str:
    """The same of the same hosts each time; routers spread over all, and few move when one host comes or goes
    (rendezvous hashing)."""
    return max(hosts, key=lambda host: hashlib.sha256(f"{router_id} {host}".encode()).digest())


def place(session: Session, router_id: str, hosts: Hosts) -> set[str]:
    """A router stays where it is if it can be carried there, else it goes to a host that can, if there is one; its
    ports are where it is. Answers the hosts that have to hear of it."""
    router = rows.first(session, Router, Router.id == router_id, lock="write")
    if router is None:
        return set()
    old = new = str(router["host"])
    offered = able(session, hosts, router["external_network_id"])
    if offered and old not in offered:
        new = choose(router_id, offered)
        session.execute(update(Router).where(Router.id == router_id).values(host=new, status="DOWN"))
        floating = update(FloatingIp).where(FloatingIp.router_id == router_id)
        session.execute(floating.values(status="DOWN"))
    port = NetworkPort
    plugs = update(port).where(port.device_id == router_id, port.device_owner.in_(PLUGS), port.host != new)
    session.execute(plugs.values(host=new, status="DOWN", updated_at=now()))
    return {old, new} - {""} if old != new else set()


def lost(session: Session, router_id: str, down_after: float, at: float) -> bool:
    """Nobody else can carry a router: it is DOWN if its host is; True when it was not yet."""
    row, port = Router, NetworkPort
    found = session.execute(select(row.host, row.status).where(row.id == router_id)).first()
    if found is None or found.status == "DOWN" or services.compute_is_up(session, found.host, down_after, at):
        return False
    here = row.id == router_id, row.host == found.host
    done = session.execute(update(row).where(*here, row.status != "DOWN").values(status="DOWN"))
    if done.rowcount:  # type: ignore[attr-defined]
        plugs = update(port).where(port.device_id == router_id, port.device_owner.in_(PLUGS))
        session.execute(plugs.values(status="DOWN", updated_at=now()))
        session.execute(update(FloatingIp).where(FloatingIp.router_id == router_id).values(status="DOWN"))
    return bool(done.rowcount)  # type: ignore[attr-defined]


def homeless(session: Session, hosts: Hosts) -> list[Record]:
    """{id, status, external_network_id} of routers that are nowhere, on none of these hosts, or on one from where their
    external network is not reached; oldest first."""
    row, physical = Router, Network.physical_network
    joined = outerjoin(row, Network, Network.id == row.external_network_id)
    kinds = session.execute(select(row.host, physical).select_from(joined).distinct()).all()
    wrong = [(host, need) for host, need in kinds if host in hosts and not _reaches(hosts[host], need)]
    lost = [row.host.not_in(list(hosts)), *(and_(row.host == host, physical == need) for host, need in wrong)]
    what = select(row.id, row.status, row.external_network_id).select_from(joined)
    found = session.execute(what.where(or_(*lost)).order_by(row.created_at, row.id))
    return [dict(one._mapping) for one in found]


def carried(session: Session, host: str, said: Iterable[CarriedRouter]) -> None:
    """What a host says it carries is ACTIVE; what is its to carry and it does not say is DOWN."""
    there = {one.id: one for one in said}
    router, port, floating = Router, NetworkPort, FloatingIp
    mine = _statuses(session, router, router.host == host)
    if not mine:
        return
    wanted = {one: _status(one in there and there[one].whole) for one in mine}
    _write(session, router, mine, wanted)
    plugs = _statuses(session, port, port.device_id.in_(list(mine)), port.device_owner.in_(PLUGS))
    up = {one for router in there.values() for one in router.port_ids}
    _write(session, port, plugs, {one: _status(one in up) for one in plugs})
    pairs = {(one.id, one.fixed) for router in there.values() for one in router.floating}
    query = select(floating.id, floating.fixed_ip_address, floating.status).where(floating.router_id.in_(list(mine)))
    found = session.execute(query).all()
    now_is = {row.id: row.status for row in found}
    _write(session, floating, now_is, {row.id: _status((row.id, row.fixed_ip_address) in pairs) for row in found})


def carrying(session: Session, hosts: Iterable[str]) -> set[str]:
    """Those of the hosts that are some router's host."""
    names = list(hosts)
    return set(session.scalars(select(Router.host).where(Router.host.in_(names)).distinct())) if names else set()


def _statuses(session: Session, model: Any, *where: Any) -> dict[str, str]:
    return {row[0]: row[1] for row in session.execute(select(model.id, model.status).where(*where))}


def _status(is_up: bool) -> str:
    return "ACTIVE" if is_up else "DOWN"


def _write(session: Session, model: Any, had: Mapping[str, str], wanted: Mapping[str, str]) -> None:
    for status in ("ACTIVE", "DOWN"):
        ids = [one for one, to in wanted.items() if to == status and had[one] != status]
        if ids:
            session.execute(update(model).where(model.id.in_(ids)).values(status=status, updated_at=now()))


def networks_of(session: Session, router_id: str) -> set[str]:
    """Networks that a router is plugged into."""
    port = NetworkPort
    query = select(port.network_id).where(port.device_id == router_id, port.device_owner.in_(PLUGS))
    return set(session.scalars(query))


def others_able(session: Session, routers: Iterable[Record], hosts: Hosts) -> set[str]:
    """Those of the routers that another host could carry."""
    found = set()
    by_network: dict[str | None, list[str]] = {}
    for one in routers:
        outside = one["external_network_id"]
        if outside not in by_network:
            by_network[outside] = able(session, hosts, outside)
        if set(by_network[outside]) - {one["host"]}:
            found.add(one["id"])
    return found

