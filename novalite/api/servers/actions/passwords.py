"""Change the administrator's password inside a guest."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from novalite.api.routing import Call, Result
from novalite.api.runtime import runtime
from novalite.api.schemas import Body, printable
from novalite.api.servers.access import guard
from novalite.api.servers.actions.table import ACTIONS
from novalite.rpc.contracts.passwords import Passwords

Password = Annotated[str, Field(max_length=255), AfterValidator(printable)]


class ChangePassword(Body):
    """What stands behind `changePassword`. The password is not shown when this is printed."""

    adminPass: Password = Field(repr=False)


@ACTIONS.action("changePassword", value=ChangePassword)
def change_password(call: Call, server_id: str, value: ChangePassword) -> Result:
    """Answered when it is done: 409 when nobody in the guest listens, 501 when the hypervisor cannot."""
    guard(call, server_id, "os_compute_api:os-admin-password")
    runtime().peer(Passwords).change(call.ctx, server_id, value.adminPass)
    return None
