"""Availability zones through the API, with the real conductor and database behind it."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import update

from novalite.context import system
from novalite.db.models.compute import Host, Service
from novalite.objects.hosts import Heartbeat
from novalite.rpc.contracts.hosts import Hosts, Services
from tests.api.nouns import NounsUnderTest, an_inventory
from tests.api.nouns import empty_database as empty_database
from tests.api.nouns import nouns as nouns


@pytest.fixture
def cloud(nouns: NounsUnderTest) -> NounsUnderTest:
    """Host alpha in the default zone, host beta in zone east, a conductor."""
    nouns.env.client.of(Services).heartbeat(system(), Heartbeat(binary="nova-conductor", host="controller"))
    for name in ("alpha", "beta"):
        nouns.env.client.of(Hosts).started(system(), an_inventory(name))
    with nouns.db.begin() as session:
        session.execute(update(Host).where(Host.host == "beta").values(zone="east"))
    return nouns


def zones(cloud: NounsUnderTest, path: str = "", token: str = "member") -> dict[str, Any]:
    """Zones by name."""
    found = cloud.get(f"/os-availability-zone{path}", token=token).get_json()["availabilityZoneInfo"]
    return {zone.pop("zoneName"): zone for zone in found}


def test_users_see_names(cloud: NounsUnderTest) -> None:
    usable = {"zoneState": {"available": True}, "hosts": None}
    assert zones(cloud) == {"east": usable, "nova": usable}
    assert zones(cloud, token="nobody") == zones(cloud)


def test_admins_see_hosts_and_the_internal_zone(cloud: NounsUnderTest) -> None:
    found = zones(cloud, "/detail", "admin")
    assert list(found) == ["east", "internal", "nova"]
    daemon = found["nova"]["hosts"]["alpha"]["nova-compute"]
    assert daemon.pop("updated_at")[10] == "T"
    assert daemon == {"available": True, "active": True}
    assert list(found["internal"]["hosts"]["controller"]) == ["nova-conductor"]
    assert cloud.get("/os-availability-zone/detail").status_code == 403
    assert cloud.statements("/os-availability-zone/detail", token="admin") == 1


def test_a_zone_whose_hosts_are_disabled_cannot_be_used(cloud: NounsUnderTest) -> None:
    with cloud.db.begin() as session:
        session.execute(update(Service).where(Service.host == "beta").values(disabled=True))
    closed = {"zoneState": {"available": False}, "hosts": None}
    assert zones(cloud)["east"] == closed
    assert zones(cloud, "/detail", "admin")["east"] == closed


def test_no_hosts_no_zones(nouns: NounsUnderTest) -> None:
    assert zones(nouns) == {}
