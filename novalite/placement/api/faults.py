"""Errors of the Placement API: {"errors": [{"status", "title", "detail", "request_id", since 1.23 "code"}]}, or as
plain text or HTML for those who accept no JSON."""

from __future__ import annotations

import logging
from html import escape
from http import HTTPStatus

import orjson
from flask import Blueprint, Response, g, request
from werkzeug.exceptions import HTTPException

from novalite.api.faults import add_headers
from novalite.errors import NovaliteError
from novalite.objects.placement_errors import UNDEFINED, code_of

LOG = logging.getLogger(__name__)
_KINDS = ("application/json", "text/html", "text/plain")


def install(bp: Blueprint) -> None:
    """Answer every error of the blueprint's routes."""
    bp.register_error_handler(NovaliteError, known)
    bp.register_error_handler(HTTPException, from_werkzeug)
    bp.register_error_handler(Exception, unexpected)


def fault(status: int, sentence: str, code: str = UNDEFINED) -> Response:
    """The answer for an error of `status`."""
    title = HTTPStatus(status).phrase
    kind = request.accept_mimetypes.best_match(_KINDS, default=_KINDS[0]) if request.accept_mimetypes else _KINDS[0]
    if kind == "text/html":
        page = f"<html><head><title>{status} {title}</title></head><body><h1>{title}</h1><p>{escape(sentence)}</p>"
        return Response(f"{page}</body></html>", status=status, mimetype=kind)
    if kind == "text/plain":
        return Response(f"{status} {title}\n\n{sentence}\n", status=status, mimetype=kind)
    error = {"status": status, "title": title, "detail": sentence, "request_id": g.get("request_id")}
    if g.get("placement_version", 0) >= 23:
        error["code"] = code
    return Response(orjson.dumps({"errors": [error]}), status=status, content_type=kind)


def known(error: NovaliteError) -> Response:
    """Our own errors; a defect (500) is told without internals."""
    if error.status == 500:
        return unexpected(error)
    response = fault(error.status, error.sentence, code_of(error))
    add_headers(response, error)
    return response


def from_werkzeug(error: HTTPException) -> Response:
    """Errors of the web framework: a body that ended too soon."""
    status = error.code or 500
    if status < 400:
        return Response(status=status, headers=error.get_headers())
    return fault(status, error.description or error.name)


def unexpected(error: Exception) -> Response:
    """A defect of ours: the log gets the traceback, the user a request id to name."""
    rid = g.get("request_id")
    LOG.error("%s %s failed (%s)", request.method, request.path, rid, exc_info=error)
    return fault(500, f"An unexpected error prevented the request from being fulfilled; the log has {rid}.")
