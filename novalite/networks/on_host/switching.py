"""What Open vSwitch is to do on a host that uses it, and the steps from what it does to that. Pure.

Guests stay on the Linux bridge of their network, where the firewall is; a cable leads from there into the switch, which
carries the network to other hosts. Everything is said to its database, which outlives it and the machine: a switch that
restarts needs nobody. What is ours there says so in `external_ids`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from novalite.networks.on_host import names
from novalite.objects.host_networks import HostNetwork

OURS = "novalite"
"""Key of external_ids; its value is the id of a network, or a physical interface."""
SILENT = "ovs-vswitchd did not take it; its log says why"
READ = (
    ("--columns=name,datapath_type,external_ids,ports", "list", "Bridge"),
    ("--columns=_uuid,name,tag,vlan_mode,protected,external_ids", "list", "Port"),
    ("--columns=name,type,options,error,ofport", "list", "Interface"),
)
"""What is asked, in order, of `ovs-vsctl --format=json`."""


@dataclass(frozen=True)
class Cable:
    """From a network's bridge into the switch: `name` is a port of `bridge`, `far` one of the switch."""

    name: str
    far: str
    bridge: str
    mtu: int


@dataclass(frozen=True)
class Port:
    """A port of a switch, `owner` see OURS. `tag`: the VLAN whose frames it has, without tags, 0: those that have
    none; None: all. `tunnel`: options of a VXLAN tunnel; what comes out of one never goes into another."""

    name: str
    owner: str
    tag: int | None = None
    tunnel: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Switch:
    """A bridge of Open vSwitch. `uplink`: its physical interface; when an operator's own bridge has that, or is that,
    the ports go there."""

    name: str
    owner: str
    ports: tuple[Port, ...] = ()
    uplink: str = ""


@dataclass(frozen=True)
class Found:
    """A port that is there, on `bridge`; `fault`: why it does not work, empty when it does."""

    port: Port
    bridge: str
    fault: str = ""


@dataclass(frozen=True)
class Present:
    """`bridges`: name -> (owner, "" when it is somebody else's; kind of datapath)."""

    bridges: Mapping[str, tuple[str, str]]
    ports: Mapping[str, Found]

    @property
    def ours(self) -> bool:
        """Whether anything here was made by us."""
        return any(owner for owner, _ in self.bridges.values()) or any(one.port.owner for one in self.ports.values())


# --- what is wanted ------------------------------------------------------------------------------


def cable(network: HostNetwork) -> Cable:
    """The network's way into the switch."""
    return Cable(names.cable(network.id), names.far(network.id), names.bridge(network.id), network.mtu)


def switches(
    networks: Iterable[HostNetwork], address: str, port: int, interfaces: Mapping[str, str]
) -> tuple[Switch, ...]:  # fmt: skip
    """One per VXLAN network, with a tunnel to each host that has ports of it, and one per physical interface, with all
    its flat and VLAN networks. `address` and UDP `port` are those of this host's end of tunnels."""
    found = []
    wired: dict[str, list[Port]] = {}
    for net in networks:
        if net.type == "vxlan":
            tunnels = [_tunnel(net, peer.address, address, port) for peer in net.peers]
            unique = {one.name: one for one in tunnels}
            ports = (Port(names.far(net.id), net.id), *(unique[name] for name in sorted(unique)))
            found.append(Switch(names.switch(net.id), net.id, ports))
        elif net.type in ("flat", "vlan"):
            tag = (net.segmentation_id or 0) if net.type == "vlan" else 0
            wired.setdefault(interfaces[net.physical_network or ""], []).append(Port(names.far(net.id), net.id, tag))
    for interface, mine in wired.items():
        found.append(Switch(names.switch(_short(interface)), interface, tuple(mine), interface))
    return tuple(found)


def _tunnel(net: HostNetwork, to: str, address: str, port: int) -> Port:
    options = {"remote_ip": to, "local_ip": address, "key": str(net.segmentation_id), "dst_port": str(port),
               "df_default": "false"}  # fmt: skip
    return Port(names.tunnel(_short(f"{net.id} {to}")), net.id, tunnel=tuple(sorted(options.items())))


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


# --- what is there -------------------------------------------------------------------------------


