"""What every route of the Identity API uses: bodies in, JSON out, links, filters."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import urlencode

import orjson
from flask import Response, current_app, g, request

from novalite.api.routing import read_json
from novalite.api.runtime import runtime
from novalite.api.schemas import FALSE_WORDS, parse
from novalite.context import Context
from novalite.errors import BadRequest
from novalite.identity.embedded import EmbeddedIdentity
from novalite.objects.base import Record
from novalite.rpc.contracts.identity import Identity

VERSION = (3, 14)


def identity() -> EmbeddedIdentity:
    """The embedded identity service of this process."""
    found: EmbeddedIdentity = current_app.extensions["novalite.identity"]
    return found


def peer() -> Identity:
    """The conductor."""
    return identity().peer


def caller() -> Context:
    """Who asks."""
    found: Context = g.ctx
    return found


def body(kind: Any) -> Any:
    """The request's JSON as a value of `kind`; BadRequest with one sentence when it does not fit."""
    return parse(kind, read_json(), VERSION)


def answer(value: Any, status: int = 200, **headers: str) -> Response:
    """A JSON answer; header names are written with underscores."""
    response = Response(orjson.dumps(value), status=status, mimetype="application/json")
    for name, text in headers.items():
        response.headers[name.replace("_", "-")] = text
    return response


def nothing(status: int = 204) -> Response:
    """An answer without a body."""
    response = Response(status=status)
    response.headers.pop("Content-Type", None)
    return response


def base_url() -> str:
    """Where the caller reached this API, up to /v3."""
    return f"{request.url_root.rstrip('/')}/identity/v3"


def link(path: str) -> str:
    """The absolute URL of a path below /v3."""
    return f"{base_url()}/{path}"


def listing(plural: str, items: list[Record], limit: int | None = None, **more: Any) -> Response:
    """A list answer; with a full page of `limit` items it links to the next."""
    following = None
    if limit and len(items) == limit:
        query = {k: v for k, v in request.args.items() if k != "marker"} | {"marker": items[-1]["id"]}
        following = f"{request.base_url}?{urlencode(query)}"
    links = {"self": request.url, "next": following, "previous": None}
    return answer({plural: items, "links": links} | more)


def page_size() -> int | None:
    """`limit` of the query, if any."""
    text = request.args.get("limit")
    if text is None:
        return None
    if not text.isdecimal() or int(text[:9]) < 1:
        raise BadRequest("limit must be a whole number greater than 0.")
    most: int = runtime().conf.identity.list_limit
    return min(int(text[:9]), most)


def flag(name: str) -> bool | None:
    """A boolean of the query: present without a value means yes."""
    text = request.args.get(name)
    return None if text is None else text not in FALSE_WORDS


def filters(names: Iterable[str]) -> dict[str, str | bool | None]:
    """Those of the query's keys that are filters; an empty value asks for records without one."""
    found: dict[str, str | bool | None] = {}
    for name in names:
        text = request.args.get(name)
        if text is None:
            continue
        found[name] = flag(name) if name == "enabled" else text or None
    return found
