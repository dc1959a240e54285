"""DHCP servers as processes: each in a network namespace of its own that lives as long as it does.

They outlive this daemon, and are known again by their pid file and command line. Nothing else refers to their
namespaces, so that with the process everything of a server is gone.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import stat
import time
from collections.abc import Iterable
from pathlib import Path

from novalite.networks.on_host import dhcp, links
from novalite.networks.on_host.commands import Commands, NetworkCommandFailed, find

STOPPING = 5.0
"""Seconds in which a server told to end must be gone; then it is killed."""
START = """
set -e
inside=$1 mac=$2 mtu=$3 device=$4 outside=$5 address=$6 dnsmasq=$7 config=$8 user=$9
shift 9
ip link set dev lo up
ip link add name "$inside" address "$mac" mtu "$mtu" type veth peer name "$device" mtu "$mtu" netns "$outside"
ip address add "$address/32" dev "$inside"
ip address add fe80::a9fe:a9fe/64 dev "$inside" nodad 2>/dev/null || true
ip link set dev "$inside" up
for range; do
	case $range in
	*:*) ip -6 address add "$range" dev "$inside" nodad noprefixroute;;
	*) ip route replace "$range" dev "$inside" scope link;;
	esac
done
exec "$dnsmasq" "--conf-file=$config" ${user:+"--user=$user"}
"""
"""Run in the new namespace. All that varies comes as arguments, the ranges last; `outside` is the host's namespace, or
a process in it; `user` empty: dnsmasq's own choice. Of
IPv6 ranges it has the first address, which is nobody's: dnsmasq serves no range that it has no address of. Guests talk
to its link-local one."""


class Servers:
    """All DHCP servers of this host; their files are in `folder`."""

    def __init__(self, folder: Path, commands: Commands) -> None:
        self.folder, self.commands = folder, commands

    def converge(self, wanted: tuple[dhcp.Server, ...], devices: set[str]) -> tuple[list[str], dict[str, str]]:
        """Have exactly these servers; `devices` are the host's, before. Answers steps for `ip` that join new ones
        to their bridges, and by network why it has none."""
        for network_id in self._known() - {one.network_id for one in wanted}:
            self._end(network_id)
        lines: list[str] = []
        failed: dict[str, str] = {}
        for one in wanted:
            try:
                lines += self._one(one, one.device in devices)
            except NetworkCommandFailed as error:
                failed[one.network_id] = error.sentence
                self._end(one.network_id)
        return lines, failed

    def processes(self, network_ids: Iterable[str]) -> dict[str, int]:
        """Of those networks whose server runs: its process, in whose namespace it listens."""
        return {one: pid for one in network_ids if (pid := self._pid(one)) is not None}

    def _one(self, server: dhcp.Server, joined: bool) -> list[str]:
        folder = self.folder / server.network_id
        config, hosts = folder / "config", folder / "hosts"
        text = server.config.format(folder=folder)
        pid = self._pid(server.network_id)
        if pid is not None and joined and _text(config) == text:
            if _text(hosts) != server.hosts:
                _write(hosts, server.hosts)
                os.kill(pid, signal.SIGHUP)
            return []
        self._end(server.network_id)
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o755)  # dnsmasq gives up root before it reads
        _write(hosts, server.hosts)
        _write(config, text)
        self._start(server, config)
        return links.up(server.device, f"master {server.bridge} ")

    def _start(self, server: dhcp.Server, config: Path) -> None:
        program = find("dnsmasq") or "dnsmasq"
        with contextlib.suppress(NetworkCommandFailed):  # of a server that died half-made
            self.commands.run(["ip", "link", "del", "dev", server.device])
        told = [dhcp.INSIDE, server.mac, server.mtu, server.device, self.commands.namespace or os.getpid(),
                dhcp.ADDRESS, program, config, "" if _open_to_all(config) else "root", *server.ranges]  # fmt: skip
        self.commands.run(["unshare", "--net", "--", "/bin/sh", "-c", START, "dhcp", *map(str, told)])

    def _known(self) -> set[str]:
        return {path.name for path in self.folder.iterdir()} if self.folder.is_dir() else set()

    def _pid(self, network_id: str) -> int | None:
        """The process of that server; None when it does not run."""
        folder = self.folder / network_id
        try:
            pid = int((folder / "pid").read_text())
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError):
            return None
        return pid if f"--conf-file={folder / 'config'}".encode() in words else None

    def _end(self, network_id: str) -> None:
        pid = self._pid(network_id)
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
            deadline = time.monotonic() + STOPPING
            while self._pid(network_id) is not None:
                if time.monotonic() > deadline:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                    break
                time.sleep(0.02)
        shutil.rmtree(self.folder / network_id, ignore_errors=True)


def _text(path: Path) -> str | None:
    try:
        return path.read_text()
    except OSError:
        return None


def _write(path: Path, text: str) -> None:
    """Whole or not at all, and readable by everybody."""
    fresh = path.with_name(path.name + ".new")
    fresh.write_text(text)
    fresh.chmod(0o644)
    fresh.replace(path)


def _open_to_all(path: Path) -> bool:
    """Whether others than root can reach a file."""
    return all(parent.stat().st_mode & stat.S_IXOTH for parent in path.resolve().parents)
