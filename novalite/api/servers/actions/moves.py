"""Taking servers to other hosts: migrate, os-migrateLive and evacuate."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationInfo

from novalite.api.policy import authorize
from novalite.api.routing import Call, Result
from novalite.api.schemas import Body, Bool, RequiredSince, Says, Spans, Until, to_bool, wrong
from novalite.api.servers.actions.table import ACTIONS, begin
from novalite.api.servers.passwords import generate_password, shown
from novalite.api.servers.schemas import Password
from novalite.api.shapes import Part, Reply
from novalite.errors import BadRequest

MIGRATE = "os_compute_api:os-migrate-server:migrate"
MIGRATE_LIVE = "os_compute_api:os-migrate-server:migrate_live"
EVACUATE = "os_compute_api:os-evacuate"
TO_A_HOST_SINCE = 56
"""From here on `migrate` may name a host; before, whatever stands behind it is not read."""
AUTO_SINCE = 25
CHECKED_SINCE = 29
"""From here on a host that `evacuate` names is asked of the scheduler, unless `force` says otherwise."""
ENDS_OFF_SINCE = 95

Host = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[a-zA-Z0-9._-]*$")]


def _to_a_host(value: Any, info: ValidationInfo) -> Any:
    return value if int(info.context or 1) >= TO_A_HOST_SINCE else None


def _block_migration(value: Any, info: ValidationInfo) -> Any:
    if value == "auto":
        if int(info.context or 1) < AUTO_SINCE:
            raise wrong("It must be a boolean.")
        return value
    return to_bool(value)


class Migrate(Body):
    """What may stand behind `migrate`."""

    host: Host | None = None


class MigrateLive(Body):
    """What stands behind `os-migrateLive`; host null: any."""

    host: Host | None
    block_migration: Annotated[Literal[True, False, "auto"], BeforeValidator(_block_migration)]
    disk_over_commit: Annotated[Bool, Until(24), RequiredSince(1, until=24)] = False
    force: Annotated[Bool, Spans((30, 67))] = False


class Evacuate(Body):
    """What stands behind `evacuate`."""

    host: Host = None  # type: ignore[assignment]
    adminPass: Annotated[Password, Field(repr=False)] = None  # type: ignore[assignment]
    onSharedStorage: Annotated[Bool, Until(13), RequiredSince(1, until=13)] = False
    force: Annotated[Bool, Spans((CHECKED_SINCE, 67))] = False


def _check_force(force: bool, host: str | None) -> None:
    if force and not host:
        raise BadRequest("Can't force to a non-provided destination")


@ACTIONS.action(
    "migrate",
    value=Annotated[Migrate | None, BeforeValidator(_to_a_host), Says(description="Read from 2.56 on.")],
)
def migrate(call: Call, server_id: str, value: Migrate | None) -> Result:
    """Move the server, off, to another host; it then waits to be confirmed or reverted, as after a resize."""
    host = value.host if value else None
    if host is not None:
        authorize(f"{MIGRATE}:host")
    begin(call, server_id, "migrate", MIGRATE, host=host)
    return None


@ACTIONS.action("os-migrateLive", value=MigrateLive)
def migrate_live(call: Call, server_id: str, value: MigrateLive) -> Result:
    """Move the server while it runs. No hypervisor of this release can, and the conductor says so."""
    _check_force(value.force, value.host)
    if value.host is not None:
        authorize(f"{MIGRATE_LIVE}:host")
    begin(call, server_id, "live_migrate", MIGRATE_LIVE, host=value.host)
    return None


EVACUATED = (Reply(200, {"adminPass": Part(str, maybe=True)}, until=13), Reply(200, since=14))


@ACTIONS.action("evacuate", value=Evacuate, status=200, answer=EVACUATED)
def evacuate(call: Call, server_id: str, value: Evacuate) -> Result:
    """Build the server anew on another host, because its own is down."""
    _check_force(value.force, value.host)
    if value.onSharedStorage and value.adminPass is not None:
        raise BadRequest("admin password can't be changed on existing disk")
    if value.onSharedStorage:
        raise BadRequest("The hosts of this cloud share no storage: onSharedStorage must be false.")
    force = value.force or (call.minor < CHECKED_SINCE and value.host is not None)
    stop = call.minor >= ENDS_OFF_SINCE
    password = value.adminPass or generate_password()
    begin(call, server_id, "evacuate", EVACUATE, password=password, host=value.host, force=force, stop=stop)
    return shown(password) if call.minor < 14 else None
