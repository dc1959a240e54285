"""A private Open vSwitch in a network namespace, beside whatever the system runs.

It switches in its own process (`datapath_type=netdev`), so it needs no kernel module.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Self

from deploy.dev.processes import Daemon, need
from deploy.dev.service import Service

SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"
PHYSICAL = "br-phy"
DEVICES = {PHYSICAL, "ovs-netdev"}
"""What a namespace has more because of it."""


class OpenVswitch(Service):
    """Database and switch in the network namespace called `netns`; their files are in `state`."""

    name = "openvswitch"

    def __init__(self, netns: str, state: Path, *, keep: bool = False) -> None:
        super().__init__(state, keep=keep)
        self.netns = netns
        self.data = self.state / f"ovs-{netns}"

    @property
    def database(self) -> str:
        """How `ovs-vsctl --db` reaches it."""
        return f"unix:{self.data}/db.sock"

    def start(self) -> Self:
        """Both, where they do not run."""
        server, switch = need("ovsdb-server", "openvswitch-switch"), need("ovs-vswitchd", "openvswitch-switch")
        self.prepare()
        file, socket = self.data / "conf.db", self.data / "db.sock"
        if not file.exists():
            tool = need("ovsdb-tool", "openvswitch-common")
            subprocess.run([tool, "create", str(file), SCHEMA], check=True, timeout=30)
        options = [f"--unixctl={self.data}/{{}}.ctl", "--no-chdir"]
        first = self._daemon("db", server, str(file), f"--remote=punix:{socket}", *options)
        first.start().wait_until("ovsdb-server", socket.exists, 20)
        self.tell("--no-wait", "init")
        second = self._daemon("switch", switch, self.database, *options)
        second.start().wait_until("ovs-vswitchd", self._answers, 20)
        return self

    def end(self) -> None:
        """Both."""
        for name in ("switch", "db"):
            self._daemon(name).stop()

    def kill_switch(self) -> None:
        """The switch only, as when it crashes; `start()` is the way back."""
        self._daemon("switch").kill()

    def forget(self) -> None:
        """End both and lose what the database said."""
        self.end()
        (self.data / "conf.db").unlink()

    def tell(self, *words: str) -> str:
        """What `ovs-vsctl` answers."""
        argv = [need("ovs-vsctl", "openvswitch-switch"), f"--db={self.database}", "--timeout=20", *words]
        return subprocess.run(argv, check=True, capture_output=True, text=True, timeout=30).stdout

    def take(self, interface: str, address: str) -> None:
        """Have `interface` on a bridge of its own, which has the host's address: tunnels of a switch that is a process
        begin where the switch itself has the address."""
        self.tell("--may-exist", "add-br", PHYSICAL, "--", "set", "Bridge", PHYSICAL, "datapath_type=netdev",
                  "--", "--may-exist", "add-port", PHYSICAL, interface)  # fmt: skip
        for words in (("addr", "flush", "dev", interface), ("addr", "replace", address, "dev", PHYSICAL),
                      ("link", "set", PHYSICAL, "up")):  # fmt: skip
            subprocess.run([need("ip", "iproute2"), "-n", self.netns, *words], check=True, timeout=20)

    def _answers(self) -> bool:
        try:
            self.tell("--", "set", "Open_vSwitch", ".", "external_ids:up=yes")
        except subprocess.CalledProcessError:
            return False
        return True

    def _daemon(self, name: str, *argv: str) -> Daemon:
        words = [word.format(name) for word in argv]
        enter = [need("ip", "iproute2"), "netns", "exec", self.netns] if argv else []
        env = {f"OVS_{one}DIR": str(self.data) for one in ("RUN", "LOG", "DB", "SYSCONF")}
        return Daemon(f"{name}-{self.netns}", self.state, [*enter, *words], env=env)
