"""SQL of keypairs on every database."""

from __future__ import annotations

import pytest

from novalite.db import keypairs
from novalite.db.session import Database
from novalite.errors import KeypairExists, KeypairNotFound, MarkerNotFound

KEY = {"user_id": "u-1", "type": "ssh", "fingerprint": "aa:bb", "public_key": "ssh-rsa " + "A" * 16000}


@pytest.fixture
def four(db: Database) -> Database:
    """b, B, a of one user, a of another."""
    with db.begin() as session:
        for name in ("b", "B", "a"):
            keypairs.create(session, {**KEY, "name": name})
        keypairs.create(session, {**KEY, "name": "a", "user_id": "u-2"})
    return db


def test_one_by_name(four: Database) -> None:
    with four.read() as session:
        found = keypairs.get(session, "u-1", "a")
        assert found["public_key"] == KEY["public_key"]
        assert (found["updated_at"], len(found["created_at"])) == (None, 26)
        assert keypairs.get(session, "u-1", "B")["name"] == "B"
        assert keypairs.count(session, "u-1") == 3
        with pytest.raises(KeypairNotFound):
            keypairs.get(session, "u-2", "b")


def test_pages_by_name(four: Database) -> None:
    with four.read() as session:
        whole = [one["name"] for one in keypairs.page(session, "u-1")]
        assert sorted(whole) == ["B", "a", "b"]
        first = [one["name"] for one in keypairs.page(session, "u-1", limit=2)]
        rest = [one["name"] for one in keypairs.page(session, "u-1", marker=first[-1])]
        assert first + rest == whole
        with pytest.raises(MarkerNotFound):
            keypairs.page(session, "u-2", marker="b")


def test_names_are_unique_per_user(four: Database) -> None:
    with four.begin() as session:
        with pytest.raises(KeypairExists):
            keypairs.create(session, {**KEY, "name": "a"})
        keypairs.remove(session, "u-1", "a")
        keypairs.create(session, {**KEY, "name": "a"})
        with pytest.raises(KeypairNotFound):
            keypairs.remove(session, "u-1", "none")
