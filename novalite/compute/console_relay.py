"""Passes consoles of guests on to a proxy: whoever connects brings a ticket, which opens one console once and soon.

There is no port per guest, and none at all before somebody wants a console: what listens knows nothing but tickets,
of 256 random bits, that the conductor has asked for and a proxy has been told.
"""

from __future__ import annotations

import contextlib
import logging
import secrets
import socket
import ssl
import threading
import time
from collections.abc import Callable
from hashlib import sha256

from oslo_config import cfg

from novalite.errors import DriverError, NovaliteError
from novalite.objects.consoles import ConsoleAddress
from novalite.pump import End, Limits, SocketEnd, lively, pump

LOG = logging.getLogger(__name__)
LIFETIME = 30.0
"""Seconds for which a ticket lets in."""
PATIENCE = 5.0
"""Seconds a client may take to show its ticket, TLS included."""
MOST = 512
"""Connections at a time; a host has fewer guests that somebody types into."""
LONGEST = 64
WELCOME = b"ok\n"
Opener = Callable[[], End]


class ConsoleRelay:
    """Listens from the first ticket on, as [serial_console] says."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self.conf = conf.serial_console
        self._all = conf
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._tls: ssl.SSLContext | None = None
        self._tickets: dict[bytes, tuple[float, Opener]] = {}
        self._ending = threading.Event()
        self._places = threading.BoundedSemaphore(MOST)

    def address(self) -> ConsoleAddress:
        """Where proxies reach it; it listens from now on. DriverError when it cannot."""
        with self._lock:
            if self._socket is None:
                self._socket = self._listen()
            port = self._socket.getsockname()[1]
        host = self.conf.proxyclient_address or self.conf.listen
        if host in ("0.0.0.0", "::"):
            host = self._all.compute.my_ip
        return ConsoleAddress(host=host, port=port, tls=bool(self.conf.cert))

    def ticket(self, opener: Opener) -> str:
        """A ticket for what `opener` opens."""
        word = secrets.token_urlsafe(32)
        now = time.monotonic()
        with self._lock:
            self._tickets = {key: kept for key, kept in self._tickets.items() if kept[0] > now}
            self._tickets[_key(word.encode())] = now + LIFETIME, opener
        return word

    def close(self) -> None:
        """Let nobody in any more; open consoles end within a second."""
        self._ending.set()
        with self._lock:
            listening, self._socket = self._socket, None
        if listening is not None:
            with contextlib.suppress(OSError):
                listening.shutdown(socket.SHUT_RDWR)  # wakes accept()
            listening.close()

    def _listen(self) -> socket.socket:
        try:
            if self.conf.cert:
                self._tls = _context(self.conf)
            address = self.conf.listen
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            listening = socket.create_server((address, self.conf.port), family=family, backlog=64)
        except (OSError, ssl.SSLError) as error:
            raise DriverError(reason=f"consoles cannot be passed on, see [serial_console]: {error}") from error
        threading.Thread(target=self._accept, args=(listening,), name="consoles", daemon=True).start()
        return listening

    def _accept(self, listening: socket.socket) -> None:
        while not self._ending.is_set():
            try:
                client, _ = listening.accept()
            except OSError:
                if self._ending.is_set() or listening.fileno() == -1:
                    return
                time.sleep(0.1)  # out of descriptors: some will be free again
                continue
            if not self._places.acquire(blocking=False):
                client.close()
                continue
            threading.Thread(target=self._serve, args=(client,), name="console", daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        try:
            self._pass_on(client)
        except (OSError, NovaliteError) as error:
            LOG.info("A console was not passed on: %s", error)
        except Exception:
            LOG.exception("Passing a console on failed")
        finally:
            client.close()
            self._places.release()

    def _pass_on(self, client: socket.socket) -> None:
        lively(client).settimeout(PATIENCE)
        if self._tls is not None:
            client = self._tls.wrap_socket(client, server_side=True)
        try:
            opener = self._admit(_line(client, time.monotonic() + PATIENCE))
            if opener is None:
                return
            with contextlib.closing(opener()) as guest:
                client.sendall(WELCOME)
                pump(SocketEnd(client), guest, Limits(ending=self._ending.is_set))
        finally:
            client.close()

    def _admit(self, word: bytes) -> Opener | None:
        """What the ticket opens; it is torn up."""
        with self._lock:
            until, opener = self._tickets.pop(_key(word), (0.0, None))
        return opener if until > time.monotonic() else None


def _key(word: bytes) -> bytes:
    """Tickets are looked up by their hash, so that how long a look takes says nothing of them."""
    return sha256(word).digest()


def _line(client: socket.socket, deadline: float) -> bytes:
    """The first line, read byte by byte: what stands behind it is the guest's."""
    line = b""
    while len(line) <= LONGEST:
        client.settimeout(max(0.01, deadline - time.monotonic()))
        byte = client.recv(1)
        if byte in (b"", b"\n"):
            return line
        line += byte
    return b""


def _context(conf: cfg.ConfigOpts) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(conf.cert, conf.key or None)
    if conf.ca_certs:
        context.load_verify_locations(conf.ca_certs)
        context.verify_mode = ssl.CERT_REQUIRED
    return context
