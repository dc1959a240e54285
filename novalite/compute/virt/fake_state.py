"""How the fake driver's guests outlive its daemon: a journal of one JSON line per change.

Lines are appended, so that a change costs the same with one guest and with a thousand; the file is
written anew when most of its lines are history. A last line cut off by a kill is ignored.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import orjson

LOG = logging.getLogger(__name__)
SLACK = 200
"""Lines beyond four per guest after which the journal is written anew."""


class Journal:
    """Values by id in a file, as `dump` makes them plain. Survives a killed process, not a power cut."""

    def __init__(self, path: Path, dump: Callable[[Any], Any]) -> None:
        self.path, self.dump = path, dump
        self._lock = threading.Lock()
        self._lines = 0
        path.parent.mkdir(parents=True, exist_ok=True)

    def load(self) -> dict[str, Any]:
        """Every value that was put and not dropped."""
        values: dict[str, Any] = {}
        for line in self._read().splitlines():
            try:
                key, value = orjson.loads(line)
            except ValueError:
                LOG.warning("%s: a line that is no change is ignored", self.path)
                continue
            if value is None:
                values.pop(key, None)
            else:
                values[key] = value
        self._rewrite(values)
        return values

    def note(self, key: str, everything: Mapping[str, Any]) -> None:
        """The value of this id changed, or is gone from `everything`. Thread-safe."""
        with self._lock:
            if self._lines > 4 * len(everything) + SLACK:
                self._rewrite({key: self.dump(value) for key, value in everything.items()})
                return
            value = self.dump(everything[key]) if key in everything else None
            with self.path.open("ab") as file:
                file.write(orjson.dumps([key, value]) + b"\n")
            self._lines += 1

    def _read(self) -> bytes:
        try:
            return self.path.read_bytes()
        except FileNotFoundError:
            return b""

    def _rewrite(self, values: Mapping[str, Any]) -> None:
        lines = [orjson.dumps(item) for item in values.items()]
        fresh = self.path.with_name(f"{self.path.name}.new")
        fresh.write_bytes(b"".join(line + b"\n" for line in lines))
        os.replace(fresh, self.path)
        self._lines = len(lines)
