"""Two real guests on two hypervisor hosts, one with Linux bridges and one with Open vSwitch, and one VXLAN network:
addresses by DHCP, packets from one to the other, a rule that is taken away, and a router with floating addresses
through which one logs in from outside."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from deploy.dev.client import Api
from deploy.dev.cloud import Cloud
from deploy.dev.guest import UP, guest_image
from deploy.dev.hosts import OUTER, OUTSIDE, Hypervisors
from deploy.dev.openvswitch import DEVICES
from deploy.dev.processes import wait_for
from novalite.networks.on_host import names
from novalite.networks.on_host.host import obstacle

pytestmark = [
    pytest.mark.real,
    pytest.mark.services,
    pytest.mark.skipif(obstacle() is not None, reason=f"no networks can be made here: {obstacle()}"),
]
BOOT_SECONDS = 150
SOON = 5.0
"""Seconds in which a change of rules must be felt on every host."""


@dataclass(frozen=True)
class Guest:
    """A server, through the API, its console, and the agent inside."""

    cloud: Cloud
    id: str
    host: int

    def console(self) -> str:
        return self.cloud.api.console(self.id)

    def up(self) -> bool:
        shown = self.cloud.api.server(self.id)
        assert shown["status"] != "ERROR", shown["fault"]
        return shown["status"] == "ACTIVE" and UP in self.console()

    def card(self) -> tuple[str, str]:
        """(MAC, address with length) of its network card, as its console told."""
        found = re.search(r"novalite-guest: net eth0 (\S+) (\S+)", self.console())
        assert found, self.console()[-600:]
        return found[1], found[2]

    def run(self, script: str, seconds: float = 60) -> tuple[int, str]:
        """A shell script inside: (exit code, what it printed)."""
        begin = {"path": "/bin/sh", "arg": ["-c", script], "capture-output": True}
        pid = self._agent("guest-exec", begin)["pid"]
        done: dict[str, Any] = {}

        def exited() -> bool:
            done.update(self._agent("guest-exec-status", {"pid": pid}))
            return bool(done["exited"])

        wait_for(script, exited, seconds)
        assert "exitcode" in done, (script, done)
        return done["exitcode"], base64.b64decode(done.get("out-data", "")).decode()

    def _agent(self, command: str, arguments: dict[str, Any]) -> Any:
        text = json.dumps({"execute": command, "arguments": arguments})
        words = ["virsh", "-c", self.cloud.uri(self.host), "qemu-agent-command", "--timeout", "20", self.id, text]
        done = subprocess.run(words, capture_output=True, text=True, timeout=30)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)["return"]

    def pings(self, address: str) -> bool:
        return self.run(f"ping -c 1 -W 1 {address}")[0] == 0


def a_network(api: Api) -> str:
    """One network with one subnet; answers its id."""
    network: str = api.network("POST", "/networks", {"network": {"name": "private"}})["network"]["id"]
    subnet = {"network_id": network, "ip_version": 4, "cidr": "10.20.30.0/24"}
    api.network("POST", "/subnets", {"subnet": subnet})
    return network


def within(seconds: float, check: Callable[[], bool]) -> float:
    """How long it took to come true."""
    begun = time.monotonic()
    while not check():
        assert time.monotonic() - begun < seconds, f"not within {seconds} s"
    return time.monotonic() - begun


def links(cloud: Cloud, host: int) -> set[str]:
    """Names of the devices of a host, but for those that come with Open vSwitch itself."""
    shown = cloud.hypervisors.exec(host, "ip", "-j", "link").stdout  # type: ignore[union-attr]
    return {one["ifname"] for one in json.loads(shown)} - DEVICES


def leftovers(cloud: Cloud) -> list[str]:
    """Devices and files of networks on both hosts."""
    devices = [name for host in (1, 2) for name in links(cloud, host) if name not in ("lo", "fab0", OUTER)]
    files = [path for host in (1, 2) for path in Path(cloud.state, f"compute-{host}").glob("networks*/*")]
    return devices + [str(path) for path in files]


@dataclass(frozen=True)
class Pair:
    """Two guests on two hosts, their network, and their group, which lets in pings and ssh by `rules`."""

    cloud: Cloud
    here: Guest
    there: Guest
    network: str
    group: str
    rules: dict[str, str]

    @property
    def addresses(self) -> list[str]:
        """Of both."""
        return [_address(self.cloud.api, guest)[1] for guest in (self.here, self.there)]

    def allow(self, protocol: str) -> None:
        """Let in, again."""
        rule: dict[str, Any] = {"security_group_id": self.group, "direction": "ingress", "protocol": protocol}
        if protocol == "tcp":
            rule |= {"port_range_min": 22, "port_range_max": 22}
        made = self.cloud.api.network("POST", "/security-group-rules", {"security_group_rule": rule})
        self.rules[protocol] = made["security_group_rule"]["id"]

    def forbid(self, protocol: str) -> None:
        """No more."""
        self.cloud.api.network("DELETE", f"/security-group-rules/{self.rules.pop(protocol)}")


@pytest.fixture(scope="module")
def pair(split: Cloud) -> Iterator[Pair]:
    """Up, and in the end nothing is left of them anywhere."""
    api = split.api
    network, group = a_network(api), _group(api)
    flavor = api.flavor("networked")
    image = api.upload("small guest", guest_image(), hw_qemu_guest_agent="yes")
    here, there = (_boot(split, host, image, flavor, network, group) for host in (1, 2))
    made = Pair(split, here, there, network, group, {})
    for protocol in ("icmp", "tcp"):
        made.allow(protocol)
    for guest in (here, there):
        wait_for(f"guest on host {guest.host}", guest.up, BOOT_SECONDS)
    yield made
    for guest in (here, there):
        api.compute("DELETE", f"/servers/{guest.id}")
    wait_for("nothing is left", lambda: not leftovers(split), 60)


def test_a_guest_is_reached_by_its_floating_address_whatever_happens_to_the_daemons(pair: Pair) -> None:
    cloud, api = pair.cloud, pair.cloud.api
    outside = Outside(cloud)
    router, floating = _joined(api, pair)
    asked = [f"/floatingips/{one['id']}" for one in floating]
    wait_for("the router is up", lambda: _status(api, f"/routers/{router}") == "ACTIVE", 20)
    wait_for("so are the addresses", lambda: {_status(api, one) for one in asked} == {"ACTIVE"}, 20)
    first, second = (one["floating_ip_address"] for one in floating)
    addresses, own = pair.addresses, "ip -4 addr show dev eth0"
    for guest, address, inside in ((pair.here, first, addresses[0]), (pair.there, second, addresses[1])):
        guest.run(f"mkdir -p /root/.ssh; echo '{outside.key}' >> /root/.ssh/authorized_keys")
        assert f" {inside}/24 " in outside.ssh(address, own)
        assert guest.pings(OUTSIDE)
    # from one guest to the other
    pair.here.run("dropbearkey -t ed25519 -f /root/.ssh/id_dropbear")
    shown = pair.here.run("dropbearkey -y -f /root/.ssh/id_dropbear")[1]
    (key,) = [line for line in shown.splitlines() if line.startswith("ssh-")]
    pair.there.run(f"echo '{key}' >> /root/.ssh/authorized_keys")
    command = f"HOME=/root dbclient -i /root/.ssh/id_dropbear -y -y -T root@{addresses[1]} {own} < /dev/null 2>&1"
    assert f" {addresses[1]}/24 " in pair.here.run(command)[1]
    # what is no longer allowed does not begin any more, on both hosts
    pair.forbid("tcp")
    taken = within(SOON, lambda: not outside.connects(first) and not outside.connects(second))
    pair.allow("tcp")
    given = within(SOON, lambda: outside.connects(first) and outside.connects(second))
    print(f"ssh taken away in {taken:.1f} s, given again in {given:.1f} s")
    # a session lives on while both daemons die, and no packet of it is sent twice
    with outside.session(first) as session:
        for host in (1, 2):
            cloud.kill(f"compute-{host}")
            cloud.start_member(f"compute-{host}")
        cloud.wait()
        assert session.numbers(60) == list(range(60))
        sockets = outside.run("ss", "-tin", "state", "established", "dport", "=", ":22").stdout
        assert "cwnd:" in sockets
        assert "retrans:" not in sockets
    # and nothing of the router is left
    for one in asked:
        api.network("DELETE", one)
    within(SOON, lambda: not outside.pings(first))
    api.network("PUT", f"/routers/{router}/remove_router_interface", {"subnet_id": _subnet(api, pair.network)})
    api.network("DELETE", f"/routers/{router}")
    folders = [Path(cloud.state, f"compute-{host}", "networks-routers") for host in (1, 2)]
    wait_for("no router is left", lambda: not [one for path in folders for one in path.glob("*")], 20)


def _joined(api: Api, pair: Pair) -> tuple[str, list[dict[str, Any]]]:
    """A router between the guests' network and the outside, and an address there for each."""
    flat = {"name": "outside", "router:external": True, "provider:network_type": "flat",
            "provider:physical_network": "outside"}  # fmt: skip
    external = api.network("POST", "/networks", {"network": flat})["network"]["id"]
    subnet = {"network_id": external, "ip_version": 4, "cidr": "203.0.113.0/24", "enable_dhcp": False}
    api.network("POST", "/subnets", {"subnet": subnet})
    router: str = api.network("POST", "/routers", {"router": {
        "name": "way out", "external_gateway_info": {"network_id": external}}})["router"]["id"]  # fmt: skip
    api.network("PUT", f"/routers/{router}/add_router_interface", {"subnet_id": _subnet(api, pair.network)})
    made = []
    for guest in (pair.here, pair.there):
        (port,) = api.network("GET", f"/ports?device_id={guest.id}")["ports"]
        body = {"floating_network_id": external, "port_id": port["id"]}
        made.append(api.network("POST", "/floatingips", {"floatingip": body})["floatingip"])
    return router, made


