"""The Network v2.0 API of the embedded network service, under /network."""

from __future__ import annotations

from flask import Blueprint
from flask.blueprints import BlueprintSetupState

from novalite.api.runtime import ApiRuntime
from novalite.networks.api import discovery, faults, interfaces, others, quotas, records, tags
from novalite.networks.api.http import Service
from novalite.rpc.contracts.networks import Networks


def blueprint(runtime: ApiRuntime) -> Blueprint | None:
    """Every route, to be registered on the app of `runtime`; None when there is no such service."""
    if runtime.conf.networks.service != "embedded":
        return None
    service = Service(runtime.client.of(Networks), runtime.conf.networks)
    bp = Blueprint("networks", __name__, url_prefix="/network")

    def hang_in(state: BlueprintSetupState) -> None:
        state.app.extensions["novalite.networks"] = service

    bp.record(hang_in)
    faults.install(bp)
    for module in (discovery, others, quotas, interfaces, tags, records):
        module.add_routes(bp)
    return bp
