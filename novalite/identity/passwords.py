"""Passwords and secrets: hashed with scrypt, compared in constant time."""

from __future__ import annotations

import hashlib
import hmac
import os
from base64 import b64decode, b64encode

from novalite.errors import BadRequest

MAX_PASSWORD = 4096
"""Characters; a longer one would be a way to keep a processor busy."""


class Passwords:
    """Makes and checks hashes `scrypt$n$r$p$salt$hash`; each keeps the work it was made with."""

    def __init__(self, cost: int, block_size: int, parallel: int) -> None:
        self._work = (cost, block_size, parallel)
        self._nobody = self.hash("")

    def hash(self, password: str) -> str:
        """A hash to store. Raises BadRequest for a password over MAX_PASSWORD characters."""
        if len(password) > MAX_PASSWORD:
            raise BadRequest(f"A password may have at most {MAX_PASSWORD} characters.")
        salt = os.urandom(16)
        n, r, p = self._work
        digest = _scrypt(password, salt, n, r, p)
        return f"scrypt${n}${r}${p}${b64encode(salt).decode()}${b64encode(digest).decode()}"

    def check(self, password: str, hashed: str | None) -> bool:
        """Whether `password` made `hashed`. With None (no such user) it works as long and says no."""
        if len(password) > MAX_PASSWORD:
            return False
        _, n, r, p, salt, wanted = (hashed or self._nobody).split("$")
        found = _scrypt(password, b64decode(salt), int(n), int(r), int(p))
        return hmac.compare_digest(found, b64decode(wanted)) and hashed is not None


def _scrypt(password: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    secret = password.encode("utf-8", "surrogatepass")
    return hashlib.scrypt(secret, salt=salt, n=n, r=r, p=p, maxmem=256 * n * r * p, dklen=32)
