"""Fetch one image over HTTP into a file: bounded in time and space, size and hash checked on the way.

Redirects are not followed: the token in the request is for the image service alone.
"""

from __future__ import annotations

import errno
import hashlib
import http.client
import logging
import os
import shutil
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit

from novalite.compute.image_check import Inspection
from novalite.errors import ImageDownloadFailed, ImageNotFound, ImageUnacceptable
from novalite.objects.images import ImageSource

LOG = logging.getLogger(__name__)
CHUNK = 1 << 20
_SPACE_EVERY = 64


@dataclass(frozen=True)
class Limits:
    """`seconds` for all attempts together, `read_seconds` without a byte; `min_free` bytes stay free."""

    seconds: float
    read_seconds: float
    attempts: int
    min_free: int
    ca_file: str = ""


class _BrokenOff(Exception):
    """The transfer failed in a way that may not happen again."""


def download(
    source: ImageSource,
    to: Path,
    limits: Limits,
    inspect: Callable[[], Inspection],
    check: Callable[[], None],
) -> tuple[str, int]:
    """Write the image to `to`; answers (QEMU format, size of the disk in bytes).

    `inspect` makes a fresh inspection for each attempt; `check` is called often and may raise to end
    it all. Raises ImageNotFound, ImageUnacceptable, ImageDownloadFailed; then no file is left.
    """
    deadline = time.monotonic() + limits.seconds
    try:
        for attempt in range(1, limits.attempts + 1):
            try:
                return _Transfer(source, limits, deadline, inspect(), check).run(to)
            except _BrokenOff as error:
                LOG.warning("Download %d of image %s broke off: %s", attempt, source.id, error)
                if attempt == limits.attempts or time.monotonic() + attempt > deadline:
                    raise ImageDownloadFailed(image_id=source.id, reason=str(error)) from error
            _pause(float(attempt), check)
        raise AssertionError("unreachable: the last attempt answers or raises")
    except BaseException:
        to.unlink(missing_ok=True)
        raise


def _pause(seconds: float, check: Callable[[], None]) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        check()
        time.sleep(0.1)


