"""What a request says of a server's networks and security groups, checked before it is accepted.

Ports are made later, in the server's flow (`server_ports.py`); what is checked here can be lost to somebody else
until then, and the flow finds that out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from oslo_config.cfg import ConfigOpts
from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from novalite.conductor.networks import topology
from novalite.conductor.networks.work import Work
from novalite.context import Context
from novalite.db.models.network_services import SecurityGroup
from novalite.db.models.networks import IpAllocation, Network, NetworkPort, Subnet
from novalite.db.networks import groups, ports, quotas, rows
from novalite.errors import BadRequest, Conflict, NotFound
from novalite.objects.base import Record
from novalite.objects.ip_ranges import holds
from novalite.objects.network_errors import NetworkNotFound, PortNotFound, SecurityGroupNotFound
from novalite.objects.server_network_errors import (
    ExternalNetworkForbidden,
    FixedIpInUse,
    GroupAmbiguous,
    NetworkAmbiguous,
    PortLimitExceeded,
    PortStillInUse,
)
from novalite.objects.servers import CreateServers

NONE, AUTO, UNSAID = "none", "auto", "unsaid"
"""What `networks` of a request may be beside a list; `unsaid` before 2.37 only."""
UNLIMITED = -1


@dataclass(frozen=True)
class Plan:
    """`ports`: one record per interface, in their order: network_id, port_id, fixed_ip and tag, where only one of
    the first two is said. `groups`: ids for the ports that are to be made, None: the project's default group."""

    ports: tuple[Record, ...] = ()
    groups: tuple[str, ...] | None = None

    @property
    def to_make(self) -> int:
        """How many ports each server needs that are not there yet."""
        return sum(1 for port in self.ports if port["port_id"] is None)

    def args(self) -> Record:
        """The same for the journal of a task."""
        return {"ports": list(self.ports), "groups": None if self.groups is None else list(self.groups)}


@dataclass(frozen=True)
class Limits:
    """What networks must offer: `grouped`: ports with security groups; `external`: external ones will do, too."""

    grouped: bool = False
    external: bool = False


def offered(conf: ConfigOpts) -> bool:
    """Whether this cloud has networks."""
    return bool(conf.networks.service != NONE)


def plan(session: Session, conf: ConfigOpts, ctx: Context, body: CreateServers) -> Plan:
    """What a new server is to be connected to. Raises BadRequest for what is not there or cannot be used, Conflict
    for a port or an address that somebody has and for words that mean more than one thing."""
    asked, group_names = body.networks, body.security_groups
    if not offered(conf):
        if not isinstance(asked, str):
            raise BadRequest("This cloud has no network service; networks must be auto or none.")
        return Plan()
    chosen = find_groups(session, ctx, group_names) if group_names else None
    if asked == NONE:
        return Plan((), chosen)
    try:
        wanted = _unsaid(session, conf, ctx, asked) if isinstance(asked, str) else [dict(one) for one in asked]
        limits = Limits(explicit_groups(group_names), body.external_networks)
        return Plan(tuple(check(session, ctx, wanted, limits)), chosen)
    except (NotFound, FixedIpInUse) as error:  # the body is wrong, not the URL
        raise BadRequest(error.sentence) from error


def physical(session: Session, ports: Sequence[Record]) -> list[str]:
    """Physical networks that carry what these ports are on; tunnels need none. One statement, none without ports."""
    if not ports:
        return []
    ids = [port["network_id"] for port in ports if port["network_id"]]
    given = [port["port_id"] for port in ports if port["port_id"]]
    of_ports = select(NetworkPort.network_id).where(NetworkPort.id.in_(given))
    query = select(Network.physical_network).where(
        or_(Network.id.in_(ids), Network.id.in_(of_ports)), Network.physical_network.is_not(None)
    )
    return sorted({name for name in session.scalars(query) if name})


def physical_of(session: Session, server_id: str) -> list[str]:
    """Physical networks that carry what a server is plugged into."""
    query = (
        select(Network.physical_network)
        .join(NetworkPort, NetworkPort.network_id == Network.id)
        .where(NetworkPort.device_id == server_id, Network.physical_network.is_not(None))
    )
    return sorted({name for name in session.scalars(query) if name})


