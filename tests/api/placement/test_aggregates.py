"""Aggregates of providers are what clients call them."""

from __future__ import annotations

from tests.api.placement.conftest import Placement

PLAIN = "0b59de3c8a4b4f0fa6cf2a0e3f7d1c55"


def test_an_aggregate_is_answered_as_it_was_spelled(admin: Placement) -> None:
    """openstacksdk's own functional test sends uuids without dashes and looks for the same."""
    host = admin.host()
    path = f"/resource_providers/{host['uuid']}/aggregates"
    body = {"aggregates": [PLAIN], "resource_provider_generation": host["generation"]}
    assert admin.ok("PUT", path, body)["aggregates"] == [PLAIN]
    assert admin.ok("GET", path)["aggregates"] == [PLAIN]
    found = admin.ok("GET", f"/resource_providers?member_of={PLAIN}")["resource_providers"]
    assert [one["uuid"] for one in found] == [host["uuid"]]
