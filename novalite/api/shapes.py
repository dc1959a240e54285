"""What answers look like, for the documents: the words of the column `answer` of routes and actions.

    answer={"flavor": FLAVOR}                            # an object with one key, shown by a View
    answer={"flavors": [BRIEF], "flavors_links": NEXT}   # a list, and a key that may be missing
    answer=(Reply(200, {...}, until=1), Reply(201, {...}, since=2))

Shapes are Views, objects and lists of shapes, Parts, Eithers, or any annotation that pydantic understands.
Nothing here is looked at while a request is answered.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from pydantic import TypeAdapter

from novalite.api.fields import Field, View

Schema = dict[str, Any]


@dataclass(frozen=True)
class Part:
    """A key of an object that is there in some minor versions, or (`maybe`) only in some answers."""

    kind: Any
    since: int = 1
    until: int | None = None
    maybe: bool = False

    def at(self, minor: int) -> bool:
        """Whether the key exists in that minor version."""
        return self.since <= minor and (self.until is None or minor <= self.until)


@dataclass(frozen=True)
class Reply:
    """One way to answer: its status and the shape of the body (None: no body), by minor version."""

    status: int
    shape: Any = None
    since: int = 1
    until: int | None = None

    def at(self, minor: int) -> bool:
        """Whether it is given in that minor version."""
        return self.since <= minor and (self.until is None or minor <= self.until)


@dataclass(frozen=True)
class Either:
    """One of several shapes."""

    kinds: tuple[Any, ...]


LINKS = [{"rel": str, "href": str, "type": Part(str, maybe=True)}]
NEXT = Part(LINKS, maybe=True)
"""The link to the next page: there when a page was full."""
ITEMS, ITEM = {"metadata": dict[str, str]}, {"meta": dict[str, str]}
TEXT = str | None
NUMBER = int | None

KINDS: dict[str, Any] = {
    **dict.fromkeys(
        ("id", "name", "status", "state", "binary", "host", "zone", "action", "event", "request_id",
         "instance_uuid", "user_id", "project_id", "tenant_id", "fingerprint", "public_key", "type", "uuid"),
        str,
    ),
    **dict.fromkeys(
        ("description", "disabled_reason", "message", "result", "traceback", "details", "locked_reason",
         "created_at", "updated_at", "start_time", "finish_time", "deleted_at", "key_name", "hostId"),
        TEXT,
    ),
    **dict.fromkeys(
        ("created", "updated", "accessIPv4", "accessIPv6", "OS-DCF:diskConfig", "OS-EXT-AZ:availability_zone",
         "config_drive", "OS-EXT-STS:vm_state", "host_status", "hypervisor_hostname", "hypervisor_type", "host_ip",
         "OS-EXT-SRV-ATTR:instance_name", "OS-EXT-SRV-ATTR:reservation_id"),
        str,
    ),
    **dict.fromkeys(
        ("OS-SRV-USG:launched_at", "OS-SRV-USG:terminated_at", "OS-EXT-STS:task_state", "OS-EXT-SRV-ATTR:host",
         "OS-EXT-SRV-ATTR:hypervisor_hostname", "OS-EXT-SRV-ATTR:kernel_id", "OS-EXT-SRV-ATTR:ramdisk_id",
         "OS-EXT-SRV-ATTR:hostname", "OS-EXT-SRV-ATTR:root_device_name", "OS-EXT-SRV-ATTR:user_data",
         "pinned_availability_zone", "uptime", "availability_zone", "private_key"),
        TEXT,
    ),
    **dict.fromkeys(
        ("vcpus", "ram", "disk", "progress", "OS-EXT-STS:power_state", "OS-EXT-SRV-ATTR:launch_index",
         "hypervisor_version", "vcpus_used", "memory_mb", "memory_mb_used", "local_gb", "local_gb_used",
         "running_vms", "current_workload", "free_ram_mb", "free_disk_gb"),
        int,
    ),
    "disk_available_least": NUMBER,
    **dict.fromkeys(
        ("deleted", "locked", "forced_down", "os-flavor-access:is_public", "OS-FLV-DISABLED:disabled"), bool
    ),
    "OS-FLV-EXT-DATA:ephemeral": int,
    "swap": int | str,
    "rxtx_factor": float,
    "security_groups": [{"name": str}],
    "server_groups": list[str],
    "trusted_image_certificates": list[str] | None,
    "scheduler_hints": dict[str, Any],
    "addresses": dict[str, list[dict[str, Any]]],
    "links": LINKS,
    "metadata": dict[str, str],
    "extra_specs": dict[str, str],
    "tags": list[str],
}  # fmt: skip
"""What fields of these names are, wherever nothing else is said."""


@lru_cache(maxsize=512)
def _annotation(kind: Any) -> Schema:
    return TypeAdapter(kind).json_schema()


def _of_annotation(kind: Any) -> Schema:
    made = dict(_annotation(kind))
    made.pop("title", None)
    return made


def versions(since: int, until: int | None) -> Schema:
    """The range of a key as notes for a document of all versions."""
    notes: Schema = {"x-since": f"2.{since}"} if since > 1 else {}
    return notes | ({"x-until": f"2.{until}"} if until is not None else {})


def schema(shape: Any, minor: int | None) -> Schema:
    """The JSON Schema of a shape at a minor version; None: of all, with notes where versions differ."""
    if isinstance(shape, View):
        return _of_view(shape, minor)
    if isinstance(shape, Part):
        return schema(shape.kind, minor)
    if isinstance(shape, Either):
        return {"anyOf": [schema(kind, minor) for kind in shape.kinds]}
    if isinstance(shape, list):
        return {"type": "array", "items": schema(shape[0], minor)}
    if isinstance(shape, dict):
        parts = {key: part if isinstance(part, Part) else Part(part) for key, part in shape.items()}
        keys = [(key, part, not part.maybe) for key, part in parts.items()]
        return _object(keys, minor, lambda part: part.kind)
    return {} if shape is None or shape is Any else _of_annotation(shape)


def _of_view(view: View, minor: int | None) -> Schema:
    keys = [(f.name, f, not f.optional and f.policy is None) for f in view.fields]
    return _object(keys, minor, kind_of)


def kind_of(field: Field) -> Any:
    """The shape of a field's value."""
    return field.kind if field.kind is not None else KINDS.get(field.name)


def _object(keys: list[tuple[str, Any, bool]], minor: int | None, kind: Callable[[Any], Any]) -> Schema:
    """`keys` are (name, something with versions, whether it is always there)."""
    seen: dict[str, list[tuple[Any, bool]]] = {}
    for name, part, always in keys:
        if minor is None or part.at(minor):
            seen.setdefault(name, []).append((part, always))
    shown: Schema = {}
    for name, parts in seen.items():
        kinds = []
        for part, _ in parts:
            one = schema(kind(part), minor)
            notes = versions(part.since, part.until) if minor is None else {}
            policy = getattr(part, "policy", None)
            notes |= {"x-policy": policy} if policy else {}
            if (found := {**one, **notes}) not in kinds:
                kinds.append(found)
        shown[name] = kinds[0] if len(kinds) == 1 else {"anyOf": kinds}
    needed = [name for name, parts in seen.items() if any(always for _, always in parts)] if minor else []
    made: Schema = {"type": "object", "properties": shown, "additionalProperties": False}
    return made | ({"required": needed} if needed else {})


def replies(answer: Any, status: int) -> tuple[Reply, ...]:
    """The column `answer` as replies; `status` is that of the row."""
    if isinstance(answer, Reply):
        return (answer,)
    if isinstance(answer, tuple):
        return answer
    return (Reply(status, answer),)
