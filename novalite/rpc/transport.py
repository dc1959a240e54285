"""The bus over RabbitMQ, by oslo.messaging. Imported only when transport_url says so: it costs 300 ms.

oslo.messaging sees one endpoint with one method; namespaces, versions and errors are `dispatch`'s, so
that every bus behaves alike. Three traps are dealt with here: oslo.service picks eventlet unless told
otherwise before oslo_messaging is imported; oslo.messaging works only with oslo.config's global CONF;
and without `retry` a send waits for the broker for ever.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from oslo_config import cfg

from novalite import metrics
from novalite.errors import BrokerUnreachable, ConfigError, RpcTimeout
from novalite.log import mask
from novalite.rpc.bus import DaemonKilled, Envelope, SentLog, no_answer, nobody
from novalite.rpc.contracts.base import Contract, Kind
from novalite.rpc.dispatch import Dispatcher


def _prepare_imports() -> None:
    """Choose oslo.service's backend by what the process already is: monkey-patched or not."""
    warnings.filterwarnings("ignore", message="(?si).*eventlet")  # we use it only when told to
    from oslo_service import backend

    patcher = sys.modules.get("eventlet.patcher")
    green = patcher is not None and patcher.is_monkey_patched("thread")
    backend.init_backend(backend.BackendType.EVENTLET if green else backend.BackendType.THREADING)


_prepare_imports()

import oslo_messaging  # noqa: E402  (only after the backend is chosen)
from oslo_messaging import opts as messaging_opts  # noqa: E402

LOG = logging.getLogger(__name__)
FAILED = metrics.Counter("novalite_rpc_send_failed_total", "Messages that could not be sent.",
                         "topic", "error")
RABBIT = "oslo_messaging_rabbit"
SEND_RETRIES = 3
"""Attempts after the first, 1, 3 and 5 s apart: long enough for a broker that restarts, short enough
for a user who waits."""
PREFETCH = 64
"""Messages one server may hold unbegun, so that a slow or dying one does not hoard the topic's queue."""
PATIENCE = 5.0
"""Seconds a call waits for a first server of its topic: daemons that start together, a broker that came
back before its servers did."""
MUST_ARRIVE = oslo_messaging.TransportOptions(at_least_once=True)
"""The broker says at once when a call has no queue to go to, instead of leaving the caller to wait."""
PROBE_TOPIC = "novalite-probe"


class RabbitBus(SentLog):
    """Bus between processes. `conf` is novalite's configuration; its files may also hold
    [oslo_messaging_rabbit] for TLS, heartbeats and the like."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        super().__init__()
        self.exchange = conf.rpc.control_exchange
        self._conf = _messaging_conf(conf)
        try:
            self._transport = oslo_messaging.get_rpc_transport(self._conf, url=conf.transport_url)
        except (oslo_messaging.DriverLoadFailure, oslo_messaging.InvalidTransportURL, ValueError) as error:
            raise ConfigError(reason=f"[DEFAULT] transport_url: {mask(str(error))}") from error
        self._client = oslo_messaging.get_rpc_client(
            self._transport, oslo_messaging.Target(exchange=self.exchange), retry=SEND_RETRIES
        )
        self._handles: list[RabbitServer] = []

    def call(self, envelope: Envelope) -> str:
        """Send and wait for the answer's JSON text; see `Bus.call`."""
        self._note_sent(envelope)
        give_up = time.monotonic() + min(PATIENCE, envelope.timeout)
        sender = self._prepared(envelope, timeout=envelope.timeout, transport_options=MUST_ARRIVE)
        while True:
            try:
                answer: str = sender.call({}, "handle", message=_to_wire(envelope))
                return answer
            except oslo_messaging.MessagingTimeout:
                raise no_answer(envelope) from None
            except oslo_messaging.MessageUndeliverable:
                if time.monotonic() > give_up:
                    raise nobody(envelope) from None
                time.sleep(0.2)
            except Exception as error:
                raise _translated(error, envelope.topic) from error

    def cast(self, envelope: Envelope) -> None:
        """Hand to one server of the topic; lost when no server ever declared its queue."""
        self._send(envelope)

    def fanout(self, envelope: Envelope) -> None:
        """Hand to every server of the topic."""
        self._send(envelope, fanout=True)

    def _send(self, envelope: Envelope, **target: Any) -> None:
        self._note_sent(envelope)
        try:
            self._prepared(envelope, **target).cast({}, "handle", message=_to_wire(envelope))
        except Exception as error:
            raise _translated(error, envelope.topic) from error

    def _prepared(self, envelope: Envelope, **options: Any) -> Any:
        return self._client.prepare(topic=envelope.topic, server=envelope.host, **options)

    def check(self) -> None:
        """Raise BrokerUnreachable unless the broker takes a message now."""
        try:
            # A topic without a queue: the broker confirms the message and drops it.
            self._client.prepare(topic=PROBE_TOPIC, retry=0).cast({}, "probe")
        except Exception as error:
            raise _translated(error, PROBE_TOPIC) from error

    def serve(
        self, topic: str, host: str, endpoints: Sequence[Contract], workers: int = 16
    ) -> RabbitServer:
        """A server with `workers` threads (or greenthreads); see `Bus.serve`."""
        target = oslo_messaging.Target(exchange=self.exchange, topic=topic, server=host)
        endpoint = _Endpoint(Dispatcher(topic, endpoints))
        server = oslo_messaging.get_rpc_server(self._transport, target, [endpoint])
        handle = RabbitServer(server, workers)
        self._handles.append(handle)
        return handle

    def close(self) -> None:
        """Stop every server and close connections; what takes longer than a second ends with the process."""
        for handle in self._handles:
            handle.stop()
        _within(1.0, self._transport.cleanup)


