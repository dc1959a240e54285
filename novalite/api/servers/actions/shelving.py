"""Shelve, offload and unshelve."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, ValidationInfo, model_validator

from novalite.api.actions import NO_VALUE
from novalite.api.policy import authorize
from novalite.api.routing import Call, Result
from novalite.api.schemas import Body, Name, Since, wrong
from novalite.api.servers.actions.table import ACTIONS, begin


@ACTIONS.action("shelve", value=NO_VALUE)
def shelve(call: Call, server_id: str, value: Any) -> Result:
    """Stop the server and keep its root disk as an image."""
    begin(call, server_id, "shelve", "os_compute_api:os-shelve:shelve")
    return None


@ACTIONS.action("shelveOffload", value=NO_VALUE)
def shelve_offload(call: Call, server_id: str, value: Any) -> Result:
    """Take a shelved server off its host, with its disks; its image stays."""
    begin(call, server_id, "shelveOffload", "os_compute_api:os-shelve:shelve_offload")
    return None


class Unshelve(Body):
    """What may stand behind `unshelve`: a zone, from 2.91 null for none, and a host."""

    availability_zone: Annotated[Name | None, Since(77)] = None
    host: Annotated[str, Field(min_length=1, max_length=255), Since(91)] = ""

    @model_validator(mode="after")
    def _says_where(self, info: ValidationInfo) -> Unshelve:
        minor = int(info.context or 1)
        if minor >= 77 and not self.model_fields_set:
            raise wrong("It must be null, or say where to.")
        if minor < 91 and "availability_zone" in self.model_fields_set and self.availability_zone is None:
            raise wrong("It must be a string.")
        return self


@ACTIONS.action("unshelve", value=Unshelve | None)
def unshelve(call: Call, server_id: str, value: Unshelve | None) -> Result:
    """Start a shelved server, or build it anew of its image when it is on no host; only administrators
    name a host."""
    params: dict[str, Any] = value.model_dump(exclude_unset=True) if value else {}
    if "host" in params:
        authorize("os_compute_api:os-shelve:unshelve_to_host")
    begin(call, server_id, "unshelve", "os_compute_api:os-shelve:unshelve", **params)
    return None
