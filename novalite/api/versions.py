"""Version documents: `/`, `/v2/`, `/v2.1/` and `/versions/<id>`. Clients read them before they log in."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from flask import Flask, Response, g, request

from novalite.api import microversions
from novalite.api.middleware import public
from novalite.api.routing import Call, Result, Routes, respond
from novalite.api.runtime import runtime
from novalite.api.shapes import LINKS
from novalite.errors import BadRequest, NotAcceptable, NotFound

ROUTES = Routes()

_ENTRIES: dict[str, dict[str, str]] = {
    # Order matters: clients and suites expect v2.0 first.
    "v2.0": {
        "status": "SUPPORTED",
        "version": "",
        "min_version": "",
        "updated": "2011-01-21T11:33:21Z",
        "path": "v2",
    },
    "v2.1": {
        "status": "CURRENT",
        "version": microversions.text(microversions.MAX),
        "min_version": microversions.text(microversions.MIN),
        "updated": "2013-07-23T11:33:21Z",
        "path": "v2.1",
    },
}
_DESCRIBED_BY = {
    "rel": "describedby",
    "type": "text/html",
    "href": "https://docs.openstack.org/api-ref/compute/",
}


def _entry(version_id: str) -> dict[str, Any]:
    facts = dict(_ENTRIES[version_id])
    root = (runtime().conf.api.compute_link_prefix or request.host_url).rstrip("/")
    links = [{"rel": "self", "href": f"{root}/{facts.pop('path')}/"}]
    return {"id": version_id, **facts, "links": links}


def _document(version_id: str) -> dict[str, Any]:
    if version_id not in _ENTRIES:
        raise NotFound(f"API version {version_id} could not be found.")
    entry = _entry(version_id)
    entry["links"].append(_DESCRIBED_BY)
    kind = f"application/vnd.openstack.compute+json;version={version_id.removeprefix('v').removesuffix('.0')}"
    entry["media-types"] = [{"base": "application/json", "type": kind}]
    return {"version": entry}


@public
def list_versions() -> Response:
    """GET /"""
    return respond({"versions": [_entry(version_id) for version_id in _ENTRIES]}, 200)


@public
def show_v2() -> Response:
    """GET /v2/"""
    return respond(_document("v2.0"), 200)


@public
def show_v21() -> Response:
    """GET /v2.1/: with the version headers of any other answer; a version that is none is no reason to refuse."""
    with suppress(BadRequest, NotAcceptable):
        g.version = microversions.negotiate(request.headers)
    return respond(_document("v2.1"), 200)


@public
def health() -> Response:
    """GET /health: this process answers."""
    return respond({"name": "novalite-api", "status": "ok"}, 200)


VERSION = {
    **dict.fromkeys(("id", "status", "version", "min_version", "updated"), str),
    "links": LINKS,
    "media-types": [{"base": str, "type": str}],
}


@ROUTES.get("/versions/<version_id>", answer={"version": VERSION})
def show(call: Call, version_id: str) -> Result:
    """GET /v2.1/versions/<id>"""
    return _document(version_id)


def install(app: Flask) -> None:
    """Serve the documents that need no token."""
    for path, view in (
        ("/", list_versions),
        ("/v2", show_v2),
        ("/v2/", show_v2),
        ("/v2.1", show_v21),
        ("/v2.1/", show_v21),
        ("/health", health),
    ):
        app.add_url_rule(path, path, view, methods=["GET"])
