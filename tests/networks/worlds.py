"""Machines and guests as network namespaces, joined by a bridge in a namespace of its own: nothing is changed in
the machine that runs the tests."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from deploy.dev.openvswitch import DEVICES, OpenVswitch
from deploy.dev.processes import started, wait_for
from novalite.networks.on_host import names
from novalite.networks.on_host.host import NetworkHost
from novalite.networks.on_host.plan import Host, Plan
from novalite.objects.host_networks import HostNetworks, LocalPort
from tests.networks import frames

SECONDS = 20.0
"""How long anything may take on a busy machine; what is expected not to come is waited for shorter."""
LEASE_SCRIPT = """#!/bin/sh
case $1 in
deconfig) ip addr flush dev $interface scope global;;
bound) ip addr replace $ip/$mask dev $interface
	[ -z "$mtu" ] || ip link set $interface mtu $mtu
	[ -z "$router" ] || ip route replace default via $router
	env | grep -E '^(ip|mask|router|dns|mtu|hostname|lease|staticroutes|serverid)=';;
esac
"""
_count = itertools.count()


def run(*words: str, check: bool = True, seconds: float = SECONDS) -> subprocess.CompletedProcess[str]:
    """A program of the test's own."""
    return subprocess.run(words, check=check, capture_output=True, text=True, timeout=seconds)


