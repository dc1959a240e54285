"""One consistent copy of a database in one file, and back.

A SQLite database is copied by SQLite itself, as a database file. Any database can be written as a portable
dump: JSON lines, compressed, read within one snapshot; it restores into any of the three kinds.
"""

from __future__ import annotations

import base64
import contextlib
import gzip
import os
import sqlite3
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import orjson
from sqlalchemy import (
    Boolean,
    Connection,
    DateTime,
    LargeBinary,
    MetaData,
    Table,
    func,
    insert,
    select,
    text,
)

from novalite import __version__
from novalite.db import schema
from novalite.db.session import Database
from novalite.errors import BackupFailed, BackupUnusable, DatabaseUnfit

FORMAT = "novalite-dump-1"
BATCH = 500


# --- backup ------------------------------------------------------------------------------------


def backup(db: Database, path: Path, portable: bool = False, force: bool = False) -> int:
    """Write the whole database to `path` (mode 0600: it holds password hashes and keys); answers its bytes.

    The file appears complete or not at all. BackupFailed when it exists and `force` is not given.
    """
    if path.exists() and not force:
        raise BackupFailed(path=path, reason="it exists; name another file or use --force.")
    schema.require(db)
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    try:
        os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        (_dump if portable or db.dialect != "sqlite" else _copy_sqlite)(db, temporary)
        with temporary.open("rb") as done:
            os.fsync(done.fileno())
        size = temporary.stat().st_size
        temporary.rename(path)
    except OSError as error:
        raise BackupFailed(path=path, reason=f"{error.strerror}.") from error
    finally:
        temporary.unlink(missing_ok=True)
    return size


def _copy_sqlite(db: Database, path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as target, db.read() as session:
        source: Any = session.connection().connection.driver_connection
        source.rollback()  # the copy begins a transaction of its own
        source.backup(target)
        target.execute("PRAGMA journal_mode=DELETE")  # one file, without a log beside it


def _dump(db: Database, path: Path) -> None:
    # On SQLite every read transaction is a snapshot.
    level = {} if db.dialect == "sqlite" else {"isolation_level": "REPEATABLE READ"}
    with db.read() as session, gzip.open(path, "wb", compresslevel=6) as file:
        _write(session.connection(execution_options=level), file)


def _tables(connection: Connection) -> list[Table]:
    """Every table but alembic's, as it really is, those that others point to first."""
    found = MetaData()
    found.reflect(connection)
    for table in found.tables.values():
        for column in table.columns:
            if hasattr(column.type, "asdecimal"):
                column.type.asdecimal = False  # MariaDB would answer a DOUBLE as a Decimal
    return [table for table in found.sorted_tables if table.name != schema.VERSION_TABLE]


def _write(connection: Connection, file: Any) -> None:
    revision = connection.execute(text(f"SELECT version_num FROM {schema.VERSION_TABLE}")).scalar()
    head = {
        "format": FORMAT, "novalite": __version__, "revision": revision,
        "made_at": datetime.now(UTC).isoformat(), "dialect": connection.dialect.name,
    }  # fmt: skip
    _line(file, head)
    count = 0
    for table in _tables(connection):
        names = [column.name for column in table.columns]
        _line(file, {"table": table.name, "columns": names})
        result = connection.execution_options(yield_per=BATCH).execute(select(table))
        for row in result:
            _line(file, [_plain(value) for value in row])
            count += 1
    _line(file, {"end": True, "rows": count})


def _line(file: Any, value: Any) -> None:
    file.write(orjson.dumps(value) + b"\n")


def _plain(value: Any) -> Any:
    """A value of a database as JSON; bytes, which JSON has not, as {"b64": …}."""
    if isinstance(value, (bytes, memoryview)):
        return {"b64": base64.b64encode(bytes(value)).decode()}
    return value


# --- restore -----------------------------------------------------------------------------------


def restore(db: Database, path: Path, force: bool = False) -> str:
    """Replace an empty database, or with `force` any, by a backup; then bring it to this release's revision.

    Answers the revision the backup was made at. The file is read to its end before anything changes.
    Raises BackupUnusable for a damaged or foreign file, DatabaseUnfit for a database that is not empty.
    Conductors must be stopped.
    """
    kind, revision = _inspect(path)
    if kind == "sqlite" and db.dialect != "sqlite":
        raise BackupUnusable(
            path=path,
            reason=f"it is a SQLite file and the database is {db.dialect}; make it with --portable.",
        )
    if not force:
        _refuse_full(db)
    load: Callable[[Database, Path, str], None] = _load_sqlite if kind == "sqlite" else _load_dump
    try:
        load(db, path, revision)
    except Exception:
        # Half a cloud is worse than none; what was there before is gone with `force` only.
        with contextlib.suppress(Exception):
            schema.drop_everything(db)
        raise
    schema.sync(db)
    return revision


def _refuse_full(db: Database) -> None:
    with db.read() as session:
        connection = session.connection()
        for table in _tables(connection):
            if connection.execute(select(func.count()).select_from(table)).scalar():
                raise DatabaseUnfit(reason=f"is not empty (table {table.name}); --force replaces everything.")


def _inspect(path: Path) -> tuple[str, str]:
    """(sqlite or dump, revision) of a backup that is whole; BackupUnusable otherwise."""
    try:
        with path.open("rb") as file:
            magic = file.read(16)
    except OSError as error:
        raise BackupUnusable(path=path, reason=f"{error.strerror}.") from error
    try:
        kind = "sqlite" if magic == b"SQLite format 3\0" else "dump"
        revision = _sqlite_revision(path) if kind == "sqlite" else _read_through(path)
    except (OSError, EOFError, ValueError, KeyError, TypeError, sqlite3.Error) as error:
        raise BackupUnusable(path=path, reason=f"it is no backup, or damaged ({error}).") from error
    if not schema.known(revision):
        raise BackupUnusable(
            path=path, reason=f"its revision {revision} is unknown to this release; use a newer one."
        )
    return kind, revision


def _sqlite_revision(path: Path) -> str:
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)) as found:
        (sound,) = found.execute("PRAGMA quick_check").fetchone()
        if sound != "ok":
            raise ValueError(sound)
        return str(found.execute(f"SELECT version_num FROM {schema.VERSION_TABLE}").fetchone()[0])


