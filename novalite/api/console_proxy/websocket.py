"""websockify's websocket as an end to carry bytes to and from, with a bound on what a client may make it keep."""

from __future__ import annotations

import binascii
import contextlib
import socket
import ssl
from base64 import b64decode
from functools import cache
from typing import Any

from novalite.api.console_proxy.heads import Refused, Request
from novalite.pump import Over

LARGEST = 1 << 20
"""Bytes of one message. What users send is short; the longest is text they paste."""
PROTOCOL = "binary"
VERSION = "13"


@cache
def _kind() -> Any:
    """The class; websockify is loaded when the first console is opened."""
    from websockify.websocket import WebSocket

    class Bounded(WebSocket):
        """One that gives up on messages that are too long, as soon as their length is known."""

        def select_subprotocol(self, protocols: Any) -> str:
            return PROTOCOL if PROTOCOL in protocols else ""

        def handle_ping(self, data: bytes) -> None:
            if not self._send_buffer:  # a client that takes nothing gets no answers either
                super().handle_ping(data)

        def _decode_hybi(self, buf: bytes) -> Any:
            if _announced(buf) + len(self._partial_msg) > LARGEST:
                raise Over("a message is too long")
            return super()._decode_hybi(buf)

    return Bounded


def _announced(frame: bytes) -> int:
    """The length that the head of a frame gives (RFC 6455, 5.2), 0 as long as it has not come."""
    if len(frame) < 2:
        return 0
    short = frame[1] & 0x7F
    size = {126: 2, 127: 8}.get(short, 0)
    if len(frame) < 2 + size:
        return 0
    return int.from_bytes(frame[2:2 + size], "big") if size else short


def accept(sock: socket.socket, request: Request) -> WebSocketEnd:
    """Answer the request with 101; Refused when it is no websocket of today's."""
    key, version = request.headers.get("sec-websocket-key", ""), request.headers.get("sec-websocket-version", "")
    if request.method != "GET" or version != VERSION or not _is_key(key):
        raise Refused(400, "This is no websocket of version 13.")
    offered = [one.strip() for one in request.headers.get("sec-websocket-protocol", "").split(",")]
    if offered != [""] and PROTOCOL not in offered:
        raise Refused(400, f"The websocket must speak the protocol {PROTOCOL}, or name none.")
    made = _kind()()
    made.accept(sock, {
        "upgrade": "websocket", "Sec-WebSocket-Version": version, "Sec-WebSocket-Key": key,
        "Sec-WebSocket-Protocol": PROTOCOL if PROTOCOL in offered else "",
    })  # fmt: skip
    return WebSocketEnd(made, sock)


def _is_key(key: str) -> bool:
    try:
        return len(b64decode(key, validate=True)) == 16
    except (binascii.Error, ValueError):
        return False


class WebSocketEnd:
    """Blocks until `pumped` is called, and never after that."""

    def __init__(self, websocket: Any, sock: socket.socket) -> None:
        self._websocket, self.sock = websocket, sock
        self._sending: bytes | None = None

    def pumped(self) -> WebSocketEnd:
        """The same for `pump`."""
        self.sock.setblocking(False)
        return self

    def fileno(self) -> int:
        return self.sock.fileno()

    def read(self) -> bytes | None:
        try:
            message: bytes | None = self._websocket.recvmsg()
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return None
        except (OSError, Over, ValueError, AttributeError):  # it sets its socket to None when it is over
            return b""
        if message is None:
            return b""
        return message or None

    def holds(self) -> bool:
        return bool(self._websocket.pending()) or (isinstance(self.sock, ssl.SSLSocket) and self.sock.pending() > 0)

    def write(self, data: bytes) -> int:
        taken = 0
        try:
            if self._sending is not None:
                self._websocket.sendmsg(self._sending)
                self._sending = None
            if data:
                taken = len(data)
                self._sending = data
                self._websocket.sendmsg(data)
                self._sending = None
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return taken
        except (OSError, ValueError, AttributeError, AssertionError) as error:
            raise Over(str(error)) from error
        return taken

    def unsent(self) -> bool:
        return self._sending is not None

    def close(self) -> None:
        """Say good-bye, if it can be said at once, and close."""
        with contextlib.suppress(OSError, ValueError, AttributeError, AssertionError):
            self._websocket.shutdown(socket.SHUT_RDWR)
        self.sock.close()

    # --- before it is pumped: conversation that waits

    def say(self, data: bytes) -> None:
        """Send it all."""
        self._websocket.sendmsg(data)

    def hear(self, count: int, held: bytearray) -> bytes:
        """Exactly so many bytes; what comes with them stays in `held`. Raises Over."""
        while len(held) < count:
            try:
                message = self._websocket.recvmsg()
            except ssl.SSLWantReadError:
                continue  # a part of a message, or a ping: the socket itself waits
            if message is None or len(held) > LARGEST:
                raise Over("the client left")
            held += message
        found = bytes(held[:count])
        del held[:count]
        return found
