"""The in-process bus: every daemon of an all-in-one, or of a test, in one process.

Messages cross as JSON text exactly as they would over RabbitMQ; queues are bounded, calls have their
time limit, and a pool that would wait on itself says so instead of hanging.

`LocalBus(inline=True)` is for tests: calls run in the caller's thread, and casts are delivered before
the outermost call or cast returns, so that a test sees the end of what it began.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from novalite.errors import BrokerUnreachable
from novalite.rpc.bus import Envelope, SentLog, ServerHandle, no_answer
from novalite.rpc.contracts.base import Contract
from novalite.rpc.dispatch import Dispatcher
from novalite.rpc.inline import Inline
from novalite.rpc.pools import Pools

Predicate = Callable[[Envelope], bool]


class Hook:
    """A rule about messages, for tests; `stop()` or the end of its `with` block lifts it."""

    def __init__(self, hooks: list[Hook], matches: Predicate, limit: int | None) -> None:
        self._hooks, self._matches, self._left = hooks, matches, limit
        self._lock = threading.Lock()
        self.hits: list[Envelope] = []
        hooks.append(self)

    def takes(self, envelope: Envelope) -> bool:
        """Whether the rule applies to this message; counts it."""
        if not self._matches(envelope):
            return False
        with self._lock:
            if self._left == 0:
                return False
            if self._left is not None:
                self._left -= 1
            self.hits.append(envelope)
            return True

    def stop(self) -> None:
        """Lift the rule."""
        if self in self._hooks:
            self._hooks.remove(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.stop()


class LocalBus(SentLog):
    """Bus of one process. Any number of servers may share a topic, and a host.

    `max_pending` bounds each queue of messages nobody has begun (BusFull beyond it).
    """

    def __init__(self, inline: bool = False, max_pending: int = 10_000) -> None:
        super().__init__()
        self._carrier: Inline | Pools = Inline(max_pending) if inline else Pools(max_pending)
        self._closed = False
        self._lost: list[Hook] = []
        self._repeated: list[Hook] = []
        self._unanswered: list[Hook] = []

    def call(self, envelope: Envelope) -> str:
        """Send and wait for the answer's JSON text; see `Bus.call`."""
        self._begin(envelope)
        if _any(self._lost, envelope):
            raise no_answer(envelope)
        answer = self._carrier.call(envelope)
        if _any(self._repeated, envelope):
            answer = self._carrier.call(envelope)
        if _any(self._unanswered, envelope):
            raise no_answer(envelope)
        return answer

    def cast(self, envelope: Envelope) -> None:
        """Hand to one server; kept (bounded) while there is none."""
        for _ in self._times(envelope):
            self._carrier.cast(envelope)

    def fanout(self, envelope: Envelope) -> None:
        """Hand to every server there is now."""
        for _ in self._times(envelope):
            self._carrier.fanout(envelope)

    def serve(
        self, topic: str, host: str, endpoints: Sequence[Contract], workers: int = 16
    ) -> ServerHandle:
        """A server with its own `workers` threads; see `Bus.serve`."""
        return self._carrier.server(Dispatcher(topic, endpoints), host, workers)

    def check(self) -> None:
        """Raise BrokerUnreachable when the bus is closed."""
        if self._closed:
            raise BrokerUnreachable(reason="the bus of this process is closed")

    def drain(self, timeout: float = 10.0) -> None:
        """Return when nothing is being served or waits for a server that exists; RpcTimeout otherwise."""
        self._carrier.drain(timeout)

    def close(self) -> None:
        """Stop every server at once; later messages are refused."""
        self._closed = True
        self._carrier.close()

    def lose(self, matches: Predicate, limit: int | None = None) -> Hook:
        """Test hook: the next `limit` (None: all) matching messages vanish; callers get RpcTimeout now."""
        return Hook(self._lost, matches, limit)

    def repeat(self, matches: Predicate, limit: int | None = None) -> Hook:
        """Test hook: matching messages are delivered twice."""
        return Hook(self._repeated, matches, limit)

    def lose_answer(self, matches: Predicate, limit: int | None = None) -> Hook:
        """Test hook: matching calls are served, but the caller gets RpcTimeout."""
        return Hook(self._unanswered, matches, limit)

    def _begin(self, envelope: Envelope) -> None:
        self.check()
        self._note_sent(envelope)

    def _times(self, envelope: Envelope) -> range:
        self._begin(envelope)
        if _any(self._lost, envelope):
            return range(0)
        return range(2 if _any(self._repeated, envelope) else 1)


def _any(hooks: list[Hook], envelope: Envelope) -> bool:
    return any(hook.takes(envelope) for hook in list(hooks)) if hooks else False
