"""Query keys of GET /servers: which exist at which version, who may use them, what they mean."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson

from novalite.api.paging import Asked, Key, Parser, Query, boolean, integer, one_of, says, text, when
from novalite.api.routing import Call
from novalite.api.runtime import runtime
from novalite.api.servers.views import ATTRIBUTES
from novalite.errors import BadRequest, Forbidden
from novalite.objects.servers import ServerQuery
from novalite.states import vm_states_of

UNKNOWN_STATUS_SINCE = 38
"""From here on an unknown status is a 400; before, nothing matches it."""
ALLOW_ALL = "os_compute_api:servers:allow_all_filters"


USER_DATA_SINCE = 3
MOST_TAGS = 50
"""Tags of one filter: a server has no more of them."""
MOST_PATTERN = 255
"""Characters of a regular expression: as long as the longest name, and short for the databases."""


def pattern(value: str) -> str:
    """A regular expression. The database may still refuse it: each kind has a syntax of its own."""
    if len(value) > MOST_PATTERN:
        raise ValueError(f"it is too long, the limit is {MOST_PATTERN} characters")
    try:
        re.compile(value)
    except (re.error, RecursionError, OverflowError):
        raise ValueError("it must be a regular expression") from None
    return text(value)


def _tags(value: str) -> list[str]:
    """Comma-separated tags."""
    return [part for part in value.split(",") if part]


def _items(value: str) -> dict[str, str]:
    """A JSON object of strings, or a list of such, as clients write metadata they look for."""
    try:
        found = orjson.loads(text(value))
    except orjson.JSONDecodeError:
        raise ValueError('it must be an object such as {"key": "value"}') from None
    items: dict[str, str] = {}
    for part in found if isinstance(found, list) else [found]:
        if not isinstance(part, dict) or not all(isinstance(one, str) for one in part.values()):
            raise ValueError('it must be an object such as {"key": "value"}')
        items |= part
    return items


@says(type="string", description="A word that means yes (true, 1, yes, on); every other word means no.")
def _yes(value: str) -> bool:
    """A word that means yes; every other means no."""
    try:
        return boolean(value)
    except ValueError:
        return False


def _disk_config(value: str) -> str:
    """AUTO or MANUAL, or a boolean that means one of them."""
    if value.upper() in ("AUTO", "MANUAL"):
        return value.upper()
    return "AUTO" if boolean(value) else "MANUAL"


@dataclass(frozen=True)
class Filter:
    """One filter key: reader, versions, `open_since`: the minor version from which non-admins may use it.

    A `plain` one goes to the conductor as it is; the others choose projects, states or times. Of one with
    `many` any of its values will do; of the others the last one counts.
    """

    read: Parser = text
    since: int = 1
    open_since: int | None = None
    plain: bool = True
    many: bool = False


ADMIN_ONLY = None

FILTERS: dict[str, Filter] = {
    "name": Filter(pattern, open_since=1),
    "status": Filter(open_since=1, plain=False),
    "flavor": Filter(open_since=1),
    "image": Filter(open_since=1),
    "reservation_id": Filter(open_since=1),
    "ip": Filter(pattern, open_since=1),
    "ip6": Filter(pattern, open_since=5),
    "changes-since": Filter(when, open_since=1, plain=False),
    "changes-before": Filter(when, since=66, open_since=66, plain=False),
    "all_tenants": Filter(boolean, open_since=1, plain=False),
    "tags": Filter(_tags, since=26, open_since=26),
    "tags-any": Filter(_tags, since=26, open_since=26),
    "not-tags": Filter(_tags, since=26, open_since=26),
    "not-tags-any": Filter(_tags, since=26, open_since=26),
    "locked": Filter(boolean, since=73, open_since=73),
    "availability_zone": Filter(open_since=83),
    "config_drive": Filter(boolean, open_since=83),
    "key_name": Filter(open_since=83),
    "created_at": Filter(when, open_since=83),
    "launched_at": Filter(when, open_since=83),
    "terminated_at": Filter(when, open_since=83),
    "power_state": Filter(integer(0), open_since=83),
    "task_state": Filter(open_since=83),
    "vm_state": Filter(open_since=83),
    "progress": Filter(integer(0), open_since=83),
    "user_id": Filter(open_since=83),
    "deleted": Filter(_yes, open_since=ADMIN_ONLY, plain=False),
    "soft_deleted": Filter(boolean, open_since=ADMIN_ONLY, plain=False),
    "tenant_id": Filter(open_since=ADMIN_ONLY, plain=False),
    "project_id": Filter(open_since=ADMIN_ONLY, plain=False),
    "host": Filter(open_since=ADMIN_ONLY),
    "node": Filter(open_since=ADMIN_ONLY),
    "uuid": Filter(open_since=ADMIN_ONLY, many=True),
    "description": Filter(pattern, open_since=ADMIN_ONLY),
    "hostname": Filter(open_since=ADMIN_ONLY),
    "metadata": Filter(_items, open_since=ADMIN_ONLY),
    "system_metadata": Filter(_items, open_since=ADMIN_ONLY),
    "access_ip_v4": Filter(open_since=ADMIN_ONLY),
    "access_ip_v6": Filter(open_since=ADMIN_ONLY),
    "kernel_id": Filter(open_since=ADMIN_ONLY),
    "ramdisk_id": Filter(open_since=ADMIN_ONLY),
    "root_device_name": Filter(open_since=ADMIN_ONLY),
    "launch_index": Filter(integer(0), open_since=ADMIN_ONLY),
    "auto_disk_config": Filter(_disk_config, open_since=ADMIN_ONLY),
    "locked_by": Filter(open_since=ADMIN_ONLY),
}
"""Filter keys (API reference, "List servers")."""

_NULLABLE = frozenset(
    {
        "task_state",
        "key_name",
        "host",
        "node",
        "availability_zone",
        "locked_by",
        "image",
        "kernel_id",
        "ramdisk_id",
    }
)
SORT_KEYS = frozenset(
    {
        "access_ip_v4", "access_ip_v6", "auto_disk_config", "availability_zone", "config_drive",
        "created_at", "display_description", "display_name", "host", "hostname", "image_ref",
        "instance_type_id", "kernel_id", "key_name", "launch_index", "launched_at", "locked_by", "node",
        "power_state", "progress", "project_id", "ramdisk_id", "root_device_name", "task_state",
        "terminated_at", "updated_at", "user_id", "uuid", "vm_state",
    }
)  # fmt: skip
IGNORED_SORT_KEYS = frozenset(
    {
        "architecture", "block_device_mapping", "cell_name", "cleaned", "default_ephemeral_device",
        "default_swap_device", "deleted", "deleted_at", "disable_terminate", "ephemeral_gb",
        "ephemeral_key_uuid", "extra", "fault", "flavor", "id", "info_cache", "key_data", "keypairs",
        "launched_on", "locked", "memory_mb", "metadata", "numa_topology", "old_flavor", "os_type",
        "pci_devices", "pci_requests", "reservation_id", "root_gb", "security_groups", "services",
        "shutdown_terminate", "system_metadata", "tags", "trusted_certs", "user_data", "vcpu_model", "vcpus",
        "vm_mode",
    }
)  # fmt: skip
"""Keys that are accepted and order nothing, as ever."""
ADMIN_SORT_KEYS = frozenset({"host", "node"})
LOCKED_SORT_SINCE = 73

QUERY = Query(strict_since=75).plus(
    {
        **{name: Key(f.read, since=f.since) for name, f in FILTERS.items()},
        "limit": integer(0),
        "marker": text,
        "sort_key": text,
        "sort_dir": one_of("asc", "desc"),
    }
)


@dataclass(frozen=True)
class Wanted:
    """A ServerQuery, or nothing: the filters contradict what can exist, so the page is empty."""

    query: ServerQuery | None


def read(call: Call, rule: str, allowed: Callable[[str], bool], detail: bool) -> Wanted:
    """What a list request asks for.

    `rule` is the policy of the list; `<rule>:get_all_tenants` lets a caller look at all projects.
    BadRequest for values that make no sense, Forbidden for what the caller may not ask.
    """
    asked = call.query
    every_filter = allowed(ALLOW_ALL)
    usable = [name for name in asked if name in FILTERS and _may(FILTERS[name], every_filter, call.minor)]
    project = _project(call, rule, allowed, every_filter)
    filters = {name: _value(asked, name) for name in usable if FILTERS[name].plain}
    deleted, possible = _states(call, usable, filters)
    if runtime().conf.networks.service == "none" and (filters.pop("ip", None) or filters.pop("ip6", None)):
        possible = False  # no server has an address
    limit, marker = call.page()
    since, before = asked.one("changes-since"), asked.one("changes-before")
    if since and before and since > before:
        raise BadRequest("The value of changes-since must be less than or equal to changes-before.")
    query = ServerQuery(
        detail=detail,
        project_id=project,
        filters=filters,
        limit=limit,
        marker=marker,
        sort=_sort(call, every_filter),
        changes_since=since,
        changes_before=before,
        deleted=deleted,
        soft_deleted=_soft_deleted(asked, usable, deleted),
        user_data=detail and call.minor >= USER_DATA_SINCE and allowed(ATTRIBUTES),
        shares=True,
    )
    return Wanted(query if possible else None)


def _project(call: Call, rule: str, allowed: Callable[[str], bool], every_filter: bool) -> str | None:
    """The project to look at; None for all. Forbidden for callers who may not look beyond their own."""
    asked, own = call.query, call.ctx.project_id or ""  # None would be every project
    named = (asked.one("tenant_id") or asked.one("project_id")) if every_filter else None
    if not asked.one("all_tenants", False):
        return own  # whatever project is named: that counts only with all_tenants
    if not allowed(f"{rule}:get_all_tenants"):
        raise Forbidden(f"Policy doesn't allow {rule}:get_all_tenants to be performed.")
    found: str | None = named
    return found


def _may(row: Filter, every_filter: bool, minor: int) -> bool:
    return every_filter or (row.open_since is not None and minor >= row.open_since)


def _value(asked: Asked, name: str) -> Any:
    if FILTERS[name].read is _tags:
        tags = list(dict.fromkeys(tag for tags in asked.all(name) for tag in tags))
        if len(tags) > MOST_TAGS:
            raise BadRequest(f"Invalid query parameter {name}. It may name at most {MOST_TAGS} tags.")
        return tags
    if FILTERS[name].many:
        return list(dict.fromkeys(asked.all(name)))
    value = asked.one(name)
    return None if name in _NULLABLE and value in ("", "None", "null") else value


def _states(call: Call, usable: list[str], filters: dict[str, Any]) -> tuple[bool | None, bool]:
    """Turn status, deleted and soft_deleted into filters: (deleted, whether anything can match)."""
    asked = call.query
    deleted: bool | None = None if asked.one("changes-since") or asked.one("changes-before") else False
    if "deleted" in usable:
        deleted = asked.one("deleted")
    statuses = list(dict.fromkeys(status.upper() for status in asked.all("status")))
    if not statuses:
        return deleted, True
    known = [status for status in statuses if vm_states_of(status) != ((), None)]
    if not known:
        if call.minor >= UNKNOWN_STATUS_SINCE:
            raise BadRequest(f"Invalid status value: {', '.join(statuses)[:100]}")
        return deleted, False
    if known == ["DELETED"]:
        if not call.ctx.is_admin:
            raise Forbidden("Only administrators may list deleted instances")
        deleted = True
    filters["status"] = known
    return deleted, True


def _soft_deleted(asked: Asked, usable: list[str], deleted: bool | None) -> bool | None:
    """Whether servers that can be restored are listed: among the deleted unless told otherwise, among the others
    only when asked for by the key (API reference: `deleted`, `soft_deleted`). Their status alone finds nothing."""
    if deleted is None:
        return None
    return bool(asked.one("soft_deleted", deleted)) if "soft_deleted" in usable else deleted


def _sort(call: Call, every_filter: bool) -> Any:
    """(key, direction) in order. What has no direction takes the first one; the last keys make ties unique."""
    keys, directions = call.query.all("sort_key"), call.query.all("sort_dir")
    if len(directions) > max(len(keys), 1):
        raise BadRequest("There are more sort_dir than sort_key values.")
    first = directions[0] if directions else "desc"
    order: dict[str, str] = {}
    for number, key in enumerate(keys):
        known = key in SORT_KEYS or (key == "locked" and call.minor >= LOCKED_SORT_SINCE)
        if not known and key not in IGNORED_SORT_KEYS:
            raise BadRequest(
                f"Invalid input for query parameter sort_key: servers cannot be sorted by {key[:60]}."
            )
        if key in ADMIN_SORT_KEYS and not every_filter:
            raise Forbidden(f"Only administrators can sort servers by {key}.")
        if known:  # a second mention orders nothing
            order.setdefault(key, directions[number] if number < len(directions) else first)
    for key in ("created_at", "id"):
        order.setdefault(key, first)
    return tuple(order.items())
