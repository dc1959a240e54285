"""What every request passes: identification, size limits, compression and the access log."""

from __future__ import annotations

import gzip
import logging
import re
import time
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import unquote_to_bytes

from flask import Flask, Response, current_app, g, request

from novalite.api import microversions
from novalite.api.runtime import runtime
from novalite.context import Context, new_request_id
from novalite.errors import BadRequest, Forbidden, TooLarge, Unauthorized

LOG = logging.getLogger(__name__)
F = TypeVar("F", bound=Callable[..., Any])
_REQUEST_ID = re.compile(r"req-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z", re.IGNORECASE)
_WANTS_TOKEN = ("/v2.1", "/v2", "/identity", "/image", "/network", "/placement")


def public(view: F) -> F:
    """Mark a view that needs no token; `g.ctx` is None in it."""
    view.__novalite_public__ = True  # type: ignore[attr-defined]
    return view


def streams(view: F) -> F:
    """Mark a view that reads its body piece by piece and limits its size itself (image upload)."""
    view.__novalite_streams__ = True  # type: ignore[attr-defined]
    return view


def opens_to_image_tokens(method: str) -> Callable[[F], F]:
    """Mark the view that a token for one image may use by `method` (GET: a token that reads, PUT: one that
    uploads), when `image_id` in its path is that image."""

    def mark(view: F) -> F:
        view.__novalite_image_tokens__ = method  # type: ignore[attr-defined]
        return view

    return mark


def install(app: Flask) -> None:
    """Hang the middleware into `app`. `g.ctx` and `g.version` are there for every view."""
    app.before_request(_begin)
    app.before_request(_authenticate)
    app.before_request(_limit_size)
    app.after_request(_identify)
    app.after_request(_compress)
    app.after_request(_log)


def _begin() -> None:
    g.started = time.monotonic()
    g.request_id = new_request_id()
    g.ctx = None
    g.version = None
    query = unquote_to_bytes(request.query_string)
    try:
        query.decode("utf-8")
    except UnicodeDecodeError:
        raise BadRequest("The query string is not UTF-8.") from None
    if b"\0" in query or "\0" in request.path:
        raise BadRequest("The URL must not contain a null character.")


def _marked(mark: str) -> bool:
    view = current_app.view_functions.get(request.endpoint or "")
    return bool(getattr(view, mark, False))


def _authenticate() -> None:
    """Put the caller into `g.ctx`; 401 first, so that strangers learn nothing about paths."""
    if _marked("__novalite_public__"):
        return
    if request.endpoint is None and not request.path.startswith(_WANTS_TOKEN):
        return  # an unknown path outside every service: a plain 404
    token = request.headers.get("X-Auth-Token")
    if not token:
        raise Unauthorized
    caller = runtime().identity.verify(token)
    if caller.only_image is not None and not _is_for(caller):
        raise Forbidden("This token opens the bytes of one image and nothing else.")
    g.ctx = caller.model_copy(update={"request_id": g.request_id, "global_request_id": _global_request_id()})


def _is_for(caller: Context) -> bool:
    """Whether the request is what a token for the bytes of one image was made for."""
    asked, method = (request.view_args or {}).get("image_id"), "PUT" if caller.uploads else "GET"
    view = current_app.view_functions.get(request.endpoint or "")
    opens = getattr(view, "__novalite_image_tokens__", None)
    return opens == method == request.method and asked == caller.only_image


def _global_request_id() -> str | None:
    """The id another service gave this request, unless it is not one."""
    given = request.headers.get("X-OpenStack-Request-ID", "")
    return given if _REQUEST_ID.match(given) else None


def _limit_size() -> None:
    if _marked("__novalite_streams__"):
        request.max_content_length = None
        return
    most = runtime().conf.api.max_request_body_size
    request.max_content_length = most
    if (request.content_length or 0) > most:
        raise TooLarge(f"The request body is larger than {most} bytes.")


def _identify(response: Response) -> Response:
    rid = g.get("request_id") or new_request_id()
    response.headers["X-Compute-Request-Id"] = rid
    response.headers["X-Openstack-Request-Id"] = rid
    version = g.get("version")
    if version is not None:
        said = microversions.text(version)
        response.headers[microversions.STANDARD_HEADER] = f"compute {said}"
        response.headers[microversions.LEGACY_HEADER] = said
        response.headers.add("Vary", microversions.VARY)
    return response


def _compress(response: Response) -> Response:
    if response.direct_passthrough or response.is_streamed or "Content-Encoding" in response.headers:
        return response
    if (response.content_length or 0) <= runtime().conf.api.gzip_min_size:
        return response
    response.headers.add("Vary", "Accept-Encoding")
    if request.accept_encodings["gzip"] > 0 and request.method != "HEAD":
        response.set_data(gzip.compress(response.get_data(), compresslevel=1))
        response.headers["Content-Encoding"] = "gzip"
    return response


def _log(response: Response) -> Response:
    ctx: Context | None = g.get("ctx")
    LOG.info(
        '%s "%s %s" status: %s len: %s time: %.4f version: %s request: %s user: %s project: %s',
        request.remote_addr,
        request.method,
        request.environ.get("novalite.path", request.path),
        response.status_code,
        response.content_length,
        time.monotonic() - g.get("started", time.monotonic()),
        microversions.text(g.version) if g.get("version") else "-",
        g.get("request_id"),
        ctx.user_id if ctx else "-",
        ctx.project_id if ctx else "-",
    )
    return response
