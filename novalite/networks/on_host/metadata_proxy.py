"""What answers guests at 169.254.169.254, port 80: a process per host that listens in the namespace of every network's
DHCP server, and hands each request on to the metadata service with the network and the address it came from, signed.

    python -m novalite.networks.on_host.metadata_proxy CONFIG

It uses the standard library alone, enters the namespaces as root, and then gives up every privilege for good before it
reads a byte of a guest. Nothing a guest says of itself is handed on. Started, it returns when it listens; the process
that stays outlives the daemon that started it. `metadata.py` is the other side of this.
"""

from __future__ import annotations

import codecs
import ctypes
import http.client
import io
import json
import os
import pwd
import selectors
import signal
import socket
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from novalite.objects.metadata_signature import ADDRESS, HOST, NETWORK, SERVER, SIGNATURE, sign

WHERE = (("169.254.169.254", socket.AF_INET), ("fe80::a9fe:a9fe", socket.AF_INET6))
PORT = 80
CLONE_NEWNET = 0x40000000
PR_SET_NO_NEW_PRIVS = 38
HEADER_BYTES, BODY_BYTES, ANSWER_BYTES = 16 << 10, 64 << 10, 8 << 20
SECONDS = 10.0
"""For a guest to say what it wants; and again for it to read the answer."""
SERVICE_SECONDS = 40.0
"""For the service to answer: it may have to ask vendors, too."""
AT_A_TIME, PER_GUEST = 64, 4
"""Connections; a guest that opens more waits for its own."""
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE")
HANDED_ON = ("accept", "content-type")
HANDED_BACK = ("Content-Type", "Retry-After")


class Bad(Exception):
    """A request that is not handed on; `status` is the answer."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


@dataclass(frozen=True)
class Settings:
    """`networks`: id -> path of the namespace; `owners_file`: beside the configuration, whose each address is. Another
    `release` is another process."""

    url: str
    host: str
    key: str
    user: str
    pid_file: str
    log_file: str
    owners_file: str
    release: str
    networks: dict[str, str]


@dataclass(frozen=True)
class Asked:
    """One request, read."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes = b""


# --- before privileges are given up ---------------------------------------------------------------


def listeners(networks: dict[str, str]) -> dict[socket.socket, str]:
    """Sockets and their networks. A namespace that is gone meanwhile is passed over: its network will have another
    one. To enter that of a process of another user takes CAP_SYS_PTRACE beside CAP_SYS_ADMIN."""
    libc = ctypes.CDLL(None, use_errno=True)
    home = os.open("/proc/self/ns/net", os.O_RDONLY)
    found: dict[socket.socket, str] = {}

    def enter(descriptor: int) -> None:
        if libc.setns(descriptor, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")

    for network, path in networks.items():
        try:
            there = os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            continue
        try:
            enter(there)
            found |= dict.fromkeys(_listen(), network)
        finally:
            enter(home)
            os.close(there)
    os.close(home)
    return found


def _listen() -> list[socket.socket]:
    """At every address of the service that this namespace has."""
    made = []
    for address, family in WHERE:
        one = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)  # with the process that this one replaces
        try:
            if family == socket.AF_INET6:
                index = next((number for number, name in socket.if_nameindex() if name != "lo"), 0)
                one.bind((address, PORT, 0, index))
            else:
                one.bind((address, PORT))
            one.listen(AT_A_TIME)
        except OSError:
            one.close()
            if family == socket.AF_INET:
                raise
            continue
        one.setblocking(False)
        made.append(one)
    return made


def load_all(url: str) -> None:
    """Everything that Python loads when it is first needed: as somebody else this process may not reach those files."""
    for name in ("ascii", "latin-1", "idna"):
        codecs.lookup(name)
    http.client.parse_headers(io.BytesIO(b"A: b\r\n\r\n"))
    if url.startswith("https:"):
        import ssl

        ssl.create_default_context()


def give_up_root(user: str) -> None:
    """From here on this process can do what that user can, and never more again."""
    if os.geteuid() == 0:
        who = pwd.getpwnam(user)
        os.setgroups([])
        os.setgid(who.pw_gid)
        os.setuid(who.pw_uid)
    ctypes.CDLL(None).prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


# --- one request ----------------------------------------------------------------------------------


def read_request(connection: socket.socket, clock: Any = time.monotonic) -> Asked:
    """What the guest wants. Raises Bad, and OSError when it goes away or takes too long."""
    until = clock() + SECONDS
    data = b""

    def more() -> bytes:
        left = until - clock()
        if left <= 0:
            raise TimeoutError
        connection.settimeout(left)
        got = connection.recv(16 << 10)
        if not got:
            raise ConnectionError
        return got

    while b"\r\n\r\n" not in data:
        if len(data) > HEADER_BYTES:
            raise Bad(431)
        data += more()
    head, _, body = data.partition(b"\r\n\r\n")
    asked = _head(head)
    length = asked.headers.get("content-length", "0")
    if "transfer-encoding" in asked.headers or not length.isdecimal():
        raise Bad(400)
    if int(length) > BODY_BYTES:
        raise Bad(413)
    while len(body) < int(length):
        body += more()
    return Asked(asked.method, asked.target, asked.headers, body[: int(length)])


def _head(head: bytes) -> Asked:
    if len(head) > HEADER_BYTES:
        raise Bad(431)
    try:
        first, *lines = head.decode("ascii").split("\r\n")
        method, target, version = first.split(" ")
    except ValueError:
        raise Bad(400) from None
    if method not in METHODS:
        raise Bad(405)
    if not target.startswith("/") or not target.isprintable() or not version.startswith("HTTP/1."):
        raise Bad(400)
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name.strip() == name or not line.isprintable():
            raise Bad(400)
        if headers.setdefault(name.lower(), value.strip()) != value.strip() and name.lower() == "content-length":
            raise Bad(400)
    return Asked(method, target, headers)


