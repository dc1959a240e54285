"""The identity service answered here: tokens verified offline, everything else by the conductor."""

from __future__ import annotations

import threading
import time

from oslo_config.cfg import ConfigOpts

from novalite import context
from novalite.context import Context
from novalite.errors import NotFound
from novalite.identity.claims import Claims
from novalite.identity.tokens import Verifier
from novalite.objects.base import Record
from novalite.rpc.client import Client
from novalite.rpc.contracts.identity import Identity, IdentityNews


class _OverRpc:
    """The TokenSource of an API worker."""

    def __init__(self, peer: Identity) -> None:
        self._peer = peer

    def keys(self) -> dict[str, str]:
        return self._peer.keys(context.system())

    def revocations(self, since: str | None) -> Record:
        return self._peer.revocations(context.system(), since=since)


class EmbeddedIdentity:
    """An IdentityPort, and what the Identity API itself needs besides. One per API process."""

    def __init__(self, conf: ConfigOpts, client: Client) -> None:
        section = conf.identity
        self.peer = client.of(Identity)
        self.verifier = Verifier(
            _OverRpc(self.peer), section.token_cache_size, float(section.revocation_poll_interval)
        )
        self._keep_catalog = section.catalog_cache_seconds
        self._catalog: list[Record] = []
        self._catalog_until = 0.0
        self._loading = threading.Lock()

    def verify(self, token: str) -> Context:
        """The caller behind a token; see IdentityPort."""
        return self.verifier.verify(token).context

    def claims(self, token: str) -> Claims:
        """Everything a valid token says; Unauthorized otherwise."""
        return self.verifier.verify(token)

    def project_exists(self, ctx: Context, project_id: str) -> bool:
        """Whether there is a project with this id."""
        try:
            self.peer.show(ctx, "project", project_id)
        except NotFound:
            return False
        return True

    def catalog(self) -> list[Record]:
        """The services with addresses not filled in, at most `catalog_cache_seconds` old."""
        with self._loading:
            if time.monotonic() >= self._catalog_until:
                self._catalog = self.peer.catalog(context.system())
                self._catalog_until = time.monotonic() + self._keep_catalog
            return self._catalog

    def changed(self) -> None:
        """This worker changed something: forget the catalog, learn of revocations now."""
        self._catalog_until = 0.0
        self.verifier.refresh()


class IdentityNewsEndpoint(IdentityNews):
    """What an API process serves on topic `api`, so that revocations reach it at once."""

    def __init__(self, identity: EmbeddedIdentity) -> None:
        self._verifier = identity.verifier

    def revoked(self, ctx: Context, events: list[list[str | int]]) -> None:
        self._verifier.learn([(str(key), int(before)) for key, before in events])
