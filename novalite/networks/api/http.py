"""What every route of the Network API uses."""

from __future__ import annotations

from typing import Any

import orjson
from flask import Response, current_app, g, request

from novalite.context import Context
from novalite.rpc.contracts.networks import Networks

VERSION = (2, 0)


class Service:
    """What the routes work with: the conductor, [networks] of the configuration."""

    def __init__(self, peer: Networks, conf: Any) -> None:
        self.peer, self.conf = peer, conf


def service() -> Service:
    """The network service of this process."""
    found: Service = current_app.extensions["novalite.networks"]
    return found


def peer() -> Networks:
    """The conductor."""
    return service().peer


def caller() -> Context:
    """Who asks."""
    found: Context = g.ctx
    return found


def root() -> str:
    """Where the API is, as the client reached it, without a slash."""
    return f"{request.url_root.rstrip('/')}/network"


def answer(value: Any, status: int = 200) -> Response:
    """A JSON answer."""
    return Response(orjson.dumps(value), status=status, mimetype="application/json")


def nothing(status: int = 204) -> Response:
    """An answer without a body."""
    response = Response(status=status)
    response.headers.pop("Content-Type", None)
    return response


def moment(text: str | None) -> str | None:
    """A time as this API writes it: 2026-01-31T10:00:00Z."""
    return None if text is None else f"{text[:19]}Z"
