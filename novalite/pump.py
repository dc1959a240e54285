"""Carries bytes between two ends until one is over: consoles, between a user, a proxy and a host.

One thread, or greenthread, for each pair, and no more memory than two chunks: who does not take what waits for him
holds the other up, and is given up after a while.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

CHUNK = 64 * 1024
"""Bytes that may wait for an end."""
LOOK = 1.0
"""Seconds between looks whether all is to end."""
LAST_WORDS = 2.0
"""Seconds in which an end may still take what the other said before it was over."""
_LATER = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class Over(Exception):
    """An end is gone."""


class End(Protocol):
    """Something with two directions that never blocks."""

    def fileno(self) -> int:
        """What to wait for."""

    def read(self) -> bytes | None:
        """What has come, at most a chunk. None: nothing now; b"": nothing ever again."""

    def holds(self) -> bool:
        """Whether more can be read although nothing may come any more."""

    def write(self, data: bytes) -> int:
        """How much was taken, 0: nothing now. Raises Over."""

    def unsent(self) -> bool:
        """Whether something that was taken has yet to be sent, by further calls of `write`, also with nothing."""

    def close(self) -> None:
        """Let go; nothing is read or written any more."""


def lively(sock: socket.socket) -> socket.socket:
    """A TCP connection that sends each key at once, and notices when the other machine is gone."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, seconds in ((socket.TCP_KEEPIDLE, 60), (socket.TCP_KEEPINTVL, 20), (socket.TCP_KEEPCNT, 3)):
        sock.setsockopt(socket.IPPROTO_TCP, option, seconds)
    return sock


class SocketEnd:
    """A socket, with TLS or without; non-blocking from now on."""

    def __init__(self, sock: socket.socket, first: bytes = b"") -> None:
        sock.setblocking(False)
        self.sock, self._first = sock, first

    def fileno(self) -> int:
        return self.sock.fileno()

    def read(self) -> bytes | None:
        if self._first:
            first, self._first = self._first, b""
            return first
        try:
            return self.sock.recv(CHUNK // 2)
        except _LATER:
            return None
        except OSError:
            return b""

    def holds(self) -> bool:
        return bool(self._first) or (isinstance(self.sock, ssl.SSLSocket) and self.sock.pending() > 0)

    def write(self, data: bytes) -> int:
        if not data:
            return 0
        try:
            return self.sock.send(data)
        except _LATER:
            return 0
        except OSError as error:
            raise Over(str(error)) from error

    def unsent(self) -> bool:
        return False

    def close(self) -> None:
        self.sock.close()


@dataclass
class Limits:
    """Seconds; 0: no limit. `idle`: since the last byte of the user's. `ending` says that all is to end."""

    idle: float = 0.0
    total: float = 0.0
    stall: float = 60.0
    ending: Callable[[], bool] = lambda: False


@dataclass(eq=False)
class _Side:
    end: End
    queue: bytes = b""
    over: bool = False
    moved: float = field(default_factory=time.monotonic)
    carried: int = 0

    def waiting(self) -> bool:
        return bool(self.queue) or self.end.unsent()

    def take(self) -> None:
        """Give the end what waits for it."""
        if self.waiting() and (taken := self.end.write(self.queue)):
            self.queue = self.queue[taken:]
            self.carried += taken
            self.moved = time.monotonic()


@dataclass(frozen=True)
class Carried:
    """How it went: why it ended, and bytes to the user and to the other end."""

    why: str
    to_user: int
    to_other: int


def pump(user: End, other: End, limits: Limits) -> Carried:
    """Carry until it is over. Closes neither end."""
    sides = _Side(user), _Side(other)
    began = time.monotonic()
    spoke = [began]
    with selectors.DefaultSelector() as selector:
        for side in sides:
            selector.register(side.end, selectors.EVENT_READ, side)
        try:
            why = _carry(selector, sides, limits, began, spoke)
        except Over:
            why = "an end is gone"
    return Carried(why, sides[0].carried, sides[1].carried)


def _carry(
    selector: selectors.BaseSelector, sides: tuple[_Side, _Side], limits: Limits, began: float, spoke: list[float]
) -> str:
    user, other = sides
    while True:
        now = time.monotonic()
        if why := _ended(sides, limits, now, began, spoke[0]):
            return why
        ready = _wait(selector, sides)
        for side, far in ((user, other), (other, user)):
            if side in ready or side.end.unsent() or side.queue:
                side.take()
            if (side in ready or side.end.holds()) and not far.queue and not side.over:
                data = side.end.read()
                side.over = data == b""
                if data:
                    if not far.waiting():
                        far.moved = time.monotonic()
                    far.queue = data
                    far.take()
                    if side is user:
                        spoke[0] = time.monotonic()
        for side, far in ((user, other), (other, user)):
            if side.over:
                _last_words(selector, far)
                return "the user left" if side is user else "the guest's side ended"


def _ended(sides: tuple[_Side, _Side], limits: Limits, now: float, began: float, spoke: float) -> str:
    if limits.ending():
        return "the daemon ends"
    if limits.total and now - began > limits.total:
        return "its time is over"
    if limits.idle and now - spoke > limits.idle:
        return "the user is idle"
    for side in sides:
        if side.waiting() and now - side.moved > limits.stall:
            return "nobody takes what is sent"
    return ""


def _wait(selector: selectors.BaseSelector, sides: tuple[_Side, _Side]) -> set[_Side]:
    at_once = False
    for side, far in (sides, sides[::-1]):
        reads = not far.queue and not side.over
        at_once = at_once or (reads and side.end.holds())
        wanted = (selectors.EVENT_READ if reads else 0) | (selectors.EVENT_WRITE if side.waiting() else 0)
        _watch(selector, side, wanted)
    return {key.data for key, _ in selector.select(0 if at_once else LOOK)}


def _watch(selector: selectors.BaseSelector, side: _Side, wanted: int) -> None:
    known = selector.get_map().get(side.end)
    if known is None:
        if wanted:
            selector.register(side.end, wanted, side)
    elif not wanted:
        selector.unregister(side.end)
    elif known.events != wanted:
        selector.modify(side.end, wanted, side)


def _last_words(selector: selectors.BaseSelector, side: _Side) -> None:
    """What was said before the other end was over is still delivered, if it is taken soon."""
    deadline = time.monotonic() + LAST_WORDS
    with contextlib.suppress(Over):
        while side.waiting() and (left := deadline - time.monotonic()) > 0:
            side.take()
            _watch(selector, side, selectors.EVENT_WRITE)
            selector.select(min(left, 0.05))
