"""Pages of servers: what filters mean, and that a page costs the same wherever it is."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert, text
from sqlalchemy.orm import Session

from novalite.db import server_lists
from novalite.db.models import Base
from novalite.db.models.compute import Server
from novalite.db.session import Database
from novalite.errors import MarkerNotFound
from novalite.objects.base import Record
from novalite.objects.servers import ServerQuery

START = datetime(2026, 1, 31, 10, 0, 0)
PROJECT, OTHER = "p" * 32, "q" * 32


def a_row(number: int, **changes: Any) -> Record:
    """A server, one second younger than the one before."""
    moment = START + timedelta(seconds=number)
    return {
        "id": str(uuid.UUID(int=number + 1)), "name": f"n{number}", "hostname": f"n{number}", "project_id": PROJECT,
        "user_id": "u", "vm_state": "active", "image_id": None, "flavor_id": "1", "flavor": {}, "vcpus": 1,
        "ram_mb": 1, "disk_gb": 1, "reservation_id": "r", "created_at": moment, "updated_at": moment,
        "launched_at": None, "metadata": {}, "tags": [], "image_properties": {}, "deleted": False, "host": None,
        "locked_by": None, "config_drive": False,
    } | changes  # fmt: skip


def add(db: Database, *rows: Record) -> None:
    """Write rows."""
    with db.begin() as session:
        for first in range(0, len(rows), 2000):
            session.execute(insert(Server.__table__), list(rows[first : first + 2000]))  # type: ignore[arg-type]


def names(db: Database, **query: Any) -> list[str]:
    """Names of a page, oldest first unless told otherwise."""
    asked = ServerQuery(**{"sort": (("created_at", "asc"), ("id", "asc")), **query})
    with db.read() as session:
        keys, rows = server_lists.rows(session, asked)
        assert [row["id"] for row in server_lists.page(session, asked)] == [
            row[keys.index("id")] for row in rows
        ]
    return [row[keys.index("name")] for row in rows]


# --- what filters mean, on every database ----------------------------------------------------


def test_what_can_be_restored_is_listed_as_it_is_asked_for(db: Database) -> None:
    add(db, a_row(0), a_row(1, vm_state="soft-delete"), a_row(2, vm_state="deleted", deleted=True))
    assert names(db) == ["n0", "n1"]
    assert names(db, soft_deleted=False) == ["n0"]
    assert names(db, soft_deleted=True) == ["n0", "n1"]
    assert names(db, deleted=True) == ["n2"]
    assert names(db, deleted=True, soft_deleted=True) == ["n1", "n2"]
    assert names(db, deleted=None) == ["n0", "n1", "n2"]
    assert names(db, filters={"status": ["SOFT_DELETED"]}) == ["n1"]


def test_changes_are_found_by_when_they_were(db: Database) -> None:
    add(db, *[a_row(n, deleted=n == 1) for n in range(4)])
    moment = (START + timedelta(seconds=1)).isoformat(timespec="microseconds")
    assert names(db, deleted=None, changes_since=moment) == ["n1", "n2", "n3"]
    assert names(db, deleted=None, changes_before=moment) == ["n0", "n1"]
    assert names(db, deleted=None, changes_since=moment, changes_before=moment) == ["n1"]
    assert names(db, deleted=False, changes_since=moment, project_id=PROJECT) == ["n2", "n3"]


def test_a_moment_without_a_fraction_is_its_whole_second(db: Database) -> None:
    exact = START + timedelta(seconds=1, microseconds=7)
    add(db, a_row(0, launched_at=START), a_row(1, launched_at=exact), a_row(2))
    assert names(db, filters={"launched_at": "2026-01-31T10:00:01.000000"}) == ["n1"]
    assert names(db, filters={"launched_at": "2026-01-31T10:00:01.000007"}) == ["n1"]
    assert names(db, filters={"launched_at": "2026-01-31T10:00:01.000008"}) == []
    assert names(db, filters={"created_at": "2026-01-31T10:00:02.000000"}) == ["n2"]


METADATA = [
    {"role": "web"},
    {"role": "web", "tier": "a"},
    {"other": "role", "tier": '"role":"web"'},
    {"role": 'qu"ote', "Role": "web"},
    {"role": "日本"},
]


def test_metadata_is_found_by_key_and_value(db: Database) -> None:
    add(db, *[a_row(n, metadata=items, image_properties={"a": str(n)}) for n, items in enumerate(METADATA)])
    for wanted, found in (
        ({"role": "web"}, ["n0", "n1"]),
        ({"tier": "a", "role": "web"}, ["n1"]),
        ({"role": "WEB"}, []),
        ({"role": 'qu"ote'}, ["n3"]),
        ({"role": "日本"}, ["n4"]),
        ({}, ["n0", "n1", "n2", "n3", "n4"]),
    ):
        assert names(db, filters={"metadata": wanted}) == found, wanted
    assert names(db, filters={"system_metadata": {"image_a": "3"}}) == ["n3"]
    assert names(db, filters={"system_metadata": {"a": "3"}}) == []


def test_a_tag_is_not_the_end_of_another(db: Database) -> None:
    add(db, a_row(0, tags=['a"b', "c"]), a_row(1, tags=["b"]), a_row(2, tags=["x", "b"]), a_row(3))
    assert names(db, filters={"tags": ["b"]}) == ["n1", "n2"]
    assert names(db, filters={"tags": ['a"b', "c"]}) == ["n0"]
    assert names(db, filters={"not-tags": ["x", "b"]}) == ["n0", "n1", "n3"]


def test_any_of_several_ids(db: Database) -> None:
    rows = [a_row(n) for n in range(3)]
    add(db, *rows)
    assert names(db, filters={"uuid": [rows[0]["id"], rows[2]["id"], "x"]}) == ["n0", "n2"]


def test_a_marker_of_another_project_is_none(db: Database) -> None:
    foreign = a_row(1, project_id=OTHER)
    add(db, a_row(0), foreign)
    assert names(db, marker=foreign["id"]) == []
    with pytest.raises(MarkerNotFound):
        names(db, marker=foreign["id"], project_id=PROJECT)


def test_rows_leave_out_what_no_list_shows(db: Database) -> None:
    add(db, a_row(0, personality=[{"path": "/a", "contents": "b"}], public_key="k", user_data="dQ=="))
    with db.read() as session:
        keys, _ = server_lists.rows(session, ServerQuery())
        assert {"personality", "public_key", "task_id"} & set(keys) == set() and "user_data" in keys
        keys, _ = server_lists.rows(session, ServerQuery(user_data=False))
        assert "user_data" not in keys
        assert server_lists.rows(session, ServerQuery(detail=False))[0] == ["id", "name"]


# --- what a page costs -----------------------------------------------------------------------

ROWS = 100_000
LIMIT = 1000
PLANS: list[tuple[str, Record, int]] = [
    # what is asked, and the most steps of SQLite's machine, in thousands
    ("of a project", {"project_id": PROJECT}, 100),
    ("oldest first", {"project_id": PROJECT, "sort": (("created_at", "asc"), ("id", "asc"))}, 100),
    ("of all projects", {}, 100),
    ("in one state", {"project_id": PROJECT, "filters": {"status": ["ACTIVE"]}}, 100),
    ("as users see them", {"project_id": PROJECT, "soft_deleted": False}, 100),
    (
        "by name",
        {"project_id": PROJECT, "sort": (("display_name", "asc"), ("created_at", "asc"), ("id", "asc"))},
        5000,
    ),
]


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """A hundred thousand servers in SQLite, most of one project, many made in the same moment."""
    made = Database(f"sqlite:///{tmp_path_factory.mktemp('large') / 'novalite.db'}")
    Base.metadata.create_all(made.engine)
    add(made, a_row(0))
    own = {
        "id": "printf('%08x-0000-4000-8000-%012x', i, i)",
        "name": f"printf('%06d', i * 7919 % {ROWS})",
        "created_at": f"strftime('%Y-%m-%d %H:%M:%S', '{START}', (i / 50) || ' seconds') || '.000000'",
        "updated_at": f"strftime('%Y-%m-%d %H:%M:%S', '{START}', i || ' seconds') || '.000000'",
        "project_id": f"CASE i % 100 WHEN 7 THEN '{OTHER}' ELSE '{PROJECT}' END",
    }
    columns = [column.name for column in Server.__table__.columns if column.name != "number"]
    numbers = f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS - 1})"
    values = ", ".join(own.get(name, f's."{name}"') for name in columns)
    names = ", ".join(f'"{name}"' for name in columns)
    with made.begin() as session:
        session.connection().exec_driver_sql(
            f"INSERT INTO servers ({names}) {numbers} SELECT {values} FROM n, servers s WHERE s.number = 1"
        )
    yield made
    made.close()


def steps(session: Session, query: ServerQuery) -> tuple[int, list[Any]]:
    """Thousands of instructions that SQLite executed, and the page."""
    connection: Any = session.connection().connection.driver_connection
    count = [0]

    def one() -> int:
        count[0] += 1
        return 0

    connection.set_progress_handler(one, 1000)
    try:
        keys, rows = server_lists.rows(session, query)
    finally:
        connection.set_progress_handler(None, 0)
    return count[0], [row[keys.index("id")] for row in rows]


@pytest.mark.parametrize(("said", "asked", "most"), PLANS, ids=[plan[0] for plan in PLANS])
def test_page_90_costs_what_page_1_costs(large: Database, said: str, asked: Record, most: int) -> None:
    """No database engine is asked twice here: what counts is the condition, and an index that fits it."""
    everything = ServerQuery(**asked, limit=ROWS, detail=False)
    with large.read() as session:
        ids = steps(session, everything)[1]
        pages = {}
        for number in (0, 1, 50, 90):
            marker = ids[number * LIMIT - 1] if number else None
            pages[number], page = steps(session, ServerQuery(**asked, limit=LIMIT, marker=marker))
            assert page == ids[number * LIMIT : (number + 1) * LIMIT]
    assert max(pages.values()) <= most, pages
    assert pages[90] <= pages[1] * 1.5 + 10 and pages[50] <= pages[1] * 1.5 + 10, pages


def test_recent_changes_cost_what_they_are(large: Database) -> None:
    since = (START + timedelta(seconds=ROWS - 500)).isoformat(timespec="microseconds")
    with large.read() as session:
        for project in (PROJECT, None):
            query = ServerQuery(project_id=project, deleted=None, changes_since=since)
            taken, page = steps(session, query)
            assert 490 <= len(page) <= 500
            assert taken <= 200, "not every server of the project was looked at"


EXPLAIN = {
    # what is said before a statement, and what the answer holds when it is read from where the page begins
    "sqlite": ("EXPLAIN QUERY PLAN", "created_at<?"),
    "postgresql": ("EXPLAIN", "Index Cond: "),
    "mariadb": ("EXPLAIN", "'range'"),
}


def test_late_pages_are_read_through_an_index_on_every_database(db: Database) -> None:
    add(db, *[a_row(n) for n in range(2000)])
    word, wanted = EXPLAIN["mariadb" if db.dialect == "mysql" else db.dialect]
    query = ServerQuery(project_id=PROJECT, marker=a_row(200)["id"], limit=100)
    with db.begin() as session:
        session.execute(
            text("ANALYZE TABLE servers" if word == "EXPLAIN" and "range" in wanted else "ANALYZE")
        )
    with db.read() as session:
        statement = server_lists._page(session, query, server_lists.WHOLE)
        compiled = statement.compile(session.get_bind(), compile_kwargs={"literal_binds": True})
        plan = str(session.connection().exec_driver_sql(f"{word} {compiled}").all())
    assert wanted in plan and "created_at" in plan, plan
    assert "ix_servers_" in plan and "filesort" not in plan, plan
