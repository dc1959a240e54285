"""Keypairs: /os-keypairs."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import Field as Limits

from novalite.api import keys
from novalite.api.fields import ABSENT, Field, View
from novalite.api.paging import Key, Query, integer, text
from novalite.api.policy import authorize
from novalite.api.routing import Answer, Call, Result, Routes
from novalite.api.runtime import runtime
from novalite.api.schemas import Body, Name, RequiredSince, Since
from novalite.api.shapes import NEXT, Reply
from novalite.errors import InvalidKeypair
from novalite.objects.base import Record
from novalite.rpc.contracts.flavors import Keypairs

ROUTES = Routes()
RULE = "os_compute_api:os-keypairs:"
PATH = "/os-keypairs/<name>"

NAMES = ((1, re.compile(r"[\w \-]+", re.ASCII)), (92, re.compile(r"[\w \-@.]+", re.ASCII)))
"""From which minor version on which characters may be in a name (API reference, 2.92: also @ and dots)."""


class NewKeypair(Body):
    """The `keypair` of POST /os-keypairs."""

    name: Name
    public_key: Annotated[str, Limits(max_length=16000), RequiredSince(92)] = None  # type: ignore[assignment]
    type: Annotated[Literal["ssh", "x509"], Since(2)] = "ssh"
    user_id: Annotated[str, Limits(min_length=1, max_length=64), Since(10)] = ""


class CreateKeypair(Body):
    """POST /os-keypairs."""

    keypair: NewKeypair


_COMMON = (
    Field("name", lambda r, see: r["name"]),
    Field("public_key", lambda r, see: r["public_key"]),
    Field("fingerprint", lambda r, see: r["fingerprint"]),
    Field("type", lambda r, see: r["type"], since=2),
)
IN_LIST = View(*_COMMON)
MADE = View(
    *_COMMON,
    Field("user_id", lambda r, see: r["user_id"]),
    Field("private_key", lambda r, see: see.more or ABSENT, until=91, optional=True),
)
SHOWN = View(
    *_COMMON,
    Field("user_id", lambda r, see: r["user_id"]),
    Field("id", lambda r, see: r["id"], kind=int),
    Field("created_at", lambda r, see: r["created_at"]),
    Field("updated_at", lambda r, see: r["updated_at"]),
    Field("deleted", lambda r, see: False),
    Field("deleted_at", lambda r, see: None),
)

ONE = Query(strict_since=75, user_id=Key(text, since=10))
LISTED = ONE.plus({"limit": Key(integer(0), since=35), "marker": Key(text, since=35)})


def _user(call: Call, rule: str, user_id: str | None) -> str:
    """Whose keypairs: the caller's own, or those of a user it may handle."""
    chosen = user_id or call.ctx.user_id or ""
    authorize(RULE + rule, {"user_id": chosen, "project_id": call.ctx.project_id})
    return chosen


def _check_name(name: str, minor: int) -> None:
    """Names end up in URLs and on command lines."""
    pattern = [allowed for since, allowed in NAMES if since <= minor][-1]
    if not pattern.fullmatch(name):
        more = ", @ and dots" if minor >= 92 else ""
        raise InvalidKeypair(
            reason=f"a name may hold letters, digits, blanks, hyphens, underscores{more} only."
        )


def _next(call: Call, records: list[Record], limit: int) -> dict[str, Any]:
    last = records[-1]["name"] if records else ""
    return call.next_links("keypairs", len(records), limit, last)


@ROUTES.get("/os-keypairs", query=LISTED, answer={"keypairs": [{"keypair": IN_LIST}], "keypairs_links": NEXT})
def index(call: Call) -> Result:
    """The caller's, or from 2.10 those of `user_id`; pages from 2.35."""
    user_id = _user(call, "index", call.query.one("user_id"))
    if call.minor < 35:
        records, links = runtime().peer(Keypairs).page(call.ctx, user_id), {}
    else:
        limit, marker = call.page()
        records = runtime().peer(Keypairs).page(call.ctx, user_id, limit, marker)
        links = _next(call, records, limit)
    return {"keypairs": [{"keypair": shown} for shown in IN_LIST.show_all(records, call.see())], **links}


@ROUTES.post(
    "/os-keypairs",
    body=CreateKeypair,
    answer=(Reply(200, {"keypair": MADE}, until=1), Reply(201, {"keypair": MADE}, since=2)),
)
def create(call: Call) -> Result:
    """Import a public key, or below 2.92 make a pair and answer the private half this once."""
    asked: NewKeypair = call.body.keypair
    user_id = _user(call, "create", asked.user_id)
    _check_name(asked.name, call.minor)
    key = keys.bring(asked.type, asked.public_key, user_id)
    record = runtime().peer(Keypairs).create(
        call.ctx,
        {
            "user_id": user_id,
            "name": asked.name,
            "type": asked.type,
            "fingerprint": key.fingerprint,
            "public_key": key.public_key,
        },
    )  # fmt: skip
    return Answer({"keypair": MADE.show(record, call.see(key.private_key))}, 201 if call.minor >= 2 else 200)


@ROUTES.get(PATH, query=ONE, answer={"keypair": SHOWN})
def show(call: Call, name: str) -> Result:
    """One, by name."""
    user_id = _user(call, "show", call.query.one("user_id"))
    return {"keypair": SHOWN.show(runtime().peer(Keypairs).show(call.ctx, user_id, name), call.see())}


@ROUTES.delete(PATH, query=ONE, answer=(Reply(202, until=1), Reply(204, since=2)))
def delete(call: Call, name: str) -> Result:
    """Servers that were made with it keep it."""
    user_id = _user(call, "delete", call.query.one("user_id"))
    runtime().peer(Keypairs).delete(call.ctx, user_id, name)
    return Answer(None, 204 if call.minor >= 2 else 202)
