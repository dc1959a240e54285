"""The Identity v3 API of the embedded identity service, under /identity."""

from __future__ import annotations

from flask import Blueprint
from flask.blueprints import BlueprintSetupState

from novalite.api.runtime import ApiRuntime
from novalite.identity.api import credentials, discovery, faults, grants, records, tags, tokens, users
from novalite.identity.embedded import EmbeddedIdentity


def blueprint(runtime: ApiRuntime) -> Blueprint:
    """Every route; to be registered on the app of `runtime`."""
    embedded = runtime.identity
    if not isinstance(embedded, EmbeddedIdentity):
        embedded = EmbeddedIdentity(runtime.conf, runtime.client)
    bp = Blueprint("identity", __name__, url_prefix="/identity")

    def hang_in(state: BlueprintSetupState) -> None:
        state.app.extensions["novalite.identity"] = embedded

    bp.record(hang_in)
    faults.install(bp)
    for module in (discovery, tokens, records, tags, users, grants, credentials):
        module.add_routes(bp)
    return bp
