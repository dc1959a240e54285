"""Hypervisor hosts on one machine: network, mount and UTS namespaces with a libvirtd each.

The hosts are joined by a bridge in a namespace of its own, so nothing of the machine's network is
touched. Another bridge there is what is outside for guests' networks: OUTSIDE is its address, and hosts have
OUTER for it. Compute daemons may run outside and connect by `uri(i)`; hosts are counted from 1.
"""

from __future__ import annotations

import os
import subprocess
import zlib
from pathlib import Path
from typing import Self

from deploy.dev.libvirtd import Libvirtd
from deploy.dev.openvswitch import OpenVswitch
from deploy.dev.processes import NotInstalled, need
from deploy.dev.service import Service

AT_MOST = 32
OUTSIDE, OUTER = "203.0.113.1", "ext0"


class Hypervisors(Service):
    """`count` hosts named after `prefix`; `net` is the first three octets of their network. The last `switches` of them
    have Open vSwitch, on whose bridge is their address."""

    name = "hosts"

    def __init__(
        self,
        count: int,
        state: Path | None = None,
        *,
        keep: bool = False,
        net: str = "198.18.77",
        join_root: bool = False,
        switches: int = 0,
    ) -> None:
        if not 1 <= count <= AT_MOST:
            raise ValueError(f"1 to {AT_MOST} hosts, not {count}")
        super().__init__(state, keep=keep)
        self.count = count
        self.net = net
        self.join_root = join_root
        # Interface names have 15 characters at most and are shared by all users of the machine.
        self.prefix = f"nl{zlib.crc32(str(self.state).encode()) & 0xFFFFFF:06x}"
        self.hosts = [self._host(i) for i in range(1, count + 1)]
        self.switches = {i: OpenVswitch(f"{self.prefix}h{i}", self.state, keep=True)
                         for i in range(count - switches + 1, count + 1)}  # fmt: skip

    @property
    def shared(self) -> Path:
        """A folder that is the same on all hosts."""
        return self.state / "shared"

    def uri(self, i: int) -> str:
        """libvirt URI of host `i`, from the root namespaces."""
        return self.host(i).uri

    def inner_uri(self, i: int) -> str:
        """libvirt URI of host `i`, from the other hosts."""
        return f"qemu+tcp://{self.net}.{i}/system"

    def namespace(self, i: int) -> str:
        """Path of the network namespace of host `i`."""
        return f"/run/netns/{self.prefix}h{i}"

    @property
    def outside(self) -> str:
        """Name of the network namespace that is outside for guests."""
        return f"{self.prefix}f"

    def address(self, i: int) -> str:
        """Address of host `i` on the fabric."""
        return f"{self.net}.{i}"

    def host(self, i: int) -> Libvirtd:
        """Host `i`, counted from 1."""
        return self.hosts[i - 1]

    def exec(self, i: int, *argv: str, seconds: float = 30) -> subprocess.CompletedProcess[str]:
        """Run a command inside host `i`."""
        return self.host(i).exec(*argv, seconds=seconds)

    def restart(self, i: int) -> None:
        """Restart libvirtd of host `i`; its guests go on."""
        self.host(i).restart()

    def kill(self, i: int) -> None:
        """A power failure of host `i`."""
        self.host(i).kill()

    def power_on(self, i: int) -> None:
        """Bring host `i` back after `kill`; its guests stay off."""
        self.host(i).start()

    @property
    def pids(self) -> list[int]:
        """Every process of every host."""
        return [pid for host in self.hosts for pid in host.pids]

    def start(self) -> Self:
        """Make the fabric and the hosts, where they are missing."""
        if os.geteuid() != 0:
            raise NotInstalled("hypervisor hosts in namespaces need root")
        for program, package in (("ip", "iproute2"), ("unshare", "util-linux")):
            need(program, package)
        self.prepare()
        self.shared.mkdir(exist_ok=True)
        names = [f"{self.net}.{i} {self.prefix}h{i}" for i in range(1, AT_MOST + 1)]
        (self.state / "etc-hosts").write_text("\n".join(["127.0.0.1 localhost", *names, ""]))
        self._fabric()
        for i, host in enumerate(self.hosts, start=1):
            self._wire(i)
            if i in self.switches:
                self.switches[i].start().take("fab0", f"{self.address(i)}/24")
            host.start()
        return self

    def end(self) -> None:
        """End guests, daemons, namespaces and the fabric."""
        for host in self.hosts:
            host.end()
        for switch in self.switches.values():
            switch.end()
        for command in self.cleanup():
            subprocess.run(command, capture_output=True)

    def _host(self, i: int) -> Libvirtd:
        return Libvirtd(
            self.state,
            name=f"h{i}",
            keep=True,  # we watch over all of them ourselves
            netns=f"{self.prefix}h{i}",
            address=f"{self.net}.{i}",
            hosts_file=self.state / "etc-hosts",
        )

    def _fabric(self) -> None:
        fabric = f"{self.prefix}f"
        if fabric not in _namespaces():
            _ip("netns", "add", fabric)
            _ip("-n", fabric, "link", "set", "lo", "up")
            _ip("-n", fabric, "link", "add", "fab", "type", "bridge", "forward_delay", "0")
            _ip("-n", fabric, "link", "set", "fab", "up")
            _ip("-n", fabric, "link", "add", "out", "type", "bridge", "forward_delay", "0")
            _ip("-n", fabric, "addr", "add", f"{OUTSIDE}/24", "dev", "out")
            _ip("-n", fabric, "link", "set", "out", "up")
        outside = f"{self.prefix}r"
        if self.join_root and not Path(f"/sys/class/net/{outside}").exists():
            _ip("link", "add", outside, "type", "veth", "peer", "name", "root0", "netns", fabric)
            _ip("-n", fabric, "link", "set", "root0", "master", "fab", "up")
            _ip("addr", "add", f"{self.net}.254/24", "dev", outside)
            _ip("link", "set", outside, "up")

    def _wire(self, i: int) -> None:
        """A network namespace with an interface on the fabric and one to the outside."""
        host, fabric = f"{self.prefix}h{i}", f"{self.prefix}f"
        if host in _namespaces():
            return
        _ip("netns", "add", host)
        _ip("-n", host, "link", "set", "lo", "up")
        _ip("link", "add", f"v{i}", "netns", fabric, "type", "veth", "peer", "name", "fab0", "netns", host)
        _ip("-n", fabric, "link", "set", f"v{i}", "master", "fab", "up")
        _ip("link", "add", f"x{i}", "netns", fabric, "type", "veth", "peer", "name", OUTER, "netns", host)
        _ip("-n", fabric, "link", "set", f"x{i}", "master", "out", "up")
        _ip("-n", host, "addr", "add", f"{self.net}.{i}/24", "dev", "fab0")
        _ip("-n", host, "link", "set", "fab0", "up")
        for space, name in ((host, "fab0"), (host, OUTER), (fabric, f"x{i}")) if self.switches else ():
            # as network cards do: such a switch takes checksums as they are
            words = ["netns", "exec", space, need("ethtool", "ethtool"), "-K", name, "tx", "off"]
            _ip(*words)

    def cleanup(self) -> list[list[str]]:
        """Commands that remove the interfaces and network namespaces."""
        names = [f"{self.prefix}h{i}" for i in range(1, self.count + 1)] + [f"{self.prefix}f"]
        return [["ip", "link", "del", f"{self.prefix}r"], *(["ip", "netns", "del", name] for name in names)]


def _namespaces() -> set[str]:
    return {line.split()[0] for line in _ip("netns", "list").splitlines() if line}


def _ip(*words: str) -> str:
    done = subprocess.run([need("ip", "iproute2"), *words], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"ip {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout
