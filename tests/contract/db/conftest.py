"""The same tests on SQLite, PostgreSQL and MariaDB: an empty database and one with every table."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from novalite.db.session import Database
from tests.services.ready import Ready

KINDS = [
    "sqlite",
    pytest.param("postgresql", marks=pytest.mark.services),
    pytest.param("mariadb", marks=pytest.mark.services),
]

MakeDatabase = Callable[[str], Database]


@pytest.fixture
def make_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MakeDatabase]:
    """Makes an empty database of a kind; all are closed and dropped at the end."""
    made: list[tuple[Database, Any]] = []

    def make(kind: str) -> Database:
        if kind == "sqlite":
            made.append((Database(f"sqlite:///{tmp_path / f'{len(made)}.db'}"), None))
        else:
            server = request.getfixturevalue(kind)
            made.append((Database(server.create_database()), server))
        return made[-1][0]

    yield make
    for database, server in made:
        url = database.url.render_as_string(hide_password=False)
        database.close()
        if server is not None:
            server.drop_database(url)


@pytest.fixture(params=KINDS)
def empty(request: pytest.FixtureRequest, make_database: MakeDatabase) -> Database:
    """A database without tables."""
    return make_database(request.param)


@pytest.fixture(params=KINDS)
def db(request: pytest.FixtureRequest, ready: Ready, tmp_path: Path) -> Iterator[Database]:
    """A database with every table and no row."""
    with ready.lend(request.param, tmp_path) as url:
        database = Database(url)
        yield database
        database.close()


@pytest.fixture(params=KINDS)
def cloud_url(request: pytest.FixtureRequest, ready: Ready, tmp_path: Path) -> Iterator[str | None]:
    """Where a `Cloud` keeps its records; None: in a SQLite file of its own."""
    if request.param == "sqlite":
        yield None
        return
    with ready.lend(request.param, tmp_path) as url:
        yield url
