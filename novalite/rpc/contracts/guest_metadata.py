"""Guests ask about themselves."""

from __future__ import annotations

from novalite.context import Context
from novalite.objects.guest_metadata import GuestFacts
from novalite.rpc.contracts.base import Contract, call


class GuestMetadata(Contract, topic="conductor", namespace="guest_metadata", version="1.0"):
    """metadata service -> conductor. Whoever calls has made sure who asks; nobody is told of another server."""

    @call(timeout=20)
    def of_address(self, ctx: Context, host: str, network_id: str, address: str) -> GuestFacts | None:
        """The server whose guest has that address on that network, and is on that host; None when there is none.
        An IPv6 link-local address is known by the MAC address in it."""
        raise NotImplementedError

    @call(timeout=20)
    def of_server(self, ctx: Context, server_id: str, project_id: str) -> GuestFacts | None:
        """The server of that id, if it belongs to that project; None otherwise."""
        raise NotImplementedError

    @call(timeout=20)
    def leave_password(self, ctx: Context, server_id: str, password: str) -> bool:
        """Keep a password that the guest made up, encrypted with its key. False when it has left one already."""
        raise NotImplementedError
