"""A helper process that cleans up after its parent, even when that was killed with SIGKILL.

It reads folders and commands from its standard input; when the other end closes, for whatever
reason, it ends every process with a pid file below those folders and runs the commands. (The
kernel's parent-death signal would fire when the *thread* that started a service ends.)
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from deploy.dev import processes

ROOT = Path(__file__).resolve().parents[2]
_lock = threading.Lock()
_guard: subprocess.Popen[bytes] | None = None
_guarded_by = 0


def watch(folder: Path, *cleanup: Sequence[str]) -> None:
    """Should this process die, end what has a pid file below `folder`, then run `cleanup`."""
    global _guard, _guarded_by
    with _lock:
        if _guard is None or _guard.poll() is not None or _guarded_by != os.getpid():
            _guard, _guarded_by = _start(), os.getpid()
        assert _guard.stdin is not None
        line = json.dumps({"folder": str(folder), "cleanup": [list(c) for c in cleanup]})
        _guard.stdin.write(line.encode() + b"\n")
        _guard.stdin.flush()


def sweep(folder: Path) -> int:
    """End every process with a pid file below `folder`; returns how many there were."""
    # libvirt's driver.pid names whoever has the QEMU driver open, not a process of its own.
    files = [path for path in sorted(folder.rglob("*.pid")) if path.name != "driver.pid"]
    found = [path for path in files if processes.running(path)]
    for path in found:
        processes.end(path, seconds=5)
    return len(found)


def _start() -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-S", "-m", "deploy.dev.guard"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def main() -> None:
    """Wait for the end of the parent, then clean up."""
    watched = [json.loads(line) for line in sys.stdin]
    for entry in reversed(watched):
        sweep(Path(entry["folder"]))
        for command in entry["cleanup"]:
            subprocess.run(command, check=False, capture_output=True, timeout=20)


if __name__ == "__main__":
    main()
