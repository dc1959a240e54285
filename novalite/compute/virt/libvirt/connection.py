"""The connection to libvirt: opened with the event loop running, watched, and opened anew when lost.

Every call goes through `Connection.call`, which gives it a deadline and turns libvirt's errors into
ours. libvirt's C calls cannot be interrupted, so each runs in a thread of its own (60 µs) that is
abandoned when it does not come back: a hung QEMU costs a thread, never the daemon.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from importlib import import_module
from typing import Any, TypeVar

from novalite.compute.virt.libvirt import embedded
from novalite.errors import DriverError, DriverUnavailable, DriverUnsupported, GuestNotFound, NovaliteError

LOG = logging.getLogger(__name__)
T = TypeVar("T")

INSTALL = "the module libvirt is missing; apt-get install python3-libvirt, or pip install libvirt-python"

# virErrorNumber and virErrorDomain (libvirt, "Error handling"): stable public numbers.
NO_SUPPORT, NO_CONNECT, INVALID_CONN, SYSTEM, RPC, NO_DOMAIN = 3, 5, 6, 38, 39, 42
AUTH_FAILED, AUTH_UNAVAILABLE, OPERATION_UNSUPPORTED, ARGUMENT_UNSUPPORTED = 45, 94, 84, 74
FROM_REMOTE, FROM_RPC = 13, 7
LOST = (NO_CONNECT, INVALID_CONN, RPC, AUTH_FAILED, AUTH_UNAVAILABLE)
UNSUPPORTED = (NO_SUPPORT, OPERATION_UNSUPPORTED, ARGUMENT_UNSUPPORTED)

_loop_lock = threading.Lock()
_loop_runs = False


def module() -> Any:
    """The libvirt module. Imported late, so that everything else works on hosts without it."""
    try:
        return import_module("libvirt")
    except ImportError as error:
        raise DriverUnavailable(reason=f"{INSTALL} ({error})") from error


def run_event_loop() -> None:
    """Start libvirt's event loop, once per process; it must run before a connection is opened."""
    global _loop_runs
    with _loop_lock:
        if _loop_runs:
            return
        libvirt = module()
        libvirt.registerErrorHandler(lambda *_: None, None)  # errors are raised; no copies on stderr
        libvirt.virEventRegisterDefaultImpl()
        threading.Thread(target=_loop, args=(libvirt,), name="libvirt-events", daemon=True).start()
        _loop_runs = True


def _loop(libvirt: Any) -> None:
    while True:
        try:
            libvirt.virEventRunDefaultImpl()
        except Exception:
            LOG.exception("libvirt's event loop")
            time.sleep(1)


def within(seconds: float, what: str, work: Callable[[], T]) -> T:
    """The result of `work`, or DriverError after `seconds`; `work` itself cannot be stopped."""
    done = threading.Event()
    result: list[T] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            result.append(work())
        except BaseException as error:
            failure.append(error)
        done.set()

    threading.Thread(target=run, name=f"libvirt {what}", daemon=True).start()
    if not done.wait(seconds):
        raise DriverError(reason=f"libvirt did not answer '{what}' within {seconds:g} seconds")
    if failure:
        raise failure[0]
    return result[0]


def translate(error: Any, alive: bool, server_id: str = "") -> NovaliteError:
    """Our error for a libvirtError."""
    code, said = error.get_error_code(), error.get_error_message() or str(error)
    if code == NO_DOMAIN:
        return GuestNotFound(server_id=server_id or "asked for")
    if code in LOST or not alive or (code == SYSTEM and error.get_error_domain() in (FROM_RPC, FROM_REMOTE)):
        return DriverUnavailable(reason=said)
    if code in UNSUPPORTED:
        return DriverUnsupported(what=f"this: {said}")
    return DriverError(reason=said)


