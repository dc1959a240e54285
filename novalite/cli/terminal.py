"""This terminal as that of a guest: what is typed goes to its serial console byte for byte, and back."""

from __future__ import annotations

import contextlib
import os
import select
import sys
import termios
import tty
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import click

ESCAPE, LEAVE = b"\x1d", b"q"
"""Ctrl-], as telnet and virsh have it, and what comes after it."""
HOW_TO_LEAVE = "Press Ctrl-] and then q to leave; Ctrl-] twice sends one."
CONNECT_SECONDS = 30.0
REFUSALS = {
    403: "its URL is not valid any more, or the proxy lets no programs of this machine in",
    429: "it is open too often already",
    502: "the proxy does not reach the host of the server",
    503: "the proxy cannot open it now",
}
"""What the statuses of novalite-novncproxy mean."""


def is_one() -> bool:
    """Whether somebody sits here."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def attach(url: str) -> bool:
    """Be the terminal behind a websocket. True when the user left, False when the other side ended it."""
    socket = _connect(url)
    try:
        with _raw(sys.stdin.fileno()):
            left = _carry(socket, sys.stdin.fileno(), sys.stdout.fileno())
    finally:
        with contextlib.suppress(Exception):
            socket.close(timeout=1)
    click.echo("", err=True)
    return left


def _connect(url: str) -> Any:
    import websocket

    where = urlsplit(url).netloc
    trusted = os.environ.get("OS_CACERT")
    try:
        return websocket.create_connection(
            url, subprotocols=["binary"], timeout=CONNECT_SECONDS, suppress_origin=True,
            sslopt={"ca_certs": trusted} if trusted else {},
        )  # fmt: skip
    except websocket.WebSocketBadStatusException as error:
        why = REFUSALS.get(error.status_code, f"the answer was {error.status_code}")
        raise click.ClickException(f"The console cannot be opened: {why}.") from error
    except (OSError, websocket.WebSocketException) as error:
        raise click.ClickException(
            f"The console proxy at {where} does not answer ({error}). Is novalite-novncproxy running there, and is "
            "[consoles] base_url of the API right?"
        ) from error


@contextlib.contextmanager
def _raw(terminal: int) -> Iterator[None]:
    """Every key is the guest's, Ctrl-C too."""
    before = termios.tcgetattr(terminal)
    try:
        tty.setraw(terminal)
        yield
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)


def _carry(socket: Any, keyboard: int, screen: int) -> bool:
    import websocket

    keys = Keys()
    while True:
        pending = getattr(socket.sock, "pending", lambda: 0)()
        ready = [socket.sock] if pending else select.select([socket.sock, keyboard], [], [])[0]
        try:
            if keyboard in ready:
                typed = os.read(keyboard, 4096)
                send, leave = keys.typed(typed)
                if send:
                    socket.send_binary(send)
                if leave or not typed:
                    return True
            if socket.sock in ready:
                said = socket.recv()
                if not said and not socket.connected:
                    return False
                _write(screen, said if isinstance(said, bytes) else said.encode())
        except (OSError, websocket.WebSocketException):
            return False


def _write(screen: int, data: bytes) -> None:
    while data:
        data = data[os.write(screen, data):]


class Keys:
    """Tells what is for the guest from what is for us."""

    def __init__(self) -> None:
        self._escaped = False

    def typed(self, data: bytes) -> tuple[bytes, bool]:
        """(what to send, whether to leave). An escape followed by anything but itself and q is sent with it."""
        out = b""
        for number in data:
            key = bytes([number])
            if self._escaped:
                self._escaped = False
                if key == LEAVE:
                    return out, True
                out += key if key == ESCAPE else ESCAPE + key
            elif key == ESCAPE:
                self._escaped = True
            else:
                out += key
        return out, False
