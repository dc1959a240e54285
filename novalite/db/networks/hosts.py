"""What hosts have of networks: the facts that one host's wanted state is made of, and which hosts a change concerns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from sqlalchemy import insert, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from novalite.db.models.base import now
from novalite.db.models.compute import Server
from novalite.db.models.network_hosts import NetworkHost
from novalite.db.models.network_services import PortGroup, Router
from novalite.db.models.networks import IpAllocation, Network, NetworkPort
from novalite.db.networks import floating_ips, groups, placing, ports, rows, subnets
from novalite.objects.base import Record
from novalite.objects.host_networks import ANY

GUESTS = NetworkPort.device_owner.like("compute:%")
"""Ports of servers; others are nobody's or the service's own."""
PLUGGED = or_(GUESTS, NetworkPort.device_owner.in_(placing.PLUGS))
"""Ports that are on a host: those of servers and of routers."""


@dataclass(frozen=True)
class Facts:
    """Of one host: its guests' ports (records of db.networks.ports) with the networks they are on and these networks'
    `subnets`; `others`: (network_id, mac, host, address) of guests' ports elsewhere on these networks; `addresses`:
    host -> end of its tunnels; `rules` by group of the ports, `members` by remote group; `names`: server -> host name.
    Of the `routers` that it carries: `legs` (their ports) by router, what they translate, and those that `let_go`:
    seconds, by router.
    """

    ports: list[Record] = field(default_factory=list)
    networks: list[Record] = field(default_factory=list)
    subnets: dict[str, list[Record]] = field(default_factory=dict)
    others: list[tuple[str, str, str, str | None]] = field(default_factory=list)
    addresses: dict[str, str] = field(default_factory=dict)
    rules: dict[str, list[Record]] = field(default_factory=dict)
    members: dict[str, list[str]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    routers: list[Record] = field(default_factory=list)
    legs: dict[str, list[Record]] = field(default_factory=dict)
    floating: list[Record] = field(default_factory=list)
    let_go: Mapping[str, float] = field(default_factory=dict)


def facts(session: Session, host: str) -> Facts:
    """A dozen statements, however much there is, three more for routers; two where the host has no ports."""
    plugged = ports.fetch(session, NetworkPort.host == host, PLUGGED, order=(NetworkPort.id,))
    routers = rows.fetch(session, Router, Router.host == host, order=(Router.id,))
    if not plugged:
        return Facts(routers=routers)
    mine = [port for port in plugged if port["device_owner"] not in placing.PLUGS]
    net_ids = sorted({port["network_id"] for port in plugged})
    others = _others(session, host, net_ids)
    rules = groups.rules_of(session, sorted({one for port in mine for one in port["security_groups"]}))
    remote = {
        rule["remote_group_id"] for found in rules.values() for rule in found if rule["remote_group_id"]
    }
    ends = select(NetworkHost.host, NetworkHost.address).where(
        NetworkHost.host.in_({one[2] for one in others})
    )
    called = select(Server.id, Server.hostname).where(Server.id.in_({port["device_id"] for port in mine}))
    return Facts(
        ports=mine,
        networks=rows.fetch(session, Network, Network.id.in_(net_ids), order=(Network.id,)),
        subnets=subnets.of_networks(session, net_ids),
        others=others,
        addresses={row.host: row.address for row in session.execute(ends)} if others else {},
        rules=rules,
        members=groups.members(session, sorted(remote)),
        names={row.id: row.hostname for row in session.execute(called)} if mine else {},
        routers=routers,
        legs=_legs(plugged, routers),
        floating=floating_ips.of_routers(session, [one["id"] for one in routers]),
    )


def _legs(plugged: list[Record], routers: list[Record]) -> dict[str, list[Record]]:
    legs: dict[str, list[Record]] = {one["id"]: [] for one in routers}
    for port in plugged:
        if port["device_owner"] in placing.PLUGS and port["device_id"] in legs:
            legs[port["device_id"]].append(port)
    return legs


def _others(session: Session, host: str, network_ids: list[str]) -> list[tuple[str, str, str, str | None]]:
    port, held = NetworkPort, IpAllocation
    query = (
        select(port.network_id, port.mac_address, port.host, held.ip_address)
        .outerjoin(held, held.port_id == port.id)
        .where(port.network_id.in_(network_ids), port.host.not_in(["", host]), PLUGGED)
        .order_by(port.host, port.mac_address, held.position)
    )
    return [(row[0], row[1], row[2], row[3]) for row in session.execute(query)]


def said(session: Session, host: str, address: str, physical: Iterable[str] | None = None) -> bool:
    """A host's end of tunnels is there, and the physical networks from where it carries routers (None: it carries
    none); True when its end is news."""
    row = NetworkHost
    able = {"physical_networks": sorted(physical or ()), "carries_routers": physical is not None}
    query = select(row.address, row.physical_networks, row.carries_routers).where(row.host == host)
    known = session.execute(query).first()
    if known is not None and tuple(known) == (address, *able.values()):
        return False
    if known is None:
        try:
            with session.begin_nested():
                session.execute(insert(row).values(host=host, address=address, said_at=now(), **able))
            return True
        except IntegrityError:  # said twice at once
            pass
    session.execute(update(row).where(row.host == host).values(address=address, said_at=now(), **able))
    return known is None or known.address != address


def pretending(session: Session, names: Iterable[str]) -> set[str]:
    """Those of the hosts whose networks are pretended (`ANY`)."""
    row = NetworkHost
    found = session.execute(select(row.host, row.physical_networks).where(row.host.in_(list(names)))).all()
    return {one.host for one in found if ANY in (one.physical_networks or ())}


def of_networks(session: Session, network_ids: Iterable[str]) -> set[str]:
    """Hosts with guests or routers on these networks, and hosts whose rules name a group of ports on them."""
    wanted = list(network_ids)
    if not wanted:
        return set()
    port = NetworkPort
    there = select(port.host).where(port.network_id.in_(wanted), port.host != "", PLUGGED)
    return set(session.scalars(there.distinct())) | set(groups.hosts_of(session, _groups_on(session, wanted)))


def _groups_on(session: Session, network_ids: list[str]) -> set[str]:
    member, port = PortGroup, NetworkPort
    query = select(member.security_group_id).join(port, port.id == member.port_id)
    return set(session.scalars(query.where(port.network_id.in_(network_ids)).distinct()))
