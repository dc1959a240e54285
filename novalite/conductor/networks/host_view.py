"""One host's wanted state, put together from facts. Pure."""

from __future__ import annotations

import hashlib
from typing import Any

from novalite.db.networks.hosts import Facts
from novalite.objects.base import Record
from novalite.objects.host_networks import (
    AddressPair,
    FloatingIp,
    GroupRule,
    HostNetwork,
    HostNetworks,
    HostRouter,
    LocalAddress,
    LocalPort,
    MetadataAccess,
    Peer,
    RemotePort,
    RouterLeg,
    SecurityGroup,
    Subnet,
)
from novalite.objects.ip_ranges import whole


def host_networks(host: str, facts: Facts, metadata: MetadataAccess | None = None) -> HostNetworks:
    """What the host must enforce; its version is made of all of it."""
    groups = sorted({one for port in facts.ports for one in port["security_groups"]})
    made = HostNetworks(
        host=host,
        networks=tuple(_network(net, facts) for net in facts.networks),
        ports=tuple(_port(port, facts) for port in facts.ports),
        groups=tuple(SecurityGroup(id=one, rules=_rules(facts.rules.get(one, []))) for one in groups),
        routers=tuple(_router(one, facts) for one in facts.routers),
        members={group: tuple(sorted(found)) for group, found in sorted(facts.members.items())},
        metadata=metadata,
    )
    version = hashlib.sha256(made.model_dump_json().encode()).hexdigest()
    return made.model_copy(update={"version": version})


def _network(net: Record, facts: Facts) -> HostNetwork:
    return HostNetwork(
        id=net["id"],
        name=net["name"],
        type=net["network_type"],
        segmentation_id=net["segmentation_id"],
        physical_network=net["physical_network"],
        mtu=net["mtu"],
        subnets=tuple(_subnet(one) for one in sorted(facts.subnets.get(net["id"], []), key=lambda one: one["id"])),
        peers=_peers(net["id"], facts),
    )


def _subnet(one: Record) -> Subnet:
    return Subnet(
        id=one["id"],
        cidr=one["cidr"],
        ip_version=one["ip_version"],
        gateway=one["gateway_ip"],
        dns=tuple(one["dns_nameservers"] or ()),
        host_routes=tuple((route["destination"], route["nexthop"]) for route in one["host_routes"] or ()),
        dhcp=one["enable_dhcp"],
        ipv6_address_mode=one["ipv6_address_mode"],
        ipv6_ra_mode=one["ipv6_ra_mode"],
    )


def _peers(network_id: str, facts: Facts) -> tuple[Peer, ...]:
    """Hosts that have said where they are; the others will, and everybody is told then."""
    there: dict[str, dict[str, list[str]]] = {}
    for network, mac, host, address in facts.others:
        if network == network_id and host in facts.addresses:
            mine = there.setdefault(host, {}).setdefault(mac, [])
            mine += [address] if address is not None else []
    return tuple(
        Peer(
            host=host,
            address=facts.addresses[host],
            ports=tuple(RemotePort(mac=mac, addresses=tuple(found)) for mac, found in sorted(macs.items())),
        )
        for host, macs in sorted(there.items())
    )


def _router(one: Record, facts: Facts) -> HostRouter:
    floating = [row for row in facts.floating if row["router_id"] == one["id"]]
    return HostRouter(
        id=one["id"],
        legs=tuple(_leg(port) for port in facts.legs.get(one["id"], ())),
        gateway=one["gateway_port_id"],
        snat=one["enable_snat"],
        routes=tuple(sorted((route["destination"], route["nexthop"]) for route in one["routes"] or ())),
        floating=tuple(
            FloatingIp(id=row["id"], address=row["floating_ip_address"], fixed=row["fixed_ip_address"])
            for row in sorted(floating, key=lambda row: row["id"])
        ),
        admin_up=one["admin_state_up"],
        let_go_after=facts.let_go.get(one["id"], 0),
    )


def _leg(port: Record) -> RouterLeg:
    return RouterLeg(
        port_id=port["id"],
        network_id=port["network_id"],
        mac=port["mac_address"],
        addresses=_addresses(port),
        admin_up=port["admin_state_up"],
    )


def _addresses(port: Record) -> tuple[LocalAddress, ...]:
    return tuple(LocalAddress(address=one["ip_address"], subnet_id=one["subnet_id"]) for one in port["fixed_ips"])


def _port(port: Record, facts: Facts) -> LocalPort:
    return LocalPort(
        id=port["id"],
        network_id=port["network_id"],
        mac=port["mac_address"],
        server_id=port["device_id"],
        addresses=_addresses(port),
        allowed_pairs=tuple(_pair(one) for one in port["allowed_address_pairs"] or ()),
        port_security=port["port_security_enabled"],
        group_ids=tuple(port["security_groups"]),
        hostname=port["dns_name"] or facts.names.get(port["device_id"], ""),
        admin_up=port["admin_state_up"],
    )


def _pair(one: dict[str, Any]) -> AddressPair:
    return AddressPair(ip=one["ip_address"], mac=one.get("mac_address"))


def _rules(found: list[Record]) -> tuple[GroupRule, ...]:
    return tuple(
        GroupRule(
            direction=rule["direction"],
            ip_version=4 if rule["ethertype"] == "IPv4" else 6,
            protocol=rule["protocol"],
            port_min=rule["port_range_min"],
            port_max=rule["port_range_max"],
            remote_cidr=whole(rule["remote_ip_prefix"]) if rule["remote_ip_prefix"] else None,
            remote_group_id=rule["remote_group_id"],
        )
        for rule in sorted(found, key=lambda rule: rule["id"])
    )
