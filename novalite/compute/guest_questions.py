"""The endpoint for what the conductor asks of a guest and waits for."""

from __future__ import annotations

from novalite.compute.virt.driver import Diagnoses, Driver, SetsPasswords
from novalite.context import Context
from novalite.errors import DriverUnsupported, InvalidServerState
from novalite.objects.diagnostics import GuestDiagnostics
from novalite.rpc.contracts.guest_questions import GuestQuestions
from novalite.states import PowerState


class GuestQuestionsEndpoint(GuestQuestions):
    """See the contract."""

    def __init__(self, driver: Driver) -> None:
        self.driver = driver

    def set_password(self, ctx: Context, server_id: str, user: str, password: str) -> None:
        if not isinstance(self.driver, SetsPasswords):
            raise DriverUnsupported(what="changing passwords inside guests")
        self.driver.set_password(server_id, user, password)

    def diagnostics(self, ctx: Context, server_id: str) -> GuestDiagnostics:
        if not isinstance(self.driver, Diagnoses):
            raise DriverUnsupported(what="diagnostics")
        power = self.driver.power_state(server_id)
        if power is not PowerState.RUNNING:
            raise InvalidServerState(
                verb="get_diagnostics", server_id=server_id, attr="power state", state=power.name.lower()
            )
        return self.driver.diagnostics(server_id)
