"""Every kind of record of the Network API, field by field (Network API v2 reference)."""

from __future__ import annotations

from typing import Any, Literal

from novalite.networks.api import values as v
from novalite.networks.api.fields import ID, TAGS, TIMES, Field, Noun
from novalite.objects.base import Record

ZONE = "nova"
"""The one availability zone of the network service."""
PROJECT = Field("project_id", v.Id, change=False)
NAMED = (ID, Field("name", v.Text), Field("description", v.Text), PROJECT)
ENDS = (TAGS, *TIMES)
UP = Field("admin_state_up", v.Flag, filters=bool)
STATUS = Field("status")


def _always(value: Any) -> Any:
    return lambda _: value


def _zones(name: str) -> tuple[Field, ...]:
    return (
        Field(name, filters=None, view=_always([ZONE])),
        Field("availability_zone_hints", v.Texts, change=False, filters=None),
    )


NETWORK = Noun(
    "network", "networks", "networks",
    (
        *NAMED, UP, STATUS,
        Field("shared", v.Flag, guard="shared", hidden=False, filters=bool),
        Field("router:external", v.Flag, column="external", guard="router:external", hidden=False, filters=bool),
        Field("is_default", v.Flag, guard="is_default", hidden=False, filters=bool),
        Field("mtu", v.PositiveNumber, filters=int),
        Field("port_security_enabled", v.Flag, filters=bool),
        Field("provider:network_type", Literal["flat", "vlan", "vxlan"], column="network_type", change=False,
              guard="provider:network_type"),
        Field("provider:physical_network", v.Id | None, column="physical_network", change=False,
              guard="provider:physical_network"),
        Field("provider:segmentation_id", v.PositiveNumber | None, column="segmentation_id", change=False,
              guard="provider:segmentation_id", filters=int),
        Field("subnets", filters=None),
        Field("ipv4_address_scope", filters=None, view=_always(None)),
        Field("ipv6_address_scope", filters=None, view=_always(None)),
        *_zones("availability_zones"), *ENDS,
    ),
    "Networks",
)  # fmt: skip

SUBNET = Noun(
    "subnet", "subnets", "subnets",
    (
        *NAMED,
        Field("network_id", v.Uuid, change=False, required=True),
        Field("ip_version", v.IpVersion, change=False, required=True, filters=int),
        Field("cidr", v.Cidr, change=False),
        Field("gateway_ip", v.Ip | None),
        Field("enable_dhcp", v.Flag, filters=bool),
        Field("allocation_pools", v.Pools | None, filters=None),
        Field("dns_nameservers", v.Ips, filters=None),
        Field("host_routes", v.Routes, filters=None),
        Field("ipv6_address_mode", v.V6Mode | None, change=False),
        Field("ipv6_ra_mode", v.V6Mode | None, change=False),
        Field("service_types", v.Texts, filters=None),
        Field("subnetpool_id", v.Uuid | None, change=False),
        Field("use_default_subnetpool", v.Flag, change=False, filters=None, shown=False),
        Field("prefixlen", v.PositiveNumber, change=False, filters=None, shown=False),
        *ENDS,
    ),
    "Subnets",
)  # fmt: skip

POOL = Noun(
    "subnetpool", "subnetpools", "subnetpools",
    (
        *NAMED,
        Field("prefixes", v.Cidrs, required=True, filters=None),
        Field("ip_version", filters=int),
        Field("min_prefixlen", v.PositiveNumber, filters=int),
        Field("max_prefixlen", v.PositiveNumber, filters=int),
        Field("default_prefixlen", v.PositiveNumber, filters=int),
        Field("default_quota", v.PositiveNumber | None, filters=int),
        Field("shared", v.Flag, guard="shared", change=False, hidden=False, filters=bool),
        Field("is_default", v.Flag, guard="is_default", hidden=False, filters=bool),
        Field("address_scope_id", filters=None, view=_always(None)),
        *ENDS,
    ),
    "Subnet pools",
)  # fmt: skip

