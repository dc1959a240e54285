"""The Placement API, under /placement."""

from __future__ import annotations

from flask import Blueprint
from flask.blueprints import BlueprintSetupState

from novalite.api.runtime import ApiRuntime
from novalite.placement.api import (
    aggregates,
    allocations,
    candidates,
    classes,
    discovery,
    faults,
    inventories,
    providers,
    reshaper,
    traits,
    usages,
)
from novalite.placement.api.http import Service
from novalite.placement.api.routing import install
from novalite.rpc.contracts.resource_providers import ResourceProviders

MODULES = (
    discovery, providers, inventories, aggregates, traits, usages, allocations, classes, candidates, reshaper,
)  # fmt: skip
"""Each has a table `ROUTES`."""


def blueprint(runtime: ApiRuntime) -> Blueprint:
    """Every route; to be registered on the app of `runtime`."""
    service = Service(runtime.client.of(ResourceProviders), runtime.client)
    bp = Blueprint("placement", __name__, url_prefix="/placement")

    def hang_in(state: BlueprintSetupState) -> None:
        state.app.extensions["novalite.placement"] = service

    bp.record(hang_in)
    faults.install(bp)
    install(bp, [row for module in MODULES for row in module.ROUTES.rows])
    return bp
