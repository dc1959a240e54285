"""Our API as those tests expect to find Placement: at the root of its own server, with the callers they name.

`at_root` is what a reverse proxy would do: it puts /placement before paths and takes it away again from links. The
callers are those of the shipped tests: a token `admin` is an administrator, any other nobody in particular, unless
headers give roles, project and scope.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from oslo_policy import opts as policy_opts

from novalite.api.app import create_app, rules
from novalite.context import Context
from tests.cloud import Cloud

PREFIX = "/placement"
App = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

PUBLISHED: dict[str, str] = {}
"""Policies as they come."""
OPEN = dict.fromkeys((rule.name for rule in rules() if rule.name.startswith("placement:")), "@")
"""Everybody may do everything."""
LEGACY = {"placement:reshaper:reshape": "(role:admin or role:service) and not system_scope:all"}
"""What administrators could do before the published defaults of today."""


class Callers:
    """An identity service that believes what the token says."""

    def verify(self, token: str) -> Context:
        """See `_token`."""
        return Context(**json.loads(token))

    def project_exists(self, ctx: Context, project_id: str) -> bool:
        """Whatever the project."""
        return True


def _token(environ: dict[str, Any]) -> str:
    """The token of the shipped tests and the headers beside it, as one token."""
    user, _, project = environ["HTTP_X_AUTH_TOKEN"].partition(":")
    roles = environ.get("HTTP_X_ROLES")
    caller: dict[str, Any] = {"user_id": user}
    caller["roles"] = roles.split(",") if roles else (["admin"] if user == "admin" else [])
    if scope := environ.get("HTTP_OPENSTACK_SYSTEM_SCOPE"):
        caller["system_scope"] = scope
    else:
        caller["project_id"] = environ.get("HTTP_X_PROJECT_ID") or project or user
    return json.dumps(caller)


def at_root(api: App) -> App:
    """The API with Placement at its root."""

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        environ = {name: value for name, value in environ.items() if name != "HTTP_ACCEPT_ENCODING"}
        path = environ["PATH_INFO"].encode().decode("latin-1")  # httpx leaves that to us
        environ["PATH_INFO"] = path if path.startswith(PREFIX) else PREFIX + path
        if "HTTP_X_AUTH_TOKEN" in environ:
            environ["HTTP_X_AUTH_TOKEN"] = _token(environ)
        said: list[Any] = []
        body = b"".join(api(environ, lambda *args: said.append(args)))
        body = body.replace(f'"{PREFIX}/'.encode(), b'"/')
        ((status, headers, *_),) = said
        kept = [(name, value.replace(f"{PREFIX}/", "/", 1) if name == "Location" else value)
                for name, value in headers if name != "Content-Length"]  # fmt: skip
        start_response(status, [*kept, ("Content-Length", str(len(body)))])
        return [body]

    return app


def mounted(cloud: Cloud, policies: dict[str, str], folder: Path) -> App:
    """Placement of a cloud, with these policies overridden."""
    file = folder / "policy.json"
    file.write_text(json.dumps(policies))
    policy_opts.set_defaults(cloud.conf, policy_file=str(file))
    return at_root(create_app(cloud.conf, cloud.client, Callers()).wsgi_app)
