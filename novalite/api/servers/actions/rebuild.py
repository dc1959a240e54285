"""Rebuild: a new root disk, and what else may be changed along with it."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from novalite.api.fields import ABSENT, View
from novalite.api.fields import Field as Shown
from novalite.api.policy import authorize
from novalite.api.routing import Answer, Call, Result
from novalite.api.schemas import Body, Bool, Description, Metadata, Name, Since, Until
from novalite.api.servers import views
from novalite.api.servers.actions.table import ACTIONS, begin
from novalite.api.servers.passwords import generate_password, shown
from novalite.api.servers.schemas import (
    MAX_LIST,
    Certificates,
    DiskConfig,
    File,
    HostName,
    ImageUuid,
    Ipv4,
    Ipv6,
    Password,
    Text,
    UserData,
)
from novalite.errors import BadRequest

REBUILD = "os_compute_api:servers:rebuild"
TRUSTED_CERTIFICATES = "os_compute_api:servers:rebuild:trusted_certs"
COLUMNS = {
    "name": "name",
    "metadata": "metadata",
    "accessIPv4": "access_ip_v4",
    "accessIPv6": "access_ip_v6",
    "disk_config": "disk_config",
    "personality": "personality",
    "description": "description",
    "key_name": "key_name",
    "user_data": "user_data",
    "trusted_image_certificates": "trusted_image_certificates",
    "hostname": "hostname",
}
"""Field of the body -> column of the server. A field that is not there changes nothing."""
NULLABLE = ("description", "key_name", "user_data", "trusted_image_certificates")
"""Fields whose null takes the value away."""


class Rebuild(Body):
    """What stands behind `rebuild`."""

    imageRef: ImageUuid
    name: Name | None = None
    adminPass: Password | None = None
    metadata: Metadata | None = None
    accessIPv4: Ipv4 | None = None
    accessIPv6: Ipv6 | None = None
    disk_config: DiskConfig | None = Field(None, alias="OS-DCF:diskConfig")
    preserve_ephemeral: Bool = False
    personality: Annotated[Annotated[list[File], Field(max_length=MAX_LIST)] | None, Until(56)] = None
    description: Annotated[Description | None, Since(19)] = None
    key_name: Annotated[Text | None, Since(54)] = None
    user_data: Annotated[UserData | None, Since(57)] = None
    trusted_image_certificates: Annotated[Certificates | None, Since(63)] = None
    hostname: Annotated[HostName | None, Since(90)] = None


REBUILT = View(
    # The answer to a rebuild has its user data under a name of its own, and not under that of administrators.
    *[field for field in views.UPDATED.fields if field.name != "OS-EXT-SRV-ATTR:user_data"],
    Shown("key_name", lambda r, see: r["key_name"], since=54),
    Shown("user_data", lambda r, see: r["user_data"], since=57),
    Shown("adminPass", lambda r, see: r.get("adminPass", ABSENT), optional=True),
)
"""As PUT shows it, and what else only a rebuild may change."""


@ACTIONS.action("rebuild", value=Rebuild, answer={"server": REBUILT})
def rebuild(call: Call, server_id: str, value: Rebuild) -> Result:
    """Answers with the server as it is going to be; built afterwards."""
    given = value.model_dump(include=value.model_fields_set)
    for name in given.keys() & COLUMNS.keys():
        if given[name] is None and name not in NULLABLE:
            raise BadRequest(f"Invalid input for field/attribute rebuild.{name}. It must not be null.")
    if value.trusted_image_certificates:
        authorize(TRUSTED_CERTIFICATES)
    asked: dict[str, Any] = {
        "image_id": value.imageRef,
        "keep_ephemeral": value.preserve_ephemeral,
        "changes": {COLUMNS[name]: given[name] for name in COLUMNS if name in given},
    }
    password = value.adminPass or generate_password()
    accepted = begin(call, server_id, "rebuild", REBUILD, show=True, password=password, **asked)
    record = {**accepted.facts["server"], **shown(password)}
    view = REBUILT.show(record, call.see(call.ctx.is_admin))
    return Answer({"server": view}, 202, {"Location": call.links.of("servers", server_id)[0]["href"]})


