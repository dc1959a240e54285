"""What hypervisors count."""

from __future__ import annotations

from novalite.context import Context
from novalite.objects.diagnostics import GuestDiagnostics
from novalite.rpc.contracts.base import Contract, call


class Diagnostics(Contract, topic="conductor", namespace="diagnostics", version="1.0"):
    """api -> conductor."""

    @call(timeout=40)
    def show(self, ctx: Context, server_id: str) -> GuestDiagnostics:
        """Counters of a server that runs, asked of its host. Raises ServerNotReady without a host,
        InvalidServerState when it does not run, DriverUnsupported where its hypervisor counts nothing."""
        raise NotImplementedError