def explicit_groups(names: Iterable[str]) -> bool:
    """Whether groups were asked for that a port without security cannot have."""
    return any(name != groups.DEFAULT for name in names)


def find_groups(session: Session, ctx: Context, names: Sequence[str]) -> tuple[str, ...]:
    """Ids of the project's groups of these names or ids."""
    wanted, project = list(dict.fromkeys(names)), ctx.project_id or ""
    row = SecurityGroup
    if groups.DEFAULT in wanted:
        groups.default_of(session, project)
    query = select(row.id, row.name).where(
        row.project_id == project, or_(row.id.in_(wanted), row.name.in_(wanted))
    )
    found = [tuple(one) for one in session.execute(query)]
    chosen = []
    for name in wanted:
        ids = [group for group, _ in found if group == name] or [
            group for group, called in found if called == name
        ]
        if not ids:
            raise BadRequest(f"Security group {name} not found for project {project}.")
        if len(ids) > 1:
            raise GroupAmbiguous(name=name)
        chosen.append(ids[0])
    return tuple(dict.fromkeys(chosen))


def find_group(session: Session, project_id: str, name: str) -> str:
    """The id of a project's group by name or id; SecurityGroupNotFound."""
    try:
        return find_groups(session, Context(project_id=project_id), [name])[0]
    except BadRequest as error:
        raise SecurityGroupNotFound(group_id=name) from error


def _unsaid(session: Session, conf: ConfigOpts, ctx: Context, word: str) -> list[Record]:
    """The one network that the project can use."""
    row = Network
    query = select(row.id).where(
        or_(row.project_id == (ctx.project_id or ""), row.shared.is_(True)),
        or_(row.external.is_(False), row.shared.is_(True)),
    )
    if word == AUTO:
        query = query.where(row.admin_state_up.is_(True))
    found = list(session.scalars(query.limit(2)))
    if len(found) > 1:
        raise NetworkAmbiguous
    if not found and word == AUTO:
        found = [_automatic(session, conf, ctx)]
    return [blank(network_id=one) for one in found]


def _automatic(session: Session, conf: ConfigOpts, ctx: Context) -> str:
    """The network that a project gets without naming one, made here if it is not there yet."""
    try:
        work = Work(session, ctx, conf.networks, conf.service_down_time)
        network = topology.ensure(work, ctx.project_id or "")
        work.settle()  # hosts hear of the router with the server's port
        return network
    except Conflict as error:  # a quota, no segment left
        raise BadRequest(
            f"Unable to automatically allocate a network for project {ctx.project_id}: {error.sentence}"
        ) from error


def blank(**said: Any) -> Record:
    """One entry of a plan."""
    return {"network_id": None, "port_id": None, "fixed_ip": None, "tag": None, **said}


def check(session: Session, ctx: Context, wanted: list[Record], limits: Limits) -> list[Record]:
    """The same entries, when every one can be had. Raises NetworkNotFound, PortNotFound, PortStillInUse, FixedIpInUse,
    ExternalNetworkForbidden and BadRequest."""
    named = [one["port_id"] for one in wanted if one["port_id"]]
    if len(set(named)) < len(named):
        raise BadRequest("A port may be given to one interface only.")
    given = {port["id"]: port for port in ports.of_ids(session, named)} if named else {}
    ids = {one["network_id"] for one in wanted if not one["port_id"]}
    nets = {net["id"]: net for net in rows.fetch(session, Network, Network.id.in_(list(ids)))} if ids else {}
    ranges = _ranges(session, ids)
    for one in wanted:
        if one["port_id"]:
            _check_port(ctx, one["port_id"], given.get(one["port_id"]))
        else:
            _check_network(ctx, one["network_id"], nets.get(one["network_id"]), ranges, limits)
            if one["fixed_ip"]:
                _check_address(session, one["network_id"], one["fixed_ip"], ranges)
    return wanted


def _ranges(session: Session, network_ids: Iterable[str]) -> dict[str, list[str]]:
    """Ranges of the subnets of each network."""
    found: dict[str, list[str]] = {one: [] for one in network_ids}
    if found:
        query = select(Subnet.network_id, Subnet.cidr).where(Subnet.network_id.in_(list(found)))
        for network_id, cidr in session.execute(query):
            found[network_id].append(cidr)
    return found


