"""A server record as the API shows it, by microversion and by who looks."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import lru_cache
from typing import Any, Literal

from novalite import states
from novalite.api.fields import ABSENT, Field, See, View, once
from novalite.api.shapes import LINKS, Either, Part
from novalite.objects.base import Record

ATTRIBUTES = "os_compute_api:os-extended-server-attributes"
HOST_STATUS = "os_compute_api:servers:show:host_status"
HOST_UNKNOWN = "os_compute_api:servers:show:host_status:unknown-only"
EXTRA_SPECS = "os_compute_api:servers:show:flavor-extra-specs"
FULL_UPDATE_SINCE = 75
"""From here on PUT and rebuild answer all that show answers."""

_WITH_PROGRESS = frozenset({"ACTIVE", "BUILD", "REBUILD", "RESIZE", "VERIFY_RESIZE", "MIGRATING"})
_WITH_FAULT = frozenset({"ERROR", "DELETED"})
status = lru_cache(maxsize=1024)(states.status)


@lru_cache(maxsize=4096)
def host_id(project_id: str, host: str | None) -> str:
    """A host's name as a project sees it: the same for its servers there, meaningless to others."""
    return hashlib.sha224(f"{project_id}{host}".encode()).hexdigest() if host else ""


def seconds(moment: str | None) -> str | None:
    """`2026-01-31T10:00:00Z` of `2026-01-31T10:00:00.000000`."""
    return f"{moment[:19]}Z" if moment else None


def exact(moment: str | None) -> str | None:
    """With its microseconds, also when there are none."""
    return moment if moment is None or len(moment) > 19 else f"{moment}.000000"


def _status(r: Record, see: See) -> str:
    return status(r["vm_state"], r["task_state"])


def _progress(r: Record, see: See) -> Any:
    return r["progress"] if _status(r, see) in _WITH_PROGRESS else ABSENT


def _fault(r: Record, see: See) -> Any:
    fault = r["fault"]
    if not fault or _status(r, see) not in _WITH_FAULT:
        return ABSENT
    shown = {"code": fault["code"], "created": seconds(fault["created"]), "message": fault["message"]}
    if fault.get("details") and (see.more or fault["code"] != 500):
        shown["details"] = fault["details"]
    return shown


def _image(r: Record, see: See) -> Any:
    image_id = r["image_id"]
    return {"id": image_id, "links": see.links.bookmark("images", image_id)} if image_id else ""


def _image_with_properties(r: Record, see: See) -> Any:
    image = _image(r, see)
    return {**image, "properties": r["image_properties"] or {}} if image else ""


@once("flavor")
def _flavor_link(r: Record, see: See) -> Any:
    flavor_id = r["flavor"]["flavor_id"]
    return {"id": flavor_id, "links": see.links.bookmark("flavors", flavor_id)}


@once("flavor")
def _flavor(r: Record, see: See) -> Any:
    flavor = r["flavor"]
    return {
        "vcpus": flavor["vcpus"],
        "ram": flavor["ram_mb"],
        "disk": flavor["disk_gb"],
        "ephemeral": flavor["ephemeral_gb"],
        "swap": flavor["swap_mb"],
        "original_name": flavor["name"],
    }


@once("flavor")
def _flavor_with_specs(r: Record, see: See) -> Any:
    return {**_flavor(r, see), "extra_specs": r["flavor"]["extra_specs"]}


def _groups(r: Record, see: See) -> Any:
    return [{"name": name} for name in r["security_groups"] or ()] or ABSENT


def _plain_addresses(r: Record, see: See) -> Any:
    """Without the kind and the MAC address of each, as answers to changes have them before they are whole."""
    return {
        label: [{"version": one["version"], "addr": one["addr"]} for one in found]
        for label, found in r["addresses"].items()
    }


def _volumes(r: Record, see: See) -> Any:
    return [{"id": v["id"]} for v in r["volumes"]]


def _volumes_with_fate(r: Record, see: See) -> Any:
    return [{"id": v["id"], "delete_on_termination": v["delete_on_termination"]} for v in r["volumes"]]


def _host_status_unknown(r: Record, see: See) -> Any:
    return r["host_status"] if r["host_status"] == "UNKNOWN" else ABSENT


_IMAGE = Either(({"id": str, "links": LINKS}, Literal[""]))
_FULL_IMAGE = Either(({"id": str, "links": LINKS, "properties": dict[str, Any]}, Literal[""]))
_FLAVOR = {
    **dict.fromkeys(("vcpus", "ram", "disk", "ephemeral", "swap"), int),
    "original_name": str,
    "extra_specs": Part(dict[str, str], maybe=True),
}
_FAULT = {"code": int, "created": str, "message": str, "details": Part(str, maybe=True)}

