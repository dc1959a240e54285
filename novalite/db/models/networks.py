"""Tables of the embedded network service: networks, subnets, ports and the addresses they hold.

Groups of rules, routers and floating addresses are in `network_services.py`. Rows belong to one another by id;
foreign keys are not relied upon. `revision` counts the changes of a row.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Index, Integer, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from novalite.db.models.base import TABLE, Base, JsonText, UtcDateTime, now


class Network(Base):
    """A broadcast domain. `network_type`, `physical_network` and `segmentation_id` say what carries it."""

    __tablename__ = "networks"

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    project_id: Mapped[str] = mapped_column(String(64), index=True)
    name: Mapped[str] = mapped_column(String(255), default="", index=True)
    description: Mapped[str] = mapped_column(String(255), default="")
    admin_state_up: Mapped[bool] = mapped_column(default=True)
    status: Mapped[str] = mapped_column(String(16), default="ACTIVE")
    shared: Mapped[bool] = mapped_column(default=False)
    external: Mapped[bool] = mapped_column(default=False)
    is_default: Mapped[bool] = mapped_column(default=False)
    mtu: Mapped[int] = mapped_column(Integer, default=1500)
    port_security_enabled: Mapped[bool] = mapped_column(default=True)
    network_type: Mapped[str] = mapped_column(String(16))
    physical_network: Mapped[str | None] = mapped_column(String(64))
    segmentation_id: Mapped[int | None] = mapped_column(Integer)
    availability_zone_hints: Mapped[Any] = mapped_column(JsonText, default=list)
    dns_domain: Mapped[str] = mapped_column(String(255), default="")
    revision: Mapped[int] = mapped_column(Integer, default=0)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)


class SegmentId(Base):
    """A segment that a network has: of one type and physical network ("" for none) each number is given once."""

    __tablename__ = "network_segment_ids"

    network_type: Mapped[str] = mapped_column(String(16), primary_key=True)
    physical_network: Mapped[str] = mapped_column(String(64), primary_key=True, default="")
    segmentation_id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    network_id: Mapped[str] = mapped_column(String(36), index=True)


class Subnet(Base):
    """A range of addresses of a network. `next_address` is where the search for a free one begins; whoever
    gives out addresses of the subnet first locks this row."""

    __tablename__ = "subnets"

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    network_id: Mapped[str] = mapped_column(String(36), index=True)
    project_id: Mapped[str] = mapped_column(String(64), index=True)
    name: Mapped[str] = mapped_column(String(255), default="")
    description: Mapped[str] = mapped_column(String(255), default="")
    ip_version: Mapped[int] = mapped_column(Integer)
    cidr: Mapped[str] = mapped_column(String(64))
    gateway_ip: Mapped[str | None] = mapped_column(String(64))
    enable_dhcp: Mapped[bool] = mapped_column(default=True)
    ipv6_address_mode: Mapped[str | None] = mapped_column(String(16))
    ipv6_ra_mode: Mapped[str | None] = mapped_column(String(16))
    allocation_pools: Mapped[Any] = mapped_column(JsonText, default=list)
    dns_nameservers: Mapped[Any] = mapped_column(JsonText, default=list)
    host_routes: Mapped[Any] = mapped_column(JsonText, default=list)
    service_types: Mapped[Any] = mapped_column(JsonText, default=list)
    subnetpool_id: Mapped[str | None] = mapped_column(String(36), index=True)
    next_address: Mapped[str | None] = mapped_column(String(64))
    revision: Mapped[int] = mapped_column(Integer, default=0)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)


class SubnetPool(Base):
    """Ranges that subnets are cut from. Whoever cuts first locks this row. Lengths are those of prefixes."""

    __tablename__ = "subnet_pools"

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    project_id: Mapped[str] = mapped_column(String(64), index=True)
    name: Mapped[str] = mapped_column(String(255), default="")
    description: Mapped[str] = mapped_column(String(255), default="")
    shared: Mapped[bool] = mapped_column(default=False)
    is_default: Mapped[bool] = mapped_column(default=False)
    ip_version: Mapped[int] = mapped_column(Integer)
    prefixes: Mapped[Any] = mapped_column(JsonText, default=list)
    min_prefixlen: Mapped[int] = mapped_column(Integer)
    max_prefixlen: Mapped[int] = mapped_column(Integer)
    default_prefixlen: Mapped[int] = mapped_column(Integer)
    default_quota: Mapped[int | None] = mapped_column(Integer)
    revision: Mapped[int] = mapped_column(Integer, default=0)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)


class NetworkPort(Base):
    """A plug of a network, and who is plugged in: `device_id` with `device_owner`, on `host`.

    `tag` is what a server calls this interface, `device_index` its place among the server's interfaces,
    from 1: only who plugs servers in sets it, so that a port that merely names a server is none of its own;
    `made_for_device` ports go when their server goes.
    """

    __tablename__ = "ports"
    __table_args__ = (
        UniqueConstraint("network_id", "mac_address"),
        Index(None, "device_id", "device_owner"),
        TABLE,
    )

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    network_id: Mapped[str] = mapped_column(String(36))
    project_id: Mapped[str] = mapped_column(String(64), index=True)
    name: Mapped[str] = mapped_column(String(255), default="")
    description: Mapped[str] = mapped_column(String(255), default="")
    admin_state_up: Mapped[bool] = mapped_column(default=True)
    status: Mapped[str] = mapped_column(String(16), default="DOWN")
    mac_address: Mapped[str] = mapped_column(String(17))
    device_id: Mapped[str] = mapped_column(String(255), default="")
    device_owner: Mapped[str] = mapped_column(String(255), default="")
    device_index: Mapped[int] = mapped_column(Integer, default=0)
    made_for_device: Mapped[bool] = mapped_column(default=False)
    tag: Mapped[str | None] = mapped_column(String(60))
    host: Mapped[str] = mapped_column(String(255), default="", index=True)
    vnic_type: Mapped[str] = mapped_column(String(64), default="normal")
    vif_type: Mapped[str] = mapped_column(String(64), default="unbound")
    vif_details: Mapped[Any] = mapped_column(JsonText, default=dict)
    profile: Mapped[Any] = mapped_column(JsonText, default=dict)
    port_security_enabled: Mapped[bool] = mapped_column(default=True)
    allowed_address_pairs: Mapped[Any] = mapped_column(JsonText, default=list)
    extra_dhcp_opts: Mapped[Any] = mapped_column(JsonText, default=list)
    dns_name: Mapped[str] = mapped_column(String(255), default="")
    revision: Mapped[int] = mapped_column(Integer, default=0)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)


class IpAllocation(Base):
    """An address that a port has. The key is what makes giving them out exact."""

    __tablename__ = "ip_allocations"
    __table_args__ = (Index(None, "network_id", "ip_address"), TABLE)

    subnet_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    ip_address: Mapped[str] = mapped_column(String(64), primary_key=True)
    network_id: Mapped[str] = mapped_column(String(36))
    port_id: Mapped[str] = mapped_column(String(36), index=True)
    position: Mapped[int] = mapped_column(Integer, default=0)


class NetworkTag(Base):
    """One tag of anything that the network service keeps."""

    __tablename__ = "network_tags"

    resource_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    tag: Mapped[str] = mapped_column(String(255), primary_key=True)


class NetworkQuota(Base):
    """One limit of a project; what has no row has the limit of the configuration, -1 means none."""

    __tablename__ = "network_quotas"

    project_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    resource: Mapped[str] = mapped_column(String(64), primary_key=True)
    hard_limit: Mapped[int] = mapped_column(Integer)
