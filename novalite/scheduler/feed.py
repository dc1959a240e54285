"""Keep the host table true: deltas as they are told, a full read at start and whenever one was missed.

One thread reads, however many ask: `want()` only notes that a newer list is needed, and everybody who
waits is content with the first read that began after that.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from novalite import metrics
from novalite.errors import NovaliteError, Unavailable
from novalite.objects.hosts import HostDeltas, HostTableDump
from novalite.scheduler.host_table import HostTable

LOG = logging.getLogger(__name__)
READS = metrics.Counter("novalite_scheduler_full_reads_total", "Full reads of all hosts.", "outcome")
GAPS = metrics.Counter("novalite_scheduler_feed_gaps_total", "Messages about hosts that were missed.")

PAUSE = 0.2
"""Seconds between two full reads at least."""
SHARE = 20
"""Full reads take at most one part in this many of the time: large tables are read less often."""
BACKOFF = (0.2, 0.5, 1.0, 2.0, 5.0)
"""Seconds to wait after the first, second, … failure in a row."""


class Feed:
    """Hears deltas, notices holes, reads everything when needed. Thread-safe."""

    def __init__(self, table: HostTable, read: Callable[[], HostTableDump]) -> None:
        """`read` asks a conductor for every host, within a time limit of its own."""
        self._table, self._read = table, read
        self._changed = threading.Condition()
        self._heard: dict[str, int] = {}
        self._asked = self._done = 0
        self._missed: list[HostDeltas] | None = None
        self._last_read = (0.0, 0.0)  # when it ended (monotonic), how long it took
        self._failures = 0
        self._error: str | None = None
        self._stopping = False
        self._thread: threading.Thread | None = None

    # --- life -----------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin with a full read."""
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="host-table-reader", daemon=True)
        self.want("start")
        self._thread.start()

    def stop(self, timeout: float = 0.5) -> None:
        """End the reading thread; one that is inside a call ends after it, or with the process."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(timeout)

    # --- what conductors tell -------------------------------------------------------------------

    def receive(self, deltas: HostDeltas) -> None:
        """Take over a message; a hole in its sender's numbers asks for a full read."""
        with self._changed:
            if self._missed is not None:
                self._missed.append(deltas)
            hole = self._note(deltas)
            self._table.apply(deltas.rows)
        if hole:
            GAPS.add()
            self.want(hole)

    def _note(self, deltas: HostDeltas) -> str | None:
        """Remember how far the sender is; what was missed, if anything."""
        last = self._heard.get(deltas.source)
        self._heard[deltas.source] = max(last or 0, deltas.seq)
        if deltas.seq == 1 or (last is not None and deltas.seq <= last + 1):
            return None
        missed = f"{last + 1} to {deltas.seq - 1}" if last is not None else f"before {deltas.seq}"
        return f"messages {missed} of {deltas.source} were missed"

    # --- asking for a full read -----------------------------------------------------------------

    def want(self, reason: str) -> int:
        """Ask for a full read that begins after now; answers a ticket for `wait`."""
        with self._changed:
            self._asked += 1
            LOG.debug("full read of the hosts wanted: %s", reason)
            self._changed.notify_all()
            return self._asked

    def wait(self, ticket: int, timeout: float) -> bool:
        """Wait at most `timeout` seconds for a full read; False when there was none."""
        with self._changed:
            return self._changed.wait_for(lambda: self._done >= ticket or self._stopping, timeout) and (
                self._done >= ticket
            )

    def need_hosts(self, timeout: float) -> None:
        """Wait for the very first read; raises Unavailable with the reason when there was none."""
        if self._done:
            return
        if not self.wait(1, timeout):
            raise Unavailable(
                "The scheduler does not know the hosts yet, because no conductor has told it: "
                + (self._error or f"no answer within {timeout:g} seconds.")
            )

    def refresh_if_old(self, timeout: float) -> bool:
        """Before saying no: make sure that nothing was missed. True when the table was read again.

        A read that has just ended is trusted, so that a full cloud refuses without reading all day.
        """
        with self._changed:
            pause, pending, ticket = self._pause(), self._asked > self._done, self._asked
        if pause > (timeout if pending else 0.0):
            return False
        return self.wait(ticket if pending else self.want("a request would be refused"), timeout)

    @property
    def error(self) -> str | None:
        """Why the last full read failed; None when it did not."""
        return self._error

    @property
    def current(self) -> bool:
        """Whether nothing is known to be missing."""
        return 0 < self._done == self._asked

    # --- the reading thread ---------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._stopping or self._asked > self._done)
                self._changed.wait_for(lambda: self._stopping, self._pause())
                if self._stopping:
                    return
                ticket, self._missed = self._asked, []
            try:
                self._read_all(ticket)
            except Exception as error:
                self._failed(error)

    def _pause(self) -> float:
        if self._failures:
            return BACKOFF[min(self._failures, len(BACKOFF)) - 1]
        ended, took = self._last_read
        return max(0.0, ended + max(PAUSE, took * SHARE) - time.monotonic()) if self._done else 0.0

    def _read_all(self, ticket: int) -> None:
        began = time.monotonic()
        dump = self._read()
        store = HostTable.prepare(dump.rows)
        with self._changed:
            self._table.swap(store)
            for source, seq in dump.seqs.items():
                self._heard[source] = max(self._heard.get(source, 0), seq)
            # Told while we read: perhaps newer than what we read, and harmless when not.
            for deltas in self._missed or ():
                self._table.apply(deltas.rows)
            self._missed, self._done, self._failures, self._error = None, ticket, 0, None
            self._last_read = (time.monotonic(), time.monotonic() - began)
            self._changed.notify_all()
        READS.add("done")
        LOG.info("read %d hosts in %.0f ms", len(dump.rows), self._last_read[1] * 1000)

    def _failed(self, error: Exception) -> None:
        READS.add("failed")
        with self._changed:
            self._missed = None
            self._failures += 1
            self._error = error.sentence if isinstance(error, NovaliteError) else str(error)
        if isinstance(error, NovaliteError):
            LOG.warning("the hosts could not be read, trying again: %s", self._error)
        else:
            LOG.exception("the hosts could not be read, trying again")