FIELDS = (
    Field("id", "id"),
    Field("name", "name"),
    Field("status", _status),
    Field("tenant_id", "project_id"),
    Field("user_id", "user_id"),
    Field("metadata", lambda r, see: r["metadata"] or {}),
    Field("hostId", lambda r, see: host_id(r["project_id"], r["host"])),
    Field("image", _image, until=97, kind=_IMAGE),
    Field("image", _image_with_properties, since=98, kind=_FULL_IMAGE),
    Field("flavor", _flavor_link, until=46, kind={"id": str, "links": LINKS}),
    Field("flavor", _flavor, since=47, kind=_FLAVOR),
    Field("flavor", _flavor_with_specs, since=47, policy=EXTRA_SPECS, kind=_FLAVOR),
    Field("created", lambda r, see: seconds(r["created_at"])),
    Field("updated", lambda r, see: seconds(r["updated_at"] or r["created_at"])),
    Field("addresses", "addresses"),
    Field("accessIPv4", lambda r, see: r["access_ip_v4"] or ""),
    Field("accessIPv6", lambda r, see: r["access_ip_v6"] or ""),
    Field("links", lambda r, see: see.links.of("servers", r["id"])),
    Field("OS-DCF:diskConfig", "disk_config"),
    Field("progress", _progress, optional=True),
    Field("fault", _fault, optional=True, kind=_FAULT),
    Field("OS-EXT-AZ:availability_zone", lambda r, see: r["availability_zone"] or ""),
    Field("config_drive", lambda r, see: "True" if r["config_drive"] else ""),
    Field("key_name", "key_name"),
    Field("OS-SRV-USG:launched_at", lambda r, see: exact(r["launched_at"])),
    Field("OS-SRV-USG:terminated_at", lambda r, see: exact(r["terminated_at"])),
    Field("security_groups", _groups, optional=True),
    Field("OS-EXT-SRV-ATTR:host", "host", policy=ATTRIBUTES),
    Field("OS-EXT-SRV-ATTR:instance_name", "instance_name", policy=ATTRIBUTES),
    Field("OS-EXT-SRV-ATTR:hypervisor_hostname", "node", policy=ATTRIBUTES),
    Field("OS-EXT-SRV-ATTR:reservation_id", "reservation_id", since=3, policy=ATTRIBUTES),
    Field("OS-EXT-SRV-ATTR:launch_index", "launch_index", since=3, policy=ATTRIBUTES),
    Field("OS-EXT-SRV-ATTR:kernel_id", lambda r, see: r["kernel_id"] or "", since=3, policy=ATTRIBUTES),
    Field("OS-EXT-SRV-ATTR:ramdisk_id", lambda r, see: r["ramdisk_id"] or "", since=3, policy=ATTRIBUTES),
    Field("OS-EXT-SRV-ATTR:hostname", "hostname", since=3, until=89, policy=ATTRIBUTES),
    Field("OS-EXT-SRV-ATTR:hostname", "hostname", since=90),
    Field("OS-EXT-SRV-ATTR:root_device_name", "root_device_name", since=3, policy=ATTRIBUTES),
    Field("OS-EXT-SRV-ATTR:user_data", lambda r, see: r.get("user_data"), since=3, policy=ATTRIBUTES),
    Field("OS-EXT-STS:task_state", "task_state"),
    Field("OS-EXT-STS:vm_state", "vm_state"),
    Field("OS-EXT-STS:power_state", "power_state"),
    Field("os-extended-volumes:volumes_attached", _volumes, until=2, kind=list[dict[str, Any]]),
    Field("os-extended-volumes:volumes_attached", _volumes_with_fate, since=3, kind=list[dict[str, Any]]),
    Field("locked", lambda r, see: bool(r["locked_by"]), since=9),
    Field("host_status", _host_status_unknown, since=16, policy=HOST_UNKNOWN, optional=True),
    Field("host_status", "host_status", since=16, policy=HOST_STATUS),
    Field("description", "description", since=19),
    Field("tags", lambda r, see: r["tags"] or [], since=26),
    Field("trusted_image_certificates", "trusted_image_certificates", since=63),
    Field("locked_reason", "locked_reason", since=73),
    Field("pinned_availability_zone", "pinned_availability_zone", since=96),
    Field("scheduler_hints", lambda r, see: r["scheduler_hints"] or {}, since=100),
)
"""Every field of a server. Of several with one name the last that is visible is shown."""

SERVER_GROUPS = Field("server_groups", "server_groups", since=71)
ALWAYS_IN_UPDATE = frozenset(
    {
        "id", "name", "status", "tenant_id", "user_id", "metadata", "hostId", "image", "flavor", "created",
        "updated", "addresses", "accessIPv4", "accessIPv6", "links", "OS-DCF:diskConfig", "progress",
        "fault", "locked", "description", "tags", "trusted_image_certificates", "locked_reason",
        "server_groups",
    }
)  # fmt: skip


def _update_field(field: Field) -> Field:
    """PUT answers the base fields, and all of show from 2.75."""
    if field.name in ALWAYS_IN_UPDATE:
        return field
    return replace(field, since=max(field.since, FULL_UPDATE_SINCE))


BRIEF = View(
    Field("id", "id"),
    Field("name", "name"),
    Field("links", lambda r, see: see.links.of("servers", r["id"])),
)
DETAIL = View(*FIELDS)
SHOW = View(*FIELDS, SERVER_GROUPS)
UPDATED = View(
    *[_update_field(field) for field in (*FIELDS, SERVER_GROUPS)],
    Field("addresses", _plain_addresses, until=FULL_UPDATE_SINCE - 1),
)
