"""Limits: /limits, quotas and use in one answer, under names of their own."""

from __future__ import annotations

from typing import Any

from novalite.api.fields import Field, See, View
from novalite.api.paging import Key, Query, text
from novalite.api.policy import authorize
from novalite.api.routing import Call, Result, Routes
from novalite.api.runtime import runtime
from novalite.objects.base import Record
from novalite.rpc.contracts.flavors import Quotas

ROUTES = Routes()
RULE = "os_compute_api:limits"


def _limit(name: str, resource: str, until: int | None = None) -> Field:
    def value(record: Record, see: See) -> Any:
        return record[resource]["limit"]

    return Field(name, value, until=until, kind=int)


def _used(name: str, resource: str, until: int | None = None) -> Field:
    def value(record: Record, see: See) -> Any:
        return record[resource]["in_use"]

    return Field(name, value, until=until, kind=int)


ABSOLUTE = View(
    _limit("maxTotalInstances", "instances"),
    _limit("maxTotalCores", "cores"),
    _limit("maxTotalRAMSize", "ram"),
    _limit("maxTotalKeypairs", "key_pairs"),
    _limit("maxServerMeta", "metadata_items"),
    _limit("maxServerGroups", "server_groups"),
    _limit("maxServerGroupMembers", "server_group_members"),
    _used("totalInstancesUsed", "instances"),
    _used("totalCoresUsed", "cores"),
    _used("totalRAMUsed", "ram"),
    _used("totalServerGroupsUsed", "server_groups"),
    _limit("maxImageMeta", "metadata_items", until=38),
    _limit("maxPersonality", "injected_files", until=56),
    _limit("maxPersonalitySize", "injected_file_content_bytes", until=56),
    _limit("maxSecurityGroups", "security_groups", until=35),
    _limit("maxSecurityGroupRules", "security_group_rules", until=35),
    _limit("maxTotalFloatingIps", "floating_ips", until=35),
    _used("totalSecurityGroupsUsed", "security_groups", until=35),
    _used("totalFloatingIpsUsed", "floating_ips", until=35),
)


@ROUTES.get(
    "/limits",
    policy=RULE,
    query=Query(tenant_id=Key(text)),
    answer={"limits": {"rate": list[Any], "absolute": ABSOLUTE}},
)
def index(call: Call) -> Result:
    """Of the caller's project; of another one for those who may look."""
    project_id = call.query.one("tenant_id") or call.ctx.project_id or ""
    if project_id != call.ctx.project_id:
        authorize(RULE + ":other_project", {"project_id": project_id})
    found = runtime().peer(Quotas).show(call.ctx, project_id)
    return {"limits": {"rate": [], "absolute": ABSOLUTE.show(found, call.see())}}