def _subnet(api: Api, network: str) -> str:
    found: str = api.network("GET", f"/networks/{network}")["network"]["subnets"][0]
    return found


def _status(api: Api, path: str) -> str:
    (found,) = api.network("GET", path).values()
    return str(found["status"])


class Outside:
    """A machine beyond the router: the namespace that joins the hosts, with a key of its own."""

    def __init__(self, cloud: Cloud) -> None:
        assert isinstance(cloud.hypervisors, Hypervisors)
        self.space, self.folder = cloud.hypervisors.outside, cloud.state / "ssh"
        self.folder.mkdir(exist_ok=True)
        self.private = self.folder / "key"
        if not self.private.exists():
            make = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.private)]
            subprocess.run(make, check=True, timeout=20)

    @property
    def key(self) -> str:
        """The public one."""
        return self.private.with_suffix(".pub").read_text().strip()

    def argv(self, *words: str) -> list[str]:
        """A command in the namespace."""
        return ["ip", "netns", "exec", self.space, *words]

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """The same, done."""
        return subprocess.run(self.argv(*words), capture_output=True, text=True, errors="replace", timeout=60)

    def pings(self, address: str) -> bool:
        return self.run("busybox", "ping", "-c", "1", "-W", "1", address).returncode == 0

    def connects(self, address: str) -> bool:
        """Whether an ssh server answers within a second."""
        return "SSH" in self.run("timeout", "1", "busybox", "nc", address, "22").stdout

    def _ssh(self, address: str, command: str) -> list[str]:
        options = ("BatchMode=yes", "StrictHostKeyChecking=no", f"UserKnownHostsFile={self.folder}/hosts",
                   "ConnectTimeout=20")  # fmt: skip
        named = [word for option in options for word in ("-o", option)]
        return self.argv("ssh", "-i", str(self.private), *named, f"root@{address}", command)

    def ssh(self, address: str, command: str) -> str:
        """What a command prints there."""
        done = subprocess.run(self._ssh(address, command), capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    @contextmanager
    def session(self, address: str) -> Iterator[Session]:
        """A session that says a number each quarter of a second; it has said the first one."""
        script = "i=0; while [ $i -lt 400 ]; do echo $i; i=$((i + 1)); usleep 250000; done"
        process = subprocess.Popen(self._ssh(address, script), stdout=subprocess.PIPE, text=True)
        session = Session(process)
        try:
            session.numbers(1)
            yield session
        finally:
            process.terminate()
            process.wait(10)


@dataclass
class Session:
    """An open ssh session that counts."""

    process: subprocess.Popen[str]
    said: list[int] = field(default_factory=list)

    def numbers(self, count: int) -> list[int]:
        """The first so many."""
        assert self.process.stdout is not None
        while len(self.said) < count:
            self.said.append(int(self.process.stdout.readline()))
        return self.said


def test_guests_on_two_hosts_have_addresses_reach_each_other_and_obey_their_groups(pair: Pair) -> None:
    cloud, api, here, there = pair.cloud, pair.cloud.api, pair.here, pair.there
    addresses = [_address(api, guest) for guest in (here, there)]
    assert [guest.card() for guest in (here, there)] == [(mac, f"{ip}/24") for mac, ip in addresses]
    assert here.pings(addresses[1][1])
    assert there.pings(addresses[0][1])
    ways = [{name[:3] for name in links(cloud, host)} & {names.TUNNEL, names.CABLE} for host in (1, 2)]
    assert ways == [{names.TUNNEL}, {names.CABLE if cloud.plan.switches else names.TUNNEL}]
    assert here.run("ip route")[1].count("169.254.169.254") == 1
    # a rule taken away is felt by both, one that is added as well
    pair.forbid("icmp")
    taken = within(SOON, lambda: not here.pings(addresses[1][1]) and not there.pings(addresses[0][1]))
    pair.allow("icmp")
    given = within(SOON, lambda: here.pings(addresses[1][1]) and there.pings(addresses[0][1]))
    print(f"taken away in {taken:.1f} s, given again in {given:.1f} s")
    # a daemon that dies takes nothing with it
    here.run(f"ping -i 0.2 -c 50 {addresses[1][1]} > /tmp/pings &")
    cloud.kill("compute-1")
    cloud.start_member("compute-1")
    cloud.restart_member("compute-2")
    wait_for("50 pings", lambda: "transmitted" in here.run("cat /tmp/pings")[1], 60)
    assert " 50 packets received" in here.run("cat /tmp/pings")[1]
    # and a card that is pulled is gone from guest and host
    port = api.compute("GET", f"/servers/{here.id}/os-interface")["interfaceAttachments"][0]["port_id"]
    assert names.tap(port) in links(cloud, 1)
    api.compute("DELETE", f"/servers/{here.id}/os-interface/{port}")
    wait_for("the card is gone", lambda: api.server(here.id)["OS-EXT-STS:task_state"] is None, 60)
    assert here.run("ls /sys/class/net")[1].split() == ["lo"]
    assert names.tap(port) not in links(cloud, 1)
    made = api.compute("POST", f"/servers/{here.id}/os-interface", {"interfaceAttachment": {"net_id": pair.network}})
    address = made["interfaceAttachment"]["fixed_ips"][0]["ip_address"]
    wait_for("the other card's address", lambda: f" {address}/24" in here.console(), 60)
    assert here.pings(addresses[1][1])


def _group(api: Api) -> str:
    """A security group that lets everything out."""
    made: str = api.network("POST", "/security-groups", {"security_group": {"name": "pinging"}})["security_group"]["id"]
    return made


def _boot(cloud: Cloud, host: int, image: str, flavor: str, network: str, group: str) -> Guest:
    body = {
        "networks": [{"uuid": network}],
        "availability_zone": f"nova:compute-{host}",
        "security_groups": [{"name": group}],
    }
    return Guest(cloud, cloud.api.boot(f"guest-{host}", image, flavor, **body), host)


def _address(api: Api, guest: Guest) -> tuple[str, str]:
    """(MAC, address) as the network service says."""
    (port,) = api.network("GET", f"/ports?device_id={guest.id}")["ports"]
    return port["mac_address"], port["fixed_ips"][0]["ip_address"]
