"""SQL of flavors on every database."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import select

from novalite.db import flavors, servers
from novalite.db.models.compute import Server
from novalite.db.session import Database
from novalite.errors import (
    FlavorAccessExists,
    FlavorAccessNotFound,
    FlavorExists,
    FlavorExtraSpecNotFound,
    FlavorNotFound,
    MarkerNotFound,
)
from tests.contract.db.rows import ADMIN, MEMBER, STRANGER, a_flavor, a_server


def names(db: Database, ctx: Any = ADMIN, **query: Any) -> list[str]:
    """Names of a page."""
    with db.read() as session:
        return [one["name"] for one in flavors.page(session, ctx, **query)]


@pytest.fixture
def five(db: Database) -> Database:
    """a to e, growing; d is private and p-1 may use it."""
    with db.begin() as session:
        for number, name in enumerate("abcde", 1):
            facts = {
                "ram_mb": number * 10,
                "is_public": name != "d",
                "description": None if name < "c" else "x",
            }
            flavors.create(session, a_flavor(name, **facts))
        flavors.add_access(session, "d", "p-1")
    return db


def test_a_flavor_comes_back_as_it_was(db: Database) -> None:
    whole = a_flavor(
        "big", ephemeral_gb=5, swap_mb=64, rxtx_factor=1.5, is_public=False, disabled=True,
        description="größer 🐘", extra_specs={"hw:numa_nodes": "2"},
    )  # fmt: skip
    with db.begin() as session:
        flavors.create(session, whole)
    with db.read() as session:
        assert flavors.get(session, ADMIN, "big") == whole


def test_the_largest_description(db: Database) -> None:
    text = "🐘" * 65535
    with db.begin() as session:
        flavors.create(session, a_flavor(description=text, ram_mb=2**31 - 1))
    with db.read() as session:
        assert flavors.get(session, ADMIN, "tiny")["description"] == text


@pytest.mark.parametrize("changes", [{"flavor_id": "other"}, {"name": "other"}])
def test_ids_and_names_are_taken_once(db: Database, changes: dict[str, str]) -> None:
    with db.begin() as session:
        flavors.create(session, a_flavor())
    with db.begin() as session:
        with pytest.raises(FlavorExists, match="tiny"):
            flavors.create(session, a_flavor(**changes))
        flavors.create(session, a_flavor("after"))  # the transaction is still good
    assert names(db) == ["after", "tiny"]


def test_names_are_told_apart_by_case(db: Database) -> None:
    with db.begin() as session:
        flavors.create(session, a_flavor("Tiny"))
        flavors.create(session, a_flavor("tiny"))
    with db.read() as session:
        assert flavors.get(session, ADMIN, "Tiny")["name"] == "Tiny"


def test_who_sees_what(five: Database) -> None:
    assert names(five, ADMIN, is_public=None) == ["a", "b", "c", "d", "e"]
    assert names(five, ADMIN, is_public=False) == ["d"]
    assert names(five, ADMIN) == ["a", "b", "c", "e"]
    assert names(five, MEMBER) == ["a", "b", "c", "d", "e"]
    assert names(five, STRANGER, is_public=None) == ["a", "b", "c", "e"]
    with five.read() as session:
        assert flavors.get(session, MEMBER, "d")["name"] == "d"
        with pytest.raises(FlavorNotFound):
            flavors.get(session, STRANGER, "d")


@pytest.mark.parametrize("direction", ["asc", "desc"])
@pytest.mark.parametrize("key", sorted(flavors.SORT_KEYS))
def test_pages_of_every_order_hold_everything_once(five: Database, key: str, direction: str) -> None:
    query: dict[str, Any] = {"is_public": None, "sort_key": key, "sort_dir": direction}
    whole = names(five, **query)
    assert sorted(whole) == ["a", "b", "c", "d", "e"]
    walked: list[str] = []
    while page := names(five, limit=2, marker=walked[-1] if walked else None, **query):
        walked += page
    assert walked == whole


def test_filters_and_markers(five: Database) -> None:
    assert names(five, min_ram_mb=30, min_disk_gb=1) == ["c", "e"]
    assert names(five, name="b") == ["b"]
    assert names(five, sort_key="memory_mb", sort_dir="desc", limit=2) == ["e", "c"]
    with pytest.raises(MarkerNotFound):
        names(five, marker="z")
    with pytest.raises(MarkerNotFound):
        names(five, STRANGER, marker="d")


def test_describe_and_remove(five: Database) -> None:
    with five.begin() as session:
        flavors.describe(session, "a", "first")
        flavors.remove(session, "d")
    with five.read() as session:
        assert flavors.get(session, ADMIN, "a")["description"] == "first"
        for act in (flavors.access, flavors.remove):
            with pytest.raises(FlavorNotFound):
                act(session, "d")
    with five.begin() as session:
        flavors.create(session, a_flavor("d", is_public=False))
        assert flavors.access(session, "d") == []  # access went with the old one


def test_extra_specs(db: Database) -> None:
    with db.begin() as session:
        flavors.create(session, a_flavor())
        flavors.set_specs(session, "tiny", {"a": "1", "b": "2"})
        flavors.set_specs(session, "tiny", {"b": "3"})
        flavors.remove_spec(session, "tiny", "a")
    with db.begin() as session:
        assert flavors.get(session, ADMIN, "tiny")["extra_specs"] == {"b": "3"}
        with pytest.raises(FlavorExtraSpecNotFound):
            flavors.remove_spec(session, "tiny", "a")
        with pytest.raises(FlavorNotFound):
            flavors.set_specs(session, "none", {"a": "1"})


def test_racing_changes_of_extra_specs_are_all_kept(db: Database) -> None:
    with db.begin() as session:
        flavors.create(session, a_flavor())

    def add(number: int) -> None:
        db.run(lambda session: flavors.set_specs(session, "tiny", {f"k{number}": "x"}))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, range(24)))
    with db.read() as session:
        assert len(flavors.get(session, ADMIN, "tiny")["extra_specs"]) == 24


def test_access(five: Database) -> None:
    with five.begin() as session:
        flavors.add_access(session, "d", "p-0")
        assert flavors.access(session, "d") == ["p-0", "p-1"]
        with pytest.raises(FlavorAccessExists):
            flavors.add_access(session, "d", "p-0")
        flavors.remove_access(session, "d", "p-0")
        with pytest.raises(FlavorAccessNotFound):
            flavors.remove_access(session, "d", "p-0")
        assert flavors.access(session, "d") == ["p-1"]


def test_a_page_is_one_statement(five: Database) -> None:
    with five.read() as session:
        session.connection()
        before = five.statements
        flavors.page(session, MEMBER)
        assert five.statements - before == 1


def test_a_server_of_the_largest_flavor_has_a_row(db: Database) -> None:
    """Root, ephemeral and swap disk may each be 2**31-1, and what a server takes is their sum."""
    most = 3 * (2**31 - 1)
    row = a_server(disk_gb=most)
    db.run(lambda session: servers.create(session, [row]))
    with db.read() as session:
        assert session.scalar(select(Server.disk_gb).where(Server.id == row["id"])) == most
