"""The HTTP servers under the API: bodies limited by path, requests in hand finished at the end."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from novalite.cmd import http as served
from novalite.errors import ConfigError

ROOT = Path(__file__).parents[3]
IMAGE = "/image/v2/images/6a0ff0c4-1d1e-4d6b-a6a4-5a1b7b3b9e11/file"


class Program:
    """The server in a process of its own, ended by a line with the grace."""

    def __init__(self, mode: str, limit: int = 100 << 20) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "tests.unit.cmd.http_program", mode, str(self.port),
             str(limit)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        assert self.process.stdout is not None and self.process.stdin is not None
        assert self.process.stdout.readline() == "ready\n"

    def ask(self, path: str, body: bytes | Iterator[bytes] | None = None) -> tuple[int, bytes]:
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            link.request("PUT", path, body)
            answer = link.getresponse()
            return answer.status, answer.read()
        finally:
            link.close()

    def end(self, grace: float) -> str:
        said, _ = self.process.communicate(f"{grace}\n", timeout=20)
        return said.strip()


@pytest.fixture(params=["threads", "eventlet"])
def program(request: pytest.FixtureRequest) -> Iterator[Program]:
    made = Program(request.param)
    yield made
    made.process.kill()
    made.process.wait()


def test_it_answers_and_ends(program: Program):
    assert program.ask("/x", b"12345") == (200, b"5")
    assert program.end(5) == "done"


def test_idle_connections_keep_nobody_out(program: Program):
    held = [socket.create_connection(("127.0.0.1", program.port)) for _ in range(300)]
    began = time.monotonic()
    assert program.ask("/x", b"12345") == (200, b"5")
    assert time.monotonic() - began < 5
    for link in held:
        link.close()


def test_a_body_in_chunks_is_taken_whole(program: Program):
    assert program.ask(IMAGE, (bytes(1 << 16) for _ in range(40))) == (200, str(40 << 16).encode())
    assert program.ask("/x", iter([b"12", b"345"])) == (200, b"5")
    assert program.end(5) == "done"


def test_a_request_in_hand_is_answered_while_new_ones_are_refused(program: Program):
    answers: list[tuple[int, bytes]] = []
    caller = threading.Thread(target=lambda: answers.append(program.ask("/slow")))
    caller.start()
    time.sleep(0.2)
    assert program.process.stdin is not None
    program.process.stdin.write("5\n")
    program.process.stdin.flush()
    time.sleep(0.1)
    with pytest.raises(OSError):
        program.ask("/x")
    caller.join(10)
    assert answers == [(200, b"0")]
    assert program.process.wait(10) == 0


def test_a_request_longer_than_the_grace_is_left(program: Program):
    def ask() -> None:
        with pytest.raises((OSError, http.client.HTTPException)):
            program.ask("/slow")

    caller = threading.Thread(target=ask)
    caller.start()
    time.sleep(0.2)
    began = time.monotonic()
    assert program.end(0.05) == "left"
    assert time.monotonic() - began < 3
    caller.join(10)


def test_idle_connections_do_not_hold_the_end_up(program: Program):
    with socket.create_connection(("127.0.0.1", program.port)):
        began = time.monotonic()
        assert program.end(10) == "done"
        assert time.monotonic() - began < 5


def test_waitress_takes_long_bodies_on_image_paths_only():
    program = Program("threads", limit=70 << 20)
    body = bytes(66 << 20)
    assert program.ask(IMAGE, body) == (200, str(66 << 20).encode())
    assert refused(program, "/v2.1/servers", 66 << 20).startswith(b"HTTP/1.1 413")
    assert refused(program, IMAGE, 71 << 20).startswith(b"HTTP/1.1 413")
    assert program.ask("/v2.1/servers", bytes(2 << 20))[0] == 200, "left to the application's own limit"
    assert program.end(5) == "done"


def refused(program: Program, path: str, length: int) -> bytes:
    """The first bytes of the answer to a request that only announces a body."""
    with socket.create_connection(("127.0.0.1", program.port), timeout=10) as link:
        head = f"PUT {path} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: {length}\r\n\r\n"
        link.sendall(head.encode())
        return link.recv(100)


@pytest.mark.parametrize("address", ["127.0.0.1", "203.0.113.9", "no-such-name.invalid"])
def test_an_address_that_cannot_be_had_is_one_sentence(address: str):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"\[api\] listen: cannot listen on {address} port {port}"):
            served.listen(address, port)