class _Transfer:
    """One attempt."""

    def __init__(self, source: ImageSource, limits: Limits, deadline: float, inspection: Inspection,
                 check: Callable[[], None]) -> None:
        self.source, self.limits, self.deadline = source, limits, deadline
        self.inspection, self._check = inspection, check
        self.size = 0
        self._hash = self._hasher()

    def _hasher(self) -> Any:
        if not self.source.os_hash_value:
            return None
        try:
            return hashlib.new(self.source.os_hash_algo or "sha512")
        except ValueError as error:
            raise self._unacceptable(f"its hash algorithm {self.source.os_hash_algo} is not known") from error

    def run(self, to: Path) -> tuple[str, int]:
        connection = self._connect()
        try:
            response = self._request(connection)
            expected = response.length  # None when the answer does not say
            if expected is None and not response.chunked:
                expected = self.source.size
            self._room(to, expected if expected is not None else self.source.size or 0)
            with to.open("wb") as file:
                self._copy(response, file)
            self._whole(expected)
        finally:
            connection.close()
        self._verify()
        return self.inspection.result()

    # --- the connection ----------------------------------------------------------------------

    def _connect(self) -> http.client.HTTPConnection:
        url = urlsplit(self.source.url)
        timeout = min(self.limits.read_seconds, max(0.1, self.deadline - time.monotonic()))
        if url.scheme not in ("http", "https") or not url.hostname:
            raise self._failed(f"{self.source.url} is no http or https URL")
        if url.scheme == "http":
            return http.client.HTTPConnection(url.hostname, url.port, timeout=timeout)
        context = ssl.create_default_context(cafile=self.limits.ca_file or None)
        return http.client.HTTPSConnection(url.hostname, url.port, timeout=timeout, context=context)

    def _request(self, connection: http.client.HTTPConnection) -> http.client.HTTPResponse:
        url = urlsplit(self.source.url)
        headers = {"Accept": "application/octet-stream", "User-Agent": "novalite-compute"}
        if self.source.token:
            headers["X-Auth-Token"] = self.source.token
        target = f"{url.path or '/'}{'?' + url.query if url.query else ''}"
        try:
            connection.request("GET", target, headers=headers)
            response = connection.getresponse()
        except ssl.SSLCertVerificationError as error:
            raise self._failed(f"the certificate of {url.netloc} is not trusted: {error}") from error
        except (OSError, http.client.HTTPException) as error:
            raise _BrokenOff(f"{url.netloc} does not answer: {error}") from error
        self._accept(response, url.netloc)
        return response

    def _accept(self, response: http.client.HTTPResponse, server: str) -> None:
        status = response.status
        if status == 200:
            return
        if status == 404:
            raise ImageNotFound(image_id=self.source.id)
        if status >= 500 or status == 429:
            raise _BrokenOff(f"{server} answered {status} {response.reason}")
        if status in (401, 403):
            raise self._failed(f"{server} refused this host's token with {status}")
        raise self._failed(f"{server} answered {status} {response.reason}")

    # --- the bytes ---------------------------------------------------------------------------

    def _copy(self, response: http.client.HTTPResponse, file: BinaryIO) -> None:
        for number, chunk in enumerate(iter(lambda: self._read(response), b"")):
            self._check()
            self._bounded(len(chunk))
            self.inspection.feed(chunk)
            if self._hash is not None:
                self._hash.update(chunk)
            if number % _SPACE_EVERY == _SPACE_EVERY - 1:
                self._room(Path(file.name), 0)
            self._write(file, chunk)
        file.truncate(self.size)  # the end may be a hole

    def _read(self, response: http.client.HTTPResponse) -> bytes:
        late = self._failed(f"it did not arrive within {self.limits.seconds:g} seconds")
        if time.monotonic() > self.deadline:
            raise late
        try:
            return response.read1(CHUNK)
        except (OSError, http.client.HTTPException) as error:
            if time.monotonic() > self.deadline:
                raise late from error
            raise _BrokenOff(f"after {self.size} bytes: {error or type(error).__name__}") from error

    def _bounded(self, more: int) -> None:
        self.size += more
        if self.source.size is not None and self.size > self.source.size:
            raise self._unacceptable(f"it is larger than the {self.source.size} bytes of its record")

    def _write(self, file: BinaryIO, chunk: bytes) -> None:
        try:
            if chunk.count(0) == len(chunk):
                file.seek(len(chunk), os.SEEK_CUR)  # stays a hole
            else:
                file.write(chunk)
        except OSError as error:
            raise self._failed(f"it could not be written: {error.strerror}") from error

    def _room(self, to: Path, wanted: int) -> None:
        free = shutil.disk_usage(to.parent).free
        if free < wanted + self.limits.min_free:
            reason = f"{to.parent} has {free >> 20} MB free, it needs {wanted >> 20} MB and leaves " \
                     f"{self.limits.min_free >> 20} MB"  # fmt: skip
            raise self._failed(reason) from OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _whole(self, expected: int | None) -> None:
        if expected is not None and self.size < expected:
            raise _BrokenOff(f"after {self.size} of {expected} bytes")

    def _verify(self) -> None:
        if self.source.size is not None and self.size != self.source.size:
            raise self._unacceptable(f"it has {self.size} bytes, its record says {self.source.size}")
        if self._hash is not None and self._hash.hexdigest() != (self.source.os_hash_value or "").lower():
            raise self._unacceptable(f"its content does not match its {self._hash.name} checksum")

    def _failed(self, reason: str) -> ImageDownloadFailed:
        return ImageDownloadFailed(image_id=self.source.id, reason=reason)

    def _unacceptable(self, reason: str) -> ImageUnacceptable:
        return ImageUnacceptable(image_id=self.source.id, reason=reason)
