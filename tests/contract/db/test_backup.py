"""A copy of a database and back, from every kind into every kind."""

from __future__ import annotations

import gzip
import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select, text

from novalite.db import backup as module
from novalite.db import check, flavors, schema, servers
from novalite.db.backup import backup, restore
from novalite.db.models.compute import Task
from novalite.db.models.identity import Project, User
from novalite.db.session import Database
from novalite.errors import BackupFailed, BackupUnusable, DatabaseUnfit
from tests.contract.db.conftest import KINDS, MakeDatabase
from tests.contract.db.rows import ADMIN, a_flavor, a_server

HEAD = f'"{schema.head()}"'.encode()


def fill(db: Database) -> None:
    """Rows of many types: NULLs, text beyond ASCII, JSON, booleans, times, floats, many of them."""
    with db.begin() as session:
        flavors.create(session, a_flavor("größer 🐘", description=None, rxtx_factor=0.1, is_public=False))
        flavors.add_access(session, "größer 🐘", "p-1")
        flavors.set_specs(session, "größer 🐘", {"a": "b\n\\ \"'"})
        servers.create(session, [a_server(name=f"s{n}", server_metadata={"n": str(n)}) for n in range(1234)])
        session.execute(insert(Project).values(id="p-1", name="p", domain_id="default", parent_id="default"))
        session.execute(insert(User).values(id="u-1", name="u", domain_id="default", password_hash="x"))
        session.execute(
            insert(Task).values(
                id="t-1", kind="create", action="create", server_id="s", request_id="r", state="done", ctx={}
            )
        )


def content(db: Database) -> dict[str, list[Any]]:
    """Every row of every table, as plain values that do not depend on the database."""
    with db.engine.connect() as connection:
        return {
            table.name: sorted(
                [str(int(v)) if isinstance(v, bool) else str(v) for v in row]
                for row in connection.execute(select(table))
            )
            for table in module._tables(connection)
        }


@pytest.mark.parametrize("target", KINDS)
def test_a_dump_restores_into_any_database(
    db: Database, target: str, make_database: MakeDatabase, tmp_path: Path
) -> None:
    fill(db)
    path = tmp_path / "dump.gz"
    assert backup(db, path, portable=True) == path.stat().st_size
    other = make_database(target)
    assert restore(other, path) == schema.head()
    assert content(other) == content(db)
    assert check.check(other) == []
    with other.begin() as session:  # numbers go on where they were
        flavors.create(session, a_flavor("next"))
        servers.create(session, [a_server(id="next")])
        assert servers.get(session, "next")["number"] == 1235
        assert flavors.get(session, ADMIN, "größer 🐘")["extra_specs"] == {"a": "b\n\\ \"'"}


def test_a_backup_is_private_and_replaces_nothing(db: Database, tmp_path: Path) -> None:
    path = tmp_path / "b"
    backup(db, path)
    assert path.stat().st_mode & 0o777 == 0o600
    before = path.read_bytes()
    with pytest.raises(BackupFailed, match="exists"):
        backup(db, path)
    assert path.read_bytes() == before
    backup(db, path, force=True)
    with pytest.raises(BackupFailed, match="No such file"):
        backup(db, tmp_path / "none" / "b")
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(("b", ".b"))] == ["b"]


def test_a_full_database_is_replaced_by_force_only(db: Database, tmp_path: Path) -> None:
    path = tmp_path / "b"
    backup(db, path)
    fill(db)
    with pytest.raises(DatabaseUnfit, match="not empty"):
        restore(db, path)
    with db.read() as session:
        assert flavors.get(session, ADMIN, "größer 🐘")
    restore(db, path, force=True)
    with db.read() as session:
        assert flavors.page(session, ADMIN, None) == []


def test_a_sqlite_file_restores_as_it_was(make_database: MakeDatabase, tmp_path: Path) -> None:
    db, other = make_database("sqlite"), make_database("sqlite")
    schema.sync(db)
    fill(db)
    path = tmp_path / "copy.db"
    backup(db, path)
    assert sorted(p.name for p in tmp_path.iterdir() if "copy" in p.name) == ["copy.db"]
    restore(other, path)
    assert content(other) == content(db)
    assert sorted(p.name for p in tmp_path.iterdir() if "copy" in p.name) == ["copy.db"]
    with other.begin() as session:
        flavors.create(session, a_flavor("next"))


