"""Routes as a table: method, path, versions, policy, query and body in one readable row each.

    ROUTES = Routes()

    @ROUTES.get("/flavors/<flavor_id>", policy="os_compute_api:flavors:show")
    def show(call: Call, flavor_id: str) -> Result:
        return {"flavor": ...}

Each row is served under /v2.1, /v2.1/<project> and /v2 (see prefixes.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from flask import Response, g, request

from novalite.api import links, microversions, schemas
from novalite.api.fields import See
from novalite.api.microversions import Version
from novalite.api.paging import ANY, Asked, Query
from novalite.api.policy import authorize
from novalite.api.runtime import runtime
from novalite.context import Context
from novalite.errors import BadRequest, NotFound, TooLarge, UnsupportedMediaType


@dataclass(frozen=True)
class Answer:
    """A body with a status or headers of its own; a plain dict or None is answered with the row's status."""

    body: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


Result = Answer | dict[str, Any] | None
Handler = Callable[..., Result]


@dataclass(frozen=True)
class Call:
    """One request as its handler sees it. `body` is a value of the row's `body` type, else None."""

    ctx: Context
    version: Version
    query: Asked
    body: Any
    links: links.Links
    path: str

    @property
    def minor(self) -> int:
        """The number after the dot, for comparing with tables."""
        return self.version[1]

    def see(self, more: Any = None) -> See:
        """How views look at records for this request."""
        return See(self.version, self.links, more)

    def page(self) -> tuple[int, str | None]:
        """(limit, marker); no limit means the most the operator allows, 0 an empty page."""
        most: int = runtime().conf.api.max_limit
        return min(self.query.one("limit", most), most), self.query.one("marker")

    def next_links(
        self, collection: str, count: int, limit: int, marker: str, key: str | None = None
    ) -> dict[str, Any]:
        """{"<collection>_links": [the next page]} when a page of `limit` was full, else {}.

        `marker` is the last item of this page; `key` replaces the name of the links.
        """
        if count < limit or not count:
            return {}
        pairs = list(request.args.items(multi=True))
        return {key or f"{collection}_links": self.links.next(self.path, pairs, marker=marker)}


@dataclass(frozen=True)
class Row:
    """One route. `since` and `until` are minor versions, inclusive.

    `policy` is checked against the caller's own project before the body is looked at; None: the
    handler authorises itself, because the rule depends on what it finds. `body` is a type for
    schemas.parse; None: the route reads no body. `answer` says what the answer looks like and `actions`
    is the table behind a route of actions: both are for the documents only (shapes.py, openapi.py).
    """

    method: str
    path: str
    handler: Handler
    since: int = 1
    until: int | None = None
    policy: str | None = None
    query: Query = ANY
    body: Any = None
    status: int = 200
    answer: Any = None
    actions: Any = None

    def at(self, minor: int) -> bool:
        """Whether the route exists in that minor version."""
        return self.since <= minor and (self.until is None or minor <= self.until)


class Routes:
    """The rows of one module."""

    def __init__(self) -> None:
        self.rows: list[Row] = []

    def route(self, method: str, path: str, **columns: Any) -> Callable[[Handler], Handler]:
        """Add a row; `columns` are those of Row."""

        def add(handler: Handler) -> Handler:
            self.rows.append(Row(method, path, handler, **columns))
            return handler

        return add

    def get(self, path: str, **columns: Any) -> Callable[[Handler], Handler]:
        """A GET row."""
        return self.route("GET", path, **columns)

    def post(self, path: str, **columns: Any) -> Callable[[Handler], Handler]:
        """A POST row."""
        return self.route("POST", path, **columns)

    def put(self, path: str, **columns: Any) -> Callable[[Handler], Handler]:
        """A PUT row."""
        return self.route("PUT", path, **columns)

    def delete(self, path: str, **columns: Any) -> Callable[[Handler], Handler]:
        """A DELETE row; answers 204 unless told otherwise."""
        return self.route("DELETE", path, **{"status": 204, **columns})


