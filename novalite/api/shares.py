"""Shares of a server (2.97): /servers/{id}/shares. The share service answers."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field as Limits

from novalite.api.fields import Field, View
from novalite.api.routing import Call, Result, Routes
from novalite.api.runtime import runtime
from novalite.api.schemas import Body, Uuid
from novalite.api.servers.access import load, require
from novalite.states import STOPPED

ROUTES = Routes()
RULE = "os_compute_api:os-server-shares:"
ADMIN = "context_is_admin"
PATH = "/servers/<server_id>/shares"
SINCE = 97

SHARE = View(
    Field("share_id", lambda r, see: r["share_id"], kind=str),
    Field("status", lambda r, see: r["status"]),
    Field("tag", lambda r, see: r["tag"], kind=str),
    Field("uuid", lambda r, see: r["uuid"], policy=ADMIN),
    Field("export_location", lambda r, see: r["export_location"], policy=ADMIN, kind=str),
)


class NewShare(Body):
    """A share to attach; the guest mounts it by its tag, which is its id unless told otherwise."""

    share_id: Uuid
    tag: Annotated[str, Limits(min_length=1, max_length=255, pattern=r"^[a-zA-Z0-9-]*$")] | None = None


class Attach(Body):
    """POST shares."""

    share: NewShare


@ROUTES.get(PATH, since=SINCE, policy=RULE + "index", answer={"shares": [SHARE]})
def index(call: Call, server_id: str) -> Result:
    """Every share."""
    found = runtime().volumes.shares(call.ctx, load(call, server_id, RULE + "index"))
    return {"shares": SHARE.show_all(found, call.see())}


@ROUTES.get(PATH + "/<share_id>", since=SINCE, policy=RULE + "show", answer={"share": SHARE})
def show(call: Call, server_id: str, share_id: str) -> Result:
    """One share."""
    found = runtime().volumes.share(call.ctx, load(call, server_id, RULE + "show"), share_id)
    return {"share": SHARE.show(found, call.see())}


@ROUTES.post(PATH, since=SINCE, policy=RULE + "create", body=Attach, status=201, answer={"share": SHARE})
def attach(call: Call, server_id: str) -> Result:
    """Attach a share to a stopped server."""
    asked: NewShare = call.body.share
    server = load(call, server_id, RULE + "create")
    require(call, server, "attach_share", (STOPPED,))
    made = runtime().volumes.attach_share(call.ctx, server, asked.share_id, asked.tag)
    return {"share": SHARE.show(made, call.see())}


@ROUTES.delete(PATH + "/<share_id>", since=SINCE, policy=RULE + "delete", status=200)
def detach(call: Call, server_id: str, share_id: str) -> Result:
    """Detach a share from a stopped server."""
    server = load(call, server_id, RULE + "delete")
    require(call, server, "detach_share", (STOPPED,))
    runtime().volumes.detach_share(call.ctx, server, share_id)
    return None