def _check_port(ctx: Context, port_id: str, port: Record | None) -> None:
    if port is None or not (ctx.is_admin or port["project_id"] == ctx.project_id):
        raise PortNotFound(port_id=port_id)
    if port["device_id"]:
        raise PortStillInUse(port_id=port_id)
    if not port["fixed_ips"]:
        raise BadRequest(f"Port {port_id} requires a FixedIP in order to be used.")


def _check_network(
    ctx: Context, network_id: str, net: Record | None, ranges: dict[str, list[str]], limits: Limits
) -> None:
    visible = net and (
        ctx.is_admin or net["project_id"] == ctx.project_id or net["shared"] or net["external"]
    )
    if net is None or not visible:
        raise NetworkNotFound(network_id=network_id)
    if net["external"] and not (net["shared"] or limits.external):
        raise ExternalNetworkForbidden(network_id=network_id)
    if not ranges[network_id]:
        raise BadRequest(f"Network {network_id} requires a subnet in order to boot instances on.")
    if limits.grouped and not net["port_security_enabled"]:
        raise BadRequest(
            "Network requires port_security_enabled and subnet associated in order to apply security groups."
        )


def _check_address(session: Session, network_id: str, address: str, ranges: dict[str, list[str]]) -> None:
    if not any(holds(cidr, address) for cidr in ranges[network_id]):
        raise BadRequest(f"Fixed IP address {address} is not a valid ip address for network {network_id}.")
    query = (
        select(NetworkPort.device_id)
        .join(IpAllocation, IpAllocation.port_id == NetworkPort.id)
        .where(IpAllocation.network_id == network_id, IpAllocation.ip_address == address)
    )
    holder = session.execute(query).first()
    if holder is not None:
        raise FixedIpInUse(address=address, device_id=holder[0])


def affordable(
    session: Session, conf: ConfigOpts, ctx: Context, made: Plan, low: int, high: int, asked: int
) -> int:
    """The most of `low` to `high` servers whose ports the project may still make. Raises PortLimitExceeded when that
    is less than `low`, and BadRequest when the plan is for one server and `asked` are more."""
    if asked > 1 and any(port["port_id"] for port in made.ports):
        raise BadRequest(
            "Failed to launch multiple instances with one port: a port can be given to one only."
        )
    if asked > 1 and any(port["fixed_ip"] for port in made.ports):
        raise BadRequest(
            "Failed to launch instances: max_count cannot be greater than 1 if a fixed_ip is specified."
        )
    limit = _port_limit(session, conf, ctx.project_id or "") if made.to_make else UNLIMITED
    if limit == UNLIMITED:
        return high
    held = select(func.count()).where(NetworkPort.project_id == (ctx.project_id or ""))
    room = max(0, limit - int(session.scalar(held) or 0)) // made.to_make
    if room < low:
        raise PortLimitExceeded
    return min(high, room)


def _port_limit(session: Session, conf: ConfigOpts, project_id: str) -> int:
    return quotas.limits(session, project_id, {"port": conf.networks.quota_port})["port"]


def for_one(session: Session, conf: ConfigOpts, ctx: Context, server: Record, asked: Record) -> Record:
    """The entry of a plan for one more interface of a server: `asked` has port_id, net_id, fixed_ips, tag and
    external. Errors as of `check`, and PortLimitExceeded."""
    owner = ctx.model_copy(update={"project_id": server["project_id"]})
    if not (asked.get("port_id") or asked.get("net_id")):
        try:
            found = _unsaid(session, conf, owner, UNSAID)
        except NetworkAmbiguous as error:
            raise BadRequest(error.sentence) from error
        if not found:
            raise BadRequest(
                "No specific network was requested and none are available for project "
                f"'{server['project_id']}'."
            )
        (entry,) = found
    else:
        entry = blank(port_id=asked.get("port_id"), network_id=asked.get("net_id"))
    if addresses := asked.get("fixed_ips"):
        entry["fixed_ip"] = addresses[0]["ip_address"]
    entry["tag"] = asked.get("tag")
    limits = Limits(external=bool(asked.get("external")))
    plan = Plan(tuple(check(session, ctx, [entry], limits)))
    affordable(session, conf, owner, plan, 1, 1, 1)
    return entry