class Connection:
    """One libvirt, held open. `on_open(native)` registers callbacks, `on_return()` is told of a recovery."""

    def __init__(
        self,
        uri: str,
        *,
        call_timeout: float,
        wait: float,
        keepalive: int,
        on_open: Callable[[Any], None] = lambda native: None,
        on_return: Callable[[], None] = lambda: None,
    ) -> None:
        self.uri = uri
        self.call_timeout = call_timeout
        self.wait = wait
        self.keepalive = keepalive
        self.on_open = on_open
        self.on_return = on_return
        self._native: Any = None
        self._changed = threading.Condition()
        self._lost = threading.Event()
        self._closed = False
        self._last_error = "not connected yet"
        self._keeper: threading.Thread | None = None

    def open(self) -> None:
        """Connect, and stay connected from now on. Raises DriverUnavailable."""
        self._closed = False
        if self._native is None:
            self._open()
        if self._keeper is None:
            self._keeper = threading.Thread(target=self._keep, name="libvirt-keeper", daemon=True)
            self._keeper.start()

    def close(self) -> None:
        """Let go; guests go on running."""
        with self._changed:
            self._closed = True
            native, self._native = self._native, None
            self._changed.notify_all()
        self._lost.set()
        if self._keeper is not None:
            self._keeper.join(5)
            self._keeper = None
        if native is not None:
            _let_go(native)

    def call(
        self, what: str, work: Callable[[Any], T], *, seconds: float | None = None, server_id: str = ""
    ) -> T:
        """`work(native connection)` with a deadline. A lost libvirtd is waited for, `wait` seconds."""
        libvirt = module()
        native = self._connected()
        try:
            return within(seconds or self.call_timeout, what, lambda: work(native))
        except libvirt.libvirtError as error:
            alive = _alive(native)
            if not alive:
                self._lost.set()
            raise translate(error, alive, server_id) from error

    def _connected(self) -> Any:
        deadline = time.monotonic() + self.wait
        with self._changed:
            while not self._closed:
                if self._native is not None and _alive(self._native):
                    return self._native
                self._lost.set()
                left = deadline - time.monotonic()
                if left <= 0:
                    break
                self._changed.wait(min(left, 0.5))
        raise DriverUnavailable(reason=f"{self.uri}: {'closed' if self._closed else self._last_error}")

    def _keep(self) -> None:
        """Until closed: look every few seconds, and at once when told, and open anew when it is lost."""
        pause, said = 0.1, ""
        while not self._closed:
            self._lost.wait(5)
            self._lost.clear()
            if self._closed or (self._native is not None and _alive(self._native)):
                continue
            try:
                self._open()
            except DriverUnavailable as error:
                if str(error) != said:
                    LOG.warning("%s Trying again.", error)
                said = str(error)
                time.sleep(pause)
                pause = min(pause * 2, 2.0)
                self._lost.set()
                continue
            pause, said = 0.1, ""
            LOG.info("The connection to %s is back", self.uri)
            self._told(self.on_return)

    def _open(self) -> None:
        embedded.prepare(self.uri)  # first: libvirt reads its environment when it is loaded
        libvirt = module()
        run_event_loop()
        try:
            native = within(self.call_timeout, "open", lambda: libvirt.open(self.uri))
            within(self.call_timeout, "register", lambda: self._register(libvirt, native))
        except (libvirt.libvirtError, DriverError) as error:
            self._last_error = _explain(self.uri, str(error))
            raise DriverUnavailable(reason=self._last_error) from error
        embedded.prepared(self.uri)
        with self._changed:
            old, self._native = self._native, native
            self._changed.notify_all()
        if old is not None:
            _let_go(old)

    def _register(self, libvirt: Any, native: Any) -> None:
        for optional in (
            lambda: native.setKeepAlive(self.keepalive, 3) if self.keepalive else None,
            lambda: native.registerCloseCallback(lambda *_: self._lost.set(), None),
        ):
            try:
                optional()
            except libvirt.libvirtError as error:
                if error.get_error_code() != NO_SUPPORT:  # the embedded driver has no use for them
                    raise
        self.on_open(native)

    def _told(self, listener: Callable[[], None]) -> None:
        try:
            listener()
        except Exception:
            LOG.exception("After the return of %s", self.uri)


def _alive(native: Any) -> bool:
    """False once the connection is known to be broken. Asks nobody, so it cannot block."""
    try:
        return bool(native.isAlive())
    except Exception:
        return False


def _let_go(native: Any) -> None:
    try:
        within(5, "close", native.close)
    except Exception as error:
        LOG.debug("Closing the connection: %s", error)


def _explain(uri: str, said: str) -> str:
    """What libvirt said, with what to do about it where that is known."""
    if "Failed to connect socket" in said or "No such file" in said:
        return f"{said}. Is libvirtd running? systemctl start libvirtd, or use qemu:///embed?root=DIR"
    return f"{uri}: {said}"
