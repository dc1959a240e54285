"""Consoles of real guests through novalite-novncproxy: QEMU's own VNC server by each of the ways in which it lets
somebody in, the serial port that libvirt streams while its log is kept, and the page in a browser."""

from __future__ import annotations

import os
import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import websocket

from deploy.dev.libvirtd import Libvirtd
from novalite.api.console_proxy import rfb
from novalite.api.console_proxy.server import ConsoleProxy
from novalite.context import system
from novalite.objects.consoles import digest
from novalite.rpc.contracts.consoles import Consoles
from tests.consoles.pki import Pki
from tests.consoles.viewer import PATIENCE, Screen, Stream, connect, status_of, wait_until
from tests.real.browser import Browser, program
from tests.real.cloud import HOST, OTHER, Guest, RealCloud

pytest.importorskip("libvirt")
pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(shutil.which("qemu-system-x86_64") is None, reason="QEMU is not installed"),
]
ADDRESS = "127.0.0.1"
PASSWORD = "pass1word"


class World:
    """Two hosts, the second of which has its VNC servers speak TLS, and a proxy."""

    def __init__(self, folder: Path, plain: Libvirtd, secure: Libvirtd, pki: Pki) -> None:
        cert, key = pki.issue("proxy")
        options = {"consoles.port": 0, "vnc.vencrypt_ca_certs": pki.ca, "vnc.vencrypt_client_cert": cert,
                   "vnc.vencrypt_client_key": key}  # fmt: skip
        self.real = RealCloud(folder, plain, secure, options)
        self.real.member = self.real.admin  # who may say on which host a server is to be
        self.cloud = self.real.cloud
        self.proxy = ConsoleProxy(self.cloud.conf, self.cloud.client)
        self.proxy.start()
        self.cloud.conf.set_override("base_url", f"http://{ADDRESS}:{self.proxy.port}", group="consoles")
        self.guest = self.at(HOST)

    def close(self) -> None:
        self.proxy.stop(5)
        self.real.close()

    def at(self, host: str) -> Guest:
        """A server on that host; nobody waits for its boot."""
        return self.real.boot("web", wait=False, host=host)

    def url(self, guest: Guest, kind: str = "novnc") -> str:
        """A new one."""
        wanted = {"protocol": {"novnc": "vnc"}.get(kind, kind), "type": kind}
        made = self.real.admin.made(f"/servers/{guest.id}/remote-consoles", {"remote_console": wanted})
        return str(made["remote_console"]["url"])


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("consoles")
    pki = Pki(folder)
    certs = folder / "vnc-certs"
    certs.mkdir()
    cert, key = pki.issue(ADDRESS)
    for source, name in ((pki.ca, "ca-cert.pem"), (cert, "server-cert.pem"), (key, "server-key.pem")):
        shutil.copy(source, certs / name)
    tls = ["vnc_tls = 1", "vnc_tls_x509_verify = 1", f'vnc_tls_x509_cert_dir = "{certs}"']
    plain, secure = Libvirtd(name="plain"), Libvirtd(name="secure", qemu_conf=tls)
    try:
        made = World(folder, plain.start(), secure.start(), pki)
        try:
            yield made
        finally:
            made.close()
    finally:
        plain.stop()
        secure.stop()


def offered(guest: Guest) -> list[int]:
    """By which ways the VNC server of a guest lets somebody in, asked of it."""
    with socket.create_connection(guest.driver.screen(guest.id), timeout=PATIENCE) as sock:
        assert sock.recv(12) == rfb.VERSION
        sock.sendall(rfb.VERSION)
        return list(sock.recv(sock.recv(1)[0]))


def let_in(guest: Guest, password: str) -> bool:
    """Whether a password lets somebody in who comes without a proxy."""
    with socket.create_connection(guest.driver.screen(guest.id), timeout=PATIENCE) as sock:
        try:
            rfb.enter(sock, password, ["vnc", "none"], None)
        except rfb.RfbError:
            return False
        return True


def seen(world: World, guest: Guest) -> bool:
    """Whether a screen of a likely size comes through the proxy; QEMU may send it in several parts."""
    with Screen(world.url(guest)) as screen:
        return screen.offered == b"\x01" and screen.width >= 320 and len(screen.picture()) > 1000


def test_vnc_with_a_password_of_the_moment(world: World) -> None:
    """Each connection gets one of its own, and nobody comes in by any other or by an old one."""
    guest, consoles = world.guest, world.cloud.hosts[HOST].manager.consoles
    assert offered(guest) == [rfb.VNC]
    assert not any(let_in(guest, word) for word in ("", "expired"))
    assert seen(world, guest)
    token = world.url(guest).rpartition("token%3D")[2]
    entrance = world.cloud.client.of(Consoles).enter(system(), digest(token))
    assert len(entrance.password) == 8 and let_in(guest, entrance.password)
    with Screen(world.url(guest)) as screen:
        consoles._passwords.clear()  # its time is over
        assert consoles.cycle_passwords(system()) == 1
        assert not let_in(guest, entrance.password)
        assert screen.picture(), "who is in stays"
    guest.driver.set_screen_password(guest.id, "for-once", 5)
    assert let_in(guest, "for-once")
    wait_until(lambda: not let_in(guest, "for-once"), 20)


