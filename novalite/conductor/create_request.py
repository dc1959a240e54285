"""Check one accepted POST /servers against flavor, image, key and zones, and make its rows."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from novalite.conductor import pci_requests
from novalite.conductor.env import Env
from novalite.context import Context
from novalite.db.models.base import now
from novalite.db.models.compute import Host, Server, new_id
from novalite.errors import (
    BadRequest,
    FlavorDiskTooSmall,
    FlavorMemoryTooSmall,
    HostNotFound,
    ImageNotActive,
    NotFound,
    ServerNotFound,
)
from novalite.objects.flavors import Flavor
from novalite.objects.images import Image
from novalite.objects.numa_request import asked
from novalite.objects.pci import PciRequest
from novalite.objects.scheduling import RequestSpec
from novalite.objects.servers import CreateServers
from novalite.states import BUILDING, SCHEDULING

GIB = 1024**3
MAX_NAME = 255

DEFAULT_GROUP = "default"
"""The security group of servers that name none; every project has it."""
_UNKEPT = re.compile(r"resources[^:]*:.+|trait[^:]+:.+")
"""Amounts of resource classes, and traits of numbered groups (Flavors, "extra specs": resources, trait)."""


@dataclass(frozen=True)
class Resolved:
    """What the references of a request turned out to be."""

    flavor: Flavor
    image: Image | None
    public_key: str | None
    pci_requests: tuple[PciRequest, ...] = ()


def find_image(env: Env, session: Session, ctx: Context, image_id: str) -> Image:
    """An image named in a body: what is wrong with it is a 400."""
    try:
        found: Image = env.images.get(ctx, image_id, session=session)
    except NotFound as error:
        raise BadRequest(error.sentence) from error
    return found


def image_columns(image: Image | None) -> dict[str, Any]:
    """The columns of a server that tell of its image."""
    properties = image.properties if image else {}
    return {
        "image_id": image.id if image else None,
        "image_properties": properties,
        "kernel_id": properties.get("kernel_id"),
        "ramdisk_id": properties.get("ramdisk_id"),
    }


def needs_config_drive(image: Image | None) -> bool:
    """Whether servers of the image have a config drive, asked for or not ("Useful image properties")."""
    return image is not None and image.properties.get("img_config_drive") == "mandatory"


def check_image(image: Image, flavor: Flavor) -> None:
    """The image must be usable and fit the flavor (API reference: min_disk, min_ram; 0 GB disk fits all)."""
    if image.status != "active":
        raise ImageNotActive(image_id=image.id)
    if image.min_ram > flavor.ram_mb:
        raise FlavorMemoryTooSmall(needed=image.min_ram, ram=flavor.ram_mb)
    if flavor.disk_gb == 0:
        return
    needed = max(image.virtual_size or 0, image.size or 0, image.min_disk * GIB)
    if needed > flavor.disk_gb * GIB:
        raise FlavorDiskTooSmall(flavor_bytes=flavor.disk_gb * GIB, image_bytes=needed)


def check_flavor(flavor: Flavor) -> None:
    """BadRequest for extra specs that flavors may have by the public API, but that no host is asked for here: a server
    that seems to have what it does not have is worse than none."""
    for key in flavor.extra_specs:
        if _UNKEPT.fullmatch(key):
            raise BadRequest(
                f"Extra spec {key} of flavor {flavor.name} cannot be kept here: of flavors' extra specs about "
                "Placement, trait:NAME alone is asked of hosts."
            )


def check_place(session: Session, body: CreateServers) -> None:
    """Zones and hosts named in the request must exist (400 otherwise)."""
    if body.availability_zone is not None and body.availability_zone != "nova":
        zone = session.execute(select(Host.id).where(Host.zone == body.availability_zone).limit(1)).first()
        if zone is None:
            raise BadRequest("The requested availability zone is not available")
    name, node = body.requested_host, body.requested_node
    if name and not _host(session, Host.host == name):
        raise BadRequest(HostNotFound(host=name).sentence)
    if node and not _host(session, Host.node == node, *([Host.host == name] if name else [])):
        raise BadRequest(HostNotFound(host=node).sentence)


def _host(session: Session, *conditions: Any) -> bool:
    return session.execute(select(Host.id).where(*conditions).limit(1)).first() is not None


def hint_hosts(session: Session, ctx: Context, hint: Any) -> tuple[str, ...]:
    """Hosts of the servers that a same_host or different_host hint names; BadRequest for an unknown one."""
    ids = [hint] if isinstance(hint, str) else list(hint or ())
    if not ids:
        return ()
    query = select(Server.id, Server.host).where(Server.id.in_(ids), Server.deleted.is_(False))
    if not ctx.sees_all_projects:
        query = query.where(Server.project_id == ctx.project_id)
    found = {row[0]: row[1] for row in session.execute(query)}
    for one in ids:
        if one not in found:
            raise BadRequest(ServerNotFound(server_id=one).sentence)
    return tuple(dict.fromkeys(host for host in found.values() if host))


def request_spec(
    session: Session, ctx: Context, body: CreateServers, resolved: Resolved, physical: Iterable[str] = ()
) -> dict[str, Any]:
    """What the scheduler will be asked, without the server's id. `physical`: networks that hosts must be on."""
    hints = body.scheduler_hints
    same = hint_hosts(session, ctx, hints.get("same_host"))
    topology = asked(resolved.flavor, resolved.image.properties if resolved.image else {}, hints)
    spec = RequestSpec(
        server_id="",
        flavor=resolved.flavor,
        project_id=ctx.project_id,
        availability_zone=body.availability_zone,
        forced_host=body.forced_host,
        forced_node=body.forced_node,
        requested_host=body.requested_host,
        requested_node=body.requested_node,
        same_host=same if hints.get("same_host") else None,
        different_host=hint_hosts(session, ctx, hints.get("different_host")),
        hints=hints,
        physical_networks=tuple(physical),
        image_id=(resolved.image.id or None) if resolved.image else None,
        image_properties=resolved.image.properties if resolved.image else {},
        pci_requests=pci_requests.nearer(resolved.pci_requests, topology),
        numa=topology,
    )
    return spec.model_dump(mode="json", exclude={"excluded", "group"})


