"""Two real guests on two hypervisor hosts and one VXLAN network: addresses by DHCP, packets from one to the other,
and a rule that is taken away."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from deploy.dev.client import Api
from deploy.dev.cloud import Cloud
from deploy.dev.guest import UP, guest_image
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
    """Names of the devices of a host."""
    shown = cloud.hypervisors.exec(host, "ip", "-j", "link").stdout  # type: ignore[union-attr]
    return {one["ifname"] for one in json.loads(shown)}


def leftovers(cloud: Cloud) -> list[str]:
    """Devices and files of networks on both hosts."""
    devices = [name for host in (1, 2) for name in links(cloud, host) if name not in ("lo", "fab0")]
    files = [str(path) for host in (1, 2) for path in Path(cloud.state, f"compute-{host}", "networks").glob("*")]
    return devices + files


def test_guests_on_two_hosts_have_addresses_reach_each_other_and_obey_their_groups(split: Cloud) -> None:
    cloud, api = split, split.api
    network = a_network(api)
    flavor = api.flavor("networked")
    image = api.upload("small guest", guest_image(), hw_qemu_guest_agent="yes")
    rule = {"security_group_rule": {
        "security_group_id": (group := _group(api)), "direction": "ingress", "protocol": "icmp",
        "remote_ip_prefix": "10.20.30.0/24",
    }}  # fmt: skip
    rule_id = api.network("POST", "/security-group-rules", rule)["security_group_rule"]["id"]
    guests = [_boot(cloud, host, image, flavor, network, group) for host in (1, 2)]
    for guest in guests:
        wait_for(f"guest on host {guest.host}", guest.up, BOOT_SECONDS)
    here, there = guests
    addresses = [_address(api, guest) for guest in guests]
    assert [guest.card() for guest in guests] == [(mac, f"{ip}/24") for mac, ip in addresses]
    assert here.pings(addresses[1][1])
    assert there.pings(addresses[0][1])
    assert here.run("ip route")[1].count("169.254.169.254") == 1
    # a rule taken away is felt by both, one that is added as well
    api.network("DELETE", f"/security-group-rules/{rule_id}")
    taken = within(SOON, lambda: not here.pings(addresses[1][1]) and not there.pings(addresses[0][1]))
    api.network("POST", "/security-group-rules", rule)
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
    made = api.compute("POST", f"/servers/{here.id}/os-interface", {"interfaceAttachment": {"net_id": network}})
    address = made["interfaceAttachment"]["fixed_ips"][0]["ip_address"]
    wait_for("the other card's address", lambda: f" {address}/24" in here.console(), 60)
    assert here.pings(addresses[1][1])
    for guest in guests:
        api.compute("DELETE", f"/servers/{guest.id}")
    wait_for("nothing is left", lambda: not leftovers(cloud), 60)


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
