"""novalite-novncproxy as a part of a daemon: listens, serves the page, and takes websockets to guests.

Each connection is a thread, or a greenthread where the daemon runs on eventlet. What may be known of a token is asked
of the conductor for each connection, in one call; nothing is kept. Tokens are in no log: a request is logged without
its query.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import ssl
import threading
import time
from collections.abc import Sequence
from typing import Any

from oslo_config import cfg

from novalite import log, metrics
from novalite.api.console_proxy import heads, origins, pages, rfb, upstream, websocket
from novalite.api.console_proxy.guests import Counts, Hurry
from novalite.api.console_proxy.heads import Refused, Request
from novalite.context import system
from novalite.errors import ConfigError, ConsoleTokenInvalid, NovaliteError
from novalite.objects.consoles import NOVNC, ConsoleEntrance, digest
from novalite.periodic import Periodic
from novalite.pump import Carried, Limits, Over, SocketEnd, lively, pump
from novalite.rpc.client import Client
from novalite.rpc.contracts.consoles import Consoles

LOG = logging.getLogger(__name__)
OPEN = metrics.Gauge("novalite_consoles_open", "Consoles that users have open now.", "kind")
REFUSED = metrics.Counter("novalite_console_refusals_total", "Requests for consoles that were refused.", "status")
KEPT = 15.0
"""Seconds a connection is kept for another request."""
SHOWN = 200
"""Characters of a path that are logged."""


class ConsoleProxy:
    """A part, as `daemon.Part` describes it. `listening`: a socket that is bound already."""

    name = "novncproxy"

    def __init__(self, conf: cfg.ConfigOpts, client: Client, listening: socket.socket | None = None) -> None:
        self.conf, self.client = conf, client
        self._tls = _context(conf)
        _check(conf)
        self._socket = listening or listen(conf.consoles.listen, conf.consoles.port)
        self.port: int = self._socket.getsockname()[1]
        self._counts, self._hurry = Counts(conf), Hurry()
        self._ending = threading.Event()
        self._open: dict[str, int] = {}
        self._lock = threading.Lock()

    # --- life

    def start(self, life: Any = None) -> None:
        """Take connections from now on."""
        self._hurry.start()
        threading.Thread(target=self._accept, name="consoles", daemon=True).start()
        LOG.info("Consoles on %s port %d%s", self.conf.consoles.listen, self.port, ", TLS" if self._tls else "")

    def stop(self, grace: float) -> bool:
        """Take no more, and end what is open: users open it again through another proxy, or later."""
        self._ending.set()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        deadline = time.monotonic() + min(grace, 3.0)
        while self._counts.all() and time.monotonic() < deadline:
            time.sleep(0.02)
        self._hurry.stop()
        return True

    def reload(self) -> None:
        """Options are read as they are needed."""

    def periodics(self) -> Sequence[Periodic]:
        """None."""
        return ()

    def health(self) -> dict[str, Any]:
        """Where it listens and what is open; a problem when noVNC is not where it should be."""
        there = pages.find("/novnc/core/rfb.js", self.conf.consoles.web) is not None
        problem = {} if there else {"novnc": f"there is no noVNC in {self.conf.consoles.web}"}
        with self._lock:
            return {"port": self.port, "connections": self._counts.all(), "open": dict(self._open), **problem}

    # --- connections

    def _accept(self) -> None:
        while not self._ending.is_set():
            try:
                sock, peer = self._socket.accept()
            except OSError as error:
                if self._ending.is_set() or self._socket.fileno() == -1:
                    return
                LOG.warning("A connection could not be taken: %s", error)
                time.sleep(0.2)
                continue
            threading.Thread(target=self._serve, args=(sock, peer[0]), name="console", daemon=True).start()

    def _serve(self, sock: socket.socket, peer: str) -> None:
        try:
            with self._counts.one_more("any"):
                self._talk(lively(sock), peer)
        except Refused as refused:  # too many: not even TLS is spoken
            LOG.warning("%s was not served: %s", peer, refused.why)
        except (OSError, heads.Closed) as error:
            LOG.debug("%s left: %s", peer, error)
        except Exception:
            LOG.exception("Serving %s failed", peer)
        finally:
            sock.close()

    def _talk(self, sock: socket.socket, peer: str) -> None:
        """Requests until one becomes a websocket, or none comes any more."""
        patience: float = self.conf.consoles.request_timeout
        begun, wait = b"", patience
        if self._tls is not None:
            with self._hurry.within(patience) as deadline:
                deadline.add(sock)
                sock.settimeout(patience)
                sock = self._tls.wrap_socket(sock, server_side=True)
        try:
            while not self._ending.is_set():
                sock.settimeout(max(wait, patience))
                with self._hurry.within(max(wait, patience)) as deadline:
                    deadline.add(sock)
                    request, begun = self._request(sock, begun, peer)
                if request.wants_websocket:
                    self._console(sock, request, begun, peer)
                    return
                if not self._page(sock, request, peer):
                    return
                wait = KEPT
        finally:
            sock.close()

    def _request(self, sock: socket.socket, begun: bytes, peer: str) -> tuple[Request, bytes]:
        try:
            return heads.read(sock, begun)
        except Refused as refused:
            self._refuse(sock, refused, peer, "a request")
            raise heads.Closed from refused

    def _page(self, sock: socket.socket, request: Request, peer: str) -> bool:
        """Answer with a file; whether the connection stays."""
        asked, stays, head = f"{request.method} {request.path[:SHOWN]}", request.stays, request.method == "HEAD"
        if request.method not in ("GET", "HEAD"):
            self._refuse(sock, Refused(405, "Only GET is answered here."), peer, asked)
            return False
        found = pages.find(request.path, self.conf.consoles.web)
        if found is None:
            status, found = 404, pages.Page(b"There is nothing here.\n", "text/plain")
        else:
            status = 200
        LOG.info('%s "%s" status: %d', peer, asked, status)
        with self._hurry.within(self.conf.consoles.request_timeout) as deadline:
            deadline.add(sock)
            headers = pages.headers(found.kind, self.conf.consoles.allowed_origins)
            heads.answer(sock, status, headers, found.body, head=head, stays=stays)
        return stays

    def _refuse(self, sock: socket.socket, refused: Refused, peer: str, asked: str) -> None:
        """The status says it all: a client that takes the answer for the guest's bytes must find none."""
        REFUSED.add(str(refused.status))
        LOG.info('%s "%s" status: %d: %s', peer, asked, refused.status, refused.why)
        with contextlib.suppress(OSError):
            heads.answer(sock, refused.status, pages.headers("text/plain", ()))
            heads.linger(sock)

    # --- consoles

    def _console(self, sock: socket.socket, request: Request, begun: bytes, peer: str) -> None:
        asked = f"{request.method} {request.path[:SHOWN]}"
        try:
            self._check_origin(request)
            if begun:
                raise Refused(400, "Nothing may be sent before the websocket is there.")
            key = digest(request.token)
            with self._counts.one_more("token", key):
                entrance = self._enter(key)
                with self._counts.one_more("server", entrance.server_id), log.about(entrance.server_id):
                    self._open_console(sock, request, entrance, peer)
        except Refused as refused:
            self._refuse(sock, refused, peer, asked)

    def _check_origin(self, request: Request) -> None:
        options = self.conf.consoles
        origin, host = request.headers.get("origin"), request.headers["host"]
        tls = self._tls is not None
        if not origins.allowed(origin, host, tls, options.base_url, options.allowed_origins):
            raise Refused(403, "Its origin is not allowed; see [consoles] allowed_origins.")

    def _enter(self, key: str) -> ConsoleEntrance:
        try:
            return self.client.of(Consoles).enter(system(), key)
        except ConsoleTokenInvalid as error:
            raise Refused(403, "The token is not valid.") from error
        except NovaliteError as error:
            LOG.warning("A console cannot be opened: %s", error)
            raise Refused(503, "The console cannot be opened now.") from error

    def _open_console(self, sock: socket.socket, request: Request, entrance: ConsoleEntrance, peer: str) -> None:
        options = self.conf.consoles
        with contextlib.ExitStack() as stack:
            with self._hurry.within(options.connect_timeout + options.request_timeout) as deadline:
                deadline.add(sock)
                try:
                    far = upstream.connect(entrance, self.conf, stack, deadline.add)
                except upstream.Unreachable as error:
                    LOG.warning("The %s console of server %s: %s", entrance.kind, entrance.server_id, error)
                    raise Refused(502, "The guest's console cannot be reached.") from error
                near = websocket.accept(sock, request)
                if entrance.kind == NOVNC:
                    try:
                        far.sendall(rfb.welcome(near))
                    except (Over, rfb.RfbError, OSError) as error:
                        LOG.info("%s did not begin a console: %s", peer, error)
                        return
            self._carry(near, SocketEnd(far), entrance, peer)

    def _carry(self, near: websocket.WebSocketEnd, guest: SocketEnd, entrance: ConsoleEntrance, peer: str) -> None:
        options, began = self.conf.consoles, time.monotonic()
        limits = Limits(options.idle_timeout, options.session_timeout, options.stall_timeout, self._ending.is_set)
        LOG.info("%s opened the %s console of server %s", peer, entrance.kind, entrance.server_id)
        self._note_open(entrance.kind, 1)
        carried = Carried("it failed", 0, 0)
        try:
            carried = pump(near.pumped(), guest, limits)
        finally:
            near.close()
            self._note_open(entrance.kind, -1)
            LOG.info("%s left the %s console of server %s after %.1f s: %s (%d bytes to it, %d from it)", peer,
                     entrance.kind, entrance.server_id, time.monotonic() - began, carried.why, carried.to_user,
                     carried.to_other)

    def _note_open(self, kind: str, more: int) -> None:
        with self._lock:
            self._open[kind] = self._open.get(kind, 0) + more
            OPEN.set(self._open[kind], kind)


def listen(address: str, port: int) -> socket.socket:
    """A listening socket; ConfigError in one sentence when the address is not ours or the port taken."""
    try:
        family = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        return socket.create_server((address, port), family=family, backlog=1024)
    except OSError as error:
        raise ConfigError(reason=f"[consoles] listen: cannot listen on {address} port {port}: {error}") from error


def _context(conf: cfg.ConfigOpts) -> ssl.SSLContext | None:
    options = conf.consoles
    if not options.cert:
        return None
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        newest = options.ssl_minimum_version == "tlsv1_3"
        context.minimum_version = ssl.TLSVersion.TLSv1_3 if newest else ssl.TLSVersion.TLSv1_2
        if options.ssl_ciphers:
            context.set_ciphers(options.ssl_ciphers)
        context.load_cert_chain(options.cert, options.key or None)
        return context
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(reason=f"[consoles] cert: {options.cert} cannot be used: {error}") from error


def _check(conf: cfg.ConfigOpts) -> None:
    try:
        upstream.check(conf)
    except (OSError, ssl.SSLError, upstream.Unreachable) as error:
        raise ConfigError(reason=f"[vnc]: {error}") from error
