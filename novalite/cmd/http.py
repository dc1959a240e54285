"""Serves a WSGI application: waitress on threads, eventlet.wsgi on greenthreads. Both end gracefully.

waitress reads a whole body (spooled to disk) before the application sees the request, so it must know
how long one may be: images may be large, anything else is cut off at a size far above what the
application itself accepts, so that the application's own error reaches the client.
"""

from __future__ import annotations

import copy
import logging
import re
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from oslo_config import cfg

from novalite.daemon import Life
from novalite.errors import ConfigError
from novalite.periodic import Periodic
from novalite.rpc.bus import ServerHandle

LOG = logging.getLogger(__name__)
IMAGE_BYTES = re.compile(r"/v2/images/[^/]+/(file|stage)$")
"""Paths whose bodies are images."""
SPOOLED = 64 << 20
"""Bytes of any other body that are read, so that the client hears the application's refusal."""
IDLE_SECONDS = 60
"""How long an idle connection is kept."""
CONNECTIONS = 1000
"""Connections at a time. Idle ones count, so waitress's own 100 would let a few clients keep others out."""


class HttpServer(Protocol):
    """What HttpPart needs of a server."""

    def start(self) -> None:
        """Answer requests."""

    def stop(self, grace: float) -> bool:
        """Accept no more; wait at most `grace` seconds for requests in hand. True when none is left."""


class HttpPart:
    """The API: `make()` builds the application, whose imports are the heaviest part of a start.

    `hear(app)` makes the server on the bus that tells this process news; it lives as long as HTTP does.
    """

    name = "api"

    def __init__(
        self,
        conf: cfg.ConfigOpts,
        make: Callable[[], Any],
        hear: Callable[[Any], ServerHandle],
        listening: socket.socket | None = None,
    ) -> None:
        self.conf, self._make, self._hear = conf, make, hear
        self._news: ServerHandle | None = None
        self._socket = listening or listen(conf.api.listen, conf.api.port)
        self.port: int = self._socket.getsockname()[1]
        self._server: HttpServer | None = None

    def start(self, life: Life) -> None:
        """Build the application and answer requests."""
        spool = Path(self.conf.state_path, "tmp")
        spool.mkdir(parents=True, exist_ok=True)
        tempfile.tempdir = str(spool)  # /tmp may be memory
        app = self._make()
        self._news = self._hear(app)
        self._news.start()
        kind = EventletServer if self.conf.concurrency == "eventlet" else WaitressServer
        self._server = kind(app, self._socket, self.conf.api.threads, self.conf.images.image_size_cap)
        self._server.start()
        LOG.info("HTTP on %s port %d, %d requests at a time", self.conf.api.listen, self.port,
                 self.conf.api.threads)

    def stop(self, grace: float) -> bool:
        """Finish requests in hand, hearing news until the last of them."""
        server, self._server = self._server, None
        if server is None:
            self._socket.close()
        done = server.stop(grace) if server else True
        if self._news is not None:
            self._news.stop()
        return done

    def reload(self) -> None:
        """Views read the configuration as they go."""

    def periodics(self) -> Sequence[Periodic]:
        """None of its own."""
        return ()

    def health(self) -> dict[str, Any]:
        """Where it listens."""
        return {"port": self.port}


def listen(address: str, port: int, section: str = "api") -> socket.socket:
    """A listening socket; ConfigError in one sentence when the address is not ours or the port taken."""
    try:
        family = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        return socket.create_server((address, port), family=family, backlog=1024)
    except OSError as error:
        raise ConfigError(reason=f"[{section}] listen: cannot listen on {address} port {port}: {error}") from error


