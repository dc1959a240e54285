"""Screens and serial consoles of guests: where QEMU's VNC server is and what lets in, and the serial port as libvirt
streams it. The port is the one whose log is kept: QEMU writes the log itself, whoever listens."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from novalite.compute.virt.libvirt.connection import module
from novalite.compute.virt.libvirt.guest import Domain
from novalite.compute.virt.libvirt.xml.domain import NEVER
from novalite.errors import ConsoleTypeUnavailable
from novalite.objects.consoles import NOVNC
from novalite.pump import CHUNK, End, Over

if TYPE_CHECKING:
    from novalite.compute.virt.libvirt.driver import LibvirtDriver

NOT_NOW = -2
"""What a stream that does not block answers when it would (libvirt, virStreamRecv)."""
RELUCTANT = 0.02
"""Seconds to wait for a guest that does not read what is typed."""


class Showing:
    """The part of the driver that fulfils `driver.ShowsScreens` and `driver.GivesSerial`; see there."""

    def screen(self: LibvirtDriver, server_id: str) -> tuple[str, int]:  # type: ignore[misc]
        """As libvirt chose it when the guest was started."""
        graphics = _graphics(Domain(self.connection, server_id))
        listen = graphics.find("listen") if graphics is not None else None
        address = (listen.get("address") if listen is not None else None) or self.conf.vnc.server_listen
        port = int(graphics.get("port", -1)) if graphics is not None else -1
        if port <= 0:
            raise ConsoleTypeUnavailable(kind=NOVNC)
        return address, port

    def set_screen_password(self: LibvirtDriver, server_id: str, password: str, seconds: float) -> bool:  # type: ignore[misc]
        """In the running QEMU only: the definition keeps one that lets nobody in."""
        guest = Domain(self.connection, server_id)
        graphics = _graphics(guest, secure=True)
        if graphics is None or graphics.get("passwd") is None:
            return False
        graphics.set("passwd", password)
        graphics.set("passwdValidTo", _until(seconds))
        xml, live = ET.tostring(graphics, encoding="unicode"), module().VIR_DOMAIN_AFFECT_LIVE
        guest.ask("set the screen's password", lambda domain: domain.updateDeviceFlags(xml, live))
        return True

    def open_serial(self: LibvirtDriver, server_id: str) -> End:  # type: ignore[misc]
        """The first serial port, taken from whoever has it."""
        return SerialEnd(Domain(self.connection, server_id).ask("open the serial console", _open))


def _graphics(guest: Domain, secure: bool = False) -> ET.Element | None:
    flags = module().VIR_DOMAIN_XML_SECURE if secure else 0
    text: str = guest.ask("screen", lambda domain: domain.XMLDesc(flags))
    return ET.fromstring(text).find("devices/graphics[@type='vnc']")


def _until(seconds: float) -> str:
    if not seconds:
        return NEVER
    return (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")


def _open(domain: Any) -> Any:
    libvirt = module()
    stream = domain.connect().newStream(libvirt.VIR_STREAM_NONBLOCK)
    domain.openConsole(None, stream, libvirt.VIR_DOMAIN_CONSOLE_FORCE)
    return stream


class SerialEnd:
    """A stream of libvirt's as an end to carry bytes to and from.

    libvirt says on its event loop, which must not be held up, that something has come; it says so until it is read,
    so it is asked to be silent from then until everything is.
    """

    def __init__(self, stream: Any) -> None:
        libvirt = module()
        self._stream, self._error = stream, libvirt.libvirtError
        self._gone = libvirt.VIR_STREAM_EVENT_ERROR | libvirt.VIR_STREAM_EVENT_HANGUP
        self._news = libvirt.VIR_STREAM_EVENT_READABLE | self._gone
        self._heard, self._bell = socket.socketpair()
        for end in (self._heard, self._bell):
            end.setblocking(False)
        self._more = True
        self._lock = threading.Lock()
        self._closed = False
        stream.eventAddCallback(self._news, self._on_event, None)

    def fileno(self) -> int:
        return self._heard.fileno()

    def read(self) -> bytes | None:
        with contextlib.suppress(BlockingIOError):
            self._heard.recv(4096)
        try:
            data = self._stream.recv(CHUNK // 2)
            if data == NOT_NOW:
                self._more = False
                self._stream.eventUpdateCallback(self._news)
                return None
        except self._error:
            return b""
        return bytes(data)

    def holds(self) -> bool:
        return self._more

    def write(self, data: bytes) -> int:
        if not data:
            return 0
        try:
            sent: int = self._stream.send(data)
        except self._error as error:
            raise Over(str(error)) from error
        if sent == NOT_NOW:
            time.sleep(RELUCTANT)
            return 0
        return sent

    def unsent(self) -> bool:
        return False

    def close(self) -> None:
        """Let the port go."""
        with self._lock:
            self._closed = True
        for last in (self._stream.eventRemoveCallback, self._stream.abort):
            with contextlib.suppress(self._error):
                last()
        self._heard.close()
        self._bell.close()

    def _on_event(self, _stream: Any, events: int, _opaque: Any) -> None:
        self._more = True
        with self._lock:
            if self._closed:
                return
            with contextlib.suppress(self._error):
                self._stream.eventUpdateCallback(0)
            with contextlib.suppress(OSError):
                self._bell.send(b"!")
