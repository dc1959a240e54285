"""Send one file to the image service over HTTP: streamed, bounded in time, its hashes taken on the way.

Redirects are not followed: the token in the request is for the image service alone.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import logging
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from novalite.errors import ImageUploadFailed
from novalite.objects.images import ImageTarget

LOG = logging.getLogger(__name__)
CHUNK = 1 << 20


@dataclass(frozen=True)
class Limits:
    """`seconds` for all attempts together, `write_seconds` without a byte taken; between two attempts 2, 4, 8, …
    seconds pass, at most `longest_pause`, so that a restart of the service is outlived."""

    seconds: float
    write_seconds: float
    attempts: int
    ca_file: str = ""
    longest_pause: float = 30.0


@dataclass(frozen=True)
class Sent:
    """What was sent: bytes, MD5 and SHA-512 in hexadecimal."""

    size: int
    checksum: str
    sha512: str

    def facts(self) -> dict[str, Any]:
        """For a report."""
        return {"size": self.size, "checksum": self.checksum, "sha512": self.sha512}


class _BrokenOff(Exception):
    """The transfer failed in a way that may not happen again; `there`: because the image is not waiting for bytes,
    be it that an earlier attempt of this upload got through."""

    def __init__(self, reason: str, there: bool = False) -> None:
        super().__init__(reason)
        self.there = there


def upload(target: ImageTarget, path: Path, limits: Limits, check: Callable[[], None]) -> Sent | None:
    """Send the file. None when the service says again and again that the image does not wait for bytes: whoever
    asked must see whether it has them. `check` is called often and may raise to end it all.

    Raises ImageUploadFailed.
    """
    deadline = time.monotonic() + limits.seconds
    for attempt in range(1, limits.attempts + 1):
        try:
            return _Transfer(target, path, limits, deadline, check).run()
        except _BrokenOff as error:
            LOG.warning("Upload %d of image %s broke off: %s", attempt, target.id, error)
            pause = min(limits.longest_pause, 2.0**attempt)
            if attempt == limits.attempts or time.monotonic() + pause > deadline:
                if error.there:
                    return None
                raise ImageUploadFailed(image_id=target.id, reason=str(error)) from error
        _pause(pause, check)
    raise AssertionError("unreachable: the last attempt answers or raises")


def _pause(seconds: float, check: Callable[[], None]) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        check()
        time.sleep(0.1)


class _Transfer:
    """One attempt."""

    def __init__(
        self, target: ImageTarget, path: Path, limits: Limits, deadline: float, check: Callable[[], None]
    ) -> None:
        self.target, self.path, self.limits, self.deadline = target, path, limits, deadline
        self._check = check
        self.url = urlsplit(target.url)

    def run(self) -> Sent:
        connection = self._connect()
        try:
            sent = self._send(connection)
            self._accept(self._answer(connection))
        finally:
            connection.close()
        return sent

    def _connect(self) -> http.client.HTTPConnection:
        url = self.url
        if url.scheme not in ("http", "https") or not url.hostname:
            raise self._failed(f"{self.target.url} is no http or https URL")
        timeout = min(self.limits.write_seconds, self._left())
        if url.scheme == "http":
            return http.client.HTTPConnection(url.hostname, url.port, timeout=timeout)
        context = ssl.create_default_context(cafile=self.limits.ca_file or None)
        return http.client.HTTPSConnection(url.hostname, url.port, timeout=timeout, context=context)

    def _send(self, connection: http.client.HTTPConnection) -> Sent:
        """The whole file. A service that stops listening has answered already, or is gone."""
        md5, sha512, size = hashlib.md5(usedforsecurity=False), hashlib.sha512(), 0
        try:
            with self.path.open("rb") as file:
                length = file.seek(0, 2)
                file.seek(0)
                self._begin(connection, length)
                while chunk := file.read(CHUNK):
                    self._check()
                    self._left()
                    connection.send(chunk)
                    md5.update(chunk)
                    sha512.update(chunk)
                    size += len(chunk)
        except (BrokenPipeError, ConnectionResetError) as error:
            self._accept(self._answer(connection))
            raise _BrokenOff(f"after {size} bytes: {error}") from error
        except ssl.SSLCertVerificationError as error:
            raise self._failed(f"the certificate of {self.url.netloc} is not trusted: {error}") from error
        except (OSError, http.client.HTTPException) as error:
            raise _BrokenOff(f"{self.url.netloc} takes no bytes after {size}: {error}") from error
        return Sent(size, md5.hexdigest(), sha512.hexdigest())

    def _begin(self, connection: http.client.HTTPConnection, length: int) -> None:
        connection.putrequest("PUT", self.url.path or "/", skip_accept_encoding=True)
        connection.putheader("Content-Type", "application/octet-stream")
        connection.putheader("Content-Length", str(length))
        connection.putheader("User-Agent", "novalite-compute")
        if self.target.token:
            connection.putheader("X-Auth-Token", self.target.token)
        connection.endheaders()

    def _answer(self, connection: http.client.HTTPConnection) -> http.client.HTTPResponse:
        """The service looks at all of it before it answers, which takes a while for a large image."""
        try:
            if connection.sock is not None:
                connection.sock.settimeout(self._left())
            return connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            raise _BrokenOff(f"{self.url.netloc} does not answer: {error or type(error).__name__}") from error

    def _accept(self, response: http.client.HTTPResponse) -> None:
        status, server = response.status, self.url.netloc
        if status in (200, 201, 204):
            return
        said = f"{server} answered {status}: {_sentence(response)}"
        if status == 409:
            raise _BrokenOff(said, there=True)
        if status >= 500 or status in (408, 429):
            raise _BrokenOff(said)
        raise self._failed(said)

    def _left(self) -> float:
        """Seconds until all attempts must be over."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise self._failed(f"it was not taken within {self.limits.seconds:g} seconds")
        return left

    def _failed(self, reason: str) -> ImageUploadFailed:
        return ImageUploadFailed(image_id=self.target.id, reason=reason)


def _sentence(response: http.client.HTTPResponse) -> str:
    """What the service says is wrong."""
    try:
        said = json.loads(response.read(4096))
        found = said.get("message") or next(iter(said.values()))["message"]
        return str(found)[:200]
    except (OSError, http.client.HTTPException, ValueError, AttributeError, KeyError, TypeError, StopIteration):
        return response.reason
