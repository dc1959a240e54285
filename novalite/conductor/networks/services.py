"""Routers, floating addresses, security groups and rules: who may make and change them, and what hosts hear of it."""

from __future__ import annotations

from typing import Any

from novalite.conductor.networks import checks
from novalite.conductor.networks.work import Work
from novalite.db.models.networks import Subnet
from novalite.db.networks import floating_ips, groups, kinds, ports, routers, rows
from novalite.objects.base import Record
from novalite.objects.ip_ranges import holds
from novalite.objects.network_errors import (
    BadRouterRequest,
    InvalidNetworkInput,
    NotYours,
    SubnetMismatchForPort,
)

# --- routers ----------------------------------------------------------------------------------------


def create_router(work: Work, values: Record) -> Record:
    """`external_gateway_info` is {network_id, enable_snat, external_fixed_ips} or None."""
    row = {k: v for k, v in values.items() if k != "external_gateway_info"}
    gateway = values.get("external_gateway_info") or None
    _check_gateway(work, gateway)
    made = routers.create(work.session, row, gateway)
    router_changed(work, made)
    return made


def _check_gateway(work: Work, gateway: Record | None) -> None:
    if gateway is not None:
        work.find("network", gateway["network_id"])


def router_changed(work: Work, router: Record) -> None:
    """It is somewhere, and that host and those of its networks hear of it."""
    work.routers.add(router["id"])
    work.networks.update(
        port["network_id"] for port in routers.interfaces(work.session, [router["id"]])[router["id"]]
    )
    if router["external_network_id"]:
        work.networks.add(router["external_network_id"])
    if router["host"]:
        work.hosts.add(router["host"])


def change_router(work: Work, router_id: str, values: Record) -> Record:
    """Routes lead to where the router is."""
    old = work.own("router", router_id)
    router_changed(work, old)
    row = {k: v for k, v in values.items() if k != "external_gateway_info"}
    if "external_gateway_info" in values:
        gateway = values["external_gateway_info"] or None
        _check_gateway(work, gateway)
        routers.set_gateway(work.session, router_id, gateway)
    if row.get("routes"):
        _check_routes(work, router_id, row["routes"])
    if row:
        routers.change(work.session, router_id, row)
    new = routers.get(work.session, router_id)
    router_changed(work, new)
    return new


def _check_routes(work: Work, router_id: str, routes: list[Record]) -> None:
    checks.unequal(routes, "routes", work.conf.max_routes)
    router = routers.get(work.session, router_id)
    plugs = routers.interfaces(work.session, [router_id])[router_id]
    held = [one for port in plugs for one in port["fixed_ips"]] + router["external_fixed_ips"]
    ids = [one["subnet_id"] for one in held]
    cidrs = [subnet["cidr"] for subnet in rows.fetch(work.session, Subnet, Subnet.id.in_(ids))]
    own = {one["ip_address"] for one in held}
    for route in routes:
        if not any(holds(cidr, route["nexthop"]) for cidr in cidrs):
            raise InvalidNetworkInput(
                reason=f"the nexthop {route['nexthop']} is not connected with router {router_id}"
            )
        if route["nexthop"] in own:
            raise InvalidNetworkInput(reason=f"the nexthop {route['nexthop']} is used by router {router_id}")


def delete_router(work: Work, router_id: str) -> None:
    """With its gateway."""
    router_changed(work, work.own("router", router_id))
    routers.remove(work.session, router_id)


def add_interface(work: Work, router_id: str, wanted: Record) -> Record:
    """Either a subnet, of which the router gets the gateway's address, so that its network must be the caller's; or a
    port."""
    router = work.own("router", router_id)
    router_changed(work, router)
    subnet_id, port_id = wanted.get("subnet_id"), wanted.get("port_id")
    if (subnet_id is None) == (port_id is None):
        raise BadRouterRequest(reason="Exactly one of subnet_id and port_id must be specified")
    if subnet_id is not None:
        subnet = work.find("subnet", subnet_id)
        if not kinds.owns_network(work.session, work.ctx, subnet["network_id"]):
            raise NotYours(resource_id=subnet["network_id"])
        port = routers.add_subnet(work.session, router_id, subnet)
    else:
        port = routers.add_port(work.session, router_id, work.own("port", str(port_id)))
    work.ports_changed(port)
    return _interface(router, port, subnet_id)


def _interface(router: Record, port: Record, subnet_id: str | None) -> Record:
    ids = [one["subnet_id"] for one in port["fixed_ips"]] if subnet_id is None else [subnet_id]
    return {
        "id": router["id"], "project_id": router["project_id"], "port_id": port["id"],
        "network_id": port["network_id"], "subnet_id": ids[0], "subnet_ids": ids,
    }  # fmt: skip


