"""POST /servers/{id}/action."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.conftest import ServersUnderTest
from tests.api.scripted import SERVER
from tests.api.support import message


def act(api: ServersUnderTest, body: Any, **more: Any) -> Any:
    return api.post(f"/servers/{SERVER}/action", body, **more)


@pytest.mark.parametrize(
    ("body", "verb"),
    [
        ({"os-start": None}, "start"),
        ({"os-start": {}}, "start"),
        ({"os-stop": None}, "stop"),
        ({"reboot": {"type": "SOFT"}}, "reboot"),
        ({"reboot": {"type": "hard"}}, "reboot_hard"),
        ({"pause": None}, "pause"),
        ({"unpause": None}, "unpause"),
        ({"suspend": None}, "suspend"),
        ({"resume": None}, "resume"),
    ],
)
def test_actions_become_verbs(api: ServersUnderTest, body: Any, verb: str) -> None:
    with api.bus.recording() as sent:
        reply = act(api, body)
    assert (reply.status_code, reply.get_data()) == (202, b"")
    assert [seen.verb for seen in api.servers.seen] == [verb]
    assert api.tasks.poked == [f"t-{verb}"]
    assert [e.kind.value for e in sent] == ["call", "cast"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "exactly one key"),
        ([], "exactly one key"),
        ("os-stop", "exactly one key"),
        ({"os-stop": None, "os-start": None}, "exactly one key"),
        ({"explode": None}, "There is no such action: explode"),
        ({"os-stop": {"force": True}}, "os-stop"),
        ({"os-stop": "now"}, "os-stop"),
        ({"reboot": None}, "reboot. It must be an object"),
        ({"reboot": {}}, "reboot.type. It is required"),
        ({"reboot": {"type": "MEDIUM"}}, "reboot.type."),
        ({"reboot": {"type": "SOFT", "colour": "red"}}, "reboot.colour. There is no such field"),
        ({"os-getConsoleOutput": {"length": -2}}, "os-getConsoleOutput.length. It must be at least -1"),
        ({"os-getConsoleOutput": {"length": "all"}}, "os-getConsoleOutput.length. It must be an integer"),
    ],
)
def test_actions_that_are_refused(api: ServersUnderTest, body: Any, words: str) -> None:
    reply = act(api, body)
    assert (reply.status_code, words in message(reply)) == (400, True), message(reply)
    assert api.servers.seen == []
    assert api.tasks.poked == []


def test_readers_only_look(api: ServersUnderTest) -> None:
    reply = act(api, {"os-stop": None}, token="reader")
    assert reply.status_code == 403
    assert message(reply) == "Policy doesn't allow os_compute_api:servers:stop to be performed."
    assert act(api, {"evacuate": {}}, token="member", version="2.14").status_code == 403


def test_lock_and_unlock(api: ServersUnderTest) -> None:
    assert act(api, {"lock": {"locked_reason": "holiday"}}, version="2.73").status_code == 202
    shown = api.get(f"/servers/{SERVER}", version="2.73").get_json()["server"]
    assert (shown["locked"], shown["locked_reason"]) == (True, "holiday")
    assert act(api, {"unlock": None}, version="2.73").status_code == 202
    assert api.get(f"/servers/{SERVER}", version="2.73").get_json()["server"]["locked"] is False
    assert act(api, {"lock": None}).status_code == 202
    assert act(api, {"lock": {"locked_reason": ""}}, version="2.73").status_code == 400


@pytest.mark.parametrize(
    ("value", "lines"),
    [
        (None, 10),
        ({}, 10),
        ({"length": 3}, 3),
        ({"length": "2"}, 2),
        ({"length": -1}, 10),
        ({"length": None}, 10),
    ],
)
def test_console_output(api: ServersUnderTest, value: Any, lines: int) -> None:
    reply = act(api, {"os-getConsoleOutput": value})
    assert reply.status_code == 200
    assert len(reply.get_json()["output"].split("\n")) == lines
