"""Who looks at a console in tests: a websocket, and a VNC client that knows no more than what it is told to do."""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from collections.abc import Callable
from typing import Any, Self
from urllib.parse import urlsplit

import websocket

PATIENCE = 30.0


def wait_until(so: Callable[[], bool], seconds: float = PATIENCE) -> None:
    """Return when it is so."""
    deadline = time.monotonic() + seconds
    while not so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def connect(url: str, **options: Any) -> websocket.WebSocket:
    """A websocket at the address a console's URL means; `options` are those of websocket-client."""
    parts = urlsplit(url)
    scheme = {"http": "ws", "https": "wss"}.get(parts.scheme, parts.scheme)
    token = url.rpartition("token%3D")[2] if "token%3D" in url else url.rpartition("token=")[2]
    made = websocket.create_connection(
        f"{scheme}://{parts.netloc}/websockify?token={token}", subprotocols=["binary"], timeout=PATIENCE, **options
    )
    assert made.subprotocol == "binary"
    return made


def status_of(error: websocket.WebSocketBadStatusException) -> tuple[int, bytes]:
    """The status and the body of a refusal."""
    return error.status_code, error.resp_body or b""


class Stream:
    """Bytes of a websocket, however they are cut."""

    def __init__(self, url: str, **options: Any) -> None:
        self.ws = connect(url, **options)
        self._held = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.ws.shutdown()

    def send(self, data: bytes) -> None:
        """All of it, as one message."""
        self.ws.send_binary(data)

    def read(self, count: int) -> bytes:
        """Exactly so many."""
        while len(self._held) < count:
            more = self.ws.recv()
            assert more, "the console was closed"
            self._held += more
        found, self._held = self._held[:count], self._held[count:]
        return found

    def until(self, text: bytes, seconds: float = PATIENCE) -> bytes:
        """Everything up to and with `text`."""
        deadline = time.monotonic() + seconds
        while text not in self._held:
            assert time.monotonic() < deadline, self._held[-300:]
            more = self.ws.recv()
            assert more, f"the console was closed after {self._held[-300:]!r}"
            self._held += more
        end = self._held.index(text) + len(text)
        found, self._held = self._held[:end], self._held[end:]
        return found

    def ended(self, seconds: float = PATIENCE) -> bool:
        """Whether the other side ends it in time."""
        deadline = time.monotonic() + seconds
        self.ws.settimeout(seconds)
        try:
            while time.monotonic() < deadline:
                if not self.ws.recv():
                    return True
        except websocket.WebSocketTimeoutException:
            return False
        except (websocket.WebSocketException, OSError):
            return True
        return False


class Screen(Stream):
    """A VNC client (RFC 6143) behind a websocket."""

    def __init__(self, url: str, **options: Any) -> None:
        super().__init__(url, **options)
        assert self.read(12) == b"RFB 003.008\n"
        self.send(b"RFB 003.008\n")
        self.offered = self.read(self.read(1)[0])
        self.send(b"\x01")
        assert self.read(4) == b"\0\0\0\0"
        self.send(b"\x01")
        self.width, self.height = struct.unpack(">HH", self.read(4))
        self.read(16)
        self.name = self.read(struct.unpack(">I", self.read(4))[0]).decode()
        self.send(struct.pack(">B3xBBBBHHHBBB3x", 0, 32, 24, 0, 1, 255, 255, 255, 16, 8, 0))
        self.send(struct.pack(">BxHi", 2, 1, 0))

    def picture(self, incremental: bool = False) -> bytes:
        """The next update: every rectangle of it, raw."""
        self.send(struct.pack(">BBHHHH", 3, int(incremental), 0, 0, self.width, self.height))
        while (kind := self.read(1)[0]) != 0:
            assert kind == 2, kind  # a bell
        found = b""
        for _ in range(struct.unpack(">xH", self.read(3))[0]):
            _x, _y, width, height, encoding = struct.unpack(">HHHHi", self.read(12))
            assert encoding == 0
            found += self.read(width * height * 4)
        return found

    def press(self, text: str) -> None:
        """Press and let go of each key; a line end is Return."""
        for letter in text:
            keysym = 0xFF0D if letter == "\n" else ord(letter)
            self.send(struct.pack(">BBxxI", 4, 1, keysym))
            self.send(struct.pack(">BBxxI", 4, 0, keysym))


def ask(port: int, request: bytes, seconds: float = PATIENCE) -> bytes:
    """All that is answered to raw bytes until the connection ends."""
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as sock:
        sock.sendall(request)
        answered = b""
        with contextlib.suppress(ConnectionResetError):
            while more := sock.recv(65536):
                answered += more
        return answered


def get(port: int, path: str, *headers: str) -> tuple[int, str, bytes]:
    """Status, head and body of a GET on a connection of its own."""
    lines = [f"GET {path} HTTP/1.1", "Host: console.test", "Connection: close", *headers, "", ""]
    head, _, body = ask(port, "\r\n".join(lines).encode("latin-1")).partition(b"\r\n\r\n")
    return int(head.split()[1]), head.decode("latin-1"), body