def remove_interface(work: Work, router_id: str, wanted: Record) -> Record:
    """By subnet, by port, or by both if they agree."""
    router = work.own("router", router_id)
    router_changed(work, router)
    subnet_id, port_id = wanted.get("subnet_id"), wanted.get("port_id")
    if subnet_id is None and port_id is None:
        raise BadRouterRequest(reason="Either subnet_id or port_id must be specified")
    if port_id is not None:
        found = ports.get(work.session, port_id)
        if subnet_id is not None and subnet_id not in [one["subnet_id"] for one in found["fixed_ips"]]:
            raise SubnetMismatchForPort(port_id=port_id, subnet_id=subnet_id)
        port = routers.drop_port(work.session, router_id, port_id)
    else:
        port = routers.drop_subnet(work.session, router_id, str(subnet_id))
    work.ports_changed(port)
    return _interface(router, port, subnet_id)


# --- floating addresses -----------------------------------------------------------------------------

_POINTS = ("port_id", "fixed_ip_address")
_WHICH = ("subnet_id", "floating_ip_address")


def create_floating_ip(work: Work, values: Record) -> Record:
    """Of an external network the caller sees, pointing to a port of the caller's, if to any."""
    work.find("network", values["floating_network_id"])
    which = {name.removeprefix("floating_"): values[name] for name in _WHICH if values.get(name)}
    row = {k: v for k, v in values.items() if k not in (*_POINTS, *_WHICH)}
    made = floating_ips.create(work.session, row, [which] if which else None)
    if values.get("port_id"):
        made = _point(work, made["id"], values["port_id"], values.get("fixed_ip_address"))
    _floating_changed(work, made)
    return made


def _point(work: Work, floating_id: str, port_id: str, fixed: Any) -> Record:
    port = kinds.find(work.session, work.ctx, "port", port_id, lock="read")
    return floating_ips.point(work.session, floating_id, port, fixed)


def _floating_changed(work: Work, floating: Record) -> None:
    work.networks.add(floating["floating_network_id"])
    if floating["port_details"]:
        work.networks.add(floating["port_details"]["network_id"])


def change_floating_ip(work: Work, floating_id: str, values: Record) -> Record:
    """With `port_id`, what it points to; None: to nothing."""
    old = work.own("floatingip", floating_id)
    _floating_changed(work, old)
    row = {k: v for k, v in values.items() if k not in _POINTS}
    if row:
        floating_ips.change(work.session, floating_id, row)
    if "port_id" in values or "fixed_ip_address" in values:
        port_id = values.get("port_id", old["port_id"] if values.get("fixed_ip_address") else None)
        if port_id is None:
            floating_ips.point(work.session, floating_id, None)
        else:
            _point(work, floating_id, port_id, values.get("fixed_ip_address"))
    new = floating_ips.get(work.session, floating_id)
    _floating_changed(work, new)
    return new


def delete_floating_ip(work: Work, floating_id: str) -> None:
    """Its address is free."""
    _floating_changed(work, work.own("floatingip", floating_id))
    floating_ips.remove(work.session, floating_id)


# --- security groups --------------------------------------------------------------------------------


def create_group(work: Work, values: Record) -> Record:
    """The project has its default group first."""
    groups.default_of(work.session, values["project_id"])
    return groups.create(work.session, values)


def change_group(work: Work, group_id: str, values: Record) -> Record:
    """Name, description, and whether answers are let through."""
    work.own("security_group", group_id)
    work.groups.add(group_id)
    return groups.change(work.session, group_id, values)


def delete_group(work: Work, group_id: str) -> None:
    """No port is in it. Rules of other groups that name it go with it: it has nobody they could let in."""
    work.own("security_group", group_id)
    work.hosts.update(groups.hosts_of(work.session, [group_id]))
    groups.remove(work.session, group_id, default_too=work.ctx.is_admin)


def create_rule(work: Work, values: Record) -> Record:
    """The rule belongs to who owns the group."""
    group = work.own("security_group", values["security_group_id"])
    if values.get("remote_group_id") is not None:
        work.find("security_group", values["remote_group_id"])
    work.groups.add(group["id"])
    return groups.add_rule(work.session, group["id"], group["project_id"], checks.rule(values))


def delete_rule(work: Work, rule_id: str) -> None:
    """Whatever it let through is stopped."""
    rule = work.own("security_group_rule", rule_id)
    groups.remove_rule(work.session, rule_id)
    work.groups.add(rule["security_group_id"])
