"""The serial console through the whole control plane: how much of it, and what is said when there is none."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cloud import Cloud
from tests.rest import sentence


@pytest.fixture
def log(cloud: Cloud) -> tuple[Any, str]:
    """A member with a server."""
    member = cloud.rest()
    return member, member.boot("web", imageRef=member.image())


def shown(member: Any, server_id: str, value: Any) -> str:
    reply = member.act(server_id, {"os-getConsoleOutput": value})
    assert reply.status_code == 200, reply.text
    return str(reply.get_json()["output"])


@pytest.mark.parametrize("value", [{}, None, {"length": None}, {"length": -1}, {"length": "-1"}, {"length": 10_000}])
def test_all_of_it(log: tuple[Any, str], value: Any) -> None:
    text = shown(*log, value)
    assert text.startswith("SeaBIOS") and text.endswith("rootmib=1024\n")


@pytest.mark.parametrize("length", [1, 3, "3", 5])
def test_its_end(log: tuple[Any, str], length: Any) -> None:
    every = shown(*log, {}).split("\n")
    assert shown(*log, {"length": length}).split("\n") == every[-int(length):]
    assert shown(*log, {"length": 0}) == ""


@pytest.mark.parametrize("length", [-2, "many", 1.5, [], {}])
def test_lengths_that_make_no_sense(log: tuple[Any, str], length: Any) -> None:
    member, server_id = log
    assert member.act(server_id, {"os-getConsoleOutput": {"length": length}}).status_code == 400


def test_a_server_that_never_came_to_a_host_is_not_ready(cloud: Cloud) -> None:
    member = cloud.rest()
    cloud.stop_host("alpha")
    made = member.create("nowhere", imageRef=member.image()).get_json()["server"]["id"]
    cloud.recover()
    reply = member.act(made, {"os-getConsoleOutput": {}})
    assert (reply.status_code, "is not ready" in sentence(reply)) == (409, True)


def test_a_guest_that_is_gone_has_no_console(cloud: Cloud, log: tuple[Any, str]) -> None:
    member, server_id = log
    cloud.driver("alpha")._guests.pop(server_id)
    reply = member.act(server_id, {"os-getConsoleOutput": {}})
    assert (reply.status_code, sentence(reply)) == (404, f"There is no console log of instance {server_id}.")


def test_a_host_that_does_not_answer_is_said_to_be_unavailable(cloud: Cloud, log: tuple[Any, str]) -> None:
    member, server_id = log
    cloud.stop_host("alpha")
    reply = member.act(server_id, {"os-getConsoleOutput": {}})
    assert reply.status_code == 503 and reply.headers["Retry-After"]


def test_unknown_and_foreign_servers_are_not_found(cloud: Cloud, log: tuple[Any, str]) -> None:
    _, server_id = log
    for asked in (server_id, "5f8e0b5c-0000-4000-8000-000000000000"):
        assert cloud.rest("stranger").act(asked, {"os-getConsoleOutput": {}}).status_code == 404
