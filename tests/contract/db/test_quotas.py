"""Limits and the exact race, on every database."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy.orm import Session

from novalite.conductor import quota
from novalite.conf.load import for_tests
from novalite.db import quotas, server_groups, servers
from novalite.db.session import Database
from novalite.errors import OverQuota
from tests.contract.db.rows import a_server

CONF = for_tests()


def limits_of(db: Database, project: str, user: str | None = None) -> dict[str, int]:
    """What holds."""
    with db.read() as session:
        return quota.limits(session, CONF, project, user)


def test_the_closest_limit_holds(db: Database) -> None:
    assert limits_of(db, "p-1")["cores"] == 20
    with db.begin() as session:
        quotas.store(session, "", "", {"cores": 30, "ram": 1})
    assert (limits_of(db, "p-1")["cores"], limits_of(db, "p-1")["ram"]) == (30, 1)
    with db.begin() as session:
        quotas.store(session, "p-1", "", {"cores": 40})
    assert limits_of(db, "p-1", "u-1")["cores"] == 40
    with db.begin() as session:
        quotas.store(session, "p-1", "u-1", {"cores": 5})
        quotas.store(session, "p-1", "u-1", {"cores": 6})
    assert (limits_of(db, "p-1", "u-1")["cores"], limits_of(db, "p-1", "u-2")["cores"]) == (6, 40)
    assert limits_of(db, "p-2", "u-1")["cores"] == 30
    with db.begin() as session:
        quotas.forget(session, "p-1", "u-1")
    assert limits_of(db, "p-1", "u-1")["cores"] == 40
    with db.begin() as session:
        quotas.forget(session, "p-1", None)
    assert limits_of(db, "p-1")["cores"] == 30


def test_use(db: Database) -> None:
    rows = (
        a_server(vcpus=3, ram_mb=2**31 - 1),
        a_server(user_id="u-2", ram_mb=2**31 - 1),
        a_server(deleted=True),
        a_server(project_id="p-2"),
    )
    with db.begin() as session:
        for row in rows:
            servers.create(session, [row])
        assert quotas.in_use(session, "p-1") == {"instances": 2, "cores": 4, "ram": 2**32 - 2}
        assert quotas.in_use(session, "p-1", "u-2")["cores"] == 1
        assert quotas.in_use(session, "p-3") == {"instances": 0, "cores": 0, "ram": 0}
        server_groups.create(session, {"project_id": "p-1", "user_id": "u-2", "name": "g", "policy": "affinity"})
        both = {"instances": 2, "cores": 4, "ram": 2**32 - 2, "server_groups": 1}
        assert quotas.all_in_use(session, "p-1") == both
        assert quotas.all_in_use(session, "p-1", "u-1")["server_groups"] == 0


def test_every_resource_that_is_over_is_named(db: Database) -> None:
    with db.begin() as session:
        quotas.store(session, "p-1", "", {"cores": 2, "ram": 600, "instances": -1})
        servers.create(session, [a_server()])
        quota.check(session, CONF, "p-1", {"instances": 500, "cores": 1, "ram": 88})
        with pytest.raises(OverQuota) as caught:
            quota.check(session, CONF, "p-1", {"instances": 1, "cores": 2, "ram": 512})
    assert caught.value.sentence == (
        "Quota exceeded for cores, ram: Requested 2, 512, but already used 1, 512 of 2, 600 cores, ram"
    )


def test_limits_of_a_user_count_what_the_user_has(db: Database) -> None:
    with db.begin() as session:
        quotas.store(session, "p-1", "u-1", {"instances": 1})
        servers.create(session, [a_server(user_id="u-2")])
        quota.check(session, CONF, "p-1", {"instances": 1}, "u-1")
        servers.create(session, [a_server(user_id="u-1")])
        quota.check(session, CONF, "p-1", {"instances": 1}, "u-2")
        with pytest.raises(OverQuota):
            quota.check(session, CONF, "p-1", {"instances": 1}, "u-1")


@pytest.mark.parametrize(("low", "high", "found"), [(1, 3, 3), (1, 1000, 7), (7, 1000, 7), (8, 1000, None)])
def test_as_many_as_fit(db: Database, low: int, high: int, found: int | None) -> None:
    each = {"instances": 1, "cores": 2, "ram": 1}
    with db.begin() as session:
        quotas.store(session, "p-1", "", {"cores": 15, "instances": -1})
        if found is None:
            with pytest.raises(OverQuota, match="Requested 16"):
                quota.affordable(session, CONF, "p-1", each, low, high)
        else:
            assert quota.affordable(session, CONF, "p-1", each, low, high) == found


def test_a_users_own_limit_counts_too(db: Database) -> None:
    each = {"instances": 1, "cores": 2, "ram": 0}
    with db.begin() as session:
        quotas.store(session, "p-1", "u-1", {"cores": 5})
        assert quota.affordable(session, CONF, "p-1", each, 1, 9, "u-1") == 2
        assert quota.affordable(session, CONF, "p-1", each, 1, 9, "u-2") == 9
        with pytest.raises(OverQuota, match="Requested 6"):
            quota.affordable(session, CONF, "p-1", each, 3, 9, "u-1")


def test_many_cost_no_more_statements_than_one(db: Database) -> None:
    costs = []
    for high in (1, 1, 1000):  # the first one also makes the lock and the connection
        before = db.statements
        with db.begin() as session:
            quota.affordable(session, CONF, "p-1", {"instances": 1, "cores": 1, "ram": 1}, 1, high)
        costs.append(db.statements - before)
    assert costs[1] == costs[2]


def test_metadata(db: Database) -> None:
    with db.begin() as session:
        quota.check_metadata(session, CONF, "p-1", 128)
        with pytest.raises(OverQuota):
            quota.check_metadata(session, CONF, "p-1", 129)


def test_racing_requests_never_exceed_the_limit(db: Database) -> None:
    def create(number: int) -> bool:
        def work(session: Session) -> None:
            quota.check(session, CONF, "p-1", {"instances": 1, "cores": 1, "ram": 512})
            servers.create(session, [a_server()])

        try:
            db.run(work)
        except OverQuota:
            return False
        return True

    with ThreadPoolExecutor(12) as pool:
        done = list(pool.map(create, range(30)))
    with db.read() as session:
        used: dict[str, Any] = quotas.in_use(session, "p-1")
    assert (done.count(True), used["instances"]) == (10, 10)