def hand_on(settings: Settings, network: str, address: str, server: str, asked: Asked) -> bytes:
    """The whole answer to a guest. Raises Bad when the service cannot be asked."""
    at = urlsplit(settings.url)
    kind = http.client.HTTPSConnection if at.scheme == "https" else http.client.HTTPConnection
    service = kind(at.hostname or "", at.port, timeout=SERVICE_SECONDS)
    headers = {name: asked.headers[name] for name in HANDED_ON if name in asked.headers}
    headers |= {HOST: settings.host, NETWORK: network, ADDRESS: address, SERVER: server,
                SIGNATURE: sign(settings.key, network, address, server), "Connection": "close"}  # fmt: skip
    try:
        service.request(asked.method, at.path.rstrip("/") + asked.target, asked.body or None, headers)
        answer = service.getresponse()
        content = answer.read(ANSWER_BYTES)
    except (OSError, http.client.HTTPException):
        raise Bad(503) from None
    finally:
        service.close()
    back = {name: value for name in HANDED_BACK if (value := answer.headers.get(name))}
    length = answer.headers.get("Content-Length", "0") if asked.method == "HEAD" else str(len(content))
    return _answer(answer.status, {**back, "Content-Length": length}, content)


def _answer(status: int, headers: dict[str, str], content: bytes = b"") -> bytes:
    phrase = http.client.responses.get(status, "Status")
    lines = [f"HTTP/1.1 {status} {phrase}", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode("latin-1") + content


class Owners:
    """Whose each address of each network is, as the daemon has written it last: before the guest that has it starts.

    The folder is opened while this process may; the file is read again when it is another one.
    """

    def __init__(self, path: str) -> None:
        self.folder, self.name = os.open(os.path.dirname(path), os.O_RDONLY), os.path.basename(path)
        self._seen: tuple[int, int] = (0, 0)
        self._known: dict[str, dict[str, str]] = {}
        self._lock = threading.Lock()

    def of(self, network: str, address: str) -> str:
        """The server; Bad (404) when the address is nobody's."""
        with self._lock:
            found = os.stat(self.name, dir_fd=self.folder)
            if self._seen != (found.st_ino, found.st_mtime_ns):
                with open(os.open(self.name, os.O_RDONLY, dir_fd=self.folder), "rb") as file:
                    self._known = json.load(file)
                self._seen = (found.st_ino, found.st_mtime_ns)
            server = self._known.get(network, {}).get(address)
        if server is None:
            raise Bad(404)
        return server


# --- all of them ----------------------------------------------------------------------------------


class Proxy:
    """Answers on its listeners until it is told to end."""

    def __init__(self, settings: Settings, found: dict[socket.socket, str], owners: Owners) -> None:
        self.settings, self.listeners, self.owners = settings, found, owners
        self._lock = threading.Lock()
        self._busy: Counter[tuple[str, str]] = Counter()
        self._ending = False

    def serve(self) -> None:
        """Until `end`; then what has begun is finished."""
        with selectors.DefaultSelector() as selector:
            for one in self.listeners:
                selector.register(one, selectors.EVENT_READ)
            while not self._ending:
                for key, _ in selector.select(timeout=1.0):
                    self._accept(key.fileobj)  # type: ignore[arg-type]
        for one in self.listeners:
            one.close()  # at once: they keep namespaces from going away
        until = time.monotonic() + SECONDS
        while self._busy.total() and time.monotonic() < until:
            time.sleep(0.05)

    def end(self, *_: Any) -> None:
        """Take no more."""
        self._ending = True

    def _accept(self, listener: socket.socket) -> None:
        try:
            connection, peer = listener.accept()
        except OSError:
            return
        guest = (self.listeners[listener], str(peer[0]).partition("%")[0])
        with self._lock:
            full = self._busy[guest] >= PER_GUEST or self._busy.total() >= AT_A_TIME
            if not full:
                self._busy[guest] += 1
        if full:
            connection.close()
            return
        threading.Thread(target=self._one, args=(connection, guest), daemon=True).start()

    def _one(self, connection: socket.socket, guest: tuple[str, str]) -> None:
        try:
            with connection:
                try:
                    asked = read_request(connection)
                    answer = hand_on(self.settings, *guest, self.owners.of(*guest), asked)
                except Bad as error:
                    answer = _answer(error.status, {"Content-Length": "0"})
                connection.settimeout(SECONDS)
                connection.sendall(answer)
        except OSError:
            pass  # the guest went away
        finally:
            with self._lock:
                self._busy[guest] -= 1
                self._busy += Counter()  # forget who has none


def main(config: str) -> None:
    """Listen, leave a process that answers, and return."""
    settings = Settings(**json.loads(Path(config).read_text()))
    try:
        found = listeners(settings.networks)
    except OSError as error:
        sys.exit(f"cannot listen for guests: {error}")
    child = os.fork()
    if child:
        fresh = Path(f"{settings.pid_file}.new")
        fresh.write_text(f"{child}\n")
        fresh.replace(settings.pid_file)
        return
    os.setsid()
    log = os.open(settings.log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for old, new in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(old, new)
    os.chdir("/")
    load_all(settings.url)
    owners = Owners(settings.owners_file)
    give_up_root(settings.user)
    threading.stack_size(256 << 10)
    proxy = Proxy(settings, found, owners)
    signal.signal(signal.SIGTERM, proxy.end)
    proxy.serve()


if __name__ == "__main__":
    main(sys.argv[1])
