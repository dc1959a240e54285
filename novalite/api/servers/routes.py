"""Routes of /servers."""

from __future__ import annotations

from typing import Any

from novalite.api.policy import allowed
from novalite.api.routing import Answer, Call, Result, Routes
from novalite.api.runtime import runtime
from novalite.api.servers import create, filters, passwords, views
from novalite.api.servers.access import guard, load, poke
from novalite.api.servers.actions import ACTIONS
from novalite.api.servers.passwords import generate_password
from novalite.api.servers.schemas import CreateServer, ServerChanges, UpdateServer
from novalite.api.shapes import LINKS, NEXT, Part, Reply
from novalite.errors import Conflict
from novalite.objects.base import Record, unpack_records
from novalite.objects.servers import ServerUpdate
from novalite.rpc.contracts.servers import Servers

ROUTES = Routes()
INDEX = "os_compute_api:servers:index"
DETAIL = "os_compute_api:servers:detail"
SHOW = "os_compute_api:servers:show"
COLUMNS = {
    "name": "name",
    "accessIPv4": "access_ip_v4",
    "accessIPv6": "access_ip_v6",
    "disk_config": "disk_config",
    "description": "description",
    "hostname": "hostname",
}
"""Field of PUT -> key of the server record."""
CREATED = (
    Reply(
        202,
        {
            "server": {
                "id": str,
                "links": LINKS,
                "OS-DCF:diskConfig": str,
                "security_groups": [{"name": str}],
                "adminPass": Part(str, maybe=True),
            }
        },
    ),
    Reply(202, {"reservation_id": str}),
)
"""What POST answers; a reservation when it was asked for."""


@ROUTES.get(
    "/servers", policy=INDEX, query=filters.QUERY, answer={"servers": [views.BRIEF], "servers_links": NEXT}
)
def index(call: Call) -> Result:
    """GET /servers"""
    return _page(call, INDEX, views.BRIEF, detail=False)


@ROUTES.get(
    "/servers/detail",
    policy=DETAIL,
    query=filters.QUERY,
    answer={"servers": [views.DETAIL], "servers_links": NEXT},
)
def detail(call: Call) -> Result:
    """GET /servers/detail"""
    return _page(call, DETAIL, views.DETAIL, detail=True)


def _page(call: Call, rule: str, view: Any, detail: bool) -> dict[str, Any]:
    wanted = filters.read(call, rule, allowed, detail)
    if wanted.query is None:
        return {"servers": []}
    records = unpack_records(runtime().peer(Servers).page(call.ctx, wanted.query))
    answer = {"servers": view.show_all(records, call.see(call.ctx.is_admin))}
    if records:
        answer |= call.next_links("servers", len(records), wanted.query.limit, records[-1]["id"])
    return answer


@ROUTES.get("/servers/<server_id>", policy=SHOW, answer={"server": views.SHOW})
def show(call: Call, server_id: str) -> Result:
    """GET /servers/{id}"""
    return {"server": views.SHOW.show(load(call, server_id, SHOW), call.see(call.ctx.is_admin))}


@ROUTES.post(
    "/servers", policy="os_compute_api:servers:create", body=CreateServer, status=202, answer=CREATED
)
def create_servers(call: Call) -> Result:
    """POST /servers: written and answered; built afterwards."""
    body: CreateServer = call.body
    password = body.server.adminPass or generate_password()
    message = create.to_message(body).model_copy(update={"admin_pass": password})
    created = runtime().peer(Servers).create(call.ctx, message)
    poke(call.ctx, created.task_ids)
    if body.server.return_reservation_id:
        return {"reservation_id": created.reservation_id}
    server_id = created.server_ids[0]
    links = call.links.of("servers", server_id)
    groups = message.security_groups or ("default",)
    shown: dict[str, Any] = {
        "id": server_id,
        "links": links,
        "OS-DCF:diskConfig": message.disk_config,
        "security_groups": [{"name": name} for name in groups],
    }
    shown |= passwords.shown(password)
    return Answer({"server": shown}, 202, {"Location": links[0]["href"]})


@ROUTES.put(
    "/servers/<server_id>",
    policy="os_compute_api:servers:update",
    body=UpdateServer,
    answer={"server": views.UPDATED},
)
def update(call: Call, server_id: str) -> Result:
    """PUT /servers/{id}"""
    rule = "os_compute_api:servers:update"
    changes: ServerChanges = call.body.server
    given = changes.model_dump(include=changes.model_fields_set)
    guard(call, server_id, rule)
    if "pinned_availability_zone" in given:
        _check_pin(load(call, server_id), given.pop("pinned_availability_zone"))
    columns = {COLUMNS[name]: value for name, value in given.items()}
    record = runtime().peer(Servers).update(call.ctx, ServerUpdate(server_id=server_id, changes=columns))
    return {"server": views.UPDATED.show(record, call.see(call.ctx.is_admin))}


def _check_pin(record: Record, zone: str | None) -> None:
    """Only what is already so may be asked for, until servers can move between zones."""
    if zone != record["pinned_availability_zone"]:
        raise Conflict(f"Server {record['id']} cannot be pinned to another availability zone.")


@ROUTES.delete("/servers/<server_id>", policy="os_compute_api:servers:delete")
def delete(call: Call, server_id: str) -> Result:
    """DELETE /servers/{id}"""
    guard(call, server_id, "os_compute_api:servers:delete")
    accepted = runtime().peer(Servers).delete(call.ctx, server_id)
    poke(call.ctx, accepted)
    return None


@ROUTES.post("/servers/<server_id>/action", body=Any, status=202, actions=ACTIONS)
def act(call: Call, server_id: str) -> Result:
    """POST /servers/{id}/action"""
    return ACTIONS.dispatch(call, server_id)
