"""Usage of projects and audits of hosts, through the API on a whole cloud."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, update

from novalite.conductor.periodic.usage_audit import UsageAudits
from novalite.conductor.usage import last_period
from novalite.context import system
from novalite.db.models.base import now
from novalite.db.models.compute import Server, Service, new_id
from novalite.db.models.usage import UsageAudit
from novalite.errors import ConfigError
from tests.cloud import Cloud
from tests.rest import Rest, sentence

DAY = datetime(2026, 1, 10)
WINDOW = "start=2026-01-10T00:00:00&end=2026-01-11T00:00:00"
PATH = "/os-simple-tenant-usage"


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    """Two hosts, and no server yet."""
    with Cloud(tmp_path, hosts=("alpha", "beta")) as made:
        yield made


def put(cloud: Cloud, project: str, began: datetime, ended: datetime | None = None, **changes: Any) -> str:
    """A server that ran from then to then."""
    row = {
        "id": new_id(), "name": "web", "hostname": "web", "project_id": project, "user_id": "u", "vm_state": "active",
        "flavor_id": "f", "flavor": {"name": "small", "disk_gb": 10, "ephemeral_gb": 5, "swap_mb": 512}, "vcpus": 2,
        "ram_mb": 1024, "disk_gb": 16, "reservation_id": "r", "launched_at": began, "terminated_at": ended,
        "deleted": ended is not None, "host": "alpha", **changes,
    }  # fmt: skip
    with cloud.db.begin() as session:
        session.execute(insert(Server).values(**row))
    return str(row["id"])


def hours(count: float) -> datetime:
    """That many hours into the day."""
    return DAY + timedelta(hours=count)


def usage(who: Rest, query: str = WINDOW, **more: Any) -> list[Any]:
    """Of every project."""
    return list(who.get(f"{PATH}?{query}", **more)["tenant_usages"])


def test_usage_is_what_lies_within_the_period(cloud: Cloud) -> None:
    admin = cloud.rest("admin")
    put(cloud, "p-1", hours(-5), hours(3))
    put(cloud, "p-1", hours(20))
    put(cloud, "p-1", hours(30))
    put(cloud, "p-1", hours(-9), hours(-1))
    put(cloud, "p-2", hours(-9), hours(99))
    put(cloud, "p-3", hours(1), launched_at=None)
    first, second = usage(admin)
    assert first == {
        "tenant_id": "p-1", "total_hours": 7.0, "total_vcpus_usage": 14.0, "total_memory_mb_usage": 7168.0,
        "total_local_gb_usage": 105.0, "start": "2026-01-10T00:00:00.000000", "stop": "2026-01-11T00:00:00.000000",
    }  # fmt: skip
    assert (second["tenant_id"], second["total_hours"]) == ("p-2", 24.0)


def test_servers_are_told_one_by_one(cloud: Cloud) -> None:
    admin = cloud.rest("admin")
    gone, here = put(cloud, "p-1", hours(1), hours(3), name="ä"), put(cloud, "p-1", hours(23))
    shown = {one["instance_id"]: one for one in usage(admin, WINDOW + "&detailed=1")[0]["server_usages"]}
    assert shown[gone] == {
        "instance_id": gone, "name": "ä", "tenant_id": "p-1", "flavor": "small", "state": "terminated", "hours": 2.0,
        "uptime": 7200, "vcpus": 2, "memory_mb": 1024, "local_gb": 15,
        "started_at": "2026-01-10T01:00:00.000000", "ended_at": "2026-01-10T03:00:00.000000",
    }  # fmt: skip
    assert (shown[here]["state"], shown[here]["ended_at"], shown[here]["hours"]) == ("active", None, 1.0)
    assert shown[here]["uptime"] >= int((now() - hours(23)).total_seconds()) - 60
    assert "server_usages" not in usage(admin, WINDOW + "&detailed=0")[0]
    one = admin.get(f"{PATH}/p-1?{WINDOW}")["tenant_usage"]
    assert {entry["instance_id"] for entry in one["server_usages"]} == {gone, here}


def test_the_future_is_not_used(cloud: Cloud) -> None:
    put(cloud, "p-1", now() - timedelta(hours=1))
    end = (now() + timedelta(days=30)).isoformat()
    (found,) = usage(cloud.rest("admin"), f"start=2026-01-01T00:00:00&end={end}")
    assert found["total_hours"] == pytest.approx(1.0, abs=0.1)


def test_a_member_sees_its_own_project(cloud: Cloud) -> None:
    member, reader = cloud.rest(), cloud.rest("reader", "member", "reader")
    own, before = f"{PATH}/{member.project_id}", "start=2026-01-01T00:00:00"
    assert member.get(f"{own}?{before}") == {"tenant_usage": {}}
    member.boot("web", imageRef=member.image())
    for who in (member, reader, cloud.rest("admin")):
        assert who.get(f"{own}?{before}")["tenant_usage"]["tenant_id"] == member.project_id
    assert member("GET", f"{PATH}/p-1").status_code == 403
    assert member("GET", PATH).status_code == 403
    assert cloud.rest("admin")("GET", PATH + "/").status_code == 404
    assert member.get(own)["tenant_usage"]["total_hours"] == 0.0, "without times it is about this very moment"


def test_pages_of_servers(cloud: Cloud) -> None:
    admin = cloud.rest("admin")
    put(cloud, "p-2", hours(1), hours(2))
    mine = sorted(put(cloud, "p-1", hours(1), hours(2)) for _ in range(3))
    query, seen = WINDOW + "&detailed=1&limit=2", []
    for _ in range(3):
        answer = admin.get(f"{PATH}?{query}")
        seen += [(p["tenant_id"], s["instance_id"]) for p in answer["tenant_usages"] for s in p["server_usages"]]
        links = answer.get("tenant_usages_links")
        if not links:
            break
        query = links[0]["href"].split("?")[1]
    assert [pair[1] for pair in seen[:3]] == mine
    assert (seen[3][0], len(seen)) == ("p-2", 4)
    one = admin.get(f"{PATH}/p-1?{WINDOW}&limit=2")
    assert [s["instance_id"] for s in one["tenant_usage"]["server_usages"]] == mine[:2]
    assert f"marker={mine[1]}" in one["tenant_usage_links"][0]["href"]
    assert admin("GET", f"{PATH}?{WINDOW}&marker={new_id()}").status_code == 400
    assert len(admin.get(f"{PATH}/p-1?{WINDOW}&limit=1", version="2.39")["tenant_usage"]["server_usages"]) == 3


@pytest.mark.parametrize(
    "query",
    [
        "start=2026-02-01T00:00:00&end=2026-01-01T00:00:00",
        "start=yesterday",
        "end=2026-13-01T00:00:00",
        "limit=-1",
        "nonsense=1",
    ],
)
def test_bad_periods_are_refused(world: Any, query: str) -> None:
    for path in (PATH, f"{PATH}/{world.member.project_id}"):
        reply = world.admin("GET", f"{path}?{query}")
        assert (reply.status_code, bool(sentence(reply))) == (400, True), path


# --- audits

AUDITS = "/os-instance_usage_audit_log"


def grown_old(cloud: Cloud) -> None:
    """As if its hosts had been there for years."""
    with cloud.db.begin() as session:
        session.execute(update(Service).values(created_at=datetime(2020, 1, 1)))


def test_hosts_are_audited_once_per_period(cloud: Cloud) -> None:
    admin, job = cloud.rest("admin"), UsageAudits(cloud.conductors[0].manager.env)
    log = admin.get(AUDITS)["instance_usage_audit_logs"]
    assert (log["num_hosts"], log["overall_status"], job.run(system())) == (0, "ALL hosts done. 0 errors.", 0)
    grown_old(cloud)
    begin, end = last_period("month", now())
    put(cloud, "p-1", begin, end)
    put(cloud, "p-1", end + timedelta(seconds=1))
    log = admin.get(AUDITS)["instance_usage_audit_logs"]
    assert (log["num_hosts"], log["hosts_not_run"], log["log"]) == (2, ["alpha", "beta"], {})
    assert log["overall_status"] == "0 of 2 hosts done. 0 errors."
    assert (job.run(system()), job.run(system())) == (2, 0)
    log = admin.get(AUDITS)["instance_usage_audit_logs"]
    assert (log["period_beginning"], log["period_ending"]) == (str(begin), str(end))
    assert (log["num_hosts_done"], log["num_hosts_running"], log["num_hosts_not_run"]) == (2, 0, 0)
    assert (log["total_instances"], log["total_errors"], log["overall_status"]) == (1, 0, "ALL hosts done. 0 errors.")
    assert log["log"]["alpha"]["message"].startswith("Instance usage audit ran for host alpha, 1 instances in 0.")
    assert log["log"]["beta"] | {"message": ""} == {"state": "DONE", "instances": 0, "errors": 0, "message": ""}
    with cloud.db.begin() as session:
        session.execute(update(UsageAudit).where(UsageAudit.host == "beta").values(state="running", errors=2))
    log = admin.get(AUDITS)["instance_usage_audit_logs"]
    assert (log["num_hosts_running"], log["overall_status"]) == (1, "1 of 2 hosts done. 2 errors.")


def test_earlier_periods_are_asked_for_by_time(cloud: Cloud) -> None:
    admin, member = cloud.rest("admin"), cloud.rest()
    grown_old(cloud)
    for moment in ("2026-02-10 10:00:00", "2026-02-10 10:00:00.5"):
        log = admin.get(f"{AUDITS}/{moment}")["instance_usage_audit_log"]
        assert (log["period_beginning"], log["period_ending"]) == ("2026-01-01 00:00:00", "2026-02-01 00:00:00")
        assert log["num_hosts_not_run"] == 2
    for moment in ("yesterday", "2026-02-30 10:00:00", "0001-01-01 00:00:00", "2026-02-10T10:00:00"):
        assert admin("GET", f"{AUDITS}/{moment}").status_code == 400
    assert (member("GET", AUDITS).status_code, member("GET", f"{AUDITS}/x").status_code) == (403, 403)


def test_audits_are_off_unless_wanted(cloud: Cloud) -> None:
    job = UsageAudits(cloud.conductors[0].manager.env)
    assert job.every() == 0
    cloud.conf.set_override("instance_usage_audit", True, "conductor")
    assert job.every() > 0


@pytest.mark.parametrize(
    ("text", "before", "begin", "end"),
    [
        ("hour", "2026-01-10T00:00", "2026-01-09T22:00", "2026-01-09T23:00"),
        ("hour@30", "2026-01-10T00:31", "2026-01-09T23:30", "2026-01-10T00:30"),
        ("day", "2026-03-01T00:01", "2026-02-28T00:00", "2026-03-01T00:00"),
        ("day@18", "2026-03-01T17:59", "2026-02-27T18:00", "2026-02-28T18:00"),
        ("month", "2026-03-01T00:01", "2026-02-01T00:00", "2026-03-01T00:00"),
        ("month@15", "2026-03-14T00:00", "2026-01-15T00:00", "2026-02-15T00:00"),
        ("month@31", "2026-03-15T00:00", "2026-01-31T00:00", "2026-02-28T00:00"),
        ("year", "2026-03-15T00:00", "2025-01-01T00:00", "2026-01-01T00:00"),
        ("year@6", "2026-03-15T00:00", "2024-06-01T00:00", "2025-06-01T00:00"),
    ],
)
def test_periods(text: str, before: str, begin: str, end: str) -> None:
    wanted = (datetime.fromisoformat(begin), datetime.fromisoformat(end))
    assert last_period(text, datetime.fromisoformat(before)) == wanted


def test_what_is_no_period() -> None:
    with pytest.raises(ConfigError, match="fortnight"):
        last_period("fortnight", DAY)
