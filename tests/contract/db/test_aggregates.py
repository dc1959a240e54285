"""SQL of aggregates and of images wished for, on every database."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy.orm import Session

from novalite.db import aggregates, hosts, image_requests, servers, services
from novalite.db.session import Database
from novalite.errors import (
    AggregateExists,
    AggregateHostExists,
    AggregateHostNotFound,
    AggregateNotFound,
    Conflict,
)
from tests.contract.db.rows import a_server, an_inventory


@pytest.fixture
def two(db: Database) -> Database:
    """Hosts alpha and beta; alpha carries a server."""
    with db.begin() as session:
        for name in ("alpha", "beta"):
            services.beat(session, name, "nova-compute")
            hosts.record(session, an_inventory(name))
        servers.create(session, [a_server(host="alpha")])
        servers.create(session, [a_server(host="beta", deleted=True)])
    return db


def join(session: Session, number: int, host: str) -> aggregates.Settled:
    """Add a host and settle."""
    aggregates.add_host(session, aggregates.get(session, number), host)
    return aggregates.settle(session, [host])


def test_records(two: Database) -> None:
    with two.begin() as session:
        first = aggregates.create(session, "first", None)
        second = aggregates.create(session, "second", "east")
        with pytest.raises(AggregateExists):
            aggregates.create(session, "first", None)
        with pytest.raises(AggregateExists):
            aggregates.rename(session, second, "first")
        aggregates.set_metadata(
            session, aggregates.get(session, second), {"a": "ü", "availability_zone": None}
        )
        join(session, second, "beta")
        join(session, second, "alpha")
        with pytest.raises(AggregateHostExists):
            join(session, second, "alpha")
        with pytest.raises(AggregateHostNotFound):
            aggregates.remove_host(session, aggregates.get(session, first), "alpha")
        found = aggregates.page(session)
        assert [(r["name"], r["metadata"], r["hosts"]) for r in found] == [
            ("first", {}, []), ("second", {"a": "ü"}, ["alpha", "beta"]),
        ]  # fmt: skip
        aggregates.remove(session, first)
        with pytest.raises(AggregateNotFound):
            aggregates.get(session, first)


def test_hosts_follow_their_aggregates(two: Database) -> None:
    with two.begin() as session:
        before = {row.host: row for row in hosts.rows(session)}
        east = aggregates.create(session, "e", "east")
        assert join(session, east, "alpha").moves == [aggregates.Move("alpha", "nova", "east", 1)]
        assert join(session, east, "beta").moves == [aggregates.Move("beta", "nova", "east", 0)]
        assert join(session, aggregates.create(session, "also", "east"), "beta") == ([], {})
        torn = join(session, aggregates.create(session, "w", "west"), "beta").torn
        assert torn == {"beta": ["east", "west"]}
        after = {row.host: row for row in hosts.rows(session)}
        assert (after["alpha"].zone, set(after["beta"].aggregates)) == ("east", {"e", "also", "w"})
        assert after["alpha"].generation == before["alpha"].generation + 1
        aggregates.forget_host(session, "alpha")
        assert hosts.rows(session, ["alpha"])[0].aggregates == {}
        assert hosts.zone(session, "alpha") == "nova"
        aggregates.forget_host(session, "nobody")


def test_of_two_zones_that_race_for_a_host_one_wins(two: Database) -> None:
    with two.begin() as session:
        numbers = [aggregates.create(session, zone, zone) for zone in ("a", "b", "c", "d")]

    def add(number: int) -> bool:
        def work(session: Session) -> None:
            aggregates.lock(session)
            if join(session, number, "beta").torn:
                raise Conflict

        try:
            two.run(work)
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        won = list(pool.map(add, numbers))
    with two.read() as session:
        (row,) = hosts.rows(session, ["beta"])
        assert (won.count(True), list(row.aggregates)) == (1, [row.zone])


def test_wishes_for_images(db: Database) -> None:
    with db.begin() as session:
        image_requests.add(session, ["alpha", "beta"], ["i-1", "i-2"], 100.0)
        image_requests.add(session, [], ["i-1"], 100.0)
        assert image_requests.overdue(session, 100.0) == []
        assert len(image_requests.overdue(session, 101.0)) == 4
        assert image_requests.asked_again(session, "alpha", "i-1", 1, 300.0)
        assert not image_requests.asked_again(session, "alpha", "i-1", 1, 300.0)
        image_requests.forget(session, "beta")
        image_requests.forget(session, "alpha", "i-2")
        assert image_requests.overdue(session, 301.0) == [("alpha", "i-1", 2)]
        image_requests.add(session, ["alpha"], ["i-1"], 100.0)
        assert image_requests.overdue(session, 101.0) == [("alpha", "i-1", 1)]
