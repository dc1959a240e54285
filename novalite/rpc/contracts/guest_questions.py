"""What one compute host is asked about a guest, or has done inside it, while the caller waits."""

from __future__ import annotations

from novalite.context import Context
from novalite.objects.diagnostics import GuestDiagnostics
from novalite.rpc.contracts.base import Contract, call


class GuestQuestions(Contract, topic="compute", namespace="guest_questions", version="1.0"):
    """conductor -> one compute host. DriverUnsupported where its hypervisor cannot."""

    @call(timeout=45)
    def set_password(self, ctx: Context, server_id: str, user: str, password: str) -> None:
        """Give `user` of the running guest this password. Raises GuestAgentMissing when nobody in the guest
        listens, DriverError when it refuses. Asked twice, it is set twice."""
        raise NotImplementedError

    @call(timeout=30)
    def diagnostics(self, ctx: Context, server_id: str) -> GuestDiagnostics:
        """What the hypervisor counts now. Raises InvalidServerState for a guest that does not run."""
        raise NotImplementedError
