"""A SQLite database with every table and what a first start writes, by copying a file: that is made once per
process, because making it takes longer than most tests."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path

from novalite.conductor.bootstrap import bootstrap
from novalite.db.models.base import Base
from novalite.db.session import Database
from novalite.identity.passwords import Passwords


def furnished(url: str, password: str, public_url: str) -> Database:
    """The database at `url`, which names no file or an empty database yet, furnished."""
    if url.startswith("sqlite:///"):
        Path(url.removeprefix("sqlite:///")).write_bytes(_file(password, public_url))
        return Database(url)
    return _furnish(Database(url), password, public_url)


@functools.cache
def _file(password: str, public_url: str) -> bytes:
    with tempfile.TemporaryDirectory(prefix="novalite-furnished-") as folder:
        path = Path(folder, "made.db")
        _furnish(Database(f"sqlite:///{path}"), password, public_url).close()
        assert [one.name for one in Path(folder).iterdir()] == [path.name], "something is not in the file yet"
        return path.read_bytes()


def _furnish(db: Database, password: str, public_url: str) -> Database:
    Base.metadata.create_all(db.engine)
    bootstrap(db, password, public_url, passwords=Passwords(1024, 1, 1))
    return db
