"""Hosts, as they were known before hypervisors and services had routes of their own: /os-hosts, to 2.42."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator

from novalite.api.paging import Query, text
from novalite.api.routing import Call, Result, Routes
from novalite.api.runtime import runtime
from novalite.api.schemas import Body, wrong
from novalite.errors import BadRequest, HostNotFound, NotImplementedHere
from novalite.objects.base import Record
from novalite.rpc.contracts.hosts import Hosts, Services

ROUTES = Routes()
RULE = "os_compute_api:os-hosts:"
LAST = 42
COMPUTE = "nova-compute"


def _switch(value: Any) -> bool:
    """`enable` or `disable`, in small letters, capitals, or with a capital."""
    if not isinstance(value, str) or value not in {
        form for word in ("enable", "disable") for form in (word, word.upper(), word.title())
    }:
        raise wrong("It must be enable or disable.")
    return value.lower() == "enable"


Switch = Annotated[bool, BeforeValidator(_switch)]


class HostChanges(Body):
    """PUT /os-hosts/{host}: at least one of the two."""

    status: Switch | None = None
    maintenance_mode: Switch | None = None


LISTED = {"hosts": [dict.fromkeys(("host_name", "service", "zone"), str)]}
RESOURCE = {"host": str, "project": str, "cpu": int, "memory_mb": int, "disk_gb": int}


@ROUTES.get(
    "/os-hosts", until=LAST, policy=RULE + "list", query=Query(zone=text, service=text), answer=LISTED
)
def index(call: Call) -> Result:
    """Every daemon that is enabled, of a zone when asked; an empty filter is none."""
    zone, service = call.query.one("zone") or None, call.query.one("service") or None
    shown = [_listed(one) for one in runtime().peer(Services).page(call.ctx) if not one["disabled"]]
    return {
        "hosts": [one for one in shown if zone in (None, one["zone"]) and service in (None, one["service"])]
    }


def _listed(service: Record) -> dict[str, Any]:
    kind = service["binary"].removeprefix("nova-")
    return {"host_name": service["host"], "service": kind, "zone": service["zone"]}


@ROUTES.get("/os-hosts/<host>", until=LAST, policy=RULE + "show", answer={"host": [{"resource": RESOURCE}]})
def show(call: Call, host: str) -> Result:
    """What the machine has, what of it is in use, what servers may use, and that by project."""
    rows = runtime().peer(Hosts).resources(call.ctx, host)
    return {"host": [{"resource": {"host": host, **row}} for row in rows]}


@ROUTES.put(
    "/os-hosts/<host>",
    until=LAST,
    policy=RULE + "update",
    body=HostChanges,
    answer={"host": str, "status": str},
)
def update(call: Call, host: str) -> Result:
    """Take a host's compute service out of use, or back. No driver here has a maintenance mode."""
    asked: HostChanges = call.body
    if asked.status is None and asked.maintenance_mode is None:
        raise BadRequest("Invalid input for field/attribute body. It must hold status or maintenance_mode.")
    if asked.maintenance_mode is not None:
        _require(call, host)
        raise NotImplementedHere("The hypervisor of this host does not support a maintenance mode.")
    changes: dict[str, bool | str | None] = {"disabled": not asked.status}
    if asked.status:
        changes["disabled_reason"] = None
    runtime().peer(Services).update_by_name(call.ctx, host, COMPUTE, changes)
    return {"host": host, "status": "enabled" if asked.status else "disabled"}


def _require(call: Call, host: str) -> None:
    if not runtime().peer(Services).page(call.ctx, host, COMPUTE):
        raise HostNotFound(host=host)


def _power(action: str, rule: str) -> None:
    """A route for something no driver here does to a machine."""

    @ROUTES.get(f"/os-hosts/<host>/{action}", until=LAST, policy=RULE + rule)
    def refuse(call: Call, host: str) -> Result:
        _require(call, host)
        raise NotImplementedHere(f"The hypervisor of this host does not support {action} of the host.")

    refuse.__doc__ = f"Asks the hypervisor for {action} of its machine."


for _action, _rule in (("reboot", "reboot"), ("shutdown", "shutdown"), ("startup", "start")):
    _power(_action, _rule)
