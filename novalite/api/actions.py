"""Actions: POST …/action with one key, the action's name. A table of names, like the table of routes.

ACTIONS = Actions()

@ACTIONS.action("pause", policy="os_compute_api:os-pause-server:pause")
def pause(call: Call, server_id: str, value: None) -> Result: ...

@ROUTES.post("/servers/<server_id>/action", body=Any)
def act(call: Call, server_id: str) -> Result:
    return ACTIONS.dispatch(call, server_id)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from novalite.api import schemas
from novalite.api.policy import authorize
from novalite.api.routing import Answer, Call, Result
from novalite.errors import BadRequest, NotFound


class Nothing(schemas.Body):
    """An empty object, as some clients send it where null is meant."""


NO_VALUE = Nothing | None
ActionHandler = Callable[[Call, str, Any], Result]


@dataclass(frozen=True)
class Action:
    """One row. `value` is the type of what stands behind the name; versions are minor and inclusive.

    `policy` is checked against the caller's own project; None: the handler authorises itself.
    `answer` says what the answer looks like, for the documents (shapes.py).
    """

    name: str
    handler: ActionHandler
    value: Any = NO_VALUE
    since: int = 1
    until: int | None = None
    policy: str | None = None
    status: int = 202
    answer: Any = None

    def at(self, minor: int) -> bool:
        """Whether the action exists in that minor version."""
        return self.since <= minor and (self.until is None or minor <= self.until)


class Actions:
    """The actions of one noun."""

    def __init__(self) -> None:
        self.rows: dict[str, Action] = {}

    def action(self, name: str, **columns: Any) -> Callable[[ActionHandler], ActionHandler]:
        """Add a row; `columns` are those of Action."""

        def add(handler: ActionHandler) -> ActionHandler:
            self.rows[name] = Action(name, handler, **columns)
            return handler

        return add

    def dispatch(self, call: Call, item: str) -> Result:
        """Do the one action `call.body` names.

        BadRequest for a name that never existed, NotFound for one of other versions.
        """
        body = call.body
        if not isinstance(body, dict) or len(body) != 1:
            raise BadRequest("The request body must be an object with exactly one key, the action.")
        ((name, data),) = body.items()
        action = self.rows.get(name)
        if action is None:
            raise BadRequest(f"There is no such action: {name[:60]}")
        if not action.at(call.minor):
            raise NotFound(f"There is no action {name} in API version 2.{call.minor}.")
        if action.policy is not None:
            authorize(action.policy)
        value = schemas.parse(action.value, data, call.version, at=name)
        result = action.handler(call, item, value)
        return result if isinstance(result, Answer) else Answer(result, action.status)
