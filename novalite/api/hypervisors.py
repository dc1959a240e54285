"""Hypervisors: /os-hypervisors."""

from __future__ import annotations

from typing import Any

import orjson

from novalite.api.fields import ABSENT, Field, See, View
from novalite.api.paging import PAGED, Key, Query, boolean, text
from novalite.api.routing import Call, Result, Routes
from novalite.api.runtime import runtime
from novalite.api.schemas import is_uuid
from novalite.api.shapes import NEXT, TEXT
from novalite.errors import BadRequest, NotFound, NotImplementedHere
from novalite.objects.base import Record
from novalite.rpc.contracts.hosts import Hosts

ROUTES = Routes()
RULE = "os_compute_api:os-hypervisors:"


# --- answers -----------------------------------------------------------------------------------


def _id(record: Record, see: See) -> Any:
    return record["uuid"] if see.version[1] >= 53 else record["id"]


def _service(record: Record, see: See) -> Any:
    return {
        "id": record["service_uuid"] if see.version[1] >= 53 else record["service_id"],
        "host": record["host"],
        "disabled_reason": record["disabled_reason"],
    }


def _cpu_info(record: Record, see: See) -> Any:
    """Text up to 2.27, an object from 2.28."""
    found = record["cpu_info"] or {}
    return found if see.version[1] >= 28 else orjson.dumps(found).decode()


def _servers(record: Record, see: See) -> Any:
    """There when they were asked for; before 2.75 not as an empty list."""
    found = record.get("servers")
    if found is None or (not found and see.version[1] < 75):
        return ABSENT
    return found


def _plain(*names: str, until: int | None = None) -> list[Field]:
    """Fields that are shown as they are."""
    return [Field(name, lambda r, see, name=name: r[name], until=until) for name in names]  # type: ignore[misc]


_COMMON = (
    Field("id", _id, kind=int | str),
    Field("hypervisor_hostname", lambda r, see: r["node"]),
    *_plain("state", "status"),
    Field("servers", _servers, optional=True, kind=list[dict[str, str]]),
)
BRIEF = View(*_COMMON)
FULL = View(
    *_COMMON,
    *_plain("hypervisor_type", "hypervisor_version", "host_ip"),
    Field("service", _service, kind={"id": int | str, "host": str, "disabled_reason": TEXT}),
    *_plain(
        "vcpus", "vcpus_used", "memory_mb", "memory_mb_used", "local_gb", "local_gb_used",
        "disk_available_least", "running_vms", "current_workload", until=87,
    ),
    Field("free_ram_mb", lambda r, see: r["memory_mb"] - r["memory_mb_used"], until=87),
    Field("free_disk_gb", lambda r, see: r["local_gb"] - r["local_gb_used"], until=87),
    Field("cpu_info", _cpu_info, until=87, kind=str | dict[str, Any]),
    Field("uptime", lambda r, see: r["uptime"] if r["state"] == "up" else None, since=88),
)  # fmt: skip
UPTIME = View(*_COMMON, *_plain("uptime"))

SUMS = (
    "vcpus", "vcpus_used", "memory_mb", "memory_mb_used", "local_gb", "local_gb_used", "running_vms",
    "current_workload",
)  # fmt: skip


# --- lists -------------------------------------------------------------------------------------

LISTED = Query(hypervisor_hostname_pattern=Key(text, since=53), with_servers=Key(boolean, since=53)).plus(
    {name: Key(key.read, since=33) for name, key in PAGED.items()}
)


def _list(call: Call, view: View) -> Result:
    query = call.query
    pattern = query.one("hypervisor_hostname_pattern")
    if pattern is not None and ("limit" in query or "marker" in query):
        raise BadRequest("hypervisor_hostname_pattern cannot be combined with limit and marker.")
    limit, marker = call.page() if call.minor >= 33 and pattern is None else (None, None)
    records = runtime().peer(Hosts).hypervisors(
        call.ctx, pattern, query.one("with_servers", False), limit, marker
    )  # fmt: skip
    if pattern is not None and not records:
        raise NotFound(f"No hypervisor matching '{pattern}' could be found.")
    answer: dict[str, Any] = {"hypervisors": view.show_all(records, call.see())}
    if limit is not None and records:
        last = str(_id(records[-1], call.see()))
        answer |= call.next_links("hypervisors", len(records), limit, last)
    return answer


