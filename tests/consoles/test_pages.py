"""The page: what is served, and nothing else; what the browser is told of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from novalite.api.console_proxy import heads, origins, pages
from novalite.api.console_proxy.heads import Refused
from tests.consoles.conftest import World
from tests.consoles.viewer import ask, get


def test_the_page_and_what_it_needs(world: World, tmp_path: Path) -> None:
    (tmp_path / "core").mkdir()
    (tmp_path / "core" / "rfb.js").write_text("export default 1;")
    world.option(web=str(tmp_path))
    for path, kind, words in (
        ("/", "text/html", b"noVNC"), ("/console.html?path=%3Ftoken%3Dsecret", "text/html", b"<script"),
        ("/vnc_auto.html", "text/html", b"</html>"), ("/console.js", "text/javascript", b"RFB"),
        ("/console.css", "text/css", b"main"), ("/novnc/core/rfb.js", "text/javascript", b"export"),
    ):  # fmt: skip
        status, head, body = get(world.port, path)
        assert (status, words in body) == (200, True), path
        assert f"Content-Type: {kind}" in head
        for header in ("frame-ancestors 'self'", "default-src 'none'", "X-Content-Type-Options: nosniff",
                       "Referrer-Policy: no-referrer", "X-Frame-Options: SAMEORIGIN"):  # fmt: skip
            assert header in head, header
    world.option(allowed_origins=["https://dashboard.example.org", "nonsense; script-src *"])
    _, head, _ = get(world.port, "/")
    assert "frame-ancestors 'self' https://dashboard.example.org\r\n" in head + "\r\n"
    assert "nonsense" not in head and "X-Frame-Options" not in head


@pytest.mark.parametrize("path", [
    "//evil.example.org", "//evil.example.org/%2e%2e", "/\\evil.example.org", "/..", "/../etc/passwd",
    "/novnc/core/../../../etc/passwd", "/novnc/core/%2e%2e/%2e%2e/x.js", "/novnc//core/rfb.js", "/novnc/core/rfb.js/",
    "/novnc/core", "/novnc/core/link.js", "/novnc/app/ui.js", "/novnc/core/.hidden.js", "/console.html/", "/page",
    "/%0d%0aSet-Cookie:x", "/server.py", "/console.py",
])  # fmt: skip
def test_nothing_else_is_served_and_nothing_redirected(world: World, tmp_path: Path, path: str) -> None:
    (tmp_path / "core").mkdir()
    (tmp_path / "secret.js").write_text("a secret")
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "core").mkdir()
    (tmp_path / "web" / "core" / "link.js").symlink_to(tmp_path / "secret.js")
    world.option(web=str(tmp_path / "web"))
    status, head, body = get(world.port, path)
    assert (status, body) == (404, b"There is nothing here.\n")
    assert "location" not in head.lower() and "set-cookie" not in head.lower()


@pytest.mark.parametrize("request_,status", [
    (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\n\r\n", 400),
    (b"GET http://evil.example.org/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    (b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", 400),
    (b"GET / HTTP/1.1\nHost: a\n\n\r\n\r\n", 400),
    (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", 400),
    (b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    (b"POST / HTTP/1.1\r\nHost: a\r\n\r\n", 405),
    (b"CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n", 405),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * (heads.LONGEST + 5000), 431),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
])  # fmt: skip
def test_requests_that_are_none(world: World, request_: bytes, status: int) -> None:
    assert ask(world.port, request_).startswith(f"HTTP/1.1 {status} ".encode())


def test_one_connection_many_files_and_heads_without_bodies(world: World) -> None:
    one = b"HEAD /console.js HTTP/1.1\r\nHost: a\r\n\r\n"
    last = b"GET /console.css HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    answered = ask(world.port, one * 3 + last)
    assert answered.count(b"HTTP/1.1 200 OK") == 4
    assert answered.count((pages.PAGE / "console.css").read_bytes()) == 1
    assert b"URLSearchParams" not in answered


@pytest.mark.parametrize("origin,tls,base,fits", [
    (None, False, "", True), ("http://c.test:6080", False, "", True), ("https://c.test:6080", False, "", True),
    ("http://c.test:6080", True, "", False), ("https://C.TEST:6080", True, "", True),
    ("http://c.test", False, "", False), ("http://c.test:6080.evil.org", False, "", False),
    ("http://evil.org", False, "", False), ("null", False, "", False), ("", False, "", False),
    ("http://c.test:6080/path", False, "", False), ("http://c.test:6080@evil.org", False, "", False),
    ("http://x@c.test:6080", False, "", False), ("ftp://c.test:6080", False, "", False),
    ("https://c.example.org", True, "https://c.example.org/sub", True), ("http://c.example.org", False,
     "https://c.example.org/sub", False), ("https://ok.example.org", True, "", True), ("http://[::1", False, "", False),
    ("http://ok.example.org", True, "", False),
])  # fmt: skip
def test_origins(origin: str | None, tls: bool, base: str, fits: bool) -> None:
    others = ["https://ok.example.org/", "null"]
    assert origins.allowed(origin, "c.test:6080", tls, base, others) is fits


def test_a_token_is_one_word_of_the_query() -> None:
    def token(query: str) -> str:
        return heads.Request("GET", "/", query, {}).token

    assert token("a=b&token=abcdefgh") == "abcdefgh"
    for query in ("", "token=", "token=short", "token=abcdefgh&token=abcdefgi", f"token={'x' * 201}"):
        with pytest.raises(Refused):
            token(query)
