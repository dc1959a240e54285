"""What every route of the Image API uses."""

from __future__ import annotations

import logging
import threading
import time
from typing import Any

import orjson
from flask import Response, current_app, g

from novalite import context
from novalite.context import Context
from novalite.errors import NovaliteError
from novalite.images.store import Store
from novalite.objects.base import Record
from novalite.rpc.contracts.images import Images

LOG = logging.getLogger(__name__)
VERSION = (2, 17)
_SWEEP_SECONDS = 3600.0


class Service:
    """What the routes work with: the conductor, the store, [images] of the configuration."""

    def __init__(self, peer: Images, store: Store, conf: Any) -> None:
        self.peer, self.store, self.conf = peer, store, conf
        self._swept_at = 0.0
        self._sweeping = threading.Lock()

    def sweep_when_due(self) -> None:
        """Clean the store now and then: uploads are what leaves things behind, so uploads look after it."""
        if time.monotonic() - self._swept_at < _SWEEP_SECONDS and self._swept_at:
            return
        if self._sweeping.acquire(blocking=False):
            try:
                self._swept_at = time.monotonic()
                age = max(3600.0, 4.0 * self.conf.upload_lease)
                self.store.sweep(lambda some: self.peer.known_locations(context.system(), some), age)
            except (OSError, NovaliteError) as error:
                LOG.warning("The image store was not cleaned: %s", error)
            finally:
                self._sweeping.release()


def service() -> Service:
    """The image service of this process."""
    found: Service = current_app.extensions["novalite.images"]
    return found


def peer() -> Images:
    """The conductor."""
    return service().peer


def caller() -> Context:
    """Who asks."""
    found: Context = g.ctx
    return found


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


def moment(text: str | None) -> str | None:
    """A time as this API writes it: 2026-01-31T10:00:00Z."""
    return None if text is None else f"{text[:19]}Z"


STORE = "file"
"""The id of the only store there is."""


def view(record: Record) -> Record:
    """An image as clients see it: properties beside the fields."""
    path = f"/v2/images/{record['id']}"
    seen = {key: value for key, value in record.items() if key != "properties"}
    seen |= {"created_at": moment(record["created_at"]), "updated_at": moment(record["updated_at"])}
    seen |= {"self": path, "file": f"{path}/file", "schema": "/v2/schemas/image"}
    if record["status"] in ("active", "deactivated"):
        seen["stores"] = STORE
    return dict(record["properties"]) | seen
