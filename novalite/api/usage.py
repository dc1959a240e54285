"""Usage: /os-simple-tenant-usage of projects, /os-instance_usage_audit_log of hosts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from flask import request

from novalite.api.paging import PAGED, Key, Query, text, when
from novalite.api.policy import authorize
from novalite.api.routing import Call, Result, Routes
from novalite.api.runtime import runtime
from novalite.api.shapes import NEXT, TEXT, Either, Part
from novalite.errors import BadRequest, NotFound
from novalite.objects.base import Record
from novalite.rpc.contracts.usage import Usage

ROUTES = Routes()
USAGE = "os_compute_api:os-simple-tenant-usage:"
AUDITS = "os_compute_api:os-instance-usage-audit-log:"
PAGES_SINCE = 40
ISO = "%Y-%m-%dT%H:%M:%S.%f"

PERIOD = Query(start=when, end=when, detailed=text).plus(
    {name: Key(key.read, since=PAGES_SINCE) for name, key in PAGED.items()}
)


def _period(call: Call) -> tuple[str, str]:
    """(start, end), each the present unless it is given."""
    present = datetime.now(UTC).strftime(ISO)
    start, end = call.query.one("start", present), call.query.one("end", present)
    if start > end:
        raise BadRequest("Invalid start time. The start time cannot occur after the end time.")
    return start, end


def _ask(call: Call, key: str, project_id: str | None, detailed: bool) -> tuple[list[Record], dict[str, Any]]:
    """Usage by project, each with the period it is about, and the link to the next page."""
    start, end = _period(call)
    limit, marker = call.page() if call.minor >= PAGES_SINCE else (None, None)
    found = runtime().peer(Usage).projects(call.ctx, start, end, project_id, detailed, limit, marker)
    links = {}
    if limit is not None and found["last"] is not None:
        links = call.next_links(key, found["count"], limit, found["last"], f"{key}_links")
    return [{**project, "start": start, "stop": end} for project in found["projects"]], links


_SERVER = {
    **dict.fromkeys(("instance_id", "name", "flavor", "state", "started_at", "tenant_id"), str),
    **dict.fromkeys(("uptime", "vcpus", "memory_mb", "local_gb"), int),
    "hours": float,
    "ended_at": TEXT,
}
_PROJECT = {
    **dict.fromkeys(("tenant_id", "start", "stop"), str),
    **dict.fromkeys(
        ("total_hours", "total_vcpus_usage", "total_memory_mb_usage", "total_local_gb_usage"), float
    ),
    "server_usages": Part([_SERVER], maybe=True),
}
OF_ALL = {"tenant_usages": [_PROJECT], "tenant_usages_links": NEXT}
OF_ONE = {"tenant_usage": Either((_PROJECT, {})), "tenant_usage_links": NEXT}


@ROUTES.get("/os-simple-tenant-usage", policy=USAGE + "list", query=PERIOD, answer=OF_ALL)
def index(call: Call) -> Result:
    """Of every project; server by server with detailed=1. An empty project is none."""
    if request.environ["novalite.path"].endswith("/"):
        raise NotFound("No project was named.")
    usages, links = _ask(call, "tenant_usages", None, call.query.one("detailed") == "1")
    return {"tenant_usages": usages, **links}


@ROUTES.get("/os-simple-tenant-usage/<project_id>", query=PERIOD, answer=OF_ONE)
def show(call: Call, project_id: str) -> Result:
    """Of one project, server by server; an empty object when it used nothing."""
    authorize(USAGE + "show", {"project_id": project_id})
    usages, links = _ask(call, "tenant_usage", project_id, True)
    return {"tenant_usage": usages[0] if usages else {}, **links}


LOG = {
    **dict.fromkeys(("period_beginning", "period_ending", "overall_status"), str),
    **dict.fromkeys(
        (
            "num_hosts",
            "num_hosts_done",
            "num_hosts_running",
            "num_hosts_not_run",
            "total_instances",
            "total_errors",
        ),
        int,
    ),
    "hosts_not_run": list[str],
    "log": dict[str, dict[str, Any]],
}

# --- audits ------------------------------------------------------------------------------------


@ROUTES.get("/os-instance_usage_audit_log", policy=AUDITS + "list", answer={"instance_usage_audit_logs": LOG})
def audits(call: Call) -> Result:
    """Of the last whole period."""
    return {"instance_usage_audit_logs": _log(runtime().peer(Usage).audits(call.ctx))}


@ROUTES.get(
    "/os-instance_usage_audit_log/<before>", policy=AUDITS + "show", answer={"instance_usage_audit_log": LOG}
)
def audits_before(call: Call, before: str) -> Result:
    """Of the last whole period before a time, `YYYY-MM-DD hh:mm:ss` with or without a fraction."""
    form = "%Y-%m-%d %H:%M:%S.%f" if "." in before else "%Y-%m-%d %H:%M:%S"
    try:
        moment = datetime.strptime(before, form).replace(tzinfo=UTC)
    except ValueError:
        raise BadRequest(f"Invalid timestamp for date {before[:60]}") from None
    if moment.year < 1901:
        raise BadRequest(f"Invalid timestamp for date {before[:60]}")
    found = runtime().peer(Usage).audits(call.ctx, moment.strftime(ISO))
    return {"instance_usage_audit_log": _log(found)}


def _log(found: Record) -> dict[str, Any]:
    hosts, done = set(found["hosts"]) | set(found["audits"]), found["audits"]
    running = [host for host, audit in done.items() if audit["state"] == "running"]
    missing = sorted(hosts - set(done))
    errors = sum(audit["errors"] for audit in done.values())
    finished = len(done) - len(running)
    who = "ALL" if finished == len(hosts) else f"{finished} of {len(hosts)}"
    return {
        "period_beginning": _plain(found["begin"]),
        "period_ending": _plain(found["end"]),
        "num_hosts": len(hosts),
        "num_hosts_done": finished,
        "num_hosts_running": len(running),
        "num_hosts_not_run": len(missing),
        "hosts_not_run": missing,
        "total_instances": sum(audit["servers"] for audit in done.values()),
        "total_errors": errors,
        "overall_status": f"{who} hosts done. {errors} errors.",
        "log": {host: _entry(audit) for host, audit in done.items()},
    }


def _entry(audit: Record) -> dict[str, Any]:
    return {
        "state": audit["state"].upper(),
        "instances": audit["servers"],
        "errors": audit["errors"],
        "message": audit["message"],
    }


def _plain(moment: str) -> str:
    return moment.replace("T", " ").removesuffix(".000000")
