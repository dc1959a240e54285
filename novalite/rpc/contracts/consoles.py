"""What can be asked about consoles of servers: by users, by proxies, and of the hosts."""

from __future__ import annotations

from novalite.context import Context
from novalite.objects.consoles import ConsoleAddress, ConsoleEntrance, ConsoleToken, ConsoleWanted
from novalite.rpc.contracts.base import Contract, call


class Consoles(Contract, topic="conductor", namespace="consoles", version="1.0"):
    """Tokens are told by their digest (`objects.consoles.digest`) only."""

    @call(timeout=40)
    def open(self, ctx: Context, wanted: ConsoleWanted) -> None:
        """The token is valid from now on. ServerNotReady without a guest that runs, InvalidServerState while it is
        being stopped, moved or deleted, ConsoleTypeUnavailable where its host offers no such console."""
        raise NotImplementedError

    @call()
    def show(self, ctx: Context, digest: str) -> ConsoleToken:
        """What a valid token stands for; ConsoleTokenInvalid."""
        raise NotImplementedError

    @call(timeout=40)
    def enter(self, ctx: Context, digest: str) -> ConsoleEntrance:
        """A proxy wants to connect: whether it may, and how. ConsoleTokenInvalid also when the guest is no longer where
        it was when the token was made."""
        raise NotImplementedError


class GuestConsoles(Contract, topic="compute", namespace="guest_consoles", version="1.0"):
    """conductor -> the host of a guest."""

    @call(timeout=30)
    def address(self, ctx: Context, server_id: str, kind: str) -> ConsoleAddress:
        """Where this console of a guest that runs is. ServerNotReady, ConsoleTypeUnavailable."""
        raise NotImplementedError

    @call(timeout=30)
    def admit(self, ctx: Context, server_id: str, kind: str) -> ConsoleEntrance:
        """The same with what opens it: made for this one connection."""
        raise NotImplementedError