class Space:
    """A network namespace."""

    def __init__(self) -> None:
        self.name = f"nlt{os.getpid()}-{next(_count)}"
        run("ip", "netns", "add", self.name)
        self.run("ip", "link", "set", "lo", "up")

    def run(self, *words: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """A program in it."""
        return run("ip", "netns", "exec", self.name, *words, **options)

    def popen(self, *words: str) -> subprocess.Popen[str]:
        """The same, left running."""
        return subprocess.Popen(["ip", "netns", "exec", self.name, *words], stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)  # fmt: skip

    def hears(self, act: Callable[[], object], seconds: float = 1.0) -> list[bytes]:
        """Frames that came while something was done, and for `seconds` more."""
        listening = self.popen(sys.executable, frames.__file__, "eth0", "listen", str(seconds + 5))
        assert listening.stdout is not None
        assert listening.stdout.readline() == "ready\n"
        try:
            act()
            time.sleep(seconds)
        finally:
            listening.terminate()
            said = listening.communicate(timeout=SECONDS)[0]
        return [bytes.fromhex(line) for line in said.split()]

    def close(self) -> None:
        """It is gone once nothing runs in it."""
        run("ip", "netns", "del", self.name, check=False)


class Guest(Space):
    """A guest with one port, plugged in where it is as libvirt does it."""

    def __init__(self, machine: Machine, port: LocalPort) -> None:
        super().__init__()
        self.port, self.machine, self.tap = port, machine, names.tap(port.id)
        machine.run("ip", "link", "add", "name", self.tap, "type", "veth", "peer", "name", "eth0", "netns", self.name)
        self.run("ip", "link", "set", "eth0", "address", port.mac, "up")
        machine.run("ip", "link", "set", self.tap, "master", names.bridge(port.network_id), "up")

    @property
    def ip(self) -> str:
        """Its first IPv4 address."""
        return self.port.addresses[0].address

    def lease(self, check: bool = True) -> dict[str, str]:
        """Ask for an address by DHCP and take it; empty when nobody answers."""
        script = self.machine.folder / "lease"
        if not script.exists():
            script.write_text(LEASE_SCRIPT)
            script.chmod(0o755)
        words = ("-i", "eth0", "-n", "-q", "-f", "-t", "3", "-T", "1", "-s", str(script), "-O", "staticroutes")
        said = self.run("busybox", "udhcpc", *words, check=False)
        assert not check or said.returncode == 0, said.stderr
        return dict(line.partition("=")[::2] for line in said.stdout.splitlines() if "=" in line)

    def address(self, ip: str | None = None, length: int = 24) -> None:
        """Have an address without asking."""
        self.run("ip", "addr", "replace", f"{ip or self.ip}/{length}", "dev", "eth0")

    def pings(self, to: str, count: int = 1, wait: int = 1) -> bool:
        """Whether it has any answer."""
        return self.run("busybox", "ping", "-c", str(count), "-W", str(wait), to, check=False).returncode == 0

    def reads(self, to: str) -> str:
        """What a TCP server at port 7 of an address says: nothing when it is not reached, or frames arrive spoilt."""
        return self.run("timeout", "2", "busybox", "nc", to, "7", check=False).stdout

    def serves(self, text: str) -> subprocess.Popen[str]:
        """Such a server; it has begun."""
        process = self.popen("busybox", "nc", "-ll", "-p", "7", "-e", "echo", text)
        wait_for("it listens", lambda: ":7 " in self.run("ss", "-ltn").stdout, 10)
        return process

    def send(self, *what: bytes) -> None:
        """Frames as they are."""
        words = [frame.hex() for frame in what]
        self.run(sys.executable, frames.__file__, "eth0", "send", *words)


class Outside(Space):
    """What is beyond the external networks: a machine on the fabric's wire, 203.0.113.1, which knows no way inside."""

    def __init__(self, fabric: Space, ip: str = "203.0.113.1/24") -> None:
        super().__init__()
        fabric.run("ip", "link", "add", "beyond", "type", "veth", "peer", "name", "eth0", "netns", self.name)
        fabric.run("ip", "link", "set", "beyond", "master", "fab", "up")
        self.run("ip", "addr", "add", ip, "dev", "eth0")
        self.run("ip", "-6", "addr", "add", "2001:db8:f::1/64", "dev", "eth0", "nodad")
        self.run("ip", "link", "set", "eth0", "up")

    def pings(self, to: str, wait: int = 1) -> bool:
        """Whether it has an answer."""
        return self.run("busybox", "ping", "-c", "1", "-W", str(wait), to, check=False).returncode == 0

    def mac_of(self, ip: str) -> str:
        """Where it believes an address to be."""
        found = json.loads(self.run("ip", "-j", "neigh", "show", ip).stdout)
        return str(found[0].get("lladdr", "")) if found else ""


class Machine(Space):
    """A hypervisor host with address `10.77.0.N` on the fabric, and the part of its daemon that makes networks.
    `switch` is that of `Host`."""

    def __init__(self, fabric: Space, number: int, folder: Path, switch: str) -> None:
        super().__init__()
        self.address = f"10.77.0.{number}"
        self.folder = folder / f"machine{number}"
        self.folder.mkdir(parents=True)
        outer = f"m{number}"
        fabric.run("ip", "link", "add", outer, "type", "veth", "peer", "name", "fab0", "netns", self.name)
        fabric.run("ip", "link", "set", outer, "master", "fab", "up")
        self.run("ip", "addr", "add", f"{self.address}/24", "dev", "fab0")
        self.run("ip", "link", "set", "fab0", "up")
        for name in ("iptables", "ip6tables"):  # bridges of others are none of our business
            self.run("sysctl", "-qw", f"net.bridge.bridge-nf-call-{name}=0")
        self.settings: dict[str, Any] = {}
        self.ovs: OpenVswitch | None = None
        if switch == "openvswitch":
            self.ovs = OpenVswitch(self.name, self.folder / "ovs").start()
            self.ovs.take("fab0", f"{self.address}/24")
            self.settings |= {"switch": switch, "datapath": "netdev", "ovsdb": self.ovs.database}
        self.daemon: NetworkHost | None = None

    def apply(self, wanted: HostNetworks, thorough: bool = False) -> Plan:
        """Have the daemon make it so."""
        if self.daemon is None:
            place = {"namespace": f"/run/netns/{self.name}", "address": self.address, "lease": 3600}
            self.daemon = NetworkHost(Host(**place, **self.settings), self.folder / "dhcp")
        return self.daemon.apply(wanted, thorough)

    def wire(self, fabric: Space) -> None:
        """An interface of its own on the fabric, for the physical network `office`."""
        far = f"far{self.address.rpartition('.')[2]}"
        self.run("ip", "link", "add", "wire", "type", "veth", "peer", "name", "far")
        self.run("ip", "link", "set", "far", "netns", fabric.name, "name", far)
        fabric.run("ip", "link", "set", far, "master", "fab", "up")
        self.settings["interfaces"] = {"office": "wire"}

    def routers(self) -> list[int]:
        """Processes that hold its routers."""
        found = [int(path.read_text()) for path in self.folder.glob("dhcp-routers/*/pid")]
        return sorted(pid for pid in found if started(pid))

    def kill_daemon(self) -> None:
        """The next `apply` is of a new one, which knows nothing."""
        self.daemon = None

    def links(self) -> set[str]:
        """Names of its devices, but for those that come with Open vSwitch itself."""
        return {one["ifname"] for one in json.loads(self.run("ip", "-j", "link").stdout)} - DEVICES

    def sends_to(self, network_id: str) -> set[str]:
        """Addresses of the hosts to which it leads frames of a network."""
        if self.ovs is None:
            shown = self.run("bridge", "fdb", "show", "dev", names.tunnel(network_id)).stdout.split()
            return {address for word, address in itertools.pairwise(shown) if word == "dst"}
        ports = self.ovs.tell("list-ports", names.switch(network_id)).split()
        tunnels = [one for one in ports if one.startswith(names.TUNNEL)]
        return {self.ovs.tell("get", "Interface", one, "options:remote_ip").strip('"\n') for one in tunnels}

    def comes_down_to(self, left: set[str]) -> None:
        """Wait until these are its devices: what was in a namespace that ended is taken down by and by."""
        wait_for(f"{sorted(left)} and no other device", lambda: self.links() == left, 10)

    def dhcp_servers(self) -> list[int]:
        """Processes that serve its guests."""
        found = [int(path.read_text()) for path in self.folder.glob("dhcp/*/pid")]
        return sorted(pid for pid in found if started(pid))

    def close(self) -> None:
        """With its daemon and servers."""
        self.apply(HostNetworks(host="any"))
        if self.ovs is not None:
            self.ovs.stop()
        super().close()


class World:
    """Some machines, each with the switch that is named for it, or with Linux bridges; guests are closed with it.

        with World(tmp_path, 2, "openvswitch") as world:
            world.machines[0].apply(wanted)
            guest = world.guest(0, port)
    """

    def __init__(self, folder: Path, machines: int = 1, *switches: str) -> None:
        self.fabric = Space()
        self.fabric.run("ip", "link", "add", "fab", "type", "bridge", "stp_state", "0", "forward_delay", "0")
        self.fabric.run("ip", "link", "set", "fab", "up")
        kinds = [*switches, *["linuxbridge"] * machines]
        self.machines = [Machine(self.fabric, number, folder, kinds[number - 1]) for number in range(1, machines + 1)]
        for machine in self.machines if "openvswitch" in kinds else ():  # as a network card does: checksums are whole
            machine.run("ethtool", "-K", "fab0", "tx", "off")
        self.guests: list[Guest] = []

    def guest(self, machine: int, port: LocalPort) -> Guest:
        """One more guest."""
        self.guests.append(Guest(self.machines[machine], port))
        return self.guests[-1]

    def __enter__(self) -> World:
        return self

    def __exit__(self, *_: object) -> None:
        for one in (*self.guests, *self.machines, self.fabric):
            one.close()
