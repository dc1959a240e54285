"""One route table under /v2.1, /v2.1/<project> and /v2: the prefix is taken off before routing.

WSGI sees it first and leaves in the environment: `novalite.prefix` ("/v2.1" or "/v2"),
`novalite.project` (the project id of the path, if any) and `novalite.path` (what was asked).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

WsgiApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class Prefixes:
    """Rewrites /v2/… and /v2.1/<project>/… to /v2.1/… ."""

    def __init__(self, app: WsgiApp, nouns: frozenset[str], project_id_regex: str) -> None:
        """`nouns` are first segments of routes: never taken for a project id."""
        self.app = app
        self.nouns = nouns
        self.project_id = re.compile(project_id_regex)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path: str = environ.get("PATH_INFO", "")
        environ["novalite.path"] = path
        prefix, _, rest = path[1:].partition("/")
        if prefix in ("v2.1", "v2"):
            environ["novalite.prefix"] = f"/{prefix}"
            first, _, tail = rest.partition("/")
            if first and first not in self.nouns and self.project_id.fullmatch(first):
                environ["novalite.project"] = first
                rest = tail
            if rest:  # the version documents themselves have routes of their own
                environ["PATH_INFO"] = "/v2.1/" + rest.rstrip("/")
            elif first:
                environ["PATH_INFO"] = f"/{prefix}/"
        return self.app(environ, start_response)
