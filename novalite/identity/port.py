"""What the rest of novalite may ask the identity service, embedded or real."""

from __future__ import annotations

from typing import Protocol

from novalite.context import Context


class IdentityPort(Protocol):
    """Whoever answers for identities. Thread-safe."""

    def verify(self, token: str) -> Context:
        """The caller behind a token, with a request id of no meaning. Unauthorized when it is not valid."""

    def project_exists(self, ctx: Context, project_id: str) -> bool:
        """Whether there is a project with this id."""
