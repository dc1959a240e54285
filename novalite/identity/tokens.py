"""Tokens: signed with Ed25519 by the conductor, verified offline by every API worker.

A token is URL-safe base64 of `payload + kid + signature`: claims.py makes the payload, the kid (4
bytes) names the key, and the 64-byte signature covers both.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import logging
import threading
import time
from collections.abc import Callable
from typing import Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from novalite.errors import NovaliteError, Unauthorized
from novalite.identity.claims import Claims, decode, encode, new_audit_id, now_us
from novalite.objects.base import Record

LOG = logging.getLogger(__name__)
MAX_TOKEN = 8192
"""Characters; what is longer is not one of ours."""
_KID, _SIGNATURE = 4, 64
_KEY_FETCH_SECONDS = 5.0
"""An unknown kid is looked up at most this often, so that forged tokens cost nobody a round trip."""
_RETRY_SECONDS = 1.0


def new_private_key() -> str:
    """A fresh Ed25519 key, base64 of its 32 raw bytes."""
    return base64.b64encode(Ed25519PrivateKey.generate().private_bytes_raw()).decode()


def public_key(private: str) -> str:
    """The public half, base64."""
    raw = Ed25519PrivateKey.from_private_bytes(base64.b64decode(private)).public_key().public_bytes_raw()
    return base64.b64encode(raw).decode()


def key_id(public: str) -> str:
    """The name of a key: 8 hex digits of the hash of its public half."""
    return hashlib.sha256(base64.b64decode(public)).hexdigest()[: 2 * _KID]


def _public(encoded: str) -> Ed25519PublicKey:
    return Ed25519PublicKey.from_public_bytes(base64.b64decode(encoded))


class Signer:
    """Signs with the newest key. `load` answers it, base64, and is asked again every `refresh` seconds."""

    def __init__(self, load: Callable[[], str], refresh: float = 60.0) -> None:
        self._load, self._refresh = load, refresh
        self._key: tuple[bytes, Ed25519PrivateKey] | None = None
        self._loaded = 0.0

    def issue(self, claims: Claims) -> str:
        """The token of these claims."""
        kid, key = self._current()
        signed = encode(claims) + kid
        return base64.urlsafe_b64encode(signed + key.sign(signed)).rstrip(b"=").decode()

    def image_token(self, image_id: str, ttl: int) -> str:
        """A token that reads the bytes of one image for `ttl` seconds and does nothing else."""
        return self._for_image(image_id, ttl, uploads=False)

    def upload_token(self, image_id: str, ttl: int) -> str:
        """A token that writes the bytes of one queued image within `ttl` seconds and does nothing else."""
        return self._for_image(image_id, ttl, uploads=True)

    def _for_image(self, image_id: str, ttl: int, uploads: bool) -> str:
        now = now_us()
        end, audit_ids = now + ttl * 1_000_000, (new_audit_id(),)
        return self.issue(Claims(now, end, methods=("image",), audit_ids=audit_ids, image=image_id, uploads=uploads))

    def _current(self) -> tuple[bytes, Ed25519PrivateKey]:
        if self._key is None or time.monotonic() - self._loaded > self._refresh:
            private = self._load()
            self._loaded = time.monotonic()
            kid = bytes.fromhex(key_id(public_key(private)))
            self._key = (kid, Ed25519PrivateKey.from_private_bytes(base64.b64decode(private)))
        return self._key


class TokenSource(Protocol):
    """Where a Verifier learns about keys and revocations: the conductor over RPC, or its database."""

    def keys(self) -> dict[str, str]:
        """Public keys, base64, by kid."""

    def revocations(self, since: str | None) -> Record:
        """`events`: [key, issued_before µs] written at `since` (ISO time, UTC) or later; `now`: a value
        for the next `since`; `horizon`: µs before which no token can still be alive."""


class Verifier:
    """Checks tokens without asking anybody, except for new keys and, now and then, revocations.

    A failed look for revocations is logged and tried again a second later; meanwhile the known ones count.
    """

    def __init__(self, source: TokenSource, cache_size: int = 4096, poll_interval: float = 10.0) -> None:
        self._source, self._size, self._interval = source, cache_size, poll_interval
        self._keys: dict[bytes, Ed25519PublicKey] = {}
        self._keys_at = -_KEY_FETCH_SECONDS
        self._cache: dict[str, tuple[Claims, list[str]]] = {}
        self._revoked: dict[str, int] = {}
        self._since: str | None = None
        self._poll_at = 0.0
        self._polling, self._learning = threading.Lock(), threading.Lock()

    def verify(self, token: str) -> Claims:
        """The claims of a token that is genuine, not expired and not revoked; else Unauthorized."""
        self._poll_when_due()
        known = self._cache.get(token)
        if known is None:
            claims = self._open(token)
            known = self._remember(token, claims)
        claims, names = known
        if claims.expires <= now_us():
            raise Unauthorized()
        revoked = self._revoked
        if revoked and any(claims.issued <= revoked.get(name, -1) for name in names):
            raise Unauthorized()
        return claims

    def refresh(self) -> None:
        """Look for revocations now: after this worker caused one."""
        with self._polling:
            self._poll()

    def learn(self, events: list[tuple[str, int]]) -> None:
        """Take revocations in: from a poll, or pushed by a conductor."""
        with self._learning:
            for key, before in events:
                self._revoked[key] = max(before, self._revoked.get(key, -1))

    def _open(self, token: str) -> Claims:
        """Check form and signature."""
        if len(token) > MAX_TOKEN:
            raise Unauthorized()
        try:
            raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raise Unauthorized() from None
        signed, signature = raw[:-_SIGNATURE], raw[-_SIGNATURE:]
        if len(signed) <= _KID:
            raise Unauthorized()
        try:
            self._key(signed[-_KID:]).verify(signature, signed)
            return decode(signed[:-_KID])
        except (InvalidSignature, ValueError):
            raise Unauthorized() from None

    def _key(self, kid: bytes) -> Ed25519PublicKey:
        if kid not in self._keys and time.monotonic() - self._keys_at >= _KEY_FETCH_SECONDS:
            found = self._source.keys()
            self._keys_at = time.monotonic()
            self._keys = {bytes.fromhex(k): _public(v) for k, v in found.items()}
        if kid not in self._keys:
            raise Unauthorized()
        return self._keys[kid]

    def _remember(self, token: str, claims: Claims) -> tuple[Claims, list[str]]:
        cache = self._cache
        if len(cache) >= self._size:
            for old in list(cache)[: self._size // 4 + 1]:
                cache.pop(old, None)
        known = cache[token] = (claims, claims.revocation_keys())
        return known

    def _poll_when_due(self) -> None:
        if time.monotonic() < self._poll_at:
            return
        first = self._since is None
        if not self._polling.acquire(blocking=first):
            return  # another thread is looking
        try:
            if time.monotonic() >= self._poll_at:
                self._poll()
        except NovaliteError as error:
            if first:
                raise  # without a first look nothing is known, and revoked tokens would pass
            self._poll_at = time.monotonic() + _RETRY_SECONDS
            LOG.warning("Revoked tokens could not be looked up; trying again: %s", error)
        finally:
            self._polling.release()

    def _poll(self) -> None:
        news = self._source.revocations(self._since)
        self.learn([(key, before) for key, before in news["events"]])
        self._since = news["now"]
        with self._learning:
            self._revoked = {k: v for k, v in self._revoked.items() if v >= news["horizon"]}
        self._poll_at = time.monotonic() + self._interval
