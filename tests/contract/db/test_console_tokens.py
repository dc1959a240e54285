"""SQL of console tokens, on every database."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from novalite.db import console_tokens
from novalite.db.models.base import now
from novalite.db.session import Database
from novalite.errors import ConsoleTokenInvalid
from novalite.objects.consoles import ConsoleAddress, ConsoleWanted, digest

ADDRESS = ConsoleAddress(host="192.0.2.1", port=5900, tls=True)


def add(session: Session, word: str, server_id: str = "one", ttl: float = 60, most: int = 3) -> None:
    wanted = ConsoleWanted(server_id=server_id, kind="novnc", digest=digest(word))
    console_tokens.add(session, wanted, "alpha", ADDRESS, "user", ttl, most)


def good(session: Session, *words: str) -> list[str]:
    """Those that are valid."""
    found = []
    for word in words:
        try:
            console_tokens.find(session, digest(word))
        except ConsoleTokenInvalid:
            continue
        found.append(word)
    return found


def test_a_life(db: Database) -> None:
    with db.begin() as session:
        for word in ("a", "b", "c", "d"):
            add(session, word)
        add(session, "other", "two")
        add(session, "third", "three")
        record = console_tokens.find(session, digest("d"))
        told = record["host"], record["address"], record["port"], bool(record["tls"])
        assert told == ("alpha", "192.0.2.1", 5900, True)
        assert good(session, "a", "b", "c", "d", "other", "third") == ["b", "c", "d", "other", "third"]
        with pytest.raises(ConsoleTokenInvalid):
            console_tokens.find(session, digest("d"), now() + timedelta(seconds=61))
        with pytest.raises(ConsoleTokenInvalid):
            console_tokens.find(session, digest("d").upper())
        console_tokens.revoke(session, "one")
        assert good(session, "a", "b", "c", "d", "other") == ["other"]
    with db.begin() as session:
        add(session, "gone", "four", ttl=-1)
        assert good(session, "gone") == []
        assert console_tokens.forget_expired(session) >= 1
        assert good(session, "other") == ["other"]


def test_of_those_who_spend_a_token_one_gets_in(db: Database) -> None:
    with db.begin() as session:
        add(session, "raced")

    def spend(_number: int) -> bool:
        try:
            db.run(lambda session: console_tokens.spend(session, digest("raced")))
        except ConsoleTokenInvalid:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(spend, range(6))) == 1
    with db.begin() as session:
        assert good(session, "raced") == []
