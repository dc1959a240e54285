"""The document at the root: which versions there are."""

from __future__ import annotations

from novalite.placement.api import versions
from novalite.placement.api.http import NOW, Answer, Call
from novalite.placement.api.routing import Routes

ROUTES = Routes()


@ROUTES.add("GET", "/")
def show(call: Call) -> Answer:
    """The one version, with its microversions. Nobody needs a token for it."""
    version = {
        "id": "v1.0",
        "max_version": versions.text(versions.MOST),
        "min_version": versions.text(0),
        "status": "CURRENT",
        "links": [{"rel": "self", "href": ""}],
    }
    return Answer({"versions": [version]}, modified=NOW)
