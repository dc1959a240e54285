"""What was done to a server."""

from __future__ import annotations

import pytest

from tests.api.conftest import ServersUnderTest
from tests.api.scripted import DELETED, REQUEST, SERVER
from tests.api.support import message

PATH = f"/servers/{SERVER}/os-instance-actions"


def test_list_and_show(api: ServersUnderTest) -> None:
    listed = api.get(PATH).get_json()["instanceActions"]
    assert [action["action"] for action in listed] == ["create", "create"]
    assert listed[0]["start_time"] == "2026-01-31T10:00:00.000000"
    shown = api.get(f"{PATH}/{REQUEST}", version="2.51").get_json()["instanceAction"]
    assert shown["events"][0]["event"] == "spawn"
    for unknown in ("req-00000000-0000-4000-8000-0000000000bb", "x"):
        assert api.get(f"{PATH}/{unknown}").status_code == 404


def test_deleted_servers_from_2_21_on(api: ServersUnderTest) -> None:
    for path in ("", f"/{REQUEST}"):
        assert api.get(f"/servers/{DELETED}/os-instance-actions{path}", version="2.20").status_code == 404
        assert api.get(f"/servers/{DELETED}/os-instance-actions{path}", version="2.21").status_code == 200


def test_pages_from_2_58_on(api: ServersUnderTest) -> None:
    assert "links" not in api.get(f"{PATH}?limit=1", version="2.57").get_json()
    assert len(api.get(f"{PATH}?limit=1", version="2.57").get_json()["instanceActions"]) == 2
    page = api.get(f"{PATH}?limit=1&changes-since=2026-01-01T00:00:00Z", version="2.58").get_json()
    assert page["links"][0]["href"].startswith(f"http://localhost/v2.1{PATH}?")
    assert f"marker={REQUEST}" in page["links"][0]["href"]
    assert api.actions.seen[-1] == {
        "limit": 1, "marker": None, "since": "2026-01-01T00:00:00.000000", "before": None
    }  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "version"),
    [
        ("limit=x", "2.58"),
        ("changes-since=x", "2.58"),
        ("changes-before=2026-01-01", "2.58"),
        ("changes-since=2026-01-02&changes-before=2026-01-01", "2.66"),
        ("colour=red", "2.58"),
    ],
)
def test_queries_that_are_refused(api: ServersUnderTest, asked: str, version: str) -> None:
    reply = api.get(f"{PATH}?{asked}", version=version)
    assert reply.status_code == 400
    assert message(reply).startswith(("Invalid", "The value of changes-since"))


def test_a_look_is_one_call(api: ServersUnderTest) -> None:
    with api.bus.recording() as sent:
        api.get(PATH, version="2.21")
        api.get(f"{PATH}/{REQUEST}", version="latest")
    assert len(sent) == 2
