"""Guests that change on their own are reported within a second.

The hypervisor's event carries no work, it says "look now": after a moment to settle (a reboot is a stop
and a start) the guest's state is read and told, unless the conductor knows it already or has work in
hand for that server; then the end of that work is waited for.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence

from novalite.states import PowerState

LOG = logging.getLogger(__name__)
TRIES = 5


class LifecycleWatcher:
    """Collects events and calls `look` with the servers to look at, on a thread that lives only meanwhile.

    `look` answers False when it could not tell the conductor; it is called again later, a few times.
    `in_hand` says whether a server is being worked on; `idle` must be called when that ends.
    """

    def __init__(
        self, look: Callable[[Sequence[str]], bool], in_hand: Callable[[str], bool], delay: float
    ) -> None:
        self._look, self._in_hand, self._delay = look, in_hand, delay
        self._due: dict[str, float] = {}
        self._waiting: set[str] = set()
        self._lock = threading.Lock()
        self._wakes = threading.Condition(self._lock)
        self._thread: threading.Thread | None = None
        self._closed = False

    def changed(self, server_id: str, state: PowerState) -> None:
        """The hypervisor says that a guest changed; returns at once."""
        LOG.debug("Guest %s is now %s", server_id, state.name.lower())
        self._plan([server_id], self._delay)

    def idle(self, server_id: str) -> None:
        """Nothing is in hand for this server any more."""
        if server_id in self._waiting:
            self._plan([server_id], 0.0)

    def close(self) -> None:
        """Look at nothing any more."""
        with self._lock:
            self._closed = True
            self._due.clear()
            self._wakes.notify_all()

    def _plan(self, server_ids: Sequence[str], delay: float) -> None:
        with self._lock:
            if self._closed:
                return
            self._due.update(dict.fromkeys(server_ids, time.monotonic() + delay))
            self._waiting.difference_update(server_ids)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="lifecycle", daemon=True)
                self._thread.start()
            self._wakes.notify_all()

    def _work(self) -> None:
        tries = 0
        while (ready := self._next()) is not None:
            if not ready:
                continue
            tries = 0 if self._told(ready) else tries + 1
            if not tries:
                continue
            if tries < TRIES:
                self._plan(ready, float(2**tries))
            else:
                LOG.warning("Changes of %d guests are left to the comparison of power states", len(ready))
                tries = 0

    def _told(self, server_ids: Sequence[str]) -> bool:
        try:
            return self._look(server_ids)
        except Exception:
            LOG.exception("Guests that changed could not be looked at")
            return True

    def _next(self) -> list[str] | None:
        """Servers to look at now, waiting for their time; None when there are none left."""
        with self._lock:
            if not self._due:
                self._thread = None
                return None
            pause = min(self._due.values()) - time.monotonic()
            if pause > 0:
                self._wakes.wait(pause)
                return []
            now = time.monotonic()
            ready = [server_id for server_id, at in self._due.items() if at <= now]
            for server_id in ready:
                del self._due[server_id]
            busy = {server_id for server_id in ready if self._in_hand(server_id)}
            self._waiting |= busy
        missed = [server_id for server_id in busy if not self._in_hand(server_id)]  # ended just now
        for server_id in missed:
            self.idle(server_id)
        return [server_id for server_id in ready if server_id not in busy]
