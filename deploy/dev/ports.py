"""Free TCP ports that two test runs at the same time do not both get.

Ports come from below the kernel's ephemeral range, so that no outgoing connection takes one in
between, and each is held by a lock file for as long as this process lives. A service that lives
longer holds it by listening.
"""

from __future__ import annotations

import fcntl
import os
import random
import socket
import tempfile
from pathlib import Path

FIRST, LAST = 20000, 32000
_held: dict[int, int] = {}


def free_port(address: str = "127.0.0.1") -> int:
    """A port nobody listens on, reserved for this process."""
    locks = Path(tempfile.gettempdir()) / f"novalite-ports-{os.getuid()}"
    locks.mkdir(mode=0o700, exist_ok=True)
    for port in random.sample(range(FIRST, LAST), 500):
        if port not in _held and _hold(locks / str(port), port):
            if _bindable(address, port):
                return port
            os.close(_held.pop(port))
    raise OSError(f"no free TCP port between {FIRST} and {LAST}")


def answers(port: int, address: str = "127.0.0.1") -> bool:
    """Whether somebody accepts connections there."""
    try:
        with socket.create_connection((address, port), timeout=1):
            return True
    except OSError:
        return False


def _hold(lock: Path, port: int) -> bool:
    handle = os.open(lock, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        return False
    _held[port] = handle
    return True


def _bindable(address: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True
