"""The metadata proxy of this host kept as it should be: listening for every network that has a DHCP server here.

It is one process for all networks, and outlives this daemon; it is known again by pid file and command line. When what
it has to know has changed another one takes its place, and it ends what it has begun.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from novalite.networks.on_host.commands import Commands
from novalite.objects.host_networks import MetadataAccess

MODULE = "novalite.networks.on_host.metadata_proxy"
USER = "nobody"
STOPPING = 15.0
"""Seconds that a proxy may take to finish what guests wait for."""


class MetadataProxy:
    """Its files are in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config, self.pid_file = folder / "config", folder / "pid"
        self._commands = Commands()  # not in the guests' namespace: it must reach the service

    def converge(self, access: MetadataAccess | None, servers: Mapping[str, int]) -> None:
        """Answer the guests of these networks; `servers`: network id -> process of its DHCP server, whose namespace is
        entered. None, or no networks: no proxy. Raises NetworkCommandFailed."""
        pid = self.pid()
        if access is None or not servers:
            self.end()
            return
        text = self._text(access, servers)
        if pid is not None and self._written() == text:
            return
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._write(text)
        try:
            # Both listen until the old one has been told; so no guest is refused.
            self._commands.run([sys.executable, "-P", "-m", MODULE, str(self.config)])
        except Exception:
            self.config.unlink(missing_ok=True)
            raise
        finally:
            if pid is not None:
                _signal(pid, signal.SIGTERM)

    def end(self) -> None:
        """There is none any more, and nothing of it."""
        pid = self.pid()
        if pid is not None:
            _signal(pid, signal.SIGTERM)
            deadline = time.monotonic() + STOPPING
            while self.pid() is not None:
                if time.monotonic() > deadline:
                    _signal(pid, signal.SIGKILL)
                    break
                time.sleep(0.02)
        for path in (self.config, self.pid_file, self.folder / "log"):
            path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self.folder.rmdir()

    def pid(self) -> int | None:
        """Its process; None when it does not run."""
        try:
            pid = int(self.pid_file.read_text())
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError):
            return None
        return pid if str(self.config).encode() in words else None

    def _text(self, access: MetadataAccess, servers: Mapping[str, int]) -> str:
        return json.dumps({
            "url": access.url, "host": access.host, "key": access.key, "user": USER, "pid_file": str(self.pid_file),
            "log_file": str(self.folder / "log"),
            "networks": {network: f"/proc/{pid}/ns/net" for network, pid in sorted(servers.items())},
        })  # fmt: skip

    def _written(self) -> str | None:
        try:
            return self.config.read_text()
        except OSError:
            return None

    def _write(self, text: str) -> None:
        """Whole, and readable by us alone: it holds the host's key."""
        fresh = self.config.with_name("config.new")
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(text)
        fresh.replace(self.config)


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
