"""Networks, subnets and ports: who may make and change them, and what hosts hear of it."""

from __future__ import annotations

from typing import Any

from novalite.conductor.networks import checks
from novalite.conductor.networks.work import Work
from novalite.db.networks import kinds, networks, pools, ports, subnets
from novalite.db.networks.segments import Offer
from novalite.objects.base import Record
from novalite.objects.network_errors import (
    AddressPairAndPortSecurityRequired,
    InvalidNetworkInput,
    NotYours,
    PortSecurityAndIpRequired,
    PortSecurityHasSecurityGroup,
    SegmentInUse,
    ServicePortInUse,
)
from novalite.objects.networks import ROUTER_OWNERS

_VXLAN_OVERHEAD = 50
_OWNERS_CHOICE = ("mac_address", "port_security_enabled", "allowed_address_pairs")
"""Of a port, only who owns the network decides: with these a guest can pretend to be another."""


# --- networks ---------------------------------------------------------------------------------------


def create_network(work: Work, values: Record) -> Record:
    """A network of the configured kind, or of the one an administrator names."""
    offers, named = _offers(work.conf, values)
    row = {**values, **named}
    kind = named.get("network_type") or offers[0][0]
    most = work.conf.physical_mtu - (_VXLAN_OVERHEAD if kind == "vxlan" else 0)
    if row.get("mtu") in (None, 0):
        row["mtu"] = most
    elif row["mtu"] > most:
        raise InvalidNetworkInput(reason=f"Requested MTU is too big, maximum is {most}")
    return networks.create(work.session, row, offers)


def _offers(conf: Any, values: Record) -> tuple[list[Offer], Record]:
    """Segments that may be taken, and the type, physical network and number that were asked for."""
    kind, physical, number = (
        values.get(name) for name in ("network_type", "physical_network", "segmentation_id")
    )
    low, high = map(int, conf.vni_range.split(":"))
    vlans = [_vlan_range(text) for text in conf.vlan_ranges]
    if kind is None:
        if physical is not None or number is not None:
            raise InvalidNetworkInput(
                reason="provider:network_type is required with other provider attributes"
            )
        every = {"vxlan": [("vxlan", "", low, high)], "vlan": [one for one in vlans if one[2]]}
        offers = [offer for name in conf.project_network_types for offer in every[name]]
        if not offers:
            raise InvalidNetworkInput(reason="This cloud makes no networks unless told what to make them of")
        return offers, {}
    named = {"network_type": kind, "physical_network": physical, "segmentation_id": number}
    if kind == "vxlan":
        if physical is not None:
            raise InvalidNetworkInput(reason="provider:physical_network specified for VXLAN network")
        if number is not None and not 1 <= number < 1 << 24:
            raise InvalidNetworkInput(reason="provider:segmentation_id of VXLAN must be 1 to 16777215")
        return [("vxlan", "", low, high)], named
    if physical is None:
        raise InvalidNetworkInput(reason=f"provider:physical_network required for {kind} provider network")
    if kind == "flat":
        if number is not None:
            raise InvalidNetworkInput(reason="provider:segmentation_id specified for flat network")
        if "*" not in conf.flat_networks and physical not in conf.flat_networks:
            raise InvalidNetworkInput(
                reason=f"physical_network '{physical}' unknown for flat provider network"
            )
        return [], {**named, "segmentation_id": 0}
    if physical not in [one[1] for one in vlans]:
        raise InvalidNetworkInput(reason=f"physical_network '{physical}' unknown for VLAN provider network")
    if number is not None and not 1 <= number <= 4094:
        raise InvalidNetworkInput(reason="provider:segmentation_id of VLAN must be 1 to 4094")
    offers = [one for one in vlans if one[1] == physical and one[2]]
    if number is None and not offers:
        raise SegmentInUse(network_type="vlan", segmentation_id="(any)")
    return offers, named


