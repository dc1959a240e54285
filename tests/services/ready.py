"""Databases with every table and no row, for tests that each want their own: made once, emptied, lent again.

Making the tables takes PostgreSQL and MariaDB longer than most tests (1 and 2 to 6 seconds); emptying them
takes a few hundredths. SQLite's is a copy of a file. A database that comes back with other tables than it was
lent with, or at another revision, is dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import DBAPIError

from novalite.db import schema
from novalite.db.models import Base
from novalite.db.session import Database


class Ready:
    """Lends databases; one per test session. `server(kind)` is the running database server of that kind."""

    def __init__(self, folder: Path, server: Callable[[str], Any]) -> None:
        self._folder, self._server = folder, server
        self._free: dict[str, list[str]] = {"postgresql": [], "mariadb": []}
        self._file: bytes | None = None

    @contextmanager
    def lend(self, kind: str, folder: Path) -> Iterator[str]:
        """The URL of such a database; SQLite's file is in `folder`. Close what you opened before it ends."""
        if kind == "sqlite":
            path = folder / "ready.db"
            path.write_bytes(self._sqlite())
            yield f"sqlite:///{path}"
            return
        server, free = self._server(kind), self._free[kind]
        url = free.pop() if free else _made(server.create_database())
        yield url
        if _emptied(url):
            free.append(url)
        else:
            server.drop_database(url)

    def _sqlite(self) -> bytes:
        if self._file is None:
            path = self._folder / "ready.db"
            _made(f"sqlite:///{path}")
            self._file = path.read_bytes()
        return self._file


def _made(url: str) -> str:
    db = Database(url)
    schema.sync(db)
    db.close()
    return url


def _emptied(url: str) -> bool:
    """Whether the database is now as it was made."""
    db = Database(url)
    try:
        if schema.version(db) != schema.head():
            return False
        with db.engine.begin() as connection:
            if set(inspect(connection).get_table_names()) != {*Base.metadata.tables, schema.VERSION_TABLE}:
                return False
            if connection.dialect.name == "postgresql":
                _empty_postgresql(connection)
            else:
                _empty_mariadb(connection)
        return True
    except DBAPIError:
        return False  # something still holds it, after a test that failed
    finally:
        db.close()


def _empty_postgresql(connection: Connection) -> None:
    connection.execute(text("SET LOCAL lock_timeout = '10s'"))
    tables = [connection.dialect.identifier_preparer.format_table(t) for t in Base.metadata.sorted_tables]
    connection.exec_driver_sql("; ".join(f"DELETE FROM {name}" for name in reversed(tables)))  # one round trip
    used = connection.execute(text("SELECT sequencename FROM pg_sequences WHERE last_value IS NOT NULL"))
    for name in used.scalars().all():
        connection.execute(text(f'ALTER SEQUENCE "{name}" RESTART'))


def _empty_mariadb(connection: Connection) -> None:
    connection.execute(text("SET lock_wait_timeout = 10, foreign_key_checks = 0"))
    for table in Base.metadata.sorted_tables:
        connection.execute(table.delete())
    used = connection.execute(
        text(
            "SELECT table_name FROM information_schema.tables"
            " WHERE table_schema = DATABASE() AND auto_increment > 1"
        )
    )
    for name in used.scalars().all():
        connection.execute(text(f"ALTER TABLE `{name}` AUTO_INCREMENT = 1"))


@pytest.fixture(scope="session")
def ready(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Ready:
    """The lender."""
    return Ready(tmp_path_factory.mktemp("ready"), request.getfixturevalue)
