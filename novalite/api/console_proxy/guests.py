"""Who is connected: how many at all, with one token, to one server. What is not in yet must get in soon."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator

from oslo_config import cfg

from novalite.api.console_proxy.heads import Refused


class Counts:
    """Connections of this process by what they may be only so many of."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self.conf = conf.consoles
        self._lock = threading.Lock()
        self._by: Counter[tuple[str, str]] = Counter()

    @contextlib.contextmanager
    def one_more(self, what: str, key: str = "") -> Iterator[None]:
        """Counted while the block runs; Refused when there are as many as [consoles] lets in."""
        most: int = self.conf[f"max_connections_per_{what}" if key else "max_connections"]
        with self._lock:
            if self._by[what, key] >= most:
                raise Refused(429 if key else 503, f"There are {most} connections of {what} already.")
            self._by[what, key] += 1
        try:
            yield
        finally:
            with self._lock:
                self._by[what, key] -= 1
                if not self._by[what, key]:
                    del self._by[what, key]

    def all(self) -> int:
        """Connections now."""
        with self._lock:
            return self._by["any", ""]


class Hurry:
    """Ends connections that are not where they should be in time: a client that sends a byte now and then would keep
    a time limit of each single read from ever being reached."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._until: dict[int, float] = {}
        self._end = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Look from now on."""
        self._thread = threading.Thread(target=self._run, name="console-hurry", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._end.set()

    @contextlib.contextmanager
    def within(self, seconds: float) -> Iterator[_Deadline]:
        """`add` sockets to what the block returns: they are shut down unless it ends in time."""
        deadline = _Deadline(self, time.monotonic() + seconds)
        try:
            yield deadline
        finally:
            deadline.over()

    def set(self, number: int, until: float) -> None:
        """Watch a descriptor; it must be forgotten before it is closed."""
        with self._lock:
            self._until[number] = until

    def forget(self, number: int) -> None:
        """Watch it no more."""
        with self._lock:
            self._until.pop(number, None)

    def _run(self) -> None:
        while not self._end.wait(0.5):
            now = time.monotonic()
            with self._lock:
                for number in [one for one, until in self._until.items() if until < now]:
                    _cut(number)


class _Deadline:
    """See Hurry.within."""

    def __init__(self, hurry: Hurry, until: float) -> None:
        self._hurry, self._when = hurry, until
        self._numbers: list[int] = []

    def add(self, sock: socket.socket) -> None:
        """Watch this one too."""
        number = sock.fileno()
        self._numbers.append(number)
        self._hurry.set(number, self._when)

    def over(self) -> None:
        """All is in time."""
        for number in self._numbers:
            self._hurry.forget(number)


def _cut(number: int) -> None:
    """End a connection under whoever waits for it: by a second descriptor, so that no object of his is touched."""
    with contextlib.suppress(OSError), socket.socket(fileno=os.dup(number)) as twin:
        twin.shutdown(socket.SHUT_RDWR)
