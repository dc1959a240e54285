"""novalite-novncproxy over the fake hypervisor: who is let in, how long, and what a hostile client gets."""

from __future__ import annotations

import contextlib
import logging
import socket
import ssl
import struct
import time
from pathlib import Path
from typing import Any

import pytest
import websocket
from sqlalchemy import update

from novalite import log
from novalite.api.console_proxy.server import ConsoleProxy
from novalite.api.console_proxy.websocket import LARGEST
from novalite.db.models.base import now
from novalite.db.models.consoles import ConsoleToken
from novalite.errors import ConfigError
from tests.consoles.conftest import World
from tests.consoles.pki import Pki
from tests.consoles.viewer import PATIENCE, Screen, Stream, ask, connect, get, status_of, wait_until


def refused(url: str, **options: Any) -> tuple[int, bytes]:
    with pytest.raises(websocket.WebSocketBadStatusException) as caught:
        connect(url, **options)
    return status_of(caught.value)


def test_a_screen_is_seen_and_typed_into(world: World) -> None:
    with Screen(world.url("novnc")) as screen:
        assert screen.offered == b"\x01", "the token was password enough"
        assert screen.name == world.cloud.show(world.server)["instance_name"]
        before = screen.picture()
        screen.press("ls\n")
        deadline = time.monotonic() + PATIENCE
        while screen.picture() == before:
            assert time.monotonic() < deadline


