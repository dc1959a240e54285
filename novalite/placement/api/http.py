"""What every route of the Placement API uses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from flask import current_app, g, request

from novalite.api.routing import read_json
from novalite.context import Context
from novalite.errors import BadRequest
from novalite.objects.base import Record
from novalite.placement.api.schemas import Schema, validate
from novalite.rpc.client import Client
from novalite.rpc.contracts.resource_providers import ResourceProviders


class Service:
    """What the routes work with."""

    def __init__(self, peer: ResourceProviders, client: Client) -> None:
        self.peer, self.client = peer, client


def service() -> Service:
    """The placement service of this process."""
    found: Service = current_app.extensions["novalite.placement"]
    return found


def peer() -> ResourceProviders:
    """The conductor."""
    return service().peer


def root() -> str:
    """The path of the API as the client sees it, without a slash."""
    return f"{request.root_path.rstrip('/')}/placement"


def location(path: str) -> dict[str, str]:
    """The header that says where something is that was made."""
    return {"Location": f"{request.host_url.rstrip('/')}{root()}{path}"}


@dataclass(frozen=True)
class Answer:
    """What a handler answers. `modified` is when it changed last, as the bus tells times; since 1.15 it is told.
    None: never told (there is no body), NOW: this moment."""

    body: Any = None
    status: int = 200
    modified: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


NOW = ""
NOTHING = Answer(status=204)


def latest(records: Iterable[Record], key: str = "updated") -> str:
    """The latest of their changes; NOW for none."""
    return max((record[key] or NOW for record in records), default=NOW)


def moment(told: str) -> datetime:
    """A time of the bus, or NOW, as a time."""
    return datetime.now(UTC) if told == NOW else datetime.fromisoformat(told).replace(tzinfo=UTC)


@dataclass(frozen=True)
class Call:
    """One request as its handler sees it; `minor` is its microversion."""

    ctx: Context
    minor: int

    def body(self, schema: Schema) -> Any:
        """The body, which fits `schema`. BadRequest."""
        if not request.get_data():
            raise BadRequest("Malformed JSON: The request has no body.")
        data = read_json(("application/json",), broken="Malformed JSON")
        validate(data, schema, "JSON does not validate")
        return data

    def query(self, schema: Schema) -> dict[str, str]:
        """The query string, which fits `schema`; of a key given twice the last one counts. BadRequest."""
        found = {key: values[-1] for key, values in request.args.lists()}
        validate(found, schema, "Invalid query string parameters")
        return found

    def all(self, key: str) -> list[str]:
        """Every value of a key of the query string."""
        return request.args.getlist(key)


def call() -> Call:
    """The current request."""
    return Call(g.ctx, g.placement_version)
