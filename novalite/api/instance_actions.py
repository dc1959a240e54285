"""What was done to a server: /servers/{id}/os-instance-actions."""

from __future__ import annotations

from novalite.api.fields import Field, View
from novalite.api.paging import ANY, Key, Query, integer, text, when
from novalite.api.policy import allowed, authorize
from novalite.api.routing import Call, Result, Routes
from novalite.api.runtime import runtime
from novalite.api.schemas import is_uuid
from novalite.api.servers.access import check_id, load, must_look
from novalite.api.shapes import NEXT
from novalite.errors import ActionNotFound, BadRequest
from novalite.rpc.contracts.servers import InstanceActions

ROUTES = Routes()
LIST = "os_compute_api:os-instance-actions:list"
SHOW = "os_compute_api:os-instance-actions:show"
EVENTS = "os_compute_api:os-instance-actions:events"
DETAILS = "os_compute_api:os-instance-actions:events:details"

DELETED_SINCE = 21
EVENTS_FOR_ALL_SINCE = 51
PAGED_SINCE = 58

ACTION = View(
    Field("action", lambda r, see: r["action"]),
    Field("instance_uuid", lambda r, see: r["instance_uuid"]),
    Field("request_id", lambda r, see: r["request_id"]),
    Field("user_id", lambda r, see: r["user_id"]),
    Field("project_id", lambda r, see: r["project_id"]),
    Field("start_time", lambda r, see: r["start_time"]),
    Field("message", lambda r, see: r["message"]),
    Field("updated_at", lambda r, see: r["updated_at"], since=PAGED_SINCE),
)
EVENT = View(
    Field("event", lambda r, see: r["event"]),
    Field("start_time", lambda r, see: r["start_time"]),
    Field("finish_time", lambda r, see: r["finish_time"]),
    Field("result", lambda r, see: r["result"]),
    Field("traceback", lambda r, see: r["traceback"], policy=EVENTS),
    Field("hostId", lambda r, see: r["host_id"] or "", since=62),
    Field("host", lambda r, see: r["host"], since=62, policy=EVENTS),
    Field("details", lambda r, see: r["details"], since=84, policy=DETAILS),
)

WITH_EVENTS = View(*ACTION.fields, Field("events", lambda r, see: r["events"], optional=True, kind=[EVENT]))
"""One action as it is shown; the events go through a view of their own."""

QUERY = Query(strict_since=PAGED_SINCE).plus(
    {
        "limit": Key(integer(0), since=PAGED_SINCE),
        "marker": Key(text, since=PAGED_SINCE),
        "changes-since": Key(when, since=PAGED_SINCE),
        "changes-before": Key(when, since=66),
    }
)


@ROUTES.get(
    "/servers/<server_id>/os-instance-actions",
    policy=LIST,
    query=QUERY,
    answer={"instanceActions": [ACTION], "links": NEXT},
)
def index(call: Call, server_id: str) -> Result:
    """Newest first."""
    _check_server(call, server_id, LIST)
    limit, marker = call.page()
    since, before = call.query.one("changes-since"), call.query.one("changes-before")
    if since and before and since > before:
        raise BadRequest("The value of changes-since must be less than or equal to changes-before.")
    records = runtime().peer(InstanceActions).page(call.ctx, server_id, limit, marker, since, before)
    answer = {"instanceActions": ACTION.show_all(records, call.see())}
    if records and call.minor >= PAGED_SINCE:
        answer |= call.next_links("", len(records), limit, records[-1]["request_id"], key="links")
    return answer


@ROUTES.get(
    "/servers/<server_id>/os-instance-actions/<request_id>",
    policy=SHOW,
    query=ANY,
    answer={"instanceAction": WITH_EVENTS},
)
def show(call: Call, server_id: str, request_id: str) -> Result:
    """One action; its events when the version or the caller's role allows."""
    _check_server(call, server_id, SHOW)
    if not is_uuid(request_id.removeprefix("req-")):
        raise ActionNotFound(request_id=request_id, server_id=server_id)
    record = runtime().peer(InstanceActions).show(call.ctx, server_id, request_id)
    answer = ACTION.show(record, call.see())
    if call.minor >= EVENTS_FOR_ALL_SINCE or allowed(EVENTS):
        answer["events"] = EVENT.show_all(record["events"], call.see())
    return {"instanceAction": answer}


def _check_server(call: Call, server_id: str, rule: str) -> None:
    """Before 2.21 actions of a deleted server were as unreadable as the server itself."""
    check_id(server_id)
    if call.minor < DELETED_SINCE or must_look(call, rule):
        load(call, server_id, rule, deleted=call.minor >= DELETED_SINCE)
    else:
        authorize(rule)
