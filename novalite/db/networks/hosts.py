"""What hosts have of networks: the facts that one host's wanted state is made of, and which hosts a change concerns."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from novalite.db.models.base import now
from novalite.db.models.compute import Server
from novalite.db.models.network_hosts import NetworkHost
from novalite.db.models.network_services import PortGroup
from novalite.db.models.networks import IpAllocation, Network, NetworkPort
from novalite.db.networks import groups, ports, rows, subnets
from novalite.objects.base import Record

GUESTS = NetworkPort.device_owner.like("compute:%")
"""Ports of servers; others are nobody's or the service's own."""


@dataclass(frozen=True)
class Facts:
    """Of one host: its guests' ports (records of db.networks.ports) with the networks they are on and these networks'
    `subnets`; `others`: (network_id, mac, host, address) of guests' ports elsewhere on these networks; `addresses`:
    host -> end of its tunnels; `rules` by group of the ports, `members` by remote group; `names`: server -> host name.
    """

    ports: list[Record] = field(default_factory=list)
    networks: list[Record] = field(default_factory=list)
    subnets: dict[str, list[Record]] = field(default_factory=dict)
    others: list[tuple[str, str, str, str | None]] = field(default_factory=list)
    addresses: dict[str, str] = field(default_factory=dict)
    rules: dict[str, list[Record]] = field(default_factory=dict)
    members: dict[str, list[str]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)


def facts(session: Session, host: str) -> Facts:
    """A dozen statements, however much there is; one where the host has no ports."""
    mine = ports.fetch(session, NetworkPort.host == host, GUESTS, order=(NetworkPort.id,))
    if not mine:
        return Facts()
    net_ids = sorted({port["network_id"] for port in mine})
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
        names={row.id: row.hostname for row in session.execute(called)},
    )


def _others(session: Session, host: str, network_ids: list[str]) -> list[tuple[str, str, str, str | None]]:
    port, held = NetworkPort, IpAllocation
    query = (
        select(port.network_id, port.mac_address, port.host, held.ip_address)
        .outerjoin(held, held.port_id == port.id)
        .where(port.network_id.in_(network_ids), port.host.not_in(["", host]), GUESTS)
        .order_by(port.host, port.mac_address, held.position)
    )
    return [(row[0], row[1], row[2], row[3]) for row in session.execute(query)]


def said(session: Session, host: str, address: str) -> bool:
    """A host's end of tunnels is there; True when that is news."""
    row = NetworkHost
    known = session.scalar(select(row.address).where(row.host == host))
    if known == address:
        return False
    if known is None:
        try:
            with session.begin_nested():
                session.execute(insert(row).values(host=host, address=address, said_at=now()))
            return True
        except IntegrityError:  # said twice at once
            pass
    session.execute(update(row).where(row.host == host).values(address=address, said_at=now()))
    return True


def of_networks(session: Session, network_ids: Iterable[str]) -> set[str]:
    """Hosts with guests on these networks, and hosts whose rules name a group of ports on them."""
    wanted = list(network_ids)
    if not wanted:
        return set()
    port = NetworkPort
    there = select(port.host).where(port.network_id.in_(wanted), port.host != "", GUESTS)
    return set(session.scalars(there.distinct())) | set(groups.hosts_of(session, _groups_on(session, wanted)))


def _groups_on(session: Session, network_ids: list[str]) -> set[str]:
    member, port = PortGroup, NetworkPort
    query = select(member.security_group_id).join(port, port.id == member.port_id)
    return set(session.scalars(query.where(port.network_id.in_(network_ids)).distinct()))