def view_of(rows: list[Row]) -> Callable[..., Response]:
    """The Flask view of one path: picks the row by method and version, checks, calls, answers."""

    def view(**params: str) -> Response:
        version = _version()
        row = _pick(rows, version)
        _check_project()
        if row.policy is not None:
            authorize(row.policy)
        reads_query = row.method == "GET" or row.query is not ANY
        pairs = list(request.args.items(multi=True)) if reads_query else []
        call = Call(
            ctx=g.ctx,
            version=version,
            query=row.query.parse(pairs, version),
            body=_body(row, version),
            links=links.of_request(),
            path=request.path.removeprefix("/v2.1"),
        )
        return respond(row.handler(call, **params), row.status)

    return view


def _version() -> Version:
    """/v2 is the base version whatever the headers say, and answers without version headers."""
    if request.environ.get("novalite.prefix") == "/v2":
        return microversions.MIN
    g.version = microversions.negotiate(request.headers)
    version: Version = g.version
    return version


def _pick(rows: list[Row], version: Version) -> Row:
    """The row for this method and version; 404 when the method exists in other versions only."""
    method = "GET" if request.method == "HEAD" else request.method
    for row in rows:
        if row.method == method and row.at(version[1]):
            return row
    raise NotFound


def _check_project() -> None:
    """A project id in the path must be the token's; admins may look into any."""
    named = request.environ.get("novalite.project")
    ctx: Context = g.ctx
    if named and named != ctx.project_id and not ctx.is_admin:
        raise BadRequest(
            f"Malformed request URL: it names project {named}, but the token belongs to {ctx.project_id}."
        )


def _body(row: Row, version: Version) -> Any:
    if row.body is None:
        return None
    return schemas.parse(row.body, read_json(), version)


JSON_TYPES = ("application/json", "application/vnd.openstack.compute+json")


def read_json(kinds: tuple[str, ...] = JSON_TYPES, broken: str = "The request body is not valid JSON") -> Any:
    """The request's JSON, of one of these types; BadRequest or UnsupportedMediaType with a sentence, which begins
    with `broken` for what is no JSON."""
    raw = request.get_data(cache=False)
    if not raw:
        raise BadRequest("The request must have a body.")
    most = request.max_content_length
    if most is not None and request.content_length is None and len(raw) >= most:
        raise TooLarge(f"The request body is larger than {most} bytes.")  # chunked: cut off at the limit
    kind = request.mimetype
    if kind not in kinds:
        if not kind:
            raise BadRequest(f"The Content-Type of the body must be {kinds[0]}.")
        raise UnsupportedMediaType(f"Unsupported Content-Type {kind[:60]}; it must be {kinds[0]}.")
    try:
        data = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"{broken}: {error.msg} (line {error.lineno}).") from None
    if b"\\u0000" in raw:
        raise BadRequest("The request body must not contain null characters.")
    _refuse_deep(raw, data)
    return data


def _refuse_deep(raw: bytes, data: Any) -> None:
    """Nesting beyond the limit is refused here, before anything recursive looks at the data."""
    most: int = runtime().conf.api.max_json_depth
    if raw.count(b"{") + raw.count(b"[") <= most:
        return
    level = [data]
    for _ in range(most + 1):
        level = [
            child
            for value in level
            if isinstance(value, (dict, list))
            for child in (value.values() if isinstance(value, dict) else value)
        ]
        if not level:
            return
    raise BadRequest(f"The request body is nested more than {most} levels deep.")


def respond(result: Result, status: int) -> Response:
    """A handler's result as an HTTP answer."""
    answer = result if isinstance(result, Answer) else Answer(result, status)
    response = Response(status=answer.status)
    if answer.body is not None:
        response.set_data(orjson.dumps(answer.body))
        response.mimetype = "application/json"
    elif answer.status == 204:
        response.headers.pop("Content-Type", None)
    else:
        response.mimetype = "application/json"
    response.headers.update(answer.headers)
    return response
