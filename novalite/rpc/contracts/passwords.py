"""Passwords of servers."""

from __future__ import annotations

from novalite.context import Context
from novalite.rpc.contracts.base import Contract, call


class Passwords(Contract, topic="conductor", namespace="passwords", version="1.1"):
    """api -> conductor. A server of another project is ServerNotFound for callers without all-project sight."""

    @call(timeout=60)
    def change(self, ctx: Context, server_id: str, password: str) -> None:
        """Change the administrator's password inside the guest; returns when that is done. Raises
        InvalidServerState, GuestAgentMissing or PasswordNotSet (409), DriverUnsupported (501)."""
        raise NotImplementedError

    @call()
    def left(self, ctx: Context, server_id: str) -> str:
        """The password that the guest made up and left with the metadata service, encrypted with the server's key; ""
        when it left none."""
        raise NotImplementedError

    @call()
    def forget(self, ctx: Context, server_id: str) -> None:
        """What the guest left is gone, so that it may leave another one."""
        raise NotImplementedError
