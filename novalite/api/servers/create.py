"""POST /servers: from a checked body to the message for the conductor."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

from flask import g

from novalite.api.policy import allowed, authorize
from novalite.api.runtime import runtime
from novalite.api.servers.schemas import CreateServer, Network, NewServer
from novalite.errors import BadRequest, Forbidden
from novalite.objects.servers import CreateServers

LOG = logging.getLogger(__name__)
FORCED_HOST = "os_compute_api:servers:create:forced_host"
REQUESTED_HOST = "compute:servers:create:requested_destination"
ATTACH_NETWORK = "os_compute_api:servers:create:attach_network"
EXTERNAL_NETWORK = "network:attach_external_network"
TRUSTED_CERTIFICATES = "os_compute_api:servers:create:trusted_certs"


def to_message(body: CreateServer) -> CreateServers:
    """What the conductor is asked to create; checks policies that depend on the body.

    BadRequest or PolicyNotAuthorized with one sentence.
    """
    server = body.server
    if g.ctx.project_id is None:
        raise Forbidden("A server belongs to a project, and this token is for none.")
    place = split_zone(server.availability_zone)
    if place.host or place.node:
        authorize(FORCED_HOST)
    if server.host or server.hypervisor_hostname:
        authorize(REQUESTED_HOST)
        if place.host or place.node:
            raise BadRequest("A host may be named by availability_zone or by host and hypervisor_hostname, not both.")
    wanted = networks(server)
    if not isinstance(wanted, str):
        authorize(ATTACH_NETWORK)
    if server.trusted_image_certificates:
        authorize(TRUSTED_CERTIFICATES)
    low, high = counts(server)
    return CreateServers(
        name=server.name,
        flavor_id=server.flavorRef,
        image_id=boot_image(server),
        min_count=low,
        max_count=high,
        key_name=server.key_name,
        metadata=server.metadata,
        tags=tuple(server.tags),
        user_data=server.user_data,
        description=server.description,
        hostname=server.hostname,
        availability_zone=place.zone,
        forced_host=place.host,
        forced_node=place.node,
        requested_host=server.host,
        requested_node=server.hypervisor_hostname,
        config_drive=bool(server.config_drive),
        access_ip_v4=server.accessIPv4,
        access_ip_v6=server.accessIPv6,
        disk_config=server.disk_config,
        scheduler_hints=hints(body),
        security_groups=tuple(group.name for group in server.security_groups),
        trusted_image_certificates=tuple(server.trusted_image_certificates or ()) or None,
        networks=wanted,
        external_networks=not isinstance(wanted, str) and allowed(EXTERNAL_NETWORK),
        personality=tuple(file.model_dump() for file in server.personality),
    )


@dataclass(frozen=True)
class Place:
    """A parsed availability_zone."""

    zone: str | None = None
    host: str | None = None
    node: str | None = None


def split_zone(value: str | None) -> Place:
    """`zone`, `zone:host`, `zone:host:node` or `zone::node`."""
    if value is None:
        return Place()
    parts = value.split(":")
    if len(parts) > 3:
        raise BadRequest("availability_zone must be a zone, zone:host or zone:host:node.")
    zone, host, node = [part or None for part in (*parts, "", "")[:3]]
    return Place(zone, host, node)


def counts(server: NewServer) -> tuple[int, int]:
    """(min_count, max_count), each the other's default."""
    low = server.min_count or 1
    high = server.max_count or low
    if low > high:
        raise BadRequest("min_count must be <= max_count")
    if high > 1 and server.hostname:
        raise BadRequest("A hostname cannot be given to several servers.")
    return low, high


def boot_image(server: NewServer) -> str:
    """The image to boot. A block device that only repeats it is the same request in other words."""
    if server.block_device_mapping:
        raise BadRequest("Block devices need a block storage service, and this cloud has none.")
    image = server.imageRef or None
    for device in server.block_device_mapping_v2:
        plain = device.source_type == "image" and (device.destination_type or "local") == "local"
        if not plain or device.boot_index not in (0, None) or device.uuid is None:
            raise BadRequest("Block devices need a block storage service, and this cloud has none.")
        if image is not None and image != device.uuid:
            raise BadRequest("imageRef and block_device_mapping_v2 name different images.")
        image = device.uuid
    if image is None:
        raise BadRequest("Neither imageRef nor a boot volume was given.")
    return image


def networks(server: NewServer) -> str | tuple[dict[str, Any], ...]:
    """`auto`, `none`, `unsaid`, or for each interface network_id or port_id, fixed_ip and tag."""
    asked = server.networks
    if not asked:
        return "unsaid"
    if isinstance(asked, str):
        return asked
    if runtime().conf.networks.service == "none":
        raise BadRequest("This cloud has no network service; networks must be auto or none.")
    return tuple(_interface(one) for one in asked)


def _interface(asked: Network) -> dict[str, Any]:
    if asked.port is None and asked.uuid is None:
        raise BadRequest("Bad networks format: each of networks must name a uuid or a port.")
    if asked.port and asked.fixed_ip:
        raise BadRequest(
            f"Specified Fixed IP '{asked.fixed_ip}' cannot be used with port '{asked.port}': the two cannot be "
            "specified together."
        )
    network = None if asked.port else asked.uuid
    return {"network_id": network, "port_id": asked.port, "fixed_ip": asked.fixed_ip, "tag": asked.tag}


def hints(body: CreateServer) -> dict[str, Any]:
    """Scheduler hints under either of their names, as they were given."""
    given = body.hints or body.hints_alias
    return given.model_dump(exclude_unset=True) if given else {}
