"""The schema of a database: which revision it has, and how it gets to this release's.

alembic (300 ms to import) is loaded only when there is a step to run: an empty database gets its tables
from the models at once and is marked with the newest revision.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import Connection, MetaData, inspect, text

from novalite.db.models import Base
from novalite.db.session import Database
from novalite.errors import DatabaseBusy, DatabaseUnfit

LOG = logging.getLogger(__name__)
MIGRATIONS = Path(__file__).parent / "migrations"
VERSION_TABLE = "alembic_version"
_LOCK = 8_774_001
"""Number of the advisory lock that lets one process change the schema at a time."""
_LOCK_SECONDS = 60


def head() -> str:
    """The newest revision of this release: files in versions/ begin with their number. "0000" before any."""
    return max((path.name[:4] for path in (MIGRATIONS / "versions").glob("[0-9]*.py")), default="0000")


def known(revision: str) -> bool:
    """Whether this release has such a revision."""
    return any((MIGRATIONS / "versions").glob(f"{revision}_*.py"))


def version(db: Database) -> str | None:
    """The revision a database is at; None when it was never brought to one."""
    with db.read() as session:
        return _version(session.connection())


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    found = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()
    return None if found is None else str(found)


def sync(db: Database) -> tuple[str | None, str]:
    """Bring a database to the newest revision; answers (revision before, revision now).

    One process at a time; a second one waits and finds the work done. DatabaseUnfit for a database that is
    newer than this release, or that holds tables but no revision.
    """
    _keep_private(db)
    with _changing(db) as connection:
        before = _version(connection)
        if before == head():
            return before, before
        if before is None:
            _create(connection)
        elif known(before):
            _upgrade(connection, head())
        else:
            raise DatabaseUnfit(
                reason=f"is at revision {before}, which belongs to a newer release than this one."
            )
    LOG.debug("The database is at revision %s now", head())
    return before, head()


def _keep_private(db: Database) -> None:
    """A SQLite file holds password hashes and signing keys: nobody but its owner reads it."""
    path = db.url.database
    if db.dialect == "sqlite" and path and path != ":memory:":
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        except OSError as error:
            raise DatabaseUnfit(reason=f"file {path} cannot be written: {error.strerror}.") from error


def require(db: Database) -> None:
    """DatabaseUnfit unless the database is at the newest revision."""
    found = version(db)
    if found != head():
        raise DatabaseUnfit(
            reason=f"is at revision {found or 'none'}, this release needs {head()}: "
            "run novalite-manage db sync."
        )


@contextmanager
def _changing(db: Database) -> Iterator[Connection]:
    """A connection in a transaction of its own, while no other process changes the schema."""
    with _alone(db), db.begin() as session:  # SQLite: a BEGIN IMMEDIATE, which is lock enough
        connection = session.connection()
        if db.dialect == "postgresql":
            connection.execute(text(f"SET LOCAL lock_timeout = '{_LOCK_SECONDS}s'"))
            connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
        yield connection


@contextmanager
def _alone(db: Database) -> Iterator[None]:
    """MariaDB commits with every change of a table; its lock is held by a connection beside, to the very end."""
    if db.dialect not in ("mysql", "mariadb"):
        yield
        return
    name = f"concat('novalite-{_LOCK}-', database())"
    with db.read() as session:
        if session.scalar(text(f"SELECT get_lock({name}, {_LOCK_SECONDS})")) != 1:
            raise DatabaseBusy("Another process is changing the schema of the database; try again.")
        try:
            yield
        finally:
            session.execute(text(f"SELECT release_lock({name})"))


def _create(connection: Connection) -> None:
    """Every table at once, for an empty database."""
    there = set(inspect(connection).get_table_names()) & set(Base.metadata.tables)
    if there:
        raise DatabaseUnfit(
            reason=f"holds {len(there)} tables of novalite but no revision: "
            "it was not made by novalite-manage db sync."
        )
    Base.metadata.create_all(connection)
    connection.execute(
        text(
            f"CREATE TABLE {VERSION_TABLE} (version_num VARCHAR(32) NOT NULL, "
            f"CONSTRAINT {VERSION_TABLE}_pkc PRIMARY KEY (version_num))"
        )
    )
    connection.execute(text(f"INSERT INTO {VERSION_TABLE} VALUES ('{head()}')"))


# --- alembic -----------------------------------------------------------------------------------


def _config(connection: Connection) -> Any:
    from alembic.config import Config

    config = Config(cmd_opts=Namespace(quiet=True))
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def _upgrade(connection: Connection, revision: str) -> None:
    from alembic import command

    command.upgrade(_config(connection), revision)


def replay(db: Database, revision: str) -> None:
    """Make an empty database by running every step up to `revision`: for old backups, and for tests."""
    with _changing(db) as connection:
        _upgrade(connection, revision)


def differences(db: Database) -> list[str]:
    """How the tables differ from the models, a sentence each; empty when they do not."""
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    with db.read() as session:
        context = MigrationContext.configure(session.connection(), opts={"compare_type": True})
        return [_sentence(found) for found in compare_metadata(context, Base.metadata)]


def _sentence(found: Any) -> str:
    """One finding of alembic: a tuple, or a list of tuples about one column."""
    what = found[0] if isinstance(found, list) else found
    verb = str(what[0]).replace("_", " ")
    named = [str(getattr(part, "name", part)) for part in what[1:4] if part is not None]
    return f"The schema differs from the models: {verb} {' '.join(named)}."


def new_revision(message: str) -> Path:
    """Write the next step from the difference between the newest revision and the models."""
    from alembic import command

    number = int(head()) + 1
    with TemporaryDirectory() as folder:
        db = Database(f"sqlite:///{folder}/novalite.db")
        try:
            replay(db, "head")
            with db.engine.connect() as connection:
                script = command.revision(
                    _config(connection), message=message, autogenerate=True, rev_id=f"{number:04d}"
                )
        finally:
            db.close()
    assert script is not None and not isinstance(script, list)
    return _tidy(Path(script.path))


def _tidy(path: Path) -> Path:
    """In the project's style, where ruff is installed."""
    for words in (["format"], ["check", "--fix"]):
        subprocess.run([sys.executable, "-m", "ruff", *words, "--quiet", str(path)], check=False, timeout=60)
    return path


def drop_everything(db: Database) -> None:
    """Remove every table of the database, also those this release does not know."""
    with db.begin() as session:
        connection = session.connection()
        found = MetaData()
        found.reflect(connection)
        found.drop_all(connection)