class WaitressServer:
    """waitress with a limit by path and an end that waits for requests in hand."""

    def __init__(
        self, app: Any, listening: socket.socket, threads: int, image_limit: int, body_limit: int = SPOOLED
    ) -> None:
        from waitress.server import create_server

        self._server: Any = create_server(
            app,
            sockets=[listening],
            threads=threads,
            ident="novalite",
            max_request_body_size=body_limit,
            channel_timeout=IDLE_SECONDS,
            connection_limit=CONNECTIONS,
            asyncore_use_poll=True,  # select() knows no descriptor above 1023
            clear_untrusted_proxy_headers=False,  # the application decides, by enable_proxy_headers_parsing
            expose_tracebacks=False,
        )
        self._server.channel_class = _channel_class(self._server.adj, image_limit)

    def start(self) -> None:
        """Answer requests on threads of waitress."""
        threading.Thread(target=self._server.run, name="http", daemon=True).start()

    def stop(self, grace: float) -> bool:
        """See HttpServer."""
        self._in_loop(self._close_listener)
        deadline = time.monotonic() + grace
        while (busy := self._busy()) and time.monotonic() < deadline:
            time.sleep(0.02)
        self._in_loop(self._close_all)
        self._server.task_dispatcher.shutdown(timeout=0.5 if busy else 2)
        return not busy

    def _in_loop(self, work: Callable[[], None]) -> None:
        self._server.trigger.pull_trigger(work)

    def _close_listener(self) -> None:
        self._server.del_channel()
        self._server.socket.close()

    def _close_all(self) -> None:
        from waitress import wasyncore

        wasyncore.close_all(self._server._map)

    def _busy(self) -> bool:
        channels = list(self._server.active_channels.values())
        return any(c.requests or c.request is not None or c.total_outbufs_len for c in channels)


def _channel_class(adjustments: Any, image_limit: int) -> type:
    """A channel whose requests may have long bodies on image paths only."""
    from waitress.channel import HTTPChannel
    from waitress.parser import HTTPRequestParser

    for_images = copy.copy(adjustments)
    for_images.max_request_body_size = image_limit + 1

    class Parser(HTTPRequestParser):
        def parse_header(self, header_plus: bytes) -> None:
            super().parse_header(header_plus)
            if IMAGE_BYTES.search(self.path or ""):
                self.adj = for_images

        def received(self, data: bytes) -> int:
            consumed: int = super().received(data)
            if self.error is not None:
                self.expect_continue = False  # do not ask for a body that was just refused
            return consumed

    class Channel(HTTPChannel):
        parser_class = Parser

    return Channel


class EventletServer:
    """eventlet.wsgi; bodies stream to the application, which limits them itself."""

    def __init__(
        self, app: Any, listening: socket.socket, threads: int, image_limit: int, body_limit: int = SPOOLED
    ) -> None:
        import eventlet

        self._app, self._socket = _ends_chunked_bodies(app), listening
        self._pool = eventlet.GreenPool(max(CONNECTIONS, threads * 8))  # one each, idle or not
        self._loop: Any = None

    def start(self) -> None:
        """Answer each connection in a greenthread."""
        import eventlet
        from eventlet import wsgi

        self._loop = eventlet.spawn(
            wsgi.server, self._socket, self._app, custom_pool=self._pool, log=_Quiet(), log_output=False,
            keepalive=True, socket_timeout=IDLE_SECONDS, capitalize_response_headers=False, debug=False,
        )

    def stop(self, grace: float) -> bool:
        """See HttpServer."""
        import eventlet

        self._loop.kill()
        self._socket.close()
        with eventlet.Timeout(max(grace, 0.01), False):
            while self._pool.running():
                eventlet.sleep(0.02)
        return not self._pool.running()


def _ends_chunked_bodies(app: Any) -> Any:
    """`app`, told that a chunked body ends by itself: eventlet takes the chunks apart but does not say so."""

    def told(environ: dict[str, Any], respond: Any) -> Any:
        if getattr(environ.get("eventlet.input"), "chunked_input", False):
            environ["wsgi.input_terminated"] = True
        return app(environ, respond)

    return told


class _Quiet:
    """eventlet.wsgi's own log; requests are logged by the application."""

    def info(self, *_: Any) -> None:
        return

    def debug(self, *_: Any) -> None:
        return