def _vlan_range(text: str) -> Offer:
    """`name:first:last`, or `name` for none to be given unasked (0)."""
    name, _, numbers = text.partition(":")
    low, _, high = numbers.partition(":")
    return "vlan", name, int(low or 0), int(high or 0)


def change_network(work: Work, network_id: str, values: Record) -> Record:
    """What carries a network stays."""
    work.own("network", network_id)
    work.networks.add(network_id)
    return networks.change(work.session, network_id, values)


def delete_network(work: Work, network_id: str) -> None:
    """With its subnets."""
    work.own("network", network_id)
    networks.remove(work.session, network_id)
    work.networks.add(network_id)


# --- subnets ----------------------------------------------------------------------------------------


def create_subnet(work: Work, values: Record) -> Record:
    """Only who owns the network divides it."""
    network = work.find("network", values["network_id"])
    _owner_only(work, network["id"])
    _check_lists(work, values)
    work.networks.add(network["id"])
    return subnets.create(work.session, checks.new_subnet(_cut(work, values)))


def _cut(work: Work, values: Record) -> Record:
    """With a range of a subnet pool, if one is asked for."""
    row = dict(values)
    default, length, pool_id = (
        row.pop(name, None) for name in ("use_default_subnetpool", "prefixlen", "subnetpool_id")
    )
    if pool_id is None and default:
        pool_id = pools.default_of(work.session, row["ip_version"])
    if pool_id is None:
        if length is not None:
            raise InvalidNetworkInput(reason="prefixlen needs a subnet pool")
        return row
    work.find("subnetpool", pool_id)
    row["cidr"] = pools.cut(work.session, pool_id, row, length)
    return {**row, "subnetpool_id": pool_id}


def _check_lists(work: Work, values: Record) -> None:
    checks.unequal(values.get("dns_nameservers") or [], "DNS nameservers", work.conf.max_nameservers)
    checks.unequal(values.get("host_routes") or [], "host routes", work.conf.max_routes)


def _owner_only(work: Work, network_id: str) -> None:
    if not kinds.owns_network(work.session, work.ctx, network_id):
        raise NotYours(resource_id=network_id)


def change_subnet(work: Work, subnet_id: str, values: Record) -> Record:
    """Addresses that were given stay given."""
    old = work.own("subnet", subnet_id)
    _check_lists(work, values)
    work.networks.add(old["network_id"])
    return subnets.change(work.session, subnet_id, checks.changed_subnet(old, values))


def delete_subnet(work: Work, subnet_id: str) -> None:
    """None of its addresses is in use."""
    work.networks.add(work.own("subnet", subnet_id)["network_id"])
    subnets.remove(work.session, subnet_id)


# --- subnet pools -----------------------------------------------------------------------------------


def create_pool(work: Work, values: Record) -> Record:
    """Ranges for subnets."""
    return pools.create(work.session, checks.pool(values))


def change_pool(work: Work, pool_id: str, values: Record) -> Record:
    """Ranges may only be added."""
    old = work.own("subnetpool", pool_id)
    return pools.change(work.session, pool_id, checks.changed_pool(old, values))


def delete_pool(work: Work, pool_id: str) -> None:
    """No subnet is of it."""
    work.own("subnetpool", pool_id)
    pools.remove(work.session, pool_id)


# --- ports ------------------------------------------------------------------------------------------


def create_port(work: Work, values: Record) -> Record:
    """A port that nobody else's network, group or address gets into unasked."""
    network = work.find("network", values["network_id"])
    mine = kinds.owns_network(work.session, work.ctx, network["id"])
    if not mine and not network["shared"]:
        raise NotYours(resource_id=network["id"])
    if not mine:
        _check_stranger(network["id"], values)
    secure = values.get("port_security_enabled")
    secure = network["port_security_enabled"] if secure is None else secure
    _check_security(secure, values.get("security_groups") or [], values.get("allowed_address_pairs") or [])
    _check_groups(work, values)
    checks.unequal(values.get("fixed_ips") or [], "fixed IPs", work.conf.max_fixed_ips)
    row = {**values, "allowed_address_pairs": []}
    made = ports.create(work.session, row)
    if values.get("allowed_address_pairs"):
        wanted = checks.pairs(values["allowed_address_pairs"], made["mac_address"])
        checks.unequal(wanted, "allowed address pairs", work.conf.max_address_pairs)
        made = ports.change(work.session, made["id"], {"allowed_address_pairs": wanted})
    work.ports_changed(made)
    return made


