"""What a client asks for, read with a limit and taken apart strictly; and short answers.

No more of HTTP/1.1 than a page and a websocket need: requests have no body.
"""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import parse_qs

LONGEST = 16 * 1024
"""Bytes of a request."""
_LINE = re.compile(rb"(?P<method>[A-Z]{1,16}) (?P<target>/[\x21-\x7e]*) HTTP/1\.[01]")
_FIELD = re.compile(rb"(?P<name>[!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(?P<value>[\t\x20-\x7e\x80-\xff]*)")
_SINGLE = ("host", "origin", "upgrade", "sec-websocket-key", "sec-websocket-version", "content-length")


class Refused(Exception):
    """The request is answered with this status and one sentence, and nothing is done."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status, self.why = status, why


class Closed(Exception):
    """The client left between two requests."""


@dataclass(frozen=True)
class Request:
    """One request. `headers` by lower-case name; `path` without the query, percent signs and all."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]

    @property
    def wants_websocket(self) -> bool:
        """Whether it is the first half of a websocket."""
        return self.headers.get("upgrade", "").lower() == "websocket"

    @property
    def stays(self) -> bool:
        """Whether another request may follow on this connection."""
        return "close" not in self.headers.get("connection", "").lower()

    @property
    def token(self) -> str:
        """The token in the query; Refused unless there is exactly one of a likely length."""
        found = parse_qs(self.query, max_num_fields=20).get("token", [])
        if len(found) != 1 or not 8 <= len(found[0]) <= 200:
            raise Refused(403, "There must be one token in the URL.")
        return found[0]


def read(sock: socket.socket, begun: bytes = b"") -> tuple[Request, bytes]:
    """The next request, and what was sent behind it. Raises Refused, Closed, OSError."""
    data = begun
    while (end := data.find(b"\r\n\r\n")) < 0:
        if len(data) > LONGEST:
            raise Refused(431, "The request is too long.")
        more = sock.recv(4096)
        if not more:
            raise Closed
        data += more
    return parse(data[:end]), data[end + 4:]


def parse(head: bytes) -> Request:
    """A request's lines; Refused when they are not as they should be."""
    first, *lines = head.split(b"\r\n")
    line = _LINE.fullmatch(first)
    if line is None:
        raise Refused(400, "This is no HTTP request.")
    headers: dict[str, str] = {}
    for one in lines:
        field = _FIELD.fullmatch(one)
        if field is None:
            raise Refused(400, "A header of the request is malformed.")
        name, value = field["name"].decode().lower(), field["value"].decode("latin-1").strip()
        if name in headers and name in _SINGLE:
            raise Refused(400, f"There is more than one {name}.")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    if "transfer-encoding" in headers or headers.get("content-length", "0") != "0":
        raise Refused(400, "A request must not have a body here.")
    if not headers.get("host"):
        raise Refused(400, "The request names no host.")
    path, _, query = line["target"].decode().partition("?")
    return Request(line["method"].decode(), path, query, headers)


def answer(
    sock: socket.socket, status: int, headers: Mapping[str, str], body: bytes = b"", *, head: bool = False,
    stays: bool = False,
) -> None:  # fmt: skip
    """Send an answer; without its body to a HEAD."""
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    lines.append("Connection: keep-alive" if stays else "Connection: close")
    sock.sendall("\r\n".join([*lines, "", ""]).encode("latin-1") + (b"" if head else body))


def linger(sock: socket.socket) -> None:
    """Read a little of what still comes: a connection that is closed before is reset, and the answer with it."""
    if not isinstance(sock, ssl.SSLSocket):
        sock.shutdown(socket.SHUT_WR)
    sock.settimeout(0.5)
    left = 4 * LONGEST
    while left > 0 and (data := sock.recv(4096)):
        left -= len(data)