PORT = Noun(
    "port", "ports", "ports",
    (
        *NAMED, UP, STATUS,
        Field("network_id", v.Uuid, change=False, required=True),
        Field("mac_address", v.Mac),
        Field("fixed_ips", v.FixedIps, filters=None),
        Field("device_id", v.Text),
        Field("device_owner", v.Text),
        Field("security_groups", v.Uuids | None, filters=None, null=[]),
        Field("port_security_enabled", v.Flag, filters=bool),
        Field("allowed_address_pairs", v.AddressPairs | None, filters=None, null=[]),
        Field("extra_dhcp_opts", v.DhcpOptions | None, filters=None, null=[]),
        Field("binding:vnic_type", Literal["normal"], column="vnic_type"),
        Field("binding:host_id", v.Text | None, column="host", guard="binding:host_id", null=""),
        Field("binding:profile", dict[str, Any] | None, column="profile", guard="binding:profile", filters=None,
              null={}),
        Field("binding:vif_type", column="vif_type", guard="binding:vif_type"),
        Field("binding:vif_details", column="vif_details", guard="binding:vif_details", filters=None),
        *ENDS,
    ),
    "Ports",
)  # fmt: skip


def _gateway(record: Record) -> Record | None:
    if record["external_network_id"] is None:
        return None
    return {
        "network_id": record["external_network_id"],
        "enable_snat": record["enable_snat"],
        "external_fixed_ips": record["external_fixed_ips"],
    }


ROUTER = Noun(
    "router", "routers", "routers",
    (
        *NAMED, UP, STATUS,
        Field("external_gateway_info", v.Gateway | v.NoGateway | None, filters=None, view=_gateway),
        Field("routes", v.Routes | None, create=False, filters=None, null=[]),
        *_zones("availability_zones"), *ENDS,
    ),
    "Routers",
)  # fmt: skip

FLOATING_IP = Noun(
    "floatingip", "floatingips", "floatingips",
    (
        ID, Field("description", v.Text), PROJECT, STATUS,
        Field("floating_network_id", v.Uuid, change=False, required=True),
        Field("floating_ip_address", v.Ip, change=False, guard="floating_ip_address", hidden=False),
        Field("subnet_id", v.Uuid | None, change=False, filters=None, view=_always(None)),
        Field("port_id", v.Uuid | None),
        Field("fixed_ip_address", v.Ip | None),
        Field("router_id"),
        Field("port_details", filters=None),
        *ENDS,
    ),
    "Floating IPs",
)  # fmt: skip

_RULE_FIELDS = (
    ID, Field("description", v.Text, change=False), PROJECT,
    Field("security_group_id", v.Id, change=False, required=True),
    Field("direction", Literal["ingress", "egress"], change=False, required=True),
    Field("ethertype", v.Family, change=False),
    Field("protocol", v.Protocol | None, change=False),
    Field("port_range_min", v.PortOrCode | None, change=False, filters=int),
    Field("port_range_max", v.PortOrCode | None, change=False, filters=int),
    Field("remote_ip_prefix", v.Prefix | None, change=False),
    Field("remote_group_id", v.Id | None, change=False),
    *TIMES,
)  # fmt: skip
RULE = Noun(
    "security_group_rule", "security_group_rules", "security-group-rules", _RULE_FIELDS, "Security group rules",
    changes=False, tagged=False,
)  # fmt: skip

GROUP = Noun(
    "security_group", "security_groups", "security-groups",
    (
        *NAMED,
        Field("stateful", v.Flag, filters=bool),
        Field("security_group_rules", filters=None,
              view=lambda record: [RULE.view(rule) for rule in record["security_group_rules"]]),
        *ENDS,
    ),
    "Security groups",
)  # fmt: skip

NOUNS = (NETWORK, SUBNET, POOL, PORT, ROUTER, FLOATING_IP, GROUP, RULE)
TAGGED = {noun.path: noun for noun in NOUNS if noun.tagged}
