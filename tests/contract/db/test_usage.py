"""SQL of usage, audits and what hosts carry, on every database."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from novalite.db import hosts, hypervisors, servers, services, usage
from novalite.db.models.base import now
from novalite.db.session import Database
from novalite.errors import HostNotFound, MarkerNotFound
from tests.contract.db.rows import a_server, an_inventory

START, STOP = datetime(2026, 1, 10), datetime(2026, 1, 11)


def test_servers_of_a_period_in_pages(db: Database) -> None:
    hour = timedelta(hours=1)
    with db.begin() as session:
        for number in range(4):
            ran = {"launched_at": START + hour, "terminated_at": STOP if number else None, "host": "alpha"}
            servers.create(session, [a_server(project_id=f"p-{number % 2}", deleted=bool(number), **ran)])
        servers.create(session, [a_server(launched_at=STOP)])
        servers.create(session, [a_server(launched_at=START - hour, terminated_at=START)])
        servers.create(session, [a_server()])
        found = usage.servers(session, START, STOP)
        assert [row["project_id"] for row in found] == ["p-0", "p-0", "p-1", "p-1"]
        assert usage.servers(session, START, STOP, limit=2) == found[:2]
        assert usage.servers(session, START, STOP, limit=2, marker=found[1]["id"]) == found[2:]
        assert usage.servers(session, START, STOP, "p-1", marker=found[2]["id"]) == found[3:]
        with pytest.raises(MarkerNotFound):
            usage.servers(session, START, STOP, "p-0", marker=found[2]["id"])
        assert usage.ran_on(session, "alpha", START, STOP) == 4


def test_a_host_is_audited_once(db: Database) -> None:
    values = {"state": "done", "servers": 3, "errors": 0, "message": "ran"}
    with db.begin() as session:
        services.beat(session, "alpha", "nova-compute")
        services.beat(session, "controller", "nova-conductor")
        assert usage.hosts(session, now()) == ["alpha"]
        assert usage.hosts(session, STOP) == [], "it was not there yet"
        assert usage.note_audit(session, "alpha", START, STOP, **values)
        assert not usage.note_audit(session, "alpha", START, STOP, **values)
        assert usage.audited(session, START, STOP) == {"alpha": values}
        assert usage.audited(session, START, START) == {}


def test_resources_of_a_host(db: Database) -> None:
    with db.begin() as session:
        services.beat(session, "alpha", "nova-compute")
        hosts.record(session, an_inventory("alpha", reserved_ram_mb=100))
        for project in ("p-1", "p-1", "p-2"):
            servers.create(session, [a_server(host="alpha", project_id=project)])
        rows = hypervisors.resources(session, "alpha")
        assert [tuple(row.values()) for row in rows] == [
            ("(total)", 4, 8192, 100), ("(used_now)", 0, 100, 0), ("(used_max)", 3, 1536, 3),
            ("p-1", 2, 1024, 2), ("p-2", 1, 512, 1),
        ]  # fmt: skip
        with pytest.raises(HostNotFound):
            hypervisors.resources(session, "beta")
