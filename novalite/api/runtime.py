"""What a request handler may use: configuration, the bus, the identity service and the policy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

from flask import current_app
from oslo_config import cfg

from novalite.context import Context
from novalite.images.port import ImageCatalog
from novalite.networks.port import NetworkPort
from novalite.rpc.client import Client
from novalite.rpc.contracts.base import Contract
from novalite.volumes.port import VolumePort

if TYPE_CHECKING:
    from novalite.api.policy import Policy

C = TypeVar("C", bound=Contract)


class IdentityPort(Protocol):
    """What the API asks of the identity service; novalite/identity/port.py has the whole port."""

    def verify(self, token: str) -> Context:
        """The caller behind a token; Unauthorized when it is not valid."""

    def project_exists(self, ctx: Context, project_id: str) -> bool:
        """Whether there is a project with this id."""


@dataclass
class ApiRuntime:
    """Everything that outlives a request, made once per app by create_app."""

    conf: cfg.ConfigOpts
    client: Client
    identity: IdentityPort
    policy: Policy
    images: ImageCatalog
    networks: NetworkPort
    volumes: VolumePort

    def peer(self, contract: type[C]) -> C:
        """The server of `contract` on the bus, e.g. `runtime().peer(Flavors).show(ctx, id)`."""
        return self.client.of(contract)


def runtime() -> ApiRuntime:
    """The runtime of the app that handles the current request."""
    found: ApiRuntime = current_app.extensions["novalite"]
    return found
