"""create_app: one Flask application that serves compute, identity, image, network and placement on one port."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from flask import Flask
from oslo_config import cfg
from werkzeug import routing as url
from werkzeug.middleware.proxy_fix import ProxyFix

from novalite.api import faults, middleware, openapi, versions
from novalite.api.policy import Policy, Rule
from novalite.api.prefixes import Prefixes
from novalite.api.routing import Row, view_of
from novalite.api.runtime import ApiRuntime, IdentityPort
from novalite.images.embedded import EmbeddedImages
from novalite.networks.absent import NoNetworks
from novalite.networks.embedded import EmbeddedNetworks
from novalite.networks.port import NetworkPort
from novalite.rpc.client import Client
from novalite.volumes.absent import NoVolumes
from novalite.volumes.port import VolumePort

NOUNS = (
    "versions",
    "extensions",
    "servers",
    "metadata",
    "instance_actions",
    "migrations",
    "addresses",
    "tags",
    "diagnostics",
    "topology",
    "placement_decisions",
    "server_password",
    "flavors",
    "keypairs",
    "services",
    "hypervisors",
    "availability_zones",
    "aggregates",
    "server_groups",
    "hosts",
    "usage",
    "external_events",
    "assisted_snapshots",
    "console_tokens",
    "limits",
    "quotas",
    "interfaces",
    "security_groups",
    "server_consoles",
    "shares",
    "volume_attachments",
    "legacy.baremetal",
    "legacy.gone",
    "legacy.images",
    "legacy.networks",
    "legacy.security_groups",
    "legacy.volumes",
    "legacy.volumes_boot",
)
"""Modules of this package with a table `ROUTES`."""

POLICIES = ("novalite.api.policies", "novalite.identity.api.policies", "novalite.images.api.policies",
            "novalite.networks.api.policies", "novalite.placement.api.policies")  # fmt: skip
COMPANIONS = (
    "novalite.identity.api",
    "novalite.images.api",
    "novalite.networks.api",
    "novalite.placement.api",
)
"""Packages with `blueprint(runtime)`; they name their own URL prefix. None: the cloud has no such service."""


class MatchingRule(url.Rule):
    """A rule that only matches. For building URLs, which nobody here does by rule, Werkzeug makes and compiles
    two functions of every rule: more than half of what starting an API takes. Here they are made when asked for."""

    def _compile_builder(self, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:
        made = super()._compile_builder

        def build(rule: url.Rule, **values: Any) -> tuple[str, str]:
            return made(append_unknown).__get__(rule, None)(**values)

        return build


class Api(Flask):
    """See MatchingRule."""

    url_rule_class = MatchingRule


def create_app(
    conf: cfg.ConfigOpts,
    client: Client,
    identity: IdentityPort | None = None,
    networks: NetworkPort | None = None,
    volumes: VolumePort | None = None,
) -> Flask:
    """The whole API over `client`. Opens no connection itself.

    `identity` None means the embedded one, `networks` None what [networks] service says, `volumes` None that the
    cloud has no such service.
    """
    app = Api("novalite.api", static_folder=None)
    app.url_map.strict_slashes = False
    app.json.sort_keys = False  # type: ignore[attr-defined]
    runtime = ApiRuntime(
        conf,
        client,
        identity or _embedded(conf, client),
        Policy(conf, rules()),
        EmbeddedImages(conf, client),
        networks or _networks(conf, client),
        volumes or NoVolumes(),
    )
    app.extensions["novalite"] = runtime
    middleware.install(app)
    faults.install(app)
    versions.install(app)
    rows = routes()
    _add_rows(app, rows)
    openapi.install(app, rows, rules())
    for module in _present(COMPANIONS):
        if hasattr(module, "blueprint") and (made := module.blueprint(runtime)) is not None:
            app.register_blueprint(made)
    nouns = frozenset(row.path.split("/")[1] for row in rows)
    app.wsgi_app = Prefixes(app.wsgi_app, nouns, conf.api.project_id_regex)  # type: ignore[method-assign]
    if conf.api.enable_proxy_headers_parsing:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_prefix=1)  # type: ignore[method-assign]
    return app


def routes() -> list[Row]:
    """Every row of the compute API."""
    return [row for module in _present(NOUNS, "novalite.api.") for row in module.ROUTES.rows]


def rules() -> list[Rule]:
    """Every policy row of every table."""
    return [rule for module in _present(POLICIES) for rule in module.RULES]


def _present(names: tuple[str, ...], package: str = "") -> Iterator[ModuleType]:
    for name in names:
        if find_spec(package + name) is not None:
            yield import_module(package + name)


def _embedded(conf: cfg.ConfigOpts, client: Client) -> IdentityPort:
    module = import_module("novalite.identity.embedded")
    made: IdentityPort = module.EmbeddedIdentity(conf, client)
    return made


def _networks(conf: cfg.ConfigOpts, client: Client) -> NetworkPort:
    embedded = conf.networks.service == "embedded"
    return EmbeddedNetworks(client) if embedded else NoNetworks(client)


def _add_rows(app: Flask, rows: list[Row]) -> None:
    """One Flask rule per path; the view behind it picks the row by method and version."""
    paths: dict[str, list[Row]] = {}
    for row in rows:
        paths.setdefault(re.sub("<[^>]*>", "<>", row.path), []).append(row)
    for shape, alike in paths.items():
        app.add_url_rule(
            "/v2.1" + alike[0].path,
            endpoint=f"compute:{shape}",
            view_func=view_of(alike),
            methods=sorted({row.method for row in alike}),
            provide_automatic_options=False,
        )
