"""Services: /os-services."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator
from pydantic import Field as Limits

from novalite.api.fields import Field, See, View
from novalite.api.paging import Query, text
from novalite.api.routing import Call, Result, Routes
from novalite.api.runtime import runtime
from novalite.api.schemas import Body, Bool, is_uuid, parse, printable
from novalite.api.shapes import Part
from novalite.errors import BadRequest, NotFound
from novalite.objects.base import Record
from novalite.rpc.contracts.hosts import Services

ROUTES = Routes()
RULE = "os_compute_api:os-services:"

HostName = Annotated[str, Limits(min_length=1, max_length=255, pattern=r"^[a-zA-Z0-9-._]*$")]
Binary = Annotated[str, Limits(min_length=1, max_length=255)]
Reason = Annotated[str, Limits(min_length=1, max_length=255), AfterValidator(printable)]


class Named(Body):
    """PUT /os-services/enable and /disable: which service."""

    host: HostName
    binary: Binary


class NamedWithReason(Named):
    """PUT /os-services/disable-log-reason."""

    disabled_reason: Reason


class ForceDown(Named):
    """PUT /os-services/force-down."""

    forced_down: Bool


class ServiceUpdate(Body):
    """PUT /os-services/{uuid}."""

    status: Literal["enabled", "disabled"] = "enabled"
    disabled_reason: Reason = ""
    forced_down: Bool = False


ACTIONS: dict[str, tuple[int, type[Named]]] = {
    # word in the path: (since which minor version, body)
    "enable": (1, Named),
    "disable": (1, Named),
    "disable-log-reason": (1, NamedWithReason),
    "force-down": (11, ForceDown),
}


def _id(record: Record, see: See) -> Any:
    return record["uuid"] if see.version[1] >= 53 else record["id"]


SERVICE = View(
    Field("id", _id, kind=int | str),
    Field("binary", lambda r, see: r["binary"]),
    Field("host", lambda r, see: r["host"]),
    Field("zone", lambda r, see: r["zone"]),
    Field("status", lambda r, see: r["status"]),
    Field("state", lambda r, see: r["state"]),
    Field("updated_at", lambda r, see: r["updated_at"]),
    Field("disabled_reason", lambda r, see: r["disabled_reason"]),
    Field("forced_down", lambda r, see: r["forced_down"], since=11),
)


@ROUTES.get(
    "/os-services", policy=RULE + "list", query=Query(host=text, binary=text), answer={"services": [SERVICE]}
)
def index(call: Call) -> Result:
    """Every daemon, or those of a host or a kind."""
    records = runtime().peer(Services).page(call.ctx, call.query.one("host"), call.query.one("binary"))
    return {"services": SERVICE.show_all(records, call.see())}


# --- changing ----------------------------------------------------------------------------------


CHANGED = {
    "host": str,
    "binary": str,
    "status": Part(str, maybe=True),
    "disabled_reason": Part(str, maybe=True),
    "forced_down": Part(bool, since=11, maybe=True),
}
"""What PUT answers up to 2.52: what was changed."""


@ROUTES.put(
    "/os-services/<service_id>",
    until=52,
    policy=RULE + "update",
    body=Annotated[dict[str, Any], Limits(max_length=8)],
    answer={"service": CHANGED},
)
def act(call: Call, service_id: str) -> Result:
    """Do what the path says to the service that the body names."""
    since, kind = ACTIONS.get(service_id, (1000, Named))
    if call.minor < since:
        raise NotFound(f"There is no service action {service_id[:60]}.")
    body = parse(kind, call.body, call.version)
    changes = _changes(service_id, body)
    runtime().peer(Services).update_by_name(call.ctx, body.host, body.binary, changes)
    said = {"host": body.host, "binary": body.binary}
    if service_id == "force-down":
        return {"service": {**said, "forced_down": changes["forced_down"]}}
    said["status"] = "disabled" if changes["disabled"] else "enabled"
    if service_id == "disable-log-reason":
        said["disabled_reason"] = body.disabled_reason
    return {"service": said}


def _changes(action: str, body: Any) -> dict[str, bool | str | None]:
    if action == "force-down":
        return {"forced_down": body.forced_down}
    if action == "enable":
        return {"disabled": False, "disabled_reason": None}
    return {"disabled": True, "disabled_reason": getattr(body, "disabled_reason", None)}


@ROUTES.put(
    "/os-services/<service_id>",
    since=53,
    policy=RULE + "update",
    body=ServiceUpdate,
    answer={"service": SERVICE},
)
def update(call: Call, service_id: str) -> Result:
    """Change status, reason and forced_down of one service."""
    _check_uuid(service_id)
    asked: ServiceUpdate = call.body
    given = asked.model_fields_set
    if not given:
        raise BadRequest("No updates were requested: status or forced_down must be given.")
    if "disabled_reason" in given and asked.status != "disabled":
        raise BadRequest("disabled_reason requires that status is disabled.")
    changes: dict[str, bool | str | None] = {}
    if "status" in given:
        changes = {"disabled": asked.status == "disabled", "disabled_reason": asked.disabled_reason or None}
    if "forced_down" in given:
        changes["forced_down"] = asked.forced_down
    record = runtime().peer(Services).update(call.ctx, service_id, changes)
    return {"service": SERVICE.show(record, call.see())}


@ROUTES.delete("/os-services/<service_id>", policy=RULE + "delete")
def delete(call: Call, service_id: str) -> Result:
    """Forget a service; refused while its host carries servers."""
    if call.minor >= 53:
        _check_uuid(service_id)
    elif not service_id.isascii() or not service_id.isdigit():
        raise BadRequest(f"Invalid service id {service_id[:60]}. It must be an integer.")
    runtime().peer(Services).delete(call.ctx, service_id)
    return None


def _check_uuid(service_id: str) -> None:
    if not is_uuid(service_id):
        raise BadRequest(f"Invalid uuid {service_id[:60]}")
