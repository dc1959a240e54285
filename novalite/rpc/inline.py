"""Delivery in the caller's own thread, for tests: nothing is left running when a call returns."""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager

from novalite.errors import BusFull
from novalite.rpc.bus import DaemonKilled, Envelope, no_answer, nobody
from novalite.rpc.dispatch import Dispatcher


class InlineServer:
    """One server of a topic; it has no threads of its own."""

    def __init__(self, carrier: Inline, dispatcher: Dispatcher, host: str) -> None:
        self._carrier, self.dispatcher, self.host = carrier, dispatcher, host
        self._stopped = threading.Event()

    def start(self) -> None:
        """Begin to take messages, first those that waited for a server."""
        self._stopped.clear()
        self._carrier.servers[self.dispatcher.topic].append(self)
        self._carrier.drain()

    def stop(self, grace: float = 0.0) -> bool:
        """Take no more messages."""
        servers = self._carrier.servers[self.dispatcher.topic]
        if self in servers:
            servers.remove(self)
        self._stopped.set()
        return True

    def wait(self) -> None:
        """Block until stopped."""
        self._stopped.wait()


class _Turn(threading.local):
    """What one thread is in the middle of."""

    def __init__(self) -> None:
        self.depth = 0
        self.casts: deque[tuple[Envelope, InlineServer | None]] = deque()


class Inline:
    """Calls nest in the caller's thread; its casts follow when its outermost message is done."""

    def __init__(self, max_pending: int) -> None:
        self.max_pending = max_pending
        self.servers: defaultdict[str, list[InlineServer]] = defaultdict(list)
        self._turn = _Turn()
        self._unserved: deque[Envelope] = deque()

    def server(self, dispatcher: Dispatcher, host: str, workers: int) -> InlineServer:
        """A server, not yet started."""
        return InlineServer(self, dispatcher, host)

    def call(self, envelope: Envelope) -> str:
        """The answer; NobodyListens at once when nobody serves."""
        with self._outermost_drains():
            server = self._pick(envelope)
            if server is None:
                raise nobody(envelope)
            try:
                return server.dispatcher.handle(envelope)
            except DaemonKilled:
                raise no_answer(envelope) from None

    def cast(self, envelope: Envelope) -> None:
        """Queue for the end of the turn."""
        with self._outermost_drains():
            if len(self._turn.casts) >= self.max_pending:
                raise BusFull(topic=envelope.address, size=self.max_pending)
            self._turn.casts.append((envelope, None))

    def fanout(self, envelope: Envelope) -> None:
        """Queue once for every server there is now."""
        with self._outermost_drains():
            for server in list(self.servers[envelope.topic]):
                self._turn.casts.append((envelope, server))

    def drain(self, timeout: float = 0.0) -> None:
        """Deliver what waited for a server, where there is one now."""
        with self._outermost_drains():
            for _ in range(len(self._unserved)):
                self._turn.casts.append((self._unserved.popleft(), None))

    def close(self) -> None:
        """Forget servers and waiting messages."""
        self.servers.clear()
        self._unserved.clear()

    @contextmanager
    def _outermost_drains(self) -> Iterator[None]:
        turn = self._turn
        turn.depth += 1
        try:
            yield
        finally:
            if turn.depth == 1:
                while turn.casts:
                    self._deliver(*turn.casts.popleft())
            turn.depth -= 1

    def _deliver(self, envelope: Envelope, server: InlineServer | None) -> None:
        server = server or self._pick(envelope)
        if server is None:
            if len(self._unserved) < self.max_pending:
                self._unserved.append(envelope)
            return
        try:
            server.dispatcher.handle(envelope)
        except DaemonKilled:
            return

    def _pick(self, envelope: Envelope) -> InlineServer | None:
        """Servers take turns, as they do on a shared queue."""
        servers = self.servers[envelope.topic]
        for server in list(servers):
            if envelope.host in (None, server.host):
                servers.remove(server)
                servers.append(server)
                return server
        return None
