"""Errors as the compute API tells them: {"<name>": {"code": N, "message": "a sentence"}}."""

from __future__ import annotations

import logging

import orjson
from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException

from novalite.api.runtime import runtime
from novalite.errors import TITLES, NovaliteError, Unauthorized

LOG = logging.getLogger(__name__)
_UNEXPECTED = (
    "An unexpected error prevented the request from being fulfilled; the operator finds it "
    "in the log under {rid}."
)
_SENTENCES = {
    400: "The request could not be understood.",
    404: "The resource could not be found.",
    405: "The method {method} is not allowed for this resource.",
    413: "The request body is too large.",
    415: "Unsupported Content-Type",
}


def install(app: Flask) -> None:
    """Answer every error of `app` as JSON. Blueprints may have handlers of their own shape."""
    app.register_error_handler(NovaliteError, known)
    app.register_error_handler(HTTPException, from_werkzeug)
    app.register_error_handler(Exception, unexpected)


def fault(status: int, sentence: str) -> Response:
    """The answer for an error of `status`."""
    title = TITLES.get(status, "computeFault")
    body = orjson.dumps({title: {"code": status, "message": sentence}})
    return Response(body, status=status, mimetype="application/json")


def known(error: NovaliteError) -> Response:
    """Our own errors; those that mean a defect (500) are told without internals."""
    if error.status == 500:
        return unexpected(error)
    response = fault(error.status, error.sentence)
    add_headers(response, error)
    return response


def add_headers(response: Response, error: NovaliteError) -> None:
    """Headers that belong to an error whatever the shape of its body."""
    if isinstance(error, Unauthorized):
        uri = runtime().conf.api.www_authenticate_uri or request.host_url + "identity"
        response.headers["WWW-Authenticate"] = f'Keystone uri="{uri}"'
    if error.status == 503:
        response.headers["Retry-After"] = str(runtime().conf.api.retry_after)


def from_werkzeug(error: HTTPException) -> Response:
    """Errors of the web framework: unknown path, wrong method, body over the limit."""
    status = error.code or 500
    if status < 400:
        return Response(status=status, headers=error.get_headers())
    if status == 405 and str(request.environ.get("novalite.path", "")).endswith("/"):
        return fault(404, _SENTENCES[404])  # `DELETE /things/`: a thing with no id, which is not there
    response = fault(status, _SENTENCES.get(status, error.name + ".").format(method=request.method))
    if allow := dict(error.get_headers()).get("Allow"):
        response.headers["Allow"] = allow
    return response


def unexpected(error: Exception) -> Response:
    """A defect of ours: the log gets the traceback, the user a request id to name."""
    rid = g.get("request_id")
    LOG.error("%s %s failed (%s)", request.method, request.path, rid, exc_info=error)
    return fault(500, _UNEXPECTED.format(rid=rid))
