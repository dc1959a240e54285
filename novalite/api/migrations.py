"""Migrations: /os-migrations lists all, resizes too; /servers/{id}/migrations the live ones that have not ended."""

from __future__ import annotations

from typing import Any

from novalite.api.actions import Actions
from novalite.api.fields import ABSENT, Field, See, View
from novalite.api.paging import Key, Query, boolean, integer, text, when
from novalite.api.policy import allowed
from novalite.api.routing import Call, Result, Routes
from novalite.api.runtime import runtime
from novalite.api.servers.access import guard
from novalite.api.shapes import LINKS, NEXT, NUMBER, TEXT
from novalite.errors import BadRequest, Forbidden
from novalite.objects.base import Record
from novalite.objects.migrations import LIVE, LIVE_IN_PROGRESS, MigrationQuery
from novalite.rpc.contracts.migrations import Migrations

ROUTES = Routes()
LIST = "os_compute_api:os-migrations:index"
LIST_ALL = "os_compute_api:os-migrations:index:all_projects"
LIST_HOSTS = "os_compute_api:os-migrations:index:host"
UNDER_WAY = "os_compute_api:servers:migrations:index"
UNDER_WAY_HOSTS = "os_compute_api:servers:migrations:index:host"
SHOW = "os_compute_api:servers:migrations:show"
DELETE = "os_compute_api:servers:migrations:delete"
FORCE = "os_compute_api:servers:migrations:force_complete"
PAGED_SINCE = 59
OWNERS_SINCE = 80


def _links(record: Record, see: See) -> Any:
    """Only a live migration that has not ended has a page of its own."""
    if record["migration_type"] != LIVE or record["status"] not in LIVE_IN_PROGRESS:
        return ABSENT
    return see.links.of(f"servers/{record['server_id']}/migrations", str(record["id"]))


def _host(column: str) -> Any:
    """Names of hosts are for those who may see them (`see.more`)."""
    return lambda r, see: r[column] if see.more else None


_COMMON = (
    Field("id", "id", kind=int),
    Field("status", "status"),
    Field("created_at", "created_at"),
    Field("updated_at", "updated_at"),
    Field("source_compute", _host("source_host"), kind=TEXT),
    Field("source_node", _host("source_node"), kind=TEXT),
    Field("dest_compute", _host("dest_host"), kind=TEXT),
    Field("dest_host", _host("dest_ip"), kind=TEXT),
    Field("dest_node", _host("dest_node"), kind=TEXT),
    Field("uuid", "uuid", since=PAGED_SINCE),
    Field("user_id", "user_id", since=OWNERS_SINCE, kind=TEXT),
    Field("project_id", "project_id", since=OWNERS_SINCE, kind=TEXT),
)
LISTED = View(
    *_COMMON,
    Field("instance_uuid", "server_id"),
    Field("old_instance_type_id", "old_flavor_number", kind=NUMBER),
    Field("new_instance_type_id", "new_flavor_number", kind=NUMBER),
    Field("migration_type", "migration_type", since=23, kind=str),
    Field("links", _links, since=23, optional=True, kind=LINKS),
)
PROGRESS = View(
    *_COMMON,
    Field("server_uuid", "server_id", kind=str),
    *(
        Field(f"{what}_{part}_bytes", f"{what}_{part}", kind=NUMBER)
        for what in ("memory", "disk")
        for part in ("total", "processed", "remaining")
    ),
)

QUERY = Query(strict_since=PAGED_SINCE).plus(
    {
        "host": Key(text),
        "source_compute": Key(text),
        "instance_uuid": Key(text),
        "migration_type": Key(text),
        "status": Key(text),
        "hidden": Key(boolean),
        "limit": Key(integer(0), since=PAGED_SINCE),
        "marker": Key(text, since=PAGED_SINCE),
        "changes-since": Key(when, since=PAGED_SINCE),
        "changes-before": Key(when, since=66),
        "user_id": Key(text, since=OWNERS_SINCE),
        "project_id": Key(text, since=OWNERS_SINCE),
    }
)


@ROUTES.get("/os-migrations", policy=LIST, query=QUERY,
            answer={"migrations": [LISTED], "migrations_links": NEXT})
def index(call: Call) -> Result:
    """Newest first; those of the own project unless the caller may see all."""
    one = call.query.one
    since, before = one("changes-since"), one("changes-before")
    if since and before and since > before:
        raise BadRequest("The value of changes-since must be less than or equal to changes-before.")
    limit, marker = call.page()
    query = MigrationQuery(
        project_id=_project(call), user_id=one("user_id"), server_id=one("instance_uuid"), host=one("host"),
        source_host=one("source_compute"), status=one("status"), migration_type=one("migration_type"),
        hidden=one("hidden"), changes_since=since, changes_before=before, limit=limit, marker=marker,
    )  # fmt: skip
    records = runtime().peer(Migrations).page(call.ctx, query)
    answer: dict[str, Any] = {"migrations": LISTED.show_all(records, call.see(allowed(LIST_HOSTS)))}
    if records and call.minor >= PAGED_SINCE:
        answer |= call.next_links("migrations", len(records), limit, records[-1]["uuid"])
    return answer


def _project(call: Call) -> str | None:
    """The project whose migrations are listed; None for all."""
    asked: str | None = call.query.one("project_id")
    if allowed(LIST_ALL):
        return asked
    if asked not in (None, call.ctx.project_id):
        raise Forbidden("Only migrations of your own project may be listed.")
    return call.ctx.project_id or ""


# --- of one server -------------------------------------------------------------------------------


@ROUTES.get("/servers/<server_id>/migrations", since=23, policy=UNDER_WAY, answer={"migrations": [PROGRESS]})
def under_way(call: Call, server_id: str) -> Result:
    """Live migrations that have not ended."""
    guard(call, server_id, UNDER_WAY)
    records = runtime().peer(Migrations).under_way(call.ctx, server_id)
    return {"migrations": PROGRESS.show_all(records, call.see(allowed(UNDER_WAY_HOSTS)))}


@ROUTES.get("/servers/<server_id>/migrations/<number>", since=23, policy=SHOW, answer={"migration": PROGRESS})
def show(call: Call, server_id: str, number: str) -> Result:
    """One of them."""
    guard(call, server_id, SHOW)
    record = runtime().peer(Migrations).one_under_way(call.ctx, server_id, number)
    return {"migration": PROGRESS.show(record, call.see(True))}


@ROUTES.delete("/servers/<server_id>/migrations/<number>", since=24, policy=DELETE, status=202)
def abort(call: Call, server_id: str, number: str) -> Result:
    """Call it off."""
    guard(call, server_id, DELETE)
    runtime().peer(Migrations).steer(call.ctx, server_id, number, "live_migration_cancel")
    return None


ACTIONS = Actions()


@ACTIONS.action("force_complete", value=None, since=22)
def force_complete(call: Call, path: str, value: Any) -> Result:
    """Let it end, however fast the guest writes."""
    server_id, number = path.split("/")
    guard(call, server_id, FORCE)
    runtime().peer(Migrations).steer(call.ctx, server_id, number, "live_migration_force_complete")
    return None


@ROUTES.post(
    "/servers/<server_id>/migrations/<number>/action",
    since=22, policy=FORCE, body=Any, status=202, actions=ACTIONS,
)  # fmt: skip
def act(call: Call, server_id: str, number: str) -> Result:
    """There is one action."""
    return ACTIONS.dispatch(call, f"{server_id}/{number}")
