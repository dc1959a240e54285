"""Routes of the Placement API as a table: method, path, versions and policy in one row each.

Everything under /placement comes here, so that unknown paths and methods are told in this API's own form.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import orjson
from flask import Blueprint, Response, g, request
from werkzeug.http import http_date

from novalite.api.middleware import public
from novalite.api.policy import authorize
from novalite.errors import BadRequest, NotAcceptable, NotFound, UnsupportedMediaType
from novalite.placement.api import versions
from novalite.placement.api.faults import fault
from novalite.placement.api.http import Answer, call, moment

Handler = Callable[..., Answer]
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
JSON = "application/json"


@dataclass(frozen=True)
class Row:
    """One route from minor version `since` to `until`. `policy` None: the handler authorises itself, or nobody needs
    to be asked. `body`: it takes JSON. `absent` is what other versions answer."""

    method: str
    path: str
    handler: Handler
    since: int = 0
    until: int = versions.MOST
    policy: str | None = None
    body: bool = False
    absent: int = 404


class Routes:
    """The rows of one module."""

    def __init__(self) -> None:
        self.rows: list[Row] = []

    def add(self, method: str, path: str, **columns: Any) -> Callable[[Handler], Handler]:
        """A row; `columns` are those of Row. What writes by POST or PUT takes JSON unless told otherwise."""
        columns.setdefault("body", method in ("POST", "PUT"))

        def adding(handler: Handler) -> Handler:
            self.rows.append(Row(method, path, handler, **columns))
            return handler

        return adding


def install(bp: Blueprint, rows: Iterable[Row]) -> None:
    """One rule per path, and one for all other paths."""
    paths: dict[str, list[Row]] = {}
    for row in rows:
        paths.setdefault(row.path, []).append(row)
    for path, alike in paths.items():
        view = _view(alike)
        if path == "/":
            view = public(view)
            bp.add_url_rule("", "root", view, methods=METHODS, provide_automatic_options=False)
        bp.add_url_rule(path, path.replace(".", "_"), view, methods=METHODS, provide_automatic_options=False)
    bp.add_url_rule("/<path:rest>", "elsewhere", _elsewhere, methods=METHODS, provide_automatic_options=False)
    bp.before_request(_negotiate)
    bp.after_request(_say_version)


def _negotiate() -> None:
    g.placement_version = versions.negotiate(request.headers)
    length = request.environ.get("CONTENT_LENGTH") or "0"
    if not length.isdecimal():
        raise BadRequest("content-length header must be an integer")
    if int(length) and not request.environ.get("CONTENT_TYPE"):
        raise BadRequest("content-type header required when content-length > 0")


def _say_version(response: Response) -> Response:
    response.headers[versions.HEADER] = f"placement {versions.text(g.get('placement_version', 0))}"
    response.headers.add("Vary", versions.HEADER.lower())
    return response


def _elsewhere(rest: str) -> Response:
    raise NotFound


def _view(rows: list[Row]) -> Callable[..., Response]:
    methods = list(dict.fromkeys(row.method for row in rows))

    def view(**params: str) -> Response:
        method = "GET" if request.method == "HEAD" else request.method
        mine = [row for row in rows if row.method == method]
        at = g.placement_version
        row = next((row for row in mine if row.since <= at <= row.until), None)
        if row is None:
            return _refuse(mine, methods)
        _check_types(row)
        if row.policy is not None:
            authorize(row.policy)
        return _response(row.handler(call(), **params), at)

    return view


def _refuse(mine: list[Row], methods: list[str]) -> Response:
    if mine and mine[0].absent == 404:
        raise NotFound
    response = fault(405, f"The method {request.method} is not allowed for this resource.")
    response.headers["Allow"] = ", ".join(methods)
    return response


def _check_types(row: Row) -> None:
    if row.body and request.mimetype != JSON:
        raise UnsupportedMediaType(f"The media type {request.mimetype[:60] or None} is not supported, use {JSON}")
    accepted = request.accept_mimetypes
    if row.method == "GET" and accepted and not accepted.best_match([JSON]):
        raise NotAcceptable(f"Only {JSON} is provided")


def _response(answer: Answer, minor: int) -> Response:
    response = Response(status=answer.status)
    if answer.body is not None:
        response.set_data(orjson.dumps(answer.body))
        response.headers["Content-Type"] = JSON
    else:
        response.headers.pop("Content-Type", None)
    response.headers.update(answer.headers)
    if answer.modified is not None and minor >= 15:
        response.headers["Last-Modified"] = http_date(moment(answer.modified))
        response.headers["Cache-Control"] = "no-cache"
    return response


