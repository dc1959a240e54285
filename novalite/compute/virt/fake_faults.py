"""What the fake driver was told to do badly: operations that fail, or take their time.

Told by a test (`fail`, `delay`), by `[fake_driver] delays`, and by a JSON file that is read again when
it changes, so that a running daemon can be made to fail from outside.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from novalite.errors import InjectedFailure

LOG = logging.getLogger(__name__)


@dataclass
class Fault:
    """What happens to one operation: wait `delay` seconds, then fail with `reason` (None: do not).

    `times` is how often it still fails; None: always.
    """

    reason: str | None = None
    times: int | None = None
    delay: float = 0.0


class Faults:
    """Faults by operation. Thread-safe."""

    def __init__(self, delays: Mapping[str, float], path: Path | None) -> None:
        self._told = {operation: Fault(delay=seconds) for operation, seconds in delays.items()}
        self._from_file: dict[str, Fault] = {}
        self._path = path
        self._seen: tuple[int, int] | None = None
        self._lock = threading.Lock()

    def fail(self, operation: str, reason: str, times: int | None = None) -> None:
        """Let the operation fail `times` times (None: until `heal`)."""
        with self._lock:
            fault = self._told.setdefault(operation, Fault())
            fault.reason, fault.times = reason, times

    def delay(self, operation: str, seconds: float) -> None:
        """Let the operation take this long."""
        with self._lock:
            self._told.setdefault(operation, Fault()).delay = seconds

    def heal(self) -> None:
        """Forget every failure and delay, the configured ones too."""
        with self._lock:
            self._told.clear()
            self._from_file.clear()

    def meet(self, operation: str) -> None:
        """The operation begins: wait and fail as told. Raises InjectedFailure."""
        if not self._told and self._path is None:
            return
        with self._lock:
            self._refresh()
            told = [f for f in (self._told.get(operation), self._from_file.get(operation)) if f]
            wait = sum(fault.delay for fault in told)
            reason = next((reason for fault in told if (reason := _spend(fault)) is not None), None)
        if wait:
            time.sleep(wait)
        if reason is not None:
            raise InjectedFailure(operation=operation, reason=reason)

    def _refresh(self) -> None:
        if self._path is None:
            return
        try:
            stat = self._path.stat()
            if (seen := (stat.st_mtime_ns, stat.st_size)) == self._seen:
                return
            self._from_file = _parse(orjson.loads(self._path.read_bytes()))
        except FileNotFoundError:
            self._from_file, self._seen = {}, None
        except (OSError, ValueError, TypeError) as error:
            LOG.warning("%s holds no failures: %s", self._path, error)
        else:
            self._seen = seen


def _spend(fault: Fault) -> str | None:
    """The reason to fail now, if any; counts it."""
    if fault.reason is None or fault.times == 0:
        return None
    if fault.times is not None:
        fault.times -= 1
    return fault.reason


def _parse(told: Any) -> dict[str, Fault]:
    if not isinstance(told, dict) or not all(isinstance(fault, dict) for fault in told.values()):
        raise ValueError("it must be an object of operations")
    return {operation: Fault(**fault) for operation, fault in told.items()}