def hostname_of(name: str) -> str:
    """A host name made of a server name (RFC 952, RFC 1123): one label of letters, digits, hyphens, at most 63.

    Dots become hyphens, so that a name is not taken for one in a domain.
    """
    cleaned = re.sub(r"[^a-z0-9-]", "", re.sub(r"[ _.]", "-", name.lower())).strip("-")
    return cleaned[:63].rstrip("-")


def numbered(name: str, number: int) -> str:
    """The name of one of several servers; a name that leaves no room for its number is cut."""
    suffix = f"-{number}"
    return name[: MAX_NAME - len(suffix)] + suffix


def server_rows(
    ctx: Context, body: CreateServers, resolved: Resolved, count: int, drive: bool = False
) -> list[dict[str, Any]]:
    """One row per server; names of several are numbered from 1. `drive`: all of them have a config drive."""
    reservation = f"r-{secrets.token_hex(4)}"
    flavor = resolved.flavor
    disk = RequestSpec(server_id="", flavor=flavor).disk_gb
    rows = []
    moment = now()
    for index in range(count):
        server_id = new_id()
        name = body.name if count == 1 else numbered(body.name, index + 1)
        hostname = body.hostname if body.hostname and count == 1 else None
        if hostname is None:
            base = f"{body.hostname}-{index + 1}" if body.hostname else hostname_of(name)
            hostname = base or f"server-{server_id}"
        rows.append(
            {
                "id": server_id,
                "name": name,
                "hostname": hostname,
                "description": body.description,
                "project_id": ctx.project_id,
                "user_id": ctx.user_id,
                "vm_state": BUILDING,
                "task_state": SCHEDULING,
                "availability_zone": body.availability_zone,
                "pinned_availability_zone": body.availability_zone,
                **image_columns(resolved.image),
                "flavor_id": flavor.flavor_id,
                "flavor": flavor.model_dump(mode="json"),
                "vcpus": flavor.vcpus,
                "ram_mb": flavor.ram_mb,
                "disk_gb": disk,
                "key_name": body.key_name,
                "public_key": resolved.public_key,
                "metadata": body.metadata,
                "tags": sorted(body.tags),
                "user_data": body.user_data,
                "config_drive": drive or body.config_drive or needs_config_drive(resolved.image),
                "personality": list(body.personality),
                "access_ip_v4": body.access_ip_v4,
                "access_ip_v6": body.access_ip_v6,
                "disk_config": body.disk_config,
                "reservation_id": reservation,
                "launch_index": index,
                "security_groups": list(body.security_groups) or [DEFAULT_GROUP],
                "scheduler_hints": body.scheduler_hints,
                "trusted_image_certificates": body.trusted_image_certificates,
                "networks": body.networks,
                "created_at": moment,
                "state_since": moment,
            }
        )
    return rows