def test_a_serial_console_is_typed_into(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    url = world.url()
    with Stream(url) as serial:
        serial.until(b"login: ")
        serial.send(b"root\r")
        assert serial.until(b"login: ").startswith(b"root\r\nLogin incorrect")
        wait_until(lambda: world.proxy.health()["open"].get("serial") == 1)
    wait_until(lambda: world.proxy.health()["open"].get("serial") == 0)
    token = url.rpartition("=")[2]
    assert not [line for line in caplog.records if token in line.getMessage()]
    assert any("opened the serial console" in line.getMessage() for line in caplog.records)


def test_tokens_of_no_use(world: World) -> None:
    assert refused(f"ws://127.0.0.1:{world.port}/?token={'x' * 43}") == (403, b"")
    url = world.url()
    assert refused(url + "x") == (403, b"")
    old = world.url()
    with world.cloud.db.begin() as session:
        session.execute(update(ConsoleToken).values(expires_at=now()))
    assert refused(old)[0] == 403
    url = world.url()
    with Stream(url) as serial:
        serial.until(b"login: ")


def test_one_time(world: World) -> None:
    world.option(one_time_tokens=True)
    url = world.url()
    with Stream(url) as serial:
        serial.until(b"login: ")
        assert refused(url)[0] == 403


def test_each_token_leads_to_its_server(world: World) -> None:
    other = world.member.boot("other", imageRef=world.image)
    with Screen(world.url("novnc", other)) as one, Screen(world.url("novnc")) as two:
        assert one.name == world.cloud.show(other)["instance_name"]
        assert two.name == world.cloud.show(world.server)["instance_name"]
    url = world.url("novnc", other)
    with Screen(url) as screen:
        world.member.act(other, {"os-stop": None})
        assert screen.ended(), "the guest's end is the console's"
    assert refused(url)[0] == 403
    world.member.delete(f"/servers/{other}")
    assert refused(url)[0] == 403


def test_pages_of_others_are_refused(world: World) -> None:
    """A cross-site websocket: a browser says where the page is from, even with a token that is good."""
    url = world.url()
    for origin in ("http://evil.example.org", "null", f"http://127.0.0.1:{world.port}.evil.example.org"):
        assert refused(url, origin=origin) == (403, b""), origin
    assert refused(url, host="evil.example.org", origin=f"http://127.0.0.2:{world.port}")[0] == 403
    with Stream(url, origin=f"http://127.0.0.1:{world.port}") as serial:
        serial.until(b"login: ")
    world.option(allowed_origins=["http://dashboard.example.org"])
    with Stream(url, origin="http://dashboard.example.org") as serial:
        serial.until(b"login: ")


@pytest.mark.parametrize("query", [
    "token=T&host=evil.example.org&port=22", "token=T&path=//evil.example.org/", "x=%0d%0aHost:evil&token=T",
])  # fmt: skip
def test_no_word_of_the_url_says_where_to(world: World, query: str) -> None:
    token = world.url().rpartition("=")[2]
    url = f"ws://127.0.0.1:{world.port}//evil.example.org/..;/?{query.replace('T', token, 1)}"
    made = websocket.create_connection(url, timeout=PATIENCE, host="evil.example.org:1", suppress_origin=True)
    assert b"fake hypervisor" in made.recv()
    made.shutdown()


@pytest.mark.parametrize("header,status", [
    ({"Sec-WebSocket-Version": "8"}, 400), ({"Sec-WebSocket-Key": "short"}, 400),
    ({"Sec-WebSocket-Protocol": "base64"}, 400), ({"Upgrade": "h2c"}, 404),
    ({"Sec-WebSocket-Protocol": "base64, binary"}, 101),
])  # fmt: skip
def test_handshakes(world: World, header: dict[str, str], status: int) -> None:
    token = world.url().rpartition("=")[2]
    headers = {"Host": "a", "Upgrade": "websocket", "Connection": "close", "Sec-WebSocket-Version": "13",
               "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", **header}  # fmt: skip
    lines = [f"GET /ws?token={token} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    with socket.create_connection(("127.0.0.1", world.port), timeout=PATIENCE) as sock:
        sock.sendall("\r\n".join(lines).encode())
        assert int(sock.recv(4096).split()[1]) == status


def test_only_so_many(world: World) -> None:
    world.option(max_connections_per_token=1, max_connections_per_server=2)
    url = world.url()
    with Stream(url), Stream(world.url()):
        assert refused(url)[0] == 429
        assert refused(world.url())[0] == 429
    wait_until(lambda: world.proxy.health()["connections"] == 0)
    world.option(max_connections=1)
    with Stream(url) as serial:
        serial.until(b"login: ")
        assert ask(world.port, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n") == b""
    wait_until(lambda: world.proxy.health()["connections"] == 0)


def test_a_client_that_takes_its_time(world: World) -> None:
    """A byte now and then is no progress: what is not there in time is cut off."""
    world.option(request_timeout=1.0)
    with socket.create_connection(("127.0.0.1", world.port), timeout=PATIENCE) as sock:
        sock.settimeout(0.2)
        began = time.monotonic()
        with pytest.raises((BrokenPipeError, ConnectionError, EOFError)):
            while time.monotonic() < began + PATIENCE:
                sock.sendall(b"G")
                try:
                    if not sock.recv(1):
                        raise EOFError
                except TimeoutError:
                    continue
        assert time.monotonic() - began < 10


def test_a_client_that_takes_nothing(world: World) -> None:
    """Its guest is held up, not this process filled; and after a while it is given up."""
    world.option(stall_timeout=1.0)
    with Screen(world.url("novnc")) as screen:
        screen.ws.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        with contextlib.suppress(OSError, websocket.WebSocketException):
            for _ in range(2000):
                screen.send(struct.pack(">BBHHHH", 3, 0, 0, 0, screen.width, screen.height))
        wait_until(lambda: world.proxy.health()["open"].get("novnc") == 0)


@pytest.mark.parametrize("frame", [
    b"\x82\xff" + struct.pack(">Q", 1 << 40) + b"mask", b"\x82\xff" + struct.pack(">Q", LARGEST + 1) + b"mask",
    b"\x81\x82maskhi", b"\x82\x02hi", b"\x83\x80mask", b"\x80\x80mask",
])  # fmt: skip
def test_frames_that_must_not_be(world: World, frame: bytes) -> None:
    with Stream(world.url()) as serial:
        serial.until(b"login: ")
        serial.ws.sock.sendall(frame)
        assert serial.ended()


def test_fragments_do_not_add_up_without_end(world: World) -> None:
    with Stream(world.url()) as serial:
        serial.until(b"login: ")
        piece = b"\xff" + struct.pack(">Q", LARGEST // 2) + b"\0" * 4 + b"x" * (LARGEST // 2)
        with contextlib.suppress(OSError):
            serial.ws.sock.sendall(b"\x02" + piece + b"\x00" + piece + b"\x00" + piece)
        assert serial.ended()


@pytest.mark.parametrize("option", ["idle_timeout", "session_timeout"])
def test_time_is_limited(world: World, option: str) -> None:
    world.option(**{option: 1.0})
    with Stream(world.url()) as serial:
        serial.until(b"login: ")
        if option == "session_timeout":
            serial.send(b"still here")
        assert serial.ended(10)


def test_a_host_that_is_away_or_lets_nobody_in(world: World) -> None:
    with world.cloud.bus.lose(lambda e: e.name == "guest_consoles.admit"):
        assert refused(world.url())[0] == 503
    world.cloud.driver("alpha").fail("serial", "no such port", times=1)
    assert refused(world.url()) == (502, b"")


def test_tickets_open_once(world: World) -> None:
    relay = world.cloud.hosts["alpha"].manager.consoles.relay
    driver = world.cloud.driver("alpha")
    where, word = relay.address(), relay.ticket(lambda: driver.open_serial(world.server))
    assert ask(where.port, b"x" * 43 + b"\n") == b""
    assert ask(where.port, b"\n") == b""
    with socket.create_connection((where.host, where.port), timeout=PATIENCE) as sock:
        sock.sendall(word.encode() + b"\n")
        assert sock.recv(3) == b"ok\n"
        assert ask(where.port, word.encode() + b"\n") == b""


def test_tls(world: World, tmp_path: Path) -> None:
    """To browsers, and to the hosts whose serial consoles are passed on."""
    pki = Pki(tmp_path)
    cert, key = pki.issue("127.0.0.1")
    client_cert, client_key = pki.issue("proxy")
    host = world.cloud.hosts["alpha"]
    for name, value in (("cert", cert), ("key", key), ("ca_certs", pki.ca)):
        host.conf.set_override(name, value, group="serial_console")
    for name, value in (("vencrypt_ca_certs", pki.ca), ("vencrypt_client_cert", client_cert),
                        ("vencrypt_client_key", client_key)):  # fmt: skip
        world.cloud.conf.set_override(name, value, group="vnc")
    world.option(cert=cert, key=key, ssl_minimum_version="tlsv1_3")
    consoles = host.manager.consoles
    consoles.relay = type(consoles.relay)(host.conf)
    proxy = ConsoleProxy(world.cloud.conf, world.cloud.client)
    proxy.start()
    try:
        world.option(base_url=f"https://127.0.0.1:{proxy.port}")
        url = world.url()
        assert url.startswith("wss://")
        trust = {"ca_certs": pki.ca}
        with Stream(url, sslopt=trust) as serial:
            serial.until(b"login: ")
            serial.send(b"x" * 100_000 + b"\r")
            serial.until(b"Login incorrect")
        assert refused(url, sslopt=trust, origin=f"http://127.0.0.1:{proxy.port}")[0] == 403
        old = ssl.create_default_context(cafile=pki.ca)
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        with socket.create_connection(("127.0.0.1", proxy.port), PATIENCE) as sock, pytest.raises(ssl.SSLError):
            old.wrap_socket(sock, server_hostname="127.0.0.1")
        assert not ask(proxy.port, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").startswith(b"HTTP"), "no plain text"
        with pytest.raises((ssl.SSLError, OSError)):
            stranger = ssl.create_default_context(cafile=pki.ca)
            where = consoles.relay.address()
            with stranger.wrap_socket(socket.create_connection((where.host, where.port), PATIENCE),
                                      server_hostname="127.0.0.1") as sock:  # fmt: skip
                sock.sendall(b"x\n")
                assert sock.recv(10) == b""
                raise OSError("it was not served, as it should be")
    finally:
        proxy.stop(5)
        for group in ("vnc", "serial_console"):
            for name in host.conf[group]:
                host.conf.clear_override(name, group=group)
                world.cloud.conf.clear_override(name, group=group)
        consoles.relay.close()
        consoles.relay = type(consoles.relay)(host.conf)


@pytest.mark.parametrize("option,value,words", [
    ("consoles.cert", "/nowhere.pem", "cert"), ("vnc.auth_schemes", ["plain"], "auth_schemes"),
    ("vnc.vencrypt_ca_certs", "/nowhere.pem", "vnc"), ("consoles.listen", "192.0.2.77", "cannot listen"),
])  # fmt: skip
def test_what_cannot_work_is_said_at_start(world: World, option: str, value: Any, words: str) -> None:
    group, _, name = option.partition(".")
    world.cloud.conf.set_override(name, value, group=group)
    try:
        with pytest.raises(ConfigError, match=words):
            ConsoleProxy(world.cloud.conf, world.cloud.client)
    finally:
        world.cloud.conf.clear_override(name, group=group)


def test_health_says_when_there_is_no_novnc(world: World, tmp_path: Path) -> None:
    world.option(web=str(tmp_path))
    assert "no noVNC" in world.proxy.health()["novnc"]
    assert get(world.port, "/novnc/core/rfb.js")[0] == 404
    assert log.mask("token=abc") == "token=***"