def _check_stranger(network_id: str, values: Record) -> None:
    chosen = any("ip_address" in one for one in values.get("fixed_ips") or ())
    if chosen or any(values.get(name) not in (None, []) for name in _OWNERS_CHOICE):
        raise NotYours(resource_id=network_id)
    if str(values.get("device_owner") or "").startswith("network:"):
        raise NotYours(resource_id=network_id)


def _check_security(secure: bool, groups: list[str], pairs: list[Record]) -> None:
    if not secure and groups:
        raise PortSecurityAndIpRequired
    if not secure and pairs:
        raise AddressPairAndPortSecurityRequired


def _check_groups(work: Work, values: Record) -> None:
    for group_id in values.get("security_groups") or ():
        work.find("security_group", group_id)


def change_port(work: Work, port_id: str, values: Record) -> Record:
    """See create_port."""
    old = work.own("port", port_id)
    if not kinds.owns_network(work.session, work.ctx, old["network_id"]):
        _check_stranger(old["network_id"], {k: v for k, v in values.items() if v != old.get(k)})
    _check_groups(work, values)
    new: Record = dict(values)
    secure = new.get("port_security_enabled", old["port_security_enabled"])
    groups = new.get("security_groups", old["security_groups"]) or []
    if not secure and groups and "security_groups" not in new:
        raise PortSecurityHasSecurityGroup
    pairs = new.get("allowed_address_pairs", old["allowed_address_pairs"]) or []
    _check_security(bool(secure), groups, pairs)
    if new.get("allowed_address_pairs") is not None:
        new["allowed_address_pairs"] = checks.pairs(pairs, new.get("mac_address") or old["mac_address"])
        checks.unequal(new["allowed_address_pairs"], "allowed address pairs", work.conf.max_address_pairs)
    if new.get("fixed_ips") is not None:
        checks.unequal(new["fixed_ips"], "fixed IPs", work.conf.max_fixed_ips)
    _rebind(old, new)
    if _taken_from_server(old, new):
        work.gone.append(old)
    work.ports_changed(old)
    made = ports.change(work.session, port_id, new)
    work.ports_changed(made)
    return made


def _taken_from_server(old: Record, new: Record) -> bool:
    """Whether a port that a server was plugged into is given another device. It is plugged in nowhere then: that a
    port names a server does not make it the server's, which might be somebody else's."""
    if not old["device_index"] or all(new.get(name, old[name]) == old[name] for name in ("device_id", "device_owner")):
        return False
    for name, value in (ports.UNBOUND | ports.NOBODYS).items():
        new.setdefault(name, value)
    return True


def _rebind(old: Record, new: Record) -> None:
    """A host that is named or taken away changes how the port is plugged in."""
    if "host" not in new or new["host"] == old["host"]:
        return
    if new["host"]:
        new["vif_type"] = ports.vif_type_of(str(new.get("device_owner", old["device_owner"])))
    else:
        new.update(ports.UNBOUND)


def delete_port(work: Work, port_id: str) -> None:
    """Not one that a router or floating address lives by."""
    port = work.own("port", port_id)
    if port["device_owner"] in ROUTER_OWNERS:
        raise ServicePortInUse(port_id=port_id, reason=f"has device owner {port['device_owner']}")
    ports.remove(work.session, [port_id])
    work.ports_changed(port)
    if port["device_id"]:
        work.gone.append(port)
