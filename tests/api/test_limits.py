"""Limits through the API, with the real conductor and database behind it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.nouns import NounsUnderTest, a_server_row
from tests.api.nouns import empty_database as empty_database
from tests.api.nouns import nouns as nouns
from tests.api.support import PROJECT

NEWEST = {
    "maxTotalInstances": 10, "maxTotalCores": 20, "maxTotalRAMSize": 51200, "maxTotalKeypairs": 100,
    "maxServerMeta": 128, "maxServerGroups": 10, "maxServerGroupMembers": 10, "totalInstancesUsed": 1,
    "totalCoresUsed": 2, "totalRAMUsed": 512, "totalServerGroupsUsed": 0,
}  # fmt: skip
TO_56 = {"maxPersonality": 5, "maxPersonalitySize": 10240}
TO_38 = {"maxImageMeta": 128}
TO_35 = {
    "maxSecurityGroups": -1, "maxSecurityGroupRules": -1, "maxTotalFloatingIps": -1,
    "totalSecurityGroupsUsed": 0, "totalFloatingIpsUsed": 0,
}  # fmt: skip


def absolute(nouns: NounsUnderTest, query: str = "", **more: Any) -> Any:
    """The limits of an answer."""
    reply = nouns.get(f"/limits{query}", **more)
    assert reply.status_code == 200, reply.text
    found = reply.get_json()["limits"]
    assert found["rate"] == []
    return found["absolute"]


@pytest.mark.parametrize(
    ("version", "more"),
    [
        ("2.1", {**TO_56, **TO_38, **TO_35}),
        ("2.35", {**TO_56, **TO_38, **TO_35}),
        ("2.36", {**TO_56, **TO_38}),
        ("2.38", {**TO_56, **TO_38}),
        ("2.39", TO_56),
        ("2.56", TO_56),
        ("2.57", {}),
        ("2.104", {}),
    ],
)
def test_names_by_version(nouns: NounsUnderTest, version: str, more: dict[str, int]) -> None:
    nouns.add_servers(a_server_row(vcpus=2))
    assert absolute(nouns, version=version) == {**NEWEST, **more}


def test_of_another_project(nouns: NounsUnderTest) -> None:
    nouns.add_servers(a_server_row())
    query = f"?tenant_id={PROJECT}"
    assert absolute(nouns, query, token="admin")["totalInstancesUsed"] == 1
    assert absolute(nouns, token="admin")["totalInstancesUsed"] == 0
    assert nouns.get(f"/limits{query}", token="other").status_code == 403
    assert absolute(nouns, query)["totalInstancesUsed"] == 1


def test_the_key_that_the_command_line_sends(nouns: NounsUnderTest) -> None:
    assert nouns.get("/limits?reserved=1").status_code == 200
    assert nouns.get("/limits?reserved=1", version="2.75").status_code == 400


def test_anybody_may_ask_and_it_is_cheap(nouns: NounsUnderTest) -> None:
    assert absolute(nouns, token="nobody")["maxTotalCores"] == 20
    assert nouns.statements("/limits") == 2
