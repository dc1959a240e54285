"""Errors of the Network API: {"NeutronError": {"type": …, "message": "a sentence", "detail": ""}}; clients show
`message`."""

from __future__ import annotations

import logging

import orjson
from flask import Blueprint, Response, g, request
from werkzeug.exceptions import HTTPException

from novalite.api.faults import add_headers
from novalite.errors import NovaliteError
from novalite.objects.network_errors import kind_of

LOG = logging.getLogger(__name__)


def install(bp: Blueprint) -> None:
    """Answer every error of the blueprint's routes."""
    bp.register_error_handler(NovaliteError, known)
    bp.register_error_handler(HTTPException, from_werkzeug)
    bp.register_error_handler(Exception, unexpected)


def fault(status: int, kind: str, sentence: str) -> Response:
    """The answer for an error of `status`."""
    body = {"NeutronError": {"type": kind, "message": sentence, "detail": ""}}
    return Response(orjson.dumps(body), status=status, mimetype="application/json")


def known(error: NovaliteError) -> Response:
    """Our own errors; a defect (500) is told without internals."""
    if error.status == 500:
        return unexpected(error)
    response = fault(error.status, kind_of(error), error.sentence)
    add_headers(response, error)
    return response


def from_werkzeug(error: HTTPException) -> Response:
    """Errors of the web framework: wrong method, a body that ended too soon."""
    status = error.code or 500
    if status < 400:
        return Response(status=status, headers=error.get_headers())
    response = fault(status, f"HTTP{type(error).__name__}", error.description or error.name)
    if allow := dict(error.get_headers()).get("Allow"):
        response.headers["Allow"] = allow
    return response


def unexpected(error: Exception) -> Response:
    """A defect of ours: the log gets the traceback, the user a request id to name."""
    rid = g.get("request_id")
    LOG.error("%s %s failed (%s)", request.method, request.path, rid, exc_info=error)
    sentence = f"An unexpected error prevented the request from being fulfilled; the log has {rid}."
    return fault(500, "HTTPInternalServerError", sentence)
