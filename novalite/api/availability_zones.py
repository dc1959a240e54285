"""Availability zones: /os-availability-zone."""

from __future__ import annotations

from typing import Any

from novalite.api.routing import Call, Result, Routes
from novalite.api.runtime import runtime
from novalite.objects.base import Record
from novalite.rpc.contracts.hosts import Hosts

ROUTES = Routes()
RULE = "os_compute_api:os-availability-zone:"


def _zone(record: Record) -> dict[str, Any]:
    """Hosts are shown of zones that can be used."""
    hosts = record.get("hosts") if record["available"] else None
    return {
        "zoneName": record["name"],
        "zoneState": {"available": record["available"]},
        "hosts": hosts,
    }


ZONES = {
    "availabilityZoneInfo": [
        {"zoneName": str, "zoneState": {"available": bool}, "hosts": dict[str, dict[str, Any]] | None}
    ]
}


@ROUTES.get("/os-availability-zone", policy=RULE + "list", answer=ZONES)
def index(call: Call) -> Result:
    """Names and whether they can be used."""
    return {"availabilityZoneInfo": [_zone(record) for record in runtime().peer(Hosts).zones(call.ctx)]}


@ROUTES.get("/os-availability-zone/detail", policy=RULE + "detail", answer=ZONES)
def detail(call: Call) -> Result:
    """With hosts and their daemons, and the zone of the control plane."""
    records = runtime().peer(Hosts).zones(call.ctx, detail=True)
    return {"availabilityZoneInfo": [_zone(record) for record in records]}
