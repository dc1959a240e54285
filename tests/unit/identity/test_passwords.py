"""Passwords: kept as hashes, and never told apart from unknown users by time."""

from __future__ import annotations

import time

import pytest

from novalite.conf.load import for_tests
from novalite.errors import BadRequest, ConfigError
from novalite.identity.passwords import MAX_PASSWORD, Passwords

FAST = Passwords(1024, 1, 1)


@pytest.mark.parametrize("password", ["secret", "", "pässwörd 日本", "x" * MAX_PASSWORD, "\ud800"])
def test_only_the_right_password_opens(password: str) -> None:
    hashed = FAST.hash(password)
    assert FAST.check(password, hashed)
    assert not FAST.check(password + "x", hashed)
    assert not FAST.check(password, None)
    assert password not in hashed or not password
    assert hashed != FAST.hash(password), "each hash has its own salt"
    assert len(hashed) <= 255


def test_a_hash_keeps_the_work_it_was_made_with() -> None:
    hashed = FAST.hash("secret")
    assert Passwords(2048, 2, 1).check("secret", hashed)


def test_endless_passwords_are_refused() -> None:
    with pytest.raises(BadRequest):
        FAST.hash("x" * (MAX_PASSWORD + 1))
    assert not FAST.check("x" * 10_000_000, FAST.hash("x"))


def test_an_unknown_user_takes_as_long() -> None:
    passwords = Passwords(8192, 8, 1)
    hashed = passwords.hash("secret")

    def best(given: str | None) -> float:
        times = []
        for _ in range(5):
            begun = time.thread_time()
            passwords.check("wrong", given)
            times.append(time.thread_time() - begun)
        return min(times)

    known, unknown = best(hashed), best(None)
    assert 0.5 < known / unknown < 2


def test_a_cost_that_scrypt_cannot_do_is_a_config_error() -> None:
    with pytest.raises(ConfigError):
        for_tests({"identity.scrypt_cost": 5000})