class RabbitServer:
    """One oslo.messaging server behind `ServerHandle`."""

    def __init__(self, server: Any, workers: int) -> None:
        self._server, self._workers = server, workers
        self._started = False
        self._stopped = threading.Event()

    def start(self) -> None:
        """Declare the queues and take messages. Blocks while the broker is unreachable."""
        self._started = True
        self._server.start(override_pool_size=self._workers)

    def stop(self, grace: float = 0.0) -> bool:
        """Take no more messages; wait at most `grace` seconds for those in hand. True when none is left."""
        if not self._started:
            self._stopped.set()
            return True

        def end() -> None:
            self._server.stop()
            self._server.wait()

        done = _within(grace, end)
        self._stopped.set()
        return done

    def wait(self) -> None:
        """Block until stopped."""
        self._stopped.wait()


class _Endpoint:
    """What oslo.messaging calls: hands everything to the dispatcher."""

    target = oslo_messaging.Target(version="1.0")

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher

    def handle(self, _context: dict[str, Any], message: dict[str, Any]) -> str:
        """One message of ours; fields that a newer sender added are ignored."""
        try:
            return self._dispatcher.handle(_from_wire(message))
        except DaemonKilled as error:  # only tests raise it; the caller gets no answer
            raise SystemExit(1) from error


WIRE_FIELDS = ("kind", "topic", "host", "namespace", "version", "method", "ctx", "payload", "timeout")


def _to_wire(envelope: Envelope) -> dict[str, Any]:
    message = {name: getattr(envelope, name) for name in WIRE_FIELDS}
    message["kind"] = envelope.kind.value
    return message


def _from_wire(message: dict[str, Any]) -> Envelope:
    known = {name: message[name] for name in WIRE_FIELDS if name in message}
    known["kind"] = Kind(known["kind"])
    return Envelope(**known)


def _messaging_conf(conf: cfg.ConfigOpts) -> cfg.ConfigOpts:
    """The global CONF with oslo.messaging's options read from novalite's files, and our defaults."""
    shared = cfg.CONF
    files = [name for name in (conf.config_file or ()) if Path(name).exists()]
    for group, options in messaging_opts.list_opts():
        if group in (None, RABBIT):
            shared.register_opts(options, group=group)
    shared([], project="novalite", default_config_files=files)
    shared.set_default("rpc_conn_pool_size", conf.rpc.connections, group=RABBIT)
    shared.set_default("rabbit_qos_prefetch_count", PREFETCH, group=RABBIT)
    if conf.rpc.quorum:
        _use_quorum_queues(shared, conf)
    return shared


def _use_quorum_queues(shared: cfg.ConfigOpts, conf: cfg.ConfigOpts) -> None:
    from oslo_concurrency import lockutils

    locks = Path(conf.state_path, "locks")
    locks.mkdir(parents=True, exist_ok=True)
    lockutils.set_defaults(str(locks))
    for name in ("rabbit_quorum_queue", "rabbit_transient_quorum_queue", "use_queue_manager"):
        shared.set_default(name, True, group=RABBIT)
    if not Path(f"/proc/{os.getpgrp()}/stat").exists():
        # oslo.messaging tells restarts apart by the leader of the process group, which has ended here
        # (a script started this daemon and left).
        os.setpgid(0, 0)
    # Reply queues are named after these two; daemons that share a machine must not share a queue.
    shared.set_default("hostname", conf.host, group=RABBIT)
    shared.set_default("processname", conf.prog, group=RABBIT)


def _translated(error: Exception, topic: str) -> Exception:
    """Ours for trouble with the broker; anything else (a bug) as it is."""
    FAILED.add(topic, type(error).__name__)
    import amqp.exceptions
    import kombu.exceptions

    trouble = (
        oslo_messaging.MessageDeliveryFailure,
        oslo_messaging.MessageUndeliverable,
        kombu.exceptions.OperationalError,
        amqp.exceptions.AMQPError,
        OSError,
    )
    if isinstance(error, oslo_messaging.MessagingTimeout):
        return RpcTimeout(str(error))
    if isinstance(error, trouble):
        text = str(error).strip() or type(error).__name__
        return BrokerUnreachable(reason=mask(text.splitlines()[0]))
    return error


def _within(seconds: float, work: Any) -> bool:
    """Run `work()` in a thread of its own and wait at most `seconds`; True when it ended in time."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    return not thread.is_alive()
