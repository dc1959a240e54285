"""Usage of projects, counted from the lives of their servers; audit periods and their records."""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from novalite.conductor.env import Env
from novalite.context import Context
from novalite.db import usage
from novalite.db.models.base import from_iso, iso, now
from novalite.errors import ConfigError
from novalite.objects.base import Record
from novalite.rpc.contracts.usage import Usage

TOTALS = {
    "vcpus": "total_vcpus_usage",
    "memory_mb": "total_memory_mb_usage",
    "local_gb": "total_local_gb_usage",
}
PERIOD = re.compile(r"(hour|day|month|year)(?:@([0-9]{1,2}))?")


class UsageEndpoint(Usage):
    """See the contract for each method's meaning and errors."""

    def __init__(self, env: Env) -> None:
        self.env = env

    def projects(
        self,
        ctx: Context,
        start: str,
        stop: str,
        project_id: str | None = None,
        detailed: bool = False,
        limit: int | None = None,
        marker: str | None = None,
    ) -> Record:
        begin, end = _moment(start), _moment(stop)
        with self.env.db.read() as session:
            rows = usage.servers(session, begin, end, project_id, limit, marker)
        found = by_project(rows, begin, end, now(), detailed)
        return {"projects": found, "count": len(rows), "last": rows[-1]["id"] if rows else None}

    def audits(self, ctx: Context, before: str | None = None) -> Record:
        at = now() if before is None else _moment(before)
        begin, end = last_period(self.env.conf.conductor.instance_usage_audit_period, at)
        with self.env.db.read() as session:
            found, hosts = usage.audited(session, begin, end), usage.hosts(session, end)
        return {"begin": iso(begin), "end": iso(end), "hosts": hosts, "audits": found}


def _moment(text: str) -> datetime:
    moment = from_iso(text)
    assert moment is not None
    return moment


def by_project(
    rows: Iterable[Record], start: datetime, stop: datetime, at: datetime, detailed: bool
) -> list[Record]:
    """Usage of these servers between two moments, summed by project. What has not been yet (`at` is the
    present) is not usage."""
    made: dict[str, Record] = {}
    for row in rows:
        used = _server(row, start, min(stop, at), at)
        project = made.setdefault(row["project_id"], _project(row["project_id"], detailed))
        project["total_hours"] += used["hours"]
        for amount, total in TOTALS.items():
            project[total] += used[amount] * used["hours"]
        if detailed:
            project["server_usages"].append(used)
    return list(made.values())


def _project(project_id: str, detailed: bool) -> Record:
    totals = dict.fromkeys(("total_hours", *TOTALS.values()), 0.0)
    return {"tenant_id": project_id, **totals, **({"server_usages": []} if detailed else {})}


def _server(row: Record, start: datetime, stop: datetime, at: datetime) -> Record:
    began, ended, flavor = row["launched_at"], row["terminated_at"], row["flavor"] or {}
    seconds = (min(ended or stop, stop) - max(began, start)).total_seconds()
    return {
        "instance_id": row["id"],
        "name": row["name"],
        "tenant_id": row["project_id"],
        "flavor": flavor.get("name", ""),
        "state": "terminated" if ended else row["vm_state"],
        "hours": max(0.0, seconds) / 3600,
        "uptime": max(0, int(((ended or at) - began).total_seconds())),
        "vcpus": row["vcpus"],
        "memory_mb": row["ram_mb"],
        "local_gb": flavor.get("disk_gb", 0) + flavor.get("ephemeral_gb", 0),
        "started_at": iso(began),
        "ended_at": iso(ended),
    }


# --- periods -----------------------------------------------------------------------------------


def last_period(text: str, before: datetime) -> tuple[datetime, datetime]:
    """The last whole period that ended before a moment. `text` is hour, day, month or year, and where it
    begins: hour@minute, day@hour, month@day, year@month. Raises ConfigError."""
    found = PERIOD.fullmatch(text)
    if found is None:
        raise ConfigError(reason=f"instance_usage_audit_period: {text} is no hour, day, month or year")
    unit, offset = found[1], int(found[2]) if found[2] else None
    end = _boundary(unit, offset, before)
    if end >= before:
        end = _earlier(unit, offset, end)
    return _earlier(unit, offset, end), end


def _boundary(unit: str, offset: int | None, at: datetime) -> datetime:
    """Where the period around a moment turns; an offset beyond the unit's end means its end."""
    whole: dict[str, Any] = {"second": 0, "microsecond": 0}
    if unit == "hour":
        return at.replace(minute=min(offset or 0, 59), **whole)
    if unit == "day":
        return at.replace(hour=min(offset or 0, 23), minute=0, **whole)
    if unit == "month":
        last = calendar.monthrange(at.year, at.month)[1]
        return at.replace(day=min(offset or 1, last), hour=0, minute=0, **whole)
    return at.replace(month=min(offset or 1, 12), day=1, hour=0, minute=0, **whole)


def _earlier(unit: str, offset: int | None, boundary: datetime) -> datetime:
    """The boundary before this one."""
    if unit in ("hour", "day"):
        return boundary - (timedelta(hours=1) if unit == "hour" else timedelta(days=1))
    if unit == "month":
        return _boundary(unit, offset, boundary.replace(day=1) - timedelta(days=1))
    return boundary.replace(year=boundary.year - 1)
