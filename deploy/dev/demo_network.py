"""What `make demo NETWORK=1` adds: networks, a router and a floating address, so that one can log in to the guest.

The whole cloud then runs in a network namespace of its own. Two links lead from the machine into it: one to the API,
and one that stands for the outside world, where floating addresses are. The rest of the machine's network stays as it
is.
"""

from __future__ import annotations

import os
import subprocess
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from deploy.dev.client import Api
from deploy.dev.processes import NotInstalled, need, wait_for

WORLD, WORLD_GATEWAY, FLOATING = "172.24.4.0/24", "172.24.4.1", ("172.24.4.10", "172.24.4.250")
API_HERE, API_THERE = "172.24.5.1", "172.24.5.2"
INSIDE = "10.7.0.0/24"
NAME = "demo"
PROGRAMS = (("ip", "iproute2"), ("nft", "nftables"), ("dnsmasq", "dnsmasq-base"), ("ssh", "openssh-client"),
            ("ssh-keygen", "openssh-client"))  # fmt: skip
SETTINGS = """\
[networks]
service = embedded
flat_networks = world
[host_networks]
physical_interfaces = world:world
"""


class DemoNetwork:
    """Of the cloud in `state`."""

    def __init__(self, state: Path) -> None:
        self.state = state
        mark = f"nl{zlib.crc32(str(state).encode()) & 0xFFFFFF:06x}"
        self.namespace, self._api_link, self._world_link = f"{mark}d", f"{mark}a", f"{mark}w"

    @property
    def settings(self) -> Path:
        """Its part of the configuration; the file tells a later run that this cloud has networks."""
        return self.state / "network.conf"

    @property
    def key(self) -> Path:
        """The private key that the guest lets in."""
        return self.state / "id_ed25519"

    @property
    def within(self) -> list[str]:
        """What a command begins with that is to run inside."""
        return [need("ip", "iproute2"), "netns", "exec", self.namespace]

    def make(self) -> None:
        """Namespace, links, settings and key, where they are missing. Raises NotInstalled."""
        if os.geteuid() != 0:
            raise NotInstalled("a demo with networks needs root; without NETWORK=1 it does not")
        for program, package in PROGRAMS:
            need(program, package)
        if self.namespace not in _ip("netns", "list").split():
            _ip("netns", "add", self.namespace)
            _ip("-n", self.namespace, "link", "set", "lo", "up")
        self._link(self._api_link, "api", API_HERE, API_THERE)
        self._link(self._world_link, "world", WORLD_GATEWAY, None)
        self.settings.write_text(SETTINGS)
        if not self.key.exists():
            _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", NAME, "-f", str(self.key))

    def _link(self, name: str, inner: str, here: str, there: str | None) -> None:
        if Path(f"/sys/class/net/{name}").exists():
            return
        _ip("link", "add", name, "type", "veth", "peer", "name", inner, "netns", self.namespace)
        if there is not None:
            _ip("-n", self.namespace, "addr", "add", f"{there}/24", "dev", inner)
        _ip("-n", self.namespace, "link", "set", inner, "up")
        _ip("addr", "add", f"{here}/24", "dev", name)
        _ip("link", "set", name, "up")

    # --- in the cloud

    def furnish(self, api: Api) -> str:
        """Networks, router, rules and key pair, where they are missing; answers the network of servers."""
        world = _one(api, "network", "world", {
            "router:external": True, "provider:network_type": "flat", "provider:physical_network": "world",
        })  # fmt: skip
        first, last = FLOATING
        _one(api, "subnet", "world", {
            "network_id": world["id"], "cidr": WORLD, "ip_version": 4, "enable_dhcp": False,
            "gateway_ip": WORLD_GATEWAY, "allocation_pools": [{"start": first, "end": last}],
        })  # fmt: skip
        network = _one(api, "network", NAME, {})
        subnet = _one(api, "subnet", NAME, {"network_id": network["id"], "cidr": INSIDE, "ip_version": 4})
        router = _one(api, "router", NAME, {"external_gateway_info": {"network_id": world["id"]}})
        if not api.network("GET", f"/ports?device_id={router['id']}&network_id={network['id']}")["ports"]:
            api.network("PUT", f"/routers/{router['id']}/add_router_interface", {"subnet_id": subnet["id"]})
        self._let_in(api, network["project_id"])
        if not any(k["keypair"]["name"] == NAME for k in api.compute("GET", "/os-keypairs")["keypairs"]):
            public = self.key.with_suffix(".pub").read_text()
            api.compute("POST", "/os-keypairs", {"keypair": {"name": NAME, "public_key": public}})
        found: str = network["id"]
        return found

    def _let_in(self, api: Api, project_id: str) -> None:
        """ssh and ping, in the default security group."""
        found = api.network("GET", f"/security-groups?name=default&project_id={project_id}")
        group = found["security_groups"][0]
        for wanted in ({"protocol": "tcp", "port_range_min": 22, "port_range_max": 22}, {"protocol": "icmp"}):
            if not any(wanted.items() <= rule.items() for rule in group["security_group_rules"]):
                rule = {"security_group_id": group["id"], "direction": "ingress", **wanted}
                api.network("POST", "/security-group-rules", {"security_group_rule": rule})

    def floating(self, api: Api, server: str) -> str:
        """A floating address for the server: that of an earlier one if there is one."""
        port = api.network("GET", f"/ports?device_id={server}")["ports"][0]
        known = api.network("GET", "/floatingips")["floatingips"]
        if known:
            path, body = f"/floatingips/{known[0]['id']}", {"port_id": port["id"]}
            answer = api.network("PUT", path, {"floatingip": body})
        else:
            world = api.network("GET", "/networks?name=world")["networks"][0]
            body = {"floating_network_id": world["id"], "port_id": port["id"]}
            answer = api.network("POST", "/floatingips", {"floatingip": body})
        address: str = answer["floatingip"]["floating_ip_address"]
        return address

    # --- to the guest

    def ssh(self, address: str) -> list[str]:
        """The command that logs in. Guests come and go at one address, so their keys are not remembered."""
        options = ("StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR", "ConnectTimeout=5")
        return ["ssh", "-i", str(self.key), *(word for one in options for word in ("-o", one)), f"root@{address}"]

    def log_in(self, address: str, command: str, seconds: float = 120) -> str:
        """What a command inside the guest says, as soon as it lets us in."""
        argv = [*self.ssh(address), "-o", "BatchMode=yes", command]
        done = subprocess.CompletedProcess[str]([], 1)

        def let_in() -> bool:
            nonlocal done
            done = subprocess.run(argv, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=30)
            return done.returncode == 0

        wait_for(f"ssh to {address}", let_in, seconds, every=0.5)
        return done.stdout

    # --- the end

    def unfurnish(self, api: Api, say: Callable[[str], None], seconds: float = 15) -> None:
        """Remove what was made of networks, and wait until the host has taken down its part."""
        say("deleting floating addresses, router and networks")
        for one in api.network("GET", "/floatingips")["floatingips"]:
            api.network("DELETE", f"/floatingips/{one['id']}")
        for router in api.network("GET", "/routers")["routers"]:
            inside = f"/ports?device_id={router['id']}&device_owner=network:router_interface"
            for port in api.network("GET", inside)["ports"]:
                taken = {"port_id": port["id"]}
                api.network("PUT", f"/routers/{router['id']}/remove_router_interface", taken)
            api.network("DELETE", f"/routers/{router['id']}")
        for network in api.network("GET", "/networks")["networks"]:
            api.network("DELETE", f"/networks/{network['id']}")
        kept = [self.state / name for name in ("networks", "networks-routers", "networks-metadata")]
        wait_for("the host to take its networks down", lambda: not any(map(_filled, kept)), seconds)

    def remove(self, seconds: float = 5) -> None:
        """End what is left inside, then take links and namespace away; nothing is success."""
        if not Path("/run/netns", self.namespace).exists():
            return
        for signal in ("TERM", "KILL"):
            pids = _ip("netns", "pids", self.namespace).split()
            for pid in pids:
                subprocess.run(["kill", f"-{signal}", pid], capture_output=True)
            deadline = time.monotonic() + seconds
            while pids and time.monotonic() < deadline:
                time.sleep(0.05)
                pids = _ip("netns", "pids", self.namespace).split()
        for link in (self._api_link, self._world_link):
            subprocess.run(["ip", "link", "del", link], capture_output=True)
        _ip("netns", "del", self.namespace)


def _one(api: Api, kind: str, name: str, values: dict[str, Any]) -> Any:
    """The one of this name, made unless it is there."""
    found = api.network("GET", f"/{kind}s?name={name}")[f"{kind}s"]
    return found[0] if found else api.network("POST", f"/{kind}s", {kind: {"name": name, **values}})[kind]


def _filled(folder: Path) -> bool:
    return folder.exists() and any(folder.iterdir())


def _ip(*words: str) -> str:
    return _run(need("ip", "iproute2"), *words)


def _run(*argv: str) -> str:
    done = subprocess.run(argv, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(argv)}: {done.stderr.strip()}")
    return done.stdout
