"""Security groups and addresses of a server's interfaces, changed while it runs: its ports are changed, and its host
follows them."""

from __future__ import annotations

from sqlalchemy.orm import Session

from novalite.conductor.server_networks import find_group
from novalite.db import interfaces, servers
from novalite.db.models.network_services import FloatingIp, SecurityGroup
from novalite.db.networks import floating_ips, ports, rows
from novalite.db.networks import groups as db_groups
from novalite.errors import BadRequest, Conflict, NotFound
from novalite.objects.base import Record
from novalite.objects.network_errors import FloatingIpNotFound
from novalite.objects.server_network_errors import GroupNotOfServer, NetworkNotOfServer


def _ports(session: Session, server_id: str) -> list[Record]:
    return [port for port in ports.of_device(session, server_id) if interfaces.plugged(port)]


def groups(session: Session, server_id: str) -> list[Record]:
    """The groups of its ports, each once, with their rules."""
    ids = {group for port in _ports(session, server_id) for group in port["security_groups"]}
    found = rows.fetch(session, SecurityGroup, SecurityGroup.id.in_(ids), order=(SecurityGroup.name, SecurityGroup.id))
    return db_groups.complete(session, found)


def change_groups(session: Session, server: Record, name: str, add: bool) -> None:
    """Add a group of the server's project to each of its ports that can have one, or take it from all; of a server
    without ports, from the groups that it was to have. Raises SecurityGroupNotFound, GroupNotOfServer, and
    BadRequest when no port can have a group."""
    group = find_group(session, server["project_id"], name)
    found = _ports(session, server["id"])
    if not found:
        _change_names(session, server, name, add)
        return
    changed = _joining(found, group) if add else [port for port in found if group in port["security_groups"]]
    if not (add or changed):
        raise GroupNotOfServer(name=name, server_id=server["id"])
    for port in changed:
        kept = [one for one in port["security_groups"] if one != group]
        ports.change(session, port["id"], {"security_groups": [*kept, group] if add else kept})


def _joining(found: list[Record], group: str) -> list[Record]:
    """Ports that can have a group and are not in this one."""
    able = [port for port in found if port["port_security_enabled"] and port["fixed_ips"]]
    if not able:
        raise BadRequest(
            "Network requires port_security_enabled and subnet associated in order to apply security groups."
        )
    return [port for port in able if group not in port["security_groups"]]


def _change_names(session: Session, server: Record, name: str, add: bool) -> None:
    names = list(server["security_groups"] or ())
    if not add and name not in names:
        raise GroupNotOfServer(name=name, server_id=server["id"])
    left = [one for one in names if one != name]
    servers.change(session, server["id"], security_groups=[*left, name] if add else left)


def add_fixed_ip(session: Session, server: Record, network_id: str) -> None:
    """One more address of that network on the server's first port there. Raises NetworkNotOfServer and what giving
    addresses raises."""
    for port in _ports(session, server["id"]):
        if port["network_id"] == network_id and port["fixed_ips"]:
            more = {"subnet_id": port["fixed_ips"][0]["subnet_id"]}
            ports.change(session, port["id"], {"fixed_ips": [*port["fixed_ips"], more]})
            return
    raise NetworkNotOfServer(server_id=server["id"], network_id=network_id)


def remove_fixed_ip(session: Session, server: Record, address: str) -> None:
    """The port that has this address has it no more; BadRequest when none has."""
    for port in _ports(session, server["id"]):
        left = [one for one in port["fixed_ips"] if one["ip_address"] != address]
        if len(left) < len(port["fixed_ips"]):
            ports.change(session, port["id"], {"fixed_ips": left})
            return
    raise BadRequest(f"Instance {server['id']} has no fixed IP {address}.")


def change_floating_ip(
    session: Session, server: Record, address: str, add: bool, fixed_address: str | None = None
) -> None:
    """A floating address of the server's project stands for one of the server's addresses (the first IPv4 one
    unless `fixed_address` says which), or for nothing any more. Raises FloatingIpNotFound, BadRequest and Conflict."""
    found = rows.first(
        session, FloatingIp, FloatingIp.floating_ip_address == address, FloatingIp.project_id == server["project_id"]
    )
    if found is None:
        raise FloatingIpNotFound("floating IP not found")
    inside = _ports(session, server["id"])
    if not add:
        if found["port_id"] not in [port["id"] for port in inside]:
            raise Conflict(f"Floating IP {address} is not associated with instance {server['id']}.")
        floating_ips.point(session, found["id"], None)
        return
    held = [(port, one["ip_address"]) for port in inside for one in port["fixed_ips"] if ":" not in one["ip_address"]]
    if not held:
        raise BadRequest("No fixed IPs associated to instance")
    chosen = [pair for pair in held if fixed_address in (None, pair[1])]
    if not chosen:
        raise BadRequest(f"Specified fixed address {fixed_address} not assigned to instance")
    port, fixed = chosen[0]
    try:
        floating_ips.point(session, found["id"], port, fixed)
    except (NotFound, Conflict) as error:  # no router joins the two networks, or another stands for it already
        raise BadRequest(error.sentence) from error