def _read_through(path: Path) -> str:
    """The revision of a dump, all of whose lines are there."""
    head: dict[str, Any] = {}
    rows, ended = 0, None
    with gzip.open(path, "rb") as file:
        for line in _lines(file):
            if not head:
                head = line
                if head["format"] != FORMAT:
                    raise ValueError(f"format {head['format']}")
            elif isinstance(line, list):
                rows += 1
            elif line.get("end"):
                ended = line["rows"]
    if not head or ended != rows:
        raise ValueError("its end is missing")
    return str(head["revision"])


def _lines(file: IO[bytes] | Any) -> Iterator[Any]:
    for line in file:
        yield orjson.loads(line)


def _load_sqlite(db: Database, path: Path, revision: str) -> None:
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)) as source:
        with db.engine.connect() as connection:
            target: Any = connection.connection.driver_connection
            source.backup(target)
        db.engine.dispose()  # other pooled connections may remember the old file


def _load_dump(db: Database, path: Path, revision: str) -> None:
    schema.drop_everything(db)
    if revision == schema.head():
        schema.sync(db)
    else:
        schema.replay(db, revision)
    with db.begin() as session, gzip.open(path, "rb") as file:
        _read(session.connection(), file)


def _read(connection: Connection, file: Any) -> None:
    tables = {table.name: table for table in _tables(connection)}
    table, names, rows = None, [], []
    for line in _lines(file):
        if isinstance(line, list):
            rows.append(line)
            if len(rows) < BATCH:
                continue
        if table is not None:
            _insert(connection, table, names, rows)
            rows = []
        if isinstance(line, dict) and "table" in line:
            table, names = tables[line["table"]], line["columns"]
    _continue_numbering(connection, tables)


def _insert(connection: Connection, table: Table, names: list[str], rows: list[list[Any]]) -> None:
    if not rows:
        return
    readers = [_reader(table.columns[name].type) for name in names]
    connection.execute(
        insert(table),
        [
            {name: read(value) for name, read, value in zip(names, readers, row, strict=True)}
            for row in rows
        ],
    )  # fmt: skip


def _reader(kind: Any) -> Callable[[Any], Any]:
    """How a column takes a value of JSON; None stays None."""
    if isinstance(kind, DateTime):
        return lambda value: None if value is None else datetime.fromisoformat(value)
    if isinstance(kind, Boolean):
        return lambda value: None if value is None else bool(value)
    if isinstance(kind, LargeBinary):
        return lambda value: None if value is None else base64.b64decode(value["b64"])
    return lambda value: int(value) if isinstance(value, bool) else value


def _continue_numbering(connection: Connection, tables: dict[str, Table]) -> None:
    """PostgreSQL counts on from where it was, not from the rows that came; the others look."""
    if connection.dialect.name != "postgresql":
        return
    for table in tables.values():
        for column in table.primary_key.columns:
            owner = {"table": f'"{table.name}"', "column": column.name}
            sequence = connection.execute(
                text("SELECT pg_get_serial_sequence(:table, :column)"), owner
            ).scalar()
            if sequence is not None:
                most = connection.execute(select(func.max(column))).scalar()
                if most is not None:
                    connection.execute(
                        text("SELECT setval(:name, :value)"), {"name": sequence, "value": most}
                    )
