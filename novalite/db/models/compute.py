"""Tables of the compute core: services, hosts, servers, their tasks and what they take from a host."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Double, Index, Integer, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from novalite.db.models.base import TABLE, Base, JsonText, UtcDateTime, now


def new_id() -> str:
    """A random UUID as text, the id of everything public."""
    return str(uuid.uuid4())


class Service(Base):
    """One daemon on one host. Alive when `last_seen` (seconds since the epoch) is recent."""

    __tablename__ = "services"
    __table_args__ = (UniqueConstraint("host", "binary"), TABLE)

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    uuid: Mapped[str] = mapped_column(String(36), unique=True, default=new_id)
    host: Mapped[str] = mapped_column(String(255))
    binary: Mapped[str] = mapped_column(String(64))
    disabled: Mapped[bool] = mapped_column(default=False)
    disabled_reason: Mapped[str | None] = mapped_column(String(255))
    forced_down: Mapped[bool] = mapped_column(default=False)
    report_count: Mapped[int] = mapped_column(BigInteger, default=0)
    last_seen: Mapped[float] = mapped_column(Double, default=0.0)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    updated_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class Host(Base):
    """One hypervisor host: what it has, what of it may be given (`cap_*`), what servers take (`used_*`).

    `version` counts every change, `generation` those that are not mere use; see objects.hosts.HostRow.
    `pcpus` are dedicated CPUs, which `vcpus` leaves out; `numa` (a HostTopology) and `numa_used` (the HostUse) are
    text.
    `zone` and `aggregates` (name to metadata) follow from the aggregates it is in; db/aggregates.py keeps them.
    `overrides` is what operators set by the Placement API against what the host says: see db/placement/overrides.py.
    """

    __tablename__ = "hosts"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    uuid: Mapped[str] = mapped_column(String(36), unique=True, default=new_id)
    host: Mapped[str] = mapped_column(String(255), unique=True)
    node: Mapped[str] = mapped_column(String(255), index=True)
    zone: Mapped[str] = mapped_column(String(255), default="nova")
    aggregates: Mapped[Any] = mapped_column(JsonText, nullable=True)
    hypervisor_type: Mapped[str] = mapped_column(String(64), default="")
    hypervisor_version: Mapped[int] = mapped_column(Integer, default=0)
    host_ip: Mapped[str] = mapped_column(String(64), default="")
    vcpus: Mapped[int] = mapped_column(Integer)
    ram_mb: Mapped[int] = mapped_column(Integer)
    disk_gb: Mapped[int] = mapped_column(Integer)
    reserved_vcpus: Mapped[int] = mapped_column(Integer, default=0)
    reserved_ram_mb: Mapped[int] = mapped_column(Integer, default=0)
    reserved_disk_gb: Mapped[int] = mapped_column(Integer, default=0)
    cpu_ratio: Mapped[float] = mapped_column(Double, default=16.0)
    ram_ratio: Mapped[float] = mapped_column(Double, default=1.5)
    disk_ratio: Mapped[float] = mapped_column(Double, default=1.0)
    disk_available_least_gb: Mapped[int | None] = mapped_column(Integer)
    cap_vcpus: Mapped[int] = mapped_column(Integer)
    cap_ram_mb: Mapped[int] = mapped_column(Integer)
    cap_disk_gb: Mapped[int] = mapped_column(Integer)
    used_vcpus: Mapped[int] = mapped_column(Integer, default=0)
    used_ram_mb: Mapped[int] = mapped_column(Integer, default=0)
    used_disk_gb: Mapped[int] = mapped_column(Integer, default=0)
    servers: Mapped[int] = mapped_column(Integer, default=0)
    version: Mapped[int] = mapped_column(BigInteger, default=1)
    generation: Mapped[int] = mapped_column(BigInteger, default=1)
    cpu_info: Mapped[Any] = mapped_column(JsonText, default=dict)
    traits: Mapped[Any] = mapped_column(JsonText, default=list)
    supported_instances: Mapped[Any] = mapped_column(JsonText, nullable=True)
    physical_networks: Mapped[Any] = mapped_column(JsonText, nullable=True)
    bandwidth_mbps: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    cached_images: Mapped[Any] = mapped_column(JsonText, nullable=True)
    metrics: Mapped[Any] = mapped_column(JsonText, nullable=True)
    failed_builds: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    pci_pools: Mapped[Any] = mapped_column(JsonText, nullable=True)
    overrides: Mapped[Any] = mapped_column(JsonText, nullable=True)
    pcpus: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    used_pcpus: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    numa: Mapped[str | None] = mapped_column(Text)
    numa_used: Mapped[str | None] = mapped_column(Text)
    uptime: Mapped[str | None] = mapped_column(String(255))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    updated_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class Server(Base):
    """One server. `flavor` is the copy it was built with; `vcpus`, `ram_mb`, `disk_gb` are what it takes.

    `state_since` is when it came into its `vm_state`. `old_vm_state`, `old_flavor` and `migration_id` tell what
    an unconfirmed resize goes back to; `rescue` ({"image"}) and `shelved` ({"image_id", "at", "host"}) how it
    is being rescued or was shelved; `personality` ([{"path", "contents"}]) the files it was created with;
    `guest_password` what the guest left of itself, encrypted with the server's key.

    Metadata, tags and fault live in the row as JSON: a page of servers is one statement.
    """

    __tablename__ = "servers"
    __table_args__ = (
        Index(None, "project_id", "deleted", "created_at", "id"),
        Index(None, "deleted", "created_at", "id"),
        Index(None, "host", "deleted"),
        Index(None, "vm_state", "state_since"),
        Index(None, "project_id", "updated_at"),
        TABLE,
    )

    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    id: Mapped[str] = mapped_column(String(36), unique=True)
    name: Mapped[str] = mapped_column(String(255))
    description: Mapped[str | None] = mapped_column(String(255))
    hostname: Mapped[str] = mapped_column(String(255))
    project_id: Mapped[str] = mapped_column(String(64))
    user_id: Mapped[str] = mapped_column(String(64))
    vm_state: Mapped[str] = mapped_column(String(32))
    task_state: Mapped[str | None] = mapped_column(String(64))
    task_id: Mapped[str | None] = mapped_column(String(36))
    power_state: Mapped[int] = mapped_column(Integer, default=0)
    locked_by: Mapped[str | None] = mapped_column(String(16))
    locked_reason: Mapped[str | None] = mapped_column(String(255))
    host: Mapped[str | None] = mapped_column(String(255))
    node: Mapped[str | None] = mapped_column(String(255))
    availability_zone: Mapped[str | None] = mapped_column(String(255))
    pinned_availability_zone: Mapped[str | None] = mapped_column(String(255))
    image_id: Mapped[str | None] = mapped_column(String(36))
    image_properties: Mapped[Any] = mapped_column(JsonText, default=dict)
    flavor_id: Mapped[str] = mapped_column(String(255))
    flavor: Mapped[Any] = mapped_column(JsonText)
    vcpus: Mapped[int] = mapped_column(Integer)
    ram_mb: Mapped[int] = mapped_column(Integer)
    disk_gb: Mapped[int] = mapped_column(BigInteger)  # a sum of three numbers of a flavor
    key_name: Mapped[str | None] = mapped_column(String(255))
    public_key: Mapped[str | None] = mapped_column(Text)
    server_metadata: Mapped[Any] = mapped_column("metadata", JsonText, default=dict)
    tags: Mapped[Any] = mapped_column(JsonText, default=list)
    user_data: Mapped[str | None] = mapped_column(JsonText)
    config_drive: Mapped[bool] = mapped_column(default=False)
    access_ip_v4: Mapped[str | None] = mapped_column(String(39))
    access_ip_v6: Mapped[str | None] = mapped_column(String(39))
    disk_config: Mapped[str] = mapped_column(String(8), default="MANUAL")
    progress: Mapped[int] = mapped_column(Integer, default=0)
    reservation_id: Mapped[str] = mapped_column(String(64), index=True)
    launch_index: Mapped[int] = mapped_column(Integer, default=0)
    kernel_id: Mapped[str | None] = mapped_column(String(64))
    ramdisk_id: Mapped[str | None] = mapped_column(String(64))
    root_device_name: Mapped[str | None] = mapped_column(String(255), default="/dev/vda")
    security_groups: Mapped[Any] = mapped_column(JsonText, default=list)
    scheduler_hints: Mapped[Any] = mapped_column(JsonText, default=dict)
    trusted_image_certificates: Mapped[Any] = mapped_column(JsonText, nullable=True)
    networks: Mapped[Any] = mapped_column(JsonText, nullable=True)
    state_since: Mapped[datetime | None] = mapped_column(UtcDateTime)
    old_vm_state: Mapped[str | None] = mapped_column(String(32))
    old_flavor: Mapped[Any] = mapped_column(JsonText, nullable=True)
    migration_id: Mapped[str | None] = mapped_column(String(36))
    rescue: Mapped[Any] = mapped_column(JsonText, nullable=True)
    shelved: Mapped[Any] = mapped_column(JsonText, nullable=True)
    personality: Mapped[Any] = mapped_column(JsonText, nullable=True)
    fault: Mapped[Any] = mapped_column(JsonText, nullable=True)
    guest_password: Mapped[str | None] = mapped_column(Text)
    deleted: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    updated_at: Mapped[datetime | None] = mapped_column(UtcDateTime, index=True, default=now)
    launched_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    terminated_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class Allocation(Base):
    """What one server takes from one host; the sum over a host equals its `used_*`.

    `server_id` may be the uuid of a migration: the place that a server keeps until its resize is confirmed.
    `pci_devices`: how many rows of that table belong to it. `vcpus` are those on shared CPUs, `pcpus` dedicated CPUs;
    `numa` (a Placed) which ones, as text.
    """

    __tablename__ = "allocations"

    server_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    host: Mapped[str] = mapped_column(String(255), primary_key=True, index=True)
    vcpus: Mapped[int] = mapped_column(Integer)
    ram_mb: Mapped[int] = mapped_column(Integer)
    disk_gb: Mapped[int] = mapped_column(BigInteger)  # a sum of three numbers of a flavor
    pci_devices: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    pcpus: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    numa: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)


class Task(Base):
    """One flow on one server: intent, journal and lease. Users see it as an instance action.

    `journal` holds what `conductor/engine.py` needs to go on; `events` what users see of the steps; `secret` a
    password that the flow hands to a guest, until the task is over.
    An open task is run by `owner`, or waits for the report of `wait_host`, or is free for any conductor;
    in each case the sweep of any conductor looks at it again when `look_at` has passed. `look_at` and
    `deadline` (of the wait) are seconds since the epoch.
    """

    __tablename__ = "tasks"
    __table_args__ = (Index(None, "server_id", "created_at"), Index(None, "state", "look_at"), TABLE)

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    kind: Mapped[str] = mapped_column(String(32))
    action: Mapped[str] = mapped_column(String(64))
    server_id: Mapped[str] = mapped_column(String(36))
    project_id: Mapped[str | None] = mapped_column(String(64))
    user_id: Mapped[str | None] = mapped_column(String(64))
    request_id: Mapped[str] = mapped_column(String(64), index=True)
    ctx: Mapped[Any] = mapped_column(JsonText)
    args: Mapped[Any] = mapped_column(JsonText, default=dict)
    state: Mapped[str] = mapped_column(String(16), default="open")
    journal: Mapped[Any] = mapped_column(JsonText, default=dict)
    events: Mapped[Any] = mapped_column(JsonText, default=list)
    error: Mapped[Any] = mapped_column(JsonText, nullable=True)
    secret: Mapped[str | None] = mapped_column(Text)
    attempt: Mapped[int] = mapped_column(Integer, default=0)
    asks: Mapped[int] = mapped_column(Integer, default=0)
    owner: Mapped[str | None] = mapped_column(String(36))
    wait_host: Mapped[str | None] = mapped_column(String(255), index=True)
    look_at: Mapped[float] = mapped_column(Double, default=0.0)
    deadline: Mapped[float] = mapped_column(Double, default=0.0)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    updated_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