def read(said: str) -> Present:
    """From the answers to READ, one line each."""
    bridges, ports, interfaces = (_rows(line) for line in said.splitlines())
    home = {uuid: row["name"] for row in bridges for uuid in _list(row["ports"])}
    devices = {row["name"]: row for row in interfaces}
    found = {}
    for row in ports:
        device = devices.get(row["name"], {})
        found[row["name"]] = Found(_port(row, device), home.get(row["_uuid"][1], ""), _fault(device))
    return Present({row["name"]: (_map(row["external_ids"]).get(OURS, ""), row["datapath_type"])
                    for row in bridges}, found)  # fmt: skip


def _port(row: Mapping[str, Any], device: Mapping[str, Any]) -> Port:
    whole = device.get("type") == "vxlan" and row["protected"]
    tunnel = tuple(sorted(_map(device["options"]).items())) if whole else ()
    tag = row["tag"] if isinstance(row["tag"], int) and row["vlan_mode"] == "access" else None
    return Port(row["name"], _map(row["external_ids"]).get(OURS, ""), tag, tunnel)


def _fault(device: Mapping[str, Any]) -> str:
    """The switch says why, or it says nothing and has no number for the port."""
    if isinstance(error := device.get("error"), str):
        return error
    number = device.get("ofport")
    return "" if isinstance(number, int) and number > 0 else SILENT


def _rows(line: str) -> list[dict[str, Any]]:
    table = json.loads(line)
    return [dict(zip(table["headings"], row, strict=True)) for row in table["data"]]


def _list(value: Any) -> list[str]:
    """Ids of a set, of which a single one is written without the set (RFC 7047, section 5.1)."""
    return [one[1] for one in (value[1] if value[0] == "set" else [value])]


def _map(value: Any) -> dict[str, str]:
    return dict(value[1])


# --- from one to the other -----------------------------------------------------------------------


def steps(wanted: Iterable[Switch], present: Present, datapath: str) -> list[list[str]]:
    """Commands of ovs-vsctl. What is as it should be is not touched, nor what is not ours; what does not work is
    made anew."""
    add: list[list[str]] = []
    bridges: set[str] = set()
    ports: set[str] = set()
    for switch in wanted:
        home = _home(switch, present)
        mine = switch.ports
        if home == switch.name:
            bridges.add(home)
            mine += (Port(switch.uplink, switch.owner),) if switch.uplink else ()
            if present.bridges.get(home) != (switch.owner, datapath):
                add.append(["--may-exist", "add-br", home])
                add.append(["set", "Bridge", home, f"datapath_type={datapath}", f"external_ids:{OURS}={switch.owner}"])
        for port in mine:
            ports.add(port.name)
            there = present.ports.get(port.name)
            if there == Found(port, home):
                continue
            if there is not None:
                add.append(["--if-exists", "del-port", port.name])
            add += _add(home, port)
    doomed = [name for name, (owner, _) in present.bridges.items() if owner and name not in bridges]
    gone = [["--if-exists", "del-port", name] for name, one in present.ports.items()
            if one.port.owner and name not in ports and one.bridge not in doomed]  # fmt: skip
    return gone + [["--if-exists", "del-br", name] for name in doomed] + add


def faults(wanted: Iterable[Switch], present: Present) -> dict[str, str]:
    """Networks that are not carried, and why."""
    found = {}
    for switch in wanted:
        home = _home(switch, present)
        local = present.ports.get(home)
        whole = (local.fault if local else SILENT) or _broken(switch.uplink, present)
        for port in switch.ports:
            if why := whole or _broken(port.name, present):
                found[port.owner] = why
    return found


def _broken(name: str, present: Present) -> str:
    if not name or name in present.bridges:
        return ""
    return present.ports[name].fault if name in present.ports else SILENT


def _home(switch: Switch, present: Present) -> str:
    """The bridge that the ports are to be on."""
    if switch.uplink in present.bridges:
        return switch.uplink
    there = present.ports.get(switch.uplink)
    if there is not None and not there.port.owner:
        return there.bridge
    return switch.name


def _add(bridge: str, port: Port) -> list[list[str]]:
    words: Sequence[str] = [f"external_ids:{OURS}={port.owner}"]
    if port.tag is not None:
        words = [*words, "vlan_mode=access", f"tag={port.tag}"]
    if not port.tunnel:
        return [["add-port", bridge, port.name, *words]]
    options = [f"options:{key}={value}" for key, value in port.tunnel]
    return [["add-port", bridge, port.name, *words, "protected=true"],
            ["set", "Interface", port.name, "type=vxlan", *options]]  # fmt: skip