@ROUTES.get(
    "/os-hypervisors",
    policy=RULE + "list",
    query=LISTED,
    answer={"hypervisors": [BRIEF], "hypervisors_links": NEXT},
)
def index(call: Call) -> Result:
    """Names and states."""
    return _list(call, BRIEF)


@ROUTES.get(
    "/os-hypervisors/detail",
    policy=RULE + "list-detail",
    query=LISTED,
    answer={"hypervisors": [FULL], "hypervisors_links": NEXT},
)
def detail(call: Call) -> Result:
    """With what they have and carry."""
    return _list(call, FULL)


@ROUTES.get(
    "/os-hypervisors/statistics",
    until=87,
    policy=RULE + "statistics",
    answer={"hypervisor_statistics": dict[str, int]},
)
def statistics(call: Call) -> Result:
    """Totals over all."""
    records = runtime().peer(Hosts).hypervisors(call.ctx)
    sums = {name: sum(record[name] for record in records) for name in SUMS}
    sums["count"] = len(records)
    sums["free_ram_mb"] = sums["memory_mb"] - sums["memory_mb_used"]
    sums["free_disk_gb"] = sums["local_gb"] - sums["local_gb_used"]
    least = [record["disk_available_least"] for record in records]
    sums["disk_available_least"] = sum(found or 0 for found in least)
    return {"hypervisor_statistics": sums}


# --- one ---------------------------------------------------------------------------------------


def _find(call: Call, hypervisor_id: str, with_servers: bool = False) -> Record:
    """By uuid; up to 2.52 by integer as well, which is what lists show there."""
    if call.minor >= 53 and not is_uuid(hypervisor_id):
        raise BadRequest(f"Invalid uuid {hypervisor_id[:60]}")
    if call.minor < 53 and not hypervisor_id.isdigit() and not is_uuid(hypervisor_id):
        raise NotFound(f"Hypervisor with ID '{hypervisor_id[:60]}' could not be found.")
    return runtime().peer(Hosts).hypervisor(call.ctx, hypervisor_id, with_servers)


@ROUTES.get(
    "/os-hypervisors/<hypervisor_id>",
    policy=RULE + "show",
    query=Query(strict_since=102, with_servers=Key(boolean, since=53)),
    answer={"hypervisor": FULL},
)
def show(call: Call, hypervisor_id: str) -> Result:
    """One, with its servers when asked."""
    record = _find(call, hypervisor_id, call.query.one("with_servers", False))
    return {"hypervisor": FULL.show(record, call.see())}


@ROUTES.get(
    "/os-hypervisors/<hypervisor_id>/uptime", until=87, policy=RULE + "uptime", answer={"hypervisor": UPTIME}
)
def uptime(call: Call, hypervisor_id: str) -> Result:
    """How long it has been up, in its own words."""
    record = _find(call, hypervisor_id)
    if record["state"] != "up":
        raise BadRequest(f"Compute service of {record['host']} is unavailable at this time.")
    if record["uptime"] is None:
        raise NotImplementedHere("The hypervisor does not say how long it has been up.")
    return {"hypervisor": UPTIME.show(record, call.see())}


def _matching(call: Call, pattern: str, with_servers: bool) -> list[Record]:
    records = runtime().peer(Hosts).hypervisors(call.ctx, pattern, with_servers)
    if not records:
        raise NotFound(f"No hypervisor matching '{pattern}' could be found.")
    return records


@ROUTES.get(
    "/os-hypervisors/<pattern>/search", until=52, policy=RULE + "search", answer={"hypervisors": [BRIEF]}
)
def search(call: Call, pattern: str) -> Result:
    """Those whose name contains the pattern."""
    return {"hypervisors": BRIEF.show_all(_matching(call, pattern, False), call.see())}


@ROUTES.get(
    "/os-hypervisors/<pattern>/servers", until=52, policy=RULE + "servers", answer={"hypervisors": [BRIEF]}
)
def servers(call: Call, pattern: str) -> Result:
    """The servers on them."""
    return {"hypervisors": BRIEF.show_all(_matching(call, pattern, True), call.see())}
