"""Which versions there are; no token needed."""

from __future__ import annotations

from flask import Blueprint, Response

from novalite.api.middleware import public
from novalite.identity.api.http import VERSION, answer, base_url
from novalite.objects.base import Record

UPDATED = "2020-04-07T00:00:00Z"
"""When the published v3.14 was last changed (Identity API reference)."""


def add_routes(bp: Blueprint) -> None:
    """/ and /v3."""
    bp.add_url_rule("/", "versions", versions)
    bp.add_url_rule("/v3", "version", version)


def _entry() -> Record:
    return {
        "id": f"v{VERSION[0]}.{VERSION[1]}",
        "status": "stable",
        "updated": UPDATED,
        "links": [{"rel": "self", "href": f"{base_url()}/"}],
        "media-types": [{"base": "application/json", "type": "application/vnd.openstack.identity-v3+json"}],
    }


@public
def versions() -> Response:
    """Every version: one."""
    return answer({"versions": {"values": [_entry()]}}, 300)


@public
def version() -> Response:
    """Version 3."""
    return answer({"version": _entry()})
