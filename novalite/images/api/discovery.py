"""Which versions there are, and how images can be imported."""

from __future__ import annotations

from flask import Blueprint, Response, request

from novalite.api.middleware import public
from novalite.api.policy import authorize
from novalite.images.api.http import STORE, VERSION, answer
from novalite.objects.base import Record

OLDER = (16, 15, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0)
"""Minor versions of the published history that are still answered (Image API reference)."""
IMPORT_METHODS = ("glance-direct",)


def add_routes(bp: Blueprint) -> None:
    """/, /versions, /v2, /v2/info/…"""
    bp.add_url_rule("/", "choices", choices)
    bp.add_url_rule("/versions", "versions", versions)
    bp.add_url_rule("/v2", "v2", versions)
    bp.add_url_rule("/v2/info/import", "info_import", info_import)
    bp.add_url_rule("/v2/info/stores", "info_stores", info_stores)


def _entry(minor: int) -> Record:
    status = "CURRENT" if minor == VERSION[1] else "SUPPORTED"
    links = [{"rel": "self", "href": f"{request.url_root.rstrip('/')}/image/v2/"}]
    return {"id": f"v2.{minor}", "status": status, "links": links}


def _all() -> Record:
    return {"versions": [_entry(minor) for minor in (VERSION[1], *OLDER)]}


@public
def choices() -> Response:
    """Every version, as a choice."""
    return answer(_all(), 300)


@public
def versions() -> Response:
    """Every version."""
    return answer(_all())


def info_import() -> Response:
    """How bytes that were staged become an image."""
    authorize("get_images")
    methods = {"description": "Import methods available.", "type": "array", "value": list(IMPORT_METHODS)}
    return answer({"import-methods": methods})


def info_stores() -> Response:
    """Where bytes are kept: one place."""
    authorize("get_images")
    return answer({"stores": [{"id": STORE, "default": "true", "description": "files of this cloud"}]})