def test_a_dump_holds_one_moment(db: Database, tmp_path: Path) -> None:
    """What is written while the dump runs is in it whole or not at all."""
    fill(db)
    if db.dialect == "sqlite":
        pytest.skip("a copy by SQLite itself")
    with db.engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        connection.begin()
        connection.execute(text("SELECT count(*) FROM flavors")).scalar()
        with db.begin() as session:
            flavors.create(session, a_flavor("late"))
        path = tmp_path / "d"
        with gzip.open(path, "wb") as file:
            module._write(connection, file)
        connection.rollback()
    assert b"late" not in gzip.decompress(path.read_bytes())


def damaged(kind: str, good: bytes) -> bytes:
    """A file that is no backup."""
    lines = gzip.decompress(good).splitlines(keepends=True)
    return {
        "empty": b"",
        "text": b"hello",
        "cut off": good[: len(good) // 2],
        "shortened": gzip.compress(b"".join(lines[:-1])),
        "a row less": gzip.compress(b"".join(lines[:-2] + lines[-1:])),
        "other format": gzip.compress(b'{"format": "tar", "revision": "0001"}\n'),
        "other revision": gzip.compress(b"".join([lines[0].replace(HEAD, b'"9999"'), *lines[1:]])),
        "not JSON": gzip.compress(b"x\n"),
        "SQLite magic": b"SQLite format 3\0" + bytes(4096),
    }[kind]


@pytest.mark.parametrize(
    "kind",
    ["empty", "text", "cut off", "shortened", "a row less", "other format", "other revision", "not JSON",
     "SQLite magic"],
)  # fmt: skip
def test_damaged_files_change_nothing(make_database: MakeDatabase, tmp_path: Path, kind: str) -> None:
    db = make_database("sqlite")
    schema.sync(db)
    fill(db)
    path = tmp_path / "b"
    backup(db, path, portable=True)
    good = path.read_bytes()
    assert b'"revision":' + HEAD in gzip.decompress(good)
    path.write_bytes(damaged(kind, good))
    before = content(db)
    with pytest.raises(BackupUnusable):
        restore(db, path, force=True)
    assert content(db) == before


def test_a_load_that_breaks_leaves_nothing_half_done(make_database: MakeDatabase, tmp_path: Path) -> None:
    source, target = make_database("sqlite"), make_database("sqlite")
    schema.sync(source)
    fill(source)
    path = tmp_path / "b"
    backup(source, path, portable=True)
    lines = gzip.decompress(path.read_bytes()).splitlines(keepends=True)
    wrong = b'{"table":"identity_users","columns":["no'
    broken = [line.replace(b'{"table":"identity_users","columns":["', wrong, 1) for line in lines]
    path.write_bytes(gzip.compress(b"".join(broken)))
    with pytest.raises(KeyError):
        restore(target, path)
    assert content(target) == {}


def test_absent_files_and_foreign_sqlite(make_database: MakeDatabase, tmp_path: Path) -> None:
    db = make_database("sqlite")
    with pytest.raises(BackupUnusable, match="No such file"):
        restore(db, tmp_path / "none")
    foreign = tmp_path / "foreign.db"
    connection = sqlite3.connect(foreign)
    connection.execute("CREATE TABLE t (a)")
    connection.commit()
    connection.close()
    with pytest.raises(BackupUnusable, match="no backup"):
        restore(db, foreign)
    assert not os.path.exists(f"{foreign}-wal")


@pytest.mark.services
def test_a_sqlite_file_does_not_restore_into_postgresql(make_database: MakeDatabase, tmp_path: Path) -> None:
    db, other = make_database("sqlite"), make_database("postgresql")
    schema.sync(db)
    backup(db, tmp_path / "b")
    with pytest.raises(BackupUnusable, match="--portable"):
        restore(other, tmp_path / "b")
