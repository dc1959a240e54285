"""What subnets, rules and routes must be to make sense. Pure: values in, values or an error out."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import collapse_addresses, ip_address, ip_network
from itertools import pairwise
from typing import Any

from novalite.objects.base import Record
from novalite.objects.ip_ranges import Network, default_pools, spans_of, usable
from novalite.objects.network_errors import (
    GatewayConflictWithAllocationPools,
    IllegalSubnetPoolUpdate,
    InvalidAllocationPool,
    InvalidNetworkInput,
    InvalidSubnetPool,
    OutOfBoundsAllocationPool,
    OverlappingAllocationPools,
    SecurityGroupInvalidIcmpValue,
    SecurityGroupInvalidPortRange,
    SecurityGroupMissingIcmpType,
    SecurityGroupRemoteGroupAndRemoteIpPrefix,
    SecurityGroupRuleParameterConflict,
)

PORTED = ("tcp", "udp", "sctp", "dccp", "udplite", "6", "17", "132", "33", "136")
ICMP = ("icmp", "icmpv6", "ipv6-icmp", "1", "58")
_SELF_MADE = ("slaac", "dhcpv6-stateless")


# --- subnets ----------------------------------------------------------------------------------------


def new_subnet(values: Record) -> Record:
    """A whole subnet: gateway and pools are found where they were not given."""
    network = _network(values)
    row = {"enable_dhcp": True, "dns_nameservers": [], "host_routes": [], "service_types": [], **values}
    row["cidr"] = str(network)
    _check_modes(row, network)
    if "gateway_ip" not in values:
        row["gateway_ip"] = str(network[1] if network.num_addresses > 1 else network[0])
    elif values["gateway_ip"] is not None:
        row["gateway_ip"] = _gateway(values["gateway_ip"], network)
    if values.get("allocation_pools") is None:
        gateway = row["gateway_ip"]
        row["allocation_pools"] = default_pools(network, ip_address(gateway) if gateway else None)
    else:
        row["allocation_pools"] = pools(values["allocation_pools"], network)
    _check_gateway(row)
    _check_families(row, network)
    return row


def changed_subnet(old: Record, values: Record) -> Record:
    """What of an existing subnet becomes of `values`."""
    network = ip_network(old["cidr"])
    new = dict(values)
    if new.get("allocation_pools") is not None:
        new["allocation_pools"] = pools(new["allocation_pools"], network)
    else:
        new.pop("allocation_pools", None)
    if new.get("gateway_ip") is not None:
        new["gateway_ip"] = _gateway(new["gateway_ip"], network)
    row = old | new
    _check_gateway(row)
    _check_modes(row, network)
    _check_families(row, network)
    return new


def _network(values: Record) -> Network:
    cidr = values.get("cidr")
    if cidr is None:
        raise InvalidNetworkInput(reason="A cidr must be specified in the absence of a subnet pool")
    network = ip_network(cidr)
    if network.version != values["ip_version"]:
        raise InvalidNetworkInput(reason=f"cidr {cidr} does not match ip_version {values['ip_version']}")
    if network.prefixlen == 0:
        raise InvalidNetworkInput(reason="0 is not allowed as CIDR prefix length")
    return network


def _check_modes(row: Record, network: Network) -> None:
    address_mode, ra_mode = row.get("ipv6_address_mode"), row.get("ipv6_ra_mode")
    if row["enable_dhcp"]:
        if network.version == 4 and network.num_addresses < 4:
            raise InvalidNetworkInput(
                reason="Subnet has a prefix length that is incompatible with DHCP service enabled"
            )
        if network.is_multicast or network.is_loopback:
            kind = "Multicast" if network.is_multicast else "Loopback"
            raise InvalidNetworkInput(reason=f"{kind} IP subnet is not supported if enable_dhcp is True")
    if not (address_mode or ra_mode):
        return
    if network.version == 4:
        raise InvalidNetworkInput(reason="ipv6_ra_mode and ipv6_address_mode need ip_version 6")
    if not row["enable_dhcp"]:
        raise InvalidNetworkInput(
            reason="ipv6_ra_mode or ipv6_address_mode cannot be set when enable_dhcp is set to False"
        )
    if address_mode and ra_mode and address_mode != ra_mode:
        raise InvalidNetworkInput(
            reason=f"ipv6_ra_mode set to '{ra_mode}' with ipv6_address_mode set to '{address_mode}' is not valid"
        )
    if network.prefixlen != 64 and (address_mode in _SELF_MADE or ra_mode in _SELF_MADE):
        raise InvalidNetworkInput(reason=f"Invalid CIDR {network} for IPv6 address mode: it needs a /64")


def _gateway(gateway: str, network: Network) -> str:
    address = ip_address(gateway)
    local = address.version == 6 and address.is_link_local
    if not local and address not in network:
        raise InvalidNetworkInput(reason=f"Gateway {gateway} is not valid on subnet {network}")
    if network.version == 4 and network.num_addresses > 2 and address in (network[0], network[-1]):
        raise InvalidNetworkInput(reason=f"Gateway {gateway} is not valid on subnet {network}")
    return str(address)


def pools(wanted: Iterable[Record], network: Network) -> list[Record]:
    """Allocation pools as they are written, if they lie within the network and apart."""
    found: list[Record] = []
    low, high = usable(network)
    for pool in wanted:
        start, end = ip_address(pool["start"]), ip_address(pool["end"])
        shown = f"{start}-{end}"
        if start.version != network.version or end.version != network.version or int(start) > int(end):
            raise InvalidAllocationPool(pool=shown)
        if int(start) < low or int(end) > high:
            raise OutOfBoundsAllocationPool(pool=shown, cidr=str(network))
        found.append({"start": str(start), "end": str(end)})
    ordered = sorted(found, key=lambda pool: int(ip_address(pool["start"])))
    for one, other in pairwise(ordered):
        if int(ip_address(other["start"])) <= int(ip_address(one["end"])):
            first, second = (f"{pool['start']}-{pool['end']}" for pool in (one, other))
            raise OverlappingAllocationPools(first=first, second=second, cidr=str(network))
    return found


def _check_gateway(row: Record) -> None:
    if row["gateway_ip"] is None:
        return
    number = int(ip_address(row["gateway_ip"]))
    for pool, (low, high) in zip(row["allocation_pools"], map(_span, row["allocation_pools"]), strict=True):
        if low <= number <= high:
            shown = f"{pool['start']}-{pool['end']}"
            raise GatewayConflictWithAllocationPools(gateway=row["gateway_ip"], pool=shown)


def _span(pool: Record) -> tuple[int, int]:
    return spans_of([pool])[0]


def _check_families(row: Record, network: Network) -> None:
    for address in row["dns_nameservers"]:
        if ip_address(address).version != network.version:
            raise InvalidNetworkInput(
                reason=f"{address} is not of IP version {network.version}, as the subnet is"
            )
    for route in row["host_routes"]:
        both = ip_network(route["destination"]).version, ip_address(route["nexthop"]).version
        if both != (network.version, network.version):
            raise InvalidNetworkInput(
                reason=f"The route to {route['destination']} by {route['nexthop']} is not of IP version "
                f"{network.version}, as the subnet is"
            )


def unequal(values: list[Any], what: str, most: int) -> None:
    """At most so many, none twice."""
    if len(values) > most:
        raise InvalidNetworkInput(reason=f"There may be at most {most} {what}")
    if len({repr(value) for value in values}) != len(values):
        raise InvalidNetworkInput(reason=f"Duplicate items in {what}")


# --- subnet pools -----------------------------------------------------------------------------------


def pool(values: Record) -> Record:
    """A whole subnet pool: its ranges joined where they touch, and the lengths of prefixes that were not given."""
    found = [ip_network(prefix) for prefix in values["prefixes"]]
    versions = {network.version for network in found}
    if len(versions) != 1:
        raise InvalidNetworkInput(reason="The prefixes of a subnet pool must be of one IP version")
    (version,) = versions
    row = {**values, "ip_version": version, "prefixes": _joined(found)}
    low, high = (8, 32) if version == 4 else (64, 128)
    row.setdefault("min_prefixlen", low)
    row.setdefault("max_prefixlen", high)
    row.setdefault("default_prefixlen", row["min_prefixlen"])
    _check_lengths(row, high)
    return row


def _joined(networks: Iterable[Any]) -> list[str]:
    return [str(network) for network in collapse_addresses(networks)]


def _check_lengths(row: Record, most: int) -> None:
    low, usual, high = row["min_prefixlen"], row["default_prefixlen"], row["max_prefixlen"]
    if not low <= usual <= high <= most:
        raise InvalidSubnetPool(
            reason=f"min_prefixlen {low}, default_prefixlen {usual} and max_prefixlen {high} must rise in this order, "
            f"to {most} at most"
        )


def changed_pool(old: Record, values: Record) -> Record:
    """What of an existing pool becomes of `values`."""
    new = dict(values)
    if "prefixes" in new:
        found = [ip_network(prefix) for prefix in new["prefixes"]]
        if {network.version for network in found} != {old["ip_version"]}:
            raise IllegalSubnetPoolUpdate(reason=f"its prefixes are of IP version {old['ip_version']}")
        new["prefixes"] = _joined(found)
        kept = [ip_network(prefix) for prefix in new["prefixes"]]
        for prefix in map(ip_network, old["prefixes"]):
            if not any(prefix.subnet_of(one) for one in kept):  # type: ignore[arg-type]
                raise IllegalSubnetPoolUpdate(reason=f"its prefix {prefix} may not be taken away")
    _check_lengths(old | new, 32 if old["ip_version"] == 4 else 128)
    return new


# --- rules of security groups -----------------------------------------------------------------------


def rule(values: Record) -> Record:
    """A rule as it is kept."""
    row = {"ethertype": "IPv4", **values}
    low, high, protocol = row.get("port_range_min"), row.get("port_range_max"), row.get("protocol")
    if row.get("remote_ip_prefix") is not None and row.get("remote_group_id") is not None:
        raise SecurityGroupRemoteGroupAndRemoteIpPrefix
    if protocol == "any" or protocol == "0":
        row["protocol"] = protocol = None
    if row.get("remote_ip_prefix") is not None:
        network = ip_network(row["remote_ip_prefix"], strict=False)
        if f"IPv{network.version}" != row["ethertype"]:
            raise SecurityGroupRuleParameterConflict(ethertype=row["ethertype"], cidr=row["remote_ip_prefix"])
        if "/" not in row["remote_ip_prefix"]:
            row["remote_ip_prefix"] = str(network)
    if row["ethertype"] == "IPv4" and protocol in ("icmpv6", "ipv6-icmp", "58"):
        raise InvalidNetworkInput(reason=f"Ethertype IPv4 does not go with protocol {protocol}")
    if low is None and high is None:
        return row
    if protocol in ICMP:
        _check_icmp(low, high)
    elif protocol in PORTED:
        _check_ports(low, high)
    else:
        raise InvalidNetworkInput(reason=f"Protocol {protocol or 'any'} has no port range")
    return row


def _check_icmp(kind: int | None, code: int | None) -> None:
    if kind is None:
        raise SecurityGroupMissingIcmpType(value=code)
    for name, attribute, value in (("type", "port-range-min", kind), ("code", "port-range-max", code)):
        if value is not None and not 0 <= value <= 255:
            raise SecurityGroupInvalidIcmpValue(field=name, attr=attribute, value=value)


def _check_ports(low: int | None, high: int | None) -> None:
    if low is None or high is None or not 0 <= low <= high <= 65535:
        raise SecurityGroupInvalidPortRange


# --- ports ------------------------------------------------------------------------------------------


def pairs(wanted: list[Record], mac: str) -> list[Record]:
    """Allowed address pairs as they are kept: a MAC address that is not said is the port's."""
    found = []
    for pair in wanted:
        text = str(pair["ip_address"])
        shown = str(ip_network(text, strict=False)) if "/" in text else str(ip_address(text))
        found.append({"ip_address": shown, "mac_address": (pair.get("mac_address") or mac).lower()})
    if len({(pair["ip_address"], pair["mac_address"]) for pair in found}) != len(found):
        raise InvalidNetworkInput(reason="Request contains duplicate address pair")
    return found
