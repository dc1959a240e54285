"""What libvirt tells of its own accord: guests that change state, and guests that reboot.

libvirt calls back on its event loop, which must not be held up: a callback only puts a line into a
queue. A thread of ours takes it out, asks libvirt what is true *now* (an event may be old by
then), and tells the watcher.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from novalite.compute.virt.libvirt import states
from novalite.errors import NovaliteError
from novalite.states import PowerState

LOG = logging.getLogger(__name__)

LIFECYCLE, REBOOT = 0, 1  # virDomainEventID


class Signal:
    """What happened to one guest while somebody was waiting for it."""

    def __init__(self) -> None:
        self._happened = threading.Event()
        self.rebooted = False

    def wait(self, seconds: float) -> None:
        """Return when something happened, or after `seconds`."""
        self._happened.wait(max(0.0, seconds))
        self._happened.clear()

    def _notify(self, *, rebooted: bool) -> None:
        self.rebooted = self.rebooted or rebooted
        self._happened.set()


class Events:
    """Callbacks of one libvirt, and the thread that passes on what they say.

    `look(server_id)` is the power state now, `ours(server_id)` whether novalite made that guest.
    """

    def __init__(self, look: Callable[[str], PowerState], ours: Callable[[str], bool]) -> None:
        self._look = look
        self._ours = ours
        self._watcher: Callable[[str, PowerState], None] = lambda server_id, state: None
        self._queue: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._signals: dict[str, list[Signal]] = {}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def start(self, watcher: Callable[[str, PowerState], None]) -> None:
        """Pass on to `watcher` from now on."""
        self._watcher = watcher
        if self._thread is None:
            self._thread = threading.Thread(target=self._pass_on, name="guest-events", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Pass on nothing more."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join(5)
            self._thread = None

    def attach(self, native: Any) -> None:
        """Have a newly opened connection call back. Its callbacks end with it."""
        native.domainEventRegisterAny(None, LIFECYCLE, self._on_lifecycle, None)
        native.domainEventRegisterAny(None, REBOOT, self._on_reboot, None)

    def tell(self, server_id: str) -> None:
        """Have the watcher told the state of a guest, as if libvirt had mentioned it."""
        self._queue.put(server_id)

    @contextmanager
    def watching(self, server_id: str) -> Iterator[Signal]:
        """A Signal that is set off by events of this guest."""
        signal = Signal()
        with self._lock:
            self._signals.setdefault(server_id, []).append(signal)
        try:
            yield signal
        finally:
            with self._lock:
                self._signals[server_id].remove(signal)
                if not self._signals[server_id]:
                    del self._signals[server_id]

    def _on_lifecycle(self, _native: Any, domain: Any, event: int, _detail: int, _opaque: Any) -> None:
        server_id = domain.UUIDString()
        self._set_off(server_id, rebooted=False)
        if event in states.TELLING:
            self._queue.put(server_id)

    def _on_reboot(self, _native: Any, domain: Any, _opaque: Any) -> None:
        self._set_off(domain.UUIDString(), rebooted=True)

    def _set_off(self, server_id: str, *, rebooted: bool) -> None:
        with self._lock:
            for signal in self._signals.get(server_id, ()):
                signal._notify(rebooted=rebooted)

    def _pass_on(self) -> None:
        while (server_id := self._queue.get()) is not None:
            began = time.monotonic()
            try:
                if self._ours(server_id):
                    self._watcher(server_id, self._look(server_id))
            except NovaliteError as error:
                # Told again for every guest once the connection is back.
                LOG.debug("Event of guest %s: %s", server_id, error)
            except Exception:
                LOG.exception("Event of guest %s", server_id)
            if (took := time.monotonic() - began) > 1:
                LOG.warning("Passing on one event took %.1f s", took)
