"""The Image v2 API of the embedded image service, under /image."""

from __future__ import annotations

from flask import Blueprint
from flask.blueprints import BlueprintSetupState

from novalite.api.runtime import ApiRuntime
from novalite.images.api import data, discovery, faults, records, schemas, sharing
from novalite.images.api.http import Service
from novalite.images.store import Store
from novalite.rpc.contracts.images import Images


def blueprint(runtime: ApiRuntime) -> Blueprint:
    """Every route; to be registered on the app of `runtime`."""
    conf = runtime.conf.images
    store = Store(conf.store_path, conf.image_size_cap, conf.min_free_bytes, conf.fsync)
    service = Service(runtime.client.of(Images), store, conf)
    bp = Blueprint("images", __name__, url_prefix="/image")

    def hang_in(state: BlueprintSetupState) -> None:
        state.app.extensions["novalite.images"] = service

    bp.record(hang_in)
    faults.install(bp)
    for module in (discovery, records, data, sharing, schemas):
        module.add_routes(bp)
    return bp
