"""A small image service on loopback that behaves as badly as it is told to, and builders of images."""

from __future__ import annotations

import hashlib
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class ImageServer:
    """Serves `body`. `status` other than 200 is answered as such; `cut` bytes are missing at the end;
    `pause` seconds pass between two halves; `failures` answers of 503 come first."""

    def __init__(self) -> None:
        self.body = b""
        self.status, self.cut, self.pause, self.failures = 200, 0, 0.0, 0
        self.chunked = False
        self.location = ""
        self.requests: list[dict[str, str]] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                server.requests.append({**self.headers, "path": self.path})
                server.answer(self)

            def log_message(self, *args: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_port}/image/v2/images/img-1/file"

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        handler.close_connection = True
        status = self.status
        if self.failures:
            self.failures, status = self.failures - 1, 503
        handler.send_response(status)
        if status != 200:
            if self.location:
                handler.send_header("Location", self.location)
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
        body = self.body[: len(self.body) - self.cut]
        if self.chunked:
            handler.send_header("Transfer-Encoding", "chunked")
            body = b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in _parts(body)) + b"0\r\n\r\n"
        else:
            handler.send_header("Content-Length", str(len(self.body)))
        handler.end_headers()
        half = len(body) // 2
        try:
            for part in (body[:half], body[half:]):
                handler.wfile.write(part)
                handler.wfile.flush()
                time.sleep(self.pause)
        except OSError:
            pass  # the client hung up, as some tests want


def _parts(body: bytes) -> Iterator[bytes]:
    for start in range(0, len(body), 50_000):
        yield body[start : start + 50_000]


@contextmanager
def image_server() -> Iterator[ImageServer]:
    """Runs for the duration of the block."""
    server = ImageServer()
    thread = threading.Thread(target=server.http.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.http.shutdown()
        server.http.server_close()


def sha512(body: bytes) -> str:
    return hashlib.sha512(body).hexdigest()


def qcow2(size: int = 1 << 30, backing: bytes = b"", features: int = 0, version: int = 3) -> bytes:
    """A qcow2 header (QEMU docs/interop/qcow2) with room behind it."""
    offset = 200 if backing else 0
    head = struct.pack(
        ">4sIQIIQIIQQIIQ",
        b"QFI\xfb",
        version,
        offset,
        len(backing),
        16,
        size,
        0,
        1,
        0x30000,
        0x10000,
        1,
        0,
        0,
    )
    head += struct.pack(">QQQII", features, 0, 0, 4, 104)
    return (head.ljust(200, b"\0") + backing).ljust(0x40000, b"\0")


DESCRIPTOR = b"""# Disk DescriptorFile
version=1
CID=fffffffe
parentCID=ffffffff
createType="monolithicFlat"

# Extent description
RW 2048 FLAT "/etc/shadow" 0
""".ljust(2048, b"\n")


def iso() -> bytes:
    """An ISO 9660 image: the volume descriptor at sector 16 (ECMA-119 8.4)."""
    return (b"\0" * 32768 + b"\x01CD001\x01").ljust(64 * 1024, b"\0")


def partitioned(size: int = 1 << 20) -> bytes:
    """A disk with a DOS partition table."""
    table = bytes([0x80, 0, 2, 0, 0x83, 0, 0, 0]) + struct.pack("<II", 1, 2047)
    return (b"\0" * 446 + table + b"\0" * 48 + b"\x55\xaa").ljust(size, b"\1")
