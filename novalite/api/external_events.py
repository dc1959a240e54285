"""Events that other services tell about servers: /os-server-external-events."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ValidationInfo
from pydantic import Field as Limits

from novalite.api.routing import Answer, Call, Result, Routes
from novalite.api.runtime import runtime
from novalite.api.schemas import Body, Says, Uuid, wrong
from novalite.api.shapes import Part, Reply
from novalite.rpc.contracts.external_events import ExternalEvents

ROUTES = Routes()
RULE = "os_compute_api:os-server-external-events:create"

NAMES = {
    "network-changed": 1,
    "network-vif-plugged": 1,
    "network-vif-unplugged": 1,
    "network-vif-deleted": 1,
    "volume-extended": 51,
    "power-update": 76,
    "accelerator-request-bound": 82,
    "volume-reimaged": 93,
}
"""Events, and the minor version that brought each."""


def _known(name: str, info: ValidationInfo) -> str:
    minor = int(info.context or 1)
    if NAMES.get(name, minor + 1) > minor:
        raise wrong("It must be one of " + ", ".join(n for n, since in NAMES.items() if since <= minor) + ".")
    return name


class Event(Body):
    """One event."""

    name: Annotated[str, AfterValidator(_known), Says(enum=list(NAMES))]
    server_uuid: Uuid
    status: Literal["failed", "completed", "in-progress"] = "completed"
    tag: Annotated[str | None, Limits(max_length=255)] = None


class Events(Body):
    """POST /os-server-external-events."""

    events: Annotated[list[Event], Limits(min_length=1, max_length=1000)]


ANSWERS = tuple(
    Reply(
        status,
        {
            "events": [
                {
                    **dict.fromkeys(("name", "server_uuid", "status"), str),
                    "tag": Part(str, maybe=True),
                    "code": int,
                }
            ]
        },
    )
    for status in (200, 207)
)


@ROUTES.post("/os-server-external-events", policy=RULE, body=Events, answer=ANSWERS)
def create(call: Call) -> Result:
    """Each event has a code of its own; 207 when not all are 200."""
    told = [event.model_dump(exclude_none=True) for event in call.body.events]
    codes = runtime().peer(ExternalEvents).deliver(call.ctx, told)
    shown = [_shown(event, code) for event, code in zip(told, codes, strict=True)]
    return Answer({"events": shown}, 200 if set(codes) == {200} else 207)


def _shown(event: dict[str, Any], code: int) -> dict[str, Any]:
    return {**event, **({} if code == 200 else {"status": "failed"}), "code": code}