def test_vnc_without_a_password(world: World) -> None:
    """A guest that was started so; the proxy may be told that this is not good enough."""
    conf = world.cloud.hosts[HOST].conf
    conf.set_override("password", False, group="vnc")
    try:
        guest = world.at(HOST)
        assert offered(guest) == [rfb.NONE]
        assert seen(world, guest)
        conf.clear_override("password", group="vnc")
        assert seen(world, guest), "it has none until its next start"
        world.cloud.conf.set_override("auth_schemes", ["vencrypt", "vnc"], group="vnc")
        with pytest.raises(websocket.WebSocketBadStatusException) as caught:
            connect(world.url(guest))
        assert status_of(caught.value) == (502, b"")
    finally:
        conf.clear_override("password", group="vnc")
        world.cloud.conf.clear_override("auth_schemes", group="vnc")
    world.real.admin.delete(f"/servers/{guest.id}")


def test_vencrypt(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """TLS to the host, who must be who it is, and to whom the proxy shows its own certificate."""
    guest = world.at(OTHER)
    assert offered(guest) == [rfb.VENCRYPT]
    world.cloud.conf.set_override("auth_schemes", ["vencrypt"], group="vnc")
    try:
        assert seen(world, guest)
        for name, value in (("vencrypt_client_cert", ""), ("vencrypt_ca_certs", _other_ca(world.real.folder))):
            world.cloud.conf.set_override(name, value, group="vnc")
            with pytest.raises(websocket.WebSocketException):
                Screen(world.url(guest)).picture()
            world.cloud.conf.clear_override(name, group="vnc")
            world.cloud.conf.set_override(name, world.real.cloud.overrides[f"vnc.{name}"], group="vnc")
        world.cloud.hosts[OTHER].conf.set_override("server_proxyclient_address", "localhost", group="vnc")
        caplog.clear()
        with pytest.raises(websocket.WebSocketBadStatusException):
            connect(world.url(guest))
        assert "CERTIFICATE_VERIFY_FAILED" in caplog.text, "it is another name for the same machine, and not in there"
    finally:
        world.cloud.conf.clear_override("auth_schemes", group="vnc")
    world.real.admin.delete(f"/servers/{guest.id}")


def _other_ca(folder: Path) -> str:
    (folder / "other").mkdir(exist_ok=True)
    return Pki(folder / "other").ca


def test_the_serial_console_is_typed_into_and_its_log_is_kept(world: World) -> None:
    guest = world.guest
    guest.wait_up(1)
    guest.act({"changePassword": {"adminPass": PASSWORD}})
    with Stream(world.url(guest, "serial")) as serial:
        serial.send(b"\r")
        serial.until(b"login: ")
        serial.send(b"root\r")
        serial.until(b"assword: ")
        serial.send(PASSWORD.encode() + b"\r")
        serial.until(b"# ")
        serial.send(b"echo typed-$((6*7)); seq 1 3000; exit\r")
        serial.until(b"typed-42\r\n")
        serial.until(b"\r\n3000\r\n", 60)
        with Stream(world.url(guest, "serial")) as second:
            second.send(b"\r")
            second.until(b"login: ")
            assert serial.ended(), "the last who opens it has it"
    assert "typed-42" in guest.console()
    guest.run("echo logged-while-nobody-listens >/dev/ttyS0")
    guest.wait("the log", lambda: "logged-while-nobody-listens" in guest.console())


@pytest.mark.skipif(
    program() is None and not os.environ.get("NOVALITE_REQUIRE_SERVICES"),
    reason="no Chromium here: apt-get install chromium",
)
def test_a_browser_shows_the_screen_and_types_into_it(world: World, tmp_path: Path) -> None:
    """The guest's own console is the witness of what was typed, two pictures of what was seen."""
    guest = world.guest
    guest.wait_up(1)
    guest.act({"changePassword": {"adminPass": PASSWORD}})
    with Browser(tmp_path) as browser:
        browser.open(world.url(guest))
        browser.wait("document.getElementById('status').textContent === 'Connected'")
        browser.wait("document.querySelector('#screen canvas') && document.querySelector('#screen canvas').width > 300")
        browser.type("\n")
        before = _settled(browser)
        _log_in(browser, guest)
        browser.type("echo typed in a browser >/dev/ttyS0\n")
        guest.wait("what was typed", lambda: "typed in a browser" in guest.console())
        after = _settled(browser)
        assert after != before
        (tmp_path / "before.png").write_bytes(before)
        (tmp_path / "after.png").write_bytes(after)
        said = [one for one in browser.messages if one["method"] in ("Log.entryAdded", "Runtime.exceptionThrown")]
        assert not [one for one in said if "Content Security Policy" in str(one) or "exceptionThrown" in str(one)]
        world.real.member.act(guest.id, {"os-stop": None})
        browser.wait("document.getElementById('status').textContent.includes('was closed')")
        browser.tell("Page.reload")
        browser.wait("document.getElementById('status').textContent.includes('cannot be opened')")


def _log_in(browser: Browser, guest: Guest) -> None:
    """As root. The guest throws away what is typed before it asks for the password, so one may have to do it again."""
    refusal = "invalid password"
    for _ in range(3):
        refused = guest.console().count(refusal)
        browser.type("root\n")
        guest.wait("somebody to ask for a password", lambda: "login" in guest.run("ps | grep -v getty | grep -v grep"))
        _settled(browser)
        browser.type(f"{PASSWORD}\n")
        guest.wait("a shell, or no", lambda n=refused: "-sh" in guest.run("ps") or guest.console().count(refusal) > n)
        if "-sh" in guest.run("ps"):
            return
    raise AssertionError("the guest does not know its password")


def _settled(browser: Browser) -> bytes:
    """A picture that is the same twice."""
    last, deadline = browser.screenshot(), time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        time.sleep(0.6)  # longer than half a blink of the cursor
        if (now := browser.screenshot()) == last:
            break
        last = now
    return last
