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
from collections.abc import Iterable, Mapping
from pathlib import Path

from novalite import __version__
from novalite.networks.on_host.addresses import link_local
from novalite.networks.on_host.commands import Commands
from novalite.objects.host_networks import LocalPort, MetadataAccess

MODULE = "novalite.networks.on_host.metadata_proxy"
USER = "nobody"
STOPPING = 15.0
"""Seconds that a proxy may take to finish what guests wait for."""


class MetadataProxy:
    """Its files are in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config, self.pid_file, self.owners = folder / "config", folder / "pid", folder / "owners"
        self._commands = Commands()  # not in the guests' namespace: it must reach the service

    def converge(
        self, access: MetadataAccess | None, servers: Mapping[str, int], ports: Iterable[LocalPort] = ()
    ) -> None:
        """Answer the guests that have these ports; `servers`: network id -> process of its DHCP server, whose namespace
        is entered. No access, or no networks: no proxy. Raises NetworkCommandFailed and OSError."""
        pid = self.pid()
        if access is None or not servers:
            self.end()
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o711)  # the proxy is nobody, and reads whose addresses are
        _write(self.owners, json.dumps(owners(ports)), 0o644)
        text = self._text(access, servers)
        if pid is not None and _text(self.config) == text:
            return
        _write(self.config, text, 0o600)  # it holds the host's key
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
        for path in (self.config, self.pid_file, self.owners, self.folder / "log"):
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
            "log_file": str(self.folder / "log"), "owners_file": str(self.owners), "release": __version__,
            "networks": {network: f"/proc/{pid}/ns/net" for network, pid in sorted(servers.items())},
        })  # fmt: skip


def owners(ports: Iterable[LocalPort]) -> dict[str, dict[str, str]]:
    """Network -> address -> server, link-local addresses among them."""
    found: dict[str, dict[str, str]] = {}
    for port in sorted(ports, key=lambda port: port.id):
        mine = dict.fromkeys([*(one.address for one in port.addresses), link_local(port.mac)], port.server_id)
        found.setdefault(port.network_id, {}).update(mine)
    return found


def _text(path: Path) -> str | None:
    try:
        return path.read_text()
    except OSError:
        return None


def _write(path: Path, text: str, mode: int) -> None:
    """Whole or not at all; nothing when that is what it says."""
    if _text(path) == text:
        return
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as file:
        os.fchmod(file.fileno(), mode)  # whatever the umask is
        file.write(text)
    fresh.replace(path)


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
