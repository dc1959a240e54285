"""Tell the schedulers which hosts changed: collected for a moment, read once, sent as one message."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Iterable

from novalite import context
from novalite.db import hosts
from novalite.db.session import Database
from novalite.errors import NovaliteError
from novalite.objects.hosts import HostDeltas
from novalite.rpc.client import Client
from novalite.rpc.contracts.hosts import HostFeed

LOG = logging.getLogger(__name__)
INTERVAL = 0.2
"""Seconds that a conductor collects changes: schedulers debit what they propose, and need no more."""


class Feed:
    """Deltas of this conductor, numbered without a hole so that a scheduler notices a lost one.

    `interval` is how long (seconds) changes are collected; 0 sends at once in the caller's thread.
    """

    def __init__(self, db: Database, client: Client, interval: float = INTERVAL) -> None:
        self.db, self.client, self.interval = db, client, interval
        self.source = str(uuid.uuid4())
        self.seq = 0
        self._changed: set[str] = set()
        self._lock = threading.Lock()
        self._sending = threading.Lock()
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to send in the background (nothing to do when `interval` is 0)."""
        if self.interval:
            self._thread = threading.Thread(target=self._run, name="host-feed", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Send what is left and end."""
        self._stop.set()
        self._wake.set()
        if self._thread:
            self._thread.join(5)

    def changed(self, names: Iterable[str]) -> None:
        """These hosts' rows are committed and different now."""
        with self._lock:
            self._changed.update(names)
            if not self._changed:
                return
        if self.interval:
            self._wake.set()
        else:
            self.flush()

    def flush(self) -> None:
        """Read and send what changed. A failure loses nothing: schedulers see the hole and read all."""
        with self._sending:
            with self._lock:
                names, self._changed = self._changed, set()
                if not names:
                    return
                self.seq += 1
            try:
                with self.db.read() as session:
                    rows = tuple(hosts.rows(session, names))
                deltas = HostDeltas(source=self.source, seq=self.seq, rows=rows)
                self.client.of(HostFeed).changed(context.system(), deltas)
            except NovaliteError as error:
                LOG.warning("Host deltas %d were not sent: %s", self.seq, error)

    def _run(self) -> None:
        while not self._stop.is_set():
            self._wake.wait()
            time.sleep(self.interval)
            self._wake.clear()
            try:
                self.flush()
            except Exception:
                LOG.exception("Sending host deltas failed")
        self.flush()
