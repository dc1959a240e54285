"""What a bus can do, whichever carries the messages: `local.LocalBus` or `transport.RabbitBus`."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Protocol

from novalite import metrics
from novalite.errors import NobodyListens, RpcTimeout
from novalite.rpc.contracts.base import Contract, Kind

SENT = metrics.Counter("novalite_rpc_sent_total", "Messages sent, by kind, topic and method.",
                       "kind", "topic", "method")


@dataclass(frozen=True, slots=True)
class Envelope:
    """One message on its way: where to, which method, and both parts as JSON text.

    `host` directs it to one server of the topic. `timeout` is in seconds and belongs to calls.
    """

    kind: Kind
    topic: str
    host: str | None
    namespace: str
    version: str
    method: str
    ctx: str
    payload: str
    timeout: float = 0.0

    @property
    def name(self) -> str:
        """namespace.method, as logs and errors say it."""
        return f"{self.namespace}.{self.method}"

    @property
    def address(self) -> str:
        """The topic, with the host when the message is directed to one."""
        return f"{self.topic}@{self.host}" if self.host else self.topic


class DaemonKilled(BaseException):
    """Raised inside an endpoint by tests: the daemon dies here. Nobody answers, nothing is undone."""


def no_answer(envelope: Envelope) -> RpcTimeout:
    """The error of a call that nobody answered in time."""
    return RpcTimeout(topic=envelope.address, method=envelope.name, timeout=f"{envelope.timeout:g}")


def nobody(envelope: Envelope) -> NobodyListens:
    """The error of a call that found no server."""
    return NobodyListens(topic=envelope.address, method=envelope.name)


class ServerHandle(Protocol):
    """One server of a topic: `start()`, later `stop(grace)`."""

    def start(self) -> None:
        """Begin to take messages."""

    def stop(self, grace: float = 0.0) -> bool:
        """Take no more messages and wait at most `grace` seconds for those in hand.

        Answers True when none is left. Messages not yet begun stay for other servers of the topic.
        """

    def wait(self) -> None:
        """Block until the server is stopped."""


class Bus(Protocol):
    """Carries envelopes. Thread-safe."""

    sent: Counter[str]

    def call(self, envelope: Envelope) -> str:
        """Send, and wait at most `envelope.timeout` seconds for the answer's JSON text.

        Raises RpcTimeout (NobodyListens when there is no server), BusFull, BrokerUnreachable,
        PoolWouldDeadlock.
        """

    def cast(self, envelope: Envelope) -> None:
        """Hand to one server of the topic (the one of `host` when given) and go on."""

    def fanout(self, envelope: Envelope) -> None:
        """Hand to every server of the topic and go on."""

    def serve(
        self, topic: str, host: str, endpoints: Sequence[Contract], workers: int = 16
    ) -> ServerHandle:
        """A server, not yet started, answering for `topic` and for `topic` at `host`."""

    def recording(self) -> AbstractContextManager[list[Envelope]]:
        """Everything sent by this process while the block runs, in order."""

    def check(self) -> None:
        """Raise BrokerUnreachable unless messages can be sent now."""

    def close(self) -> None:
        """Stop every server and let go of connections."""


class SentLog:
    """Counts what a bus sends; base of the buses. `sent` counts by kind: call, cast, fanout."""

    def __init__(self) -> None:
        self.sent: Counter[str] = Counter()
        self._listeners: list[Callable[[Envelope], None]] = []
        self._sent_lock = threading.Lock()

    @contextmanager
    def recording(self) -> Iterator[list[Envelope]]:
        """Everything sent by this process while the block runs, in order."""
        log: list[Envelope] = []
        self._listeners.append(log.append)
        try:
            yield log
        finally:
            self._listeners.remove(log.append)

    def _note_sent(self, envelope: Envelope) -> None:
        kind = envelope.kind.value
        with self._sent_lock:
            self.sent[kind] += 1
        SENT.add(kind, envelope.topic, envelope.name)
        for listen in list(self._listeners):
            listen(envelope)
