"""Links in answers: `self` with the version in the URL, `bookmark` without, `next` for pages."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from flask import request

from novalite.api.runtime import runtime

Link = dict[str, str]


class Links:
    """Links as seen by one request: same host, same version prefix, project id kept when it was given."""

    def __init__(self, root: str, prefix: str, project: str | None, image_root: str | None = None) -> None:
        tail = f"/{project}" if project else ""
        self.versioned = f"{root}{prefix}{tail}"
        self.bare = f"{root}{tail}"
        self.images = f"{image_root or root}{tail}"

    def of(self, collection: str, item: str) -> list[Link]:
        """`self` and `bookmark` of one item."""
        return [
            {"rel": "self", "href": f"{self.versioned}/{collection}/{item}"},
            {"rel": "bookmark", "href": f"{self.bare}/{collection}/{item}"},
        ]

    def bookmark(self, collection: str, item: str) -> list[Link]:
        """The unversioned link of one item."""
        root = self.images if collection == "images" else self.bare
        return [{"rel": "bookmark", "href": f"{root}/{collection}/{item}"}]

    def next(self, path: str, query: list[tuple[str, str]], **changed: Any) -> list[Link]:
        """The next page: the same request with `changed` query keys."""
        kept = [(k, v) for k, v in query if k not in changed]
        kept += [(k, str(v)) for k, v in changed.items() if v is not None]
        return [{"rel": "next", "href": f"{self.versioned}{path}?{urlencode(kept)}"}]


def of_request() -> Links:
    """The links of the current request."""
    conf = runtime().conf.api
    root = (conf.compute_link_prefix or request.host_url).rstrip("/")
    environ = request.environ
    return Links(
        root,
        environ.get("novalite.prefix", "/v2.1"),
        environ.get("novalite.project"),
        conf.image_link_prefix.rstrip("/") or None,
    )
