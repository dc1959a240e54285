"""How a database gets its tables, on every kind of database."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import inspect, text

from novalite.db import check, schema
from novalite.db.models import Base
from novalite.db.session import Database
from novalite.errors import DatabaseUnfit


def test_an_empty_database_gets_every_table(empty: Database) -> None:
    assert schema.version(empty) is None
    with pytest.raises(DatabaseUnfit, match="run novalite-manage db sync"):
        schema.require(empty)
    assert schema.sync(empty) == (None, schema.head())
    assert schema.sync(empty) == (schema.head(), schema.head())
    schema.require(empty)
    assert schema.differences(empty) == []
    assert check.check(empty) == []


def test_the_steps_make_what_the_models_say(empty: Database) -> None:
    schema.replay(empty, "head")
    assert schema.version(empty) == schema.head()
    assert schema.differences(empty) == []


def test_tables_of_unknown_origin_are_left_alone(empty: Database) -> None:
    Base.metadata.create_all(empty.engine)
    with pytest.raises(DatabaseUnfit, match="but no revision"):
        schema.sync(empty)
    assert schema.version(empty) is None


def test_a_newer_database_is_left_alone(db: Database) -> None:
    with db.begin() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(DatabaseUnfit, match="newer release"):
        schema.sync(db)
    assert check.check(db) == [f"The database is at revision 9999, this release needs {schema.head()}."]


def test_differences_are_told(db: Database) -> None:
    with db.begin() as session:
        session.execute(text("ALTER TABLE keypairs ADD COLUMN colour INTEGER"))
        session.execute(text("DROP TABLE quota_locks"))
    found = schema.differences(db)
    assert len(found) == 2
    assert any("quota_locks" in sentence for sentence in found)
    assert any("colour" in sentence for sentence in found)
    assert check.check(db) == found


def test_several_at_once_do_it_once(empty: Database) -> None:
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: schema.sync(empty), range(4)))
    assert sorted(before or "" for before, _ in results) == ["", *[schema.head()] * 3]


def test_drop_everything(db: Database) -> None:
    schema.drop_everything(db)
    assert inspect(db.engine).get_table_names() == []


def test_a_sqlite_file_is_its_owners_alone(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'n.db'}")
    schema.sync(database)
    database.close()
    assert (tmp_path / "n.db").stat().st_mode & 0o777 == 0o600


def test_a_folder_that_cannot_be_written() -> None:
    with pytest.raises(DatabaseUnfit, match="cannot be written"):
        schema.sync(Database("sqlite:////proc/none/n.db"))
