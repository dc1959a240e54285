"""The screens and serial consoles of guests that are not there: a login that greets and echoes, and a small VNC
server (RFC 6143) on whose screen each key that is pressed leaves a square of its own colour."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import socket
import struct
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from novalite.pump import End, SocketEnd
from novalite.states import CONSOLE_POWER

if TYPE_CHECKING:
    from novalite.compute.virt.fake import FakeDriver

LOG = logging.getLogger(__name__)
WIDTH, HEIGHT, SQUARE = 320, 240, 16
COLUMNS = WIDTH // SQUARE
LOOK = 0.5
"""Seconds between looks whether the guest still runs."""
PROMPT = b"novalite-fake login: "
FORMAT = struct.pack(">BBBBHHHBBB3x", 32, 24, 0, 1, 255, 255, 255, 16, 8, 0)


class Consoles:
    """The part of the fake driver that fulfils `driver.GivesStreams` and `driver.GivesSerial`."""

    def open_screen(self: FakeDriver, server_id: str) -> End:  # type: ignore[misc]
        """A screen of its own for each who looks."""
        self.faults.meet("screen")
        guest = self.guest(server_id)
        return _behind(lambda sock: Screen(sock, guest.name, server_id).run(), self._runs(server_id))

    def open_serial(self: FakeDriver, server_id: str) -> End:  # type: ignore[misc]
        """What its console has shown, and a login."""
        self.faults.meet("serial")
        text = self.guest(server_id).console()
        return _behind(lambda sock: _login(sock, text), self._runs(server_id))

    def _runs(self: FakeDriver, server_id: str) -> Callable[[], bool]:  # type: ignore[misc]
        return lambda: self.power_state(server_id) in CONSOLE_POWER


def _behind(work: Callable[[socket.socket], None], runs: Callable[[], bool]) -> End:
    """One end of a pair of sockets, at whose other end `work` is done until the guest stops or nobody listens."""
    near, far = socket.socketpair()
    over = threading.Event()

    def serve() -> None:
        with contextlib.suppress(OSError, struct.error, EOFError), far:
            work(far)
        over.set()

    def watch() -> None:
        while not over.wait(LOOK):
            if not runs():
                with contextlib.suppress(OSError):
                    far.shutdown(socket.SHUT_RDWR)

    threading.Thread(target=serve, name="fake-console", daemon=True).start()
    threading.Thread(target=watch, name="fake-console-watch", daemon=True).start()
    return SocketEnd(near)


def _login(sock: socket.socket, text: str) -> None:
    sock.sendall(text.replace("\n", "\r\n").encode() + PROMPT)
    while typed := sock.recv(1024):
        sock.sendall(typed.replace(b"\r", b"\r\nLogin incorrect\r\n" + PROMPT))


class Screen:
    """One viewer's screen."""

    def __init__(self, sock: socket.socket, name: str, seed: str) -> None:
        self.sock, self.name = sock, name
        shade = hashlib.sha256(seed.encode()).digest()
        self.back = bytes(32 + byte % 64 for byte in shade[:3])
        self.shifts = (16, 8, 0)
        self.keys: list[int] = []
        self.asked = self.changed = False

    def run(self) -> None:
        """Greet, then answer messages until the viewer leaves."""
        self._greet()
        sizes = {0: 19, 3: 9, 4: 7, 5: 5}
        while True:
            kind = self._read(1)[0]
            if kind == 2:
                self._read(4 * struct.unpack(">xH", self._read(3))[0])
            elif kind == 6:
                self._read(min(struct.unpack(">3xI", self._read(7))[0], 1 << 20))
            elif kind in sizes:
                self._heed(kind, self._read(sizes[kind]))
            else:
                return
            if self.asked and self.changed:
                self._draw()

    def _greet(self) -> None:
        self.sock.sendall(b"RFB 003.008\n")
        self._read(12)
        self.sock.sendall(b"\x01\x01")
        self._read(1)
        self.sock.sendall(b"\0\0\0\0")
        self._read(1)
        name = self.name.encode()
        self.sock.sendall(struct.pack(">HH", WIDTH, HEIGHT) + FORMAT + struct.pack(">I", len(name)) + name)

    def _heed(self, kind: int, data: bytes) -> None:
        if kind == 0:
            bits, red, green, blue = data[3], data[13], data[14], data[15]
            if bits != 32:
                raise EOFError
            self.shifts = red, green, blue
        elif kind == 3:
            self.asked, self.changed = True, self.changed or not data[0]
        elif kind == 4 and data[0]:
            self.keys.append(struct.unpack(">I", data[3:])[0])
            self.changed = True

    def _draw(self) -> None:
        """The whole screen as it is, without any compression."""
        self.asked = self.changed = False
        squares = self.keys[-COLUMNS * (HEIGHT // SQUARE):]
        picture = bytearray()
        for row in range(HEIGHT // SQUARE):
            here = squares[row * COLUMNS:(row + 1) * COLUMNS]
            line = b"".join(self._pixel(bytes((key * 37 % 256, key * 91 % 256, 200))) * (SQUARE - 2)
                            + self._pixel(self.back) * 2 for key in here)
            line += self._pixel(self.back) * (WIDTH - SQUARE * len(here))
            picture += line * (SQUARE - 2) + self._pixel(self.back) * WIDTH * 2
        self.sock.sendall(struct.pack(">BxHHHHHi", 0, 1, 0, 0, WIDTH, HEIGHT, 0) + picture)

    def _pixel(self, colour: bytes) -> bytes:
        value = sum(part << shift for part, shift in zip(colour, self.shifts, strict=True))
        return (value & 0xFFFFFFFF).to_bytes(4, "little")

    def _read(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            more = self.sock.recv(count - len(data))
            if not more:
                raise EOFError
            data += more
        return data
