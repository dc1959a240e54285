"""What a host must have so that its guests reach their networks, decided from what the conductor wants. Pure."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, field, replace

from novalite.networks.on_host import dhcp, names, routers, switching
from novalite.networks.on_host.ruleset import Ruleset, ruleset
from novalite.objects.host_networks import CarriedRouter, HostNetwork, HostNetworks, LocalPort

MAX_ZONE = 65535
"""Numbers that the kernel has for telling connections of one network from those of another."""
FLOOD = "00:00:00:00:00:00"
"""Where frames go that are for all, or for nobody known."""


@dataclass(frozen=True)
class Host:
    """What an operator decides for a host. `address`: its end of tunnels; `interfaces`: physical network ->
    interface that belongs to it; `lease`: seconds of a DHCP lease; `namespace`: path of the network namespace that
    guests are in, "" for the daemon's own; `switch`: what carries networks to other hosts, "linuxbridge" or
    "openvswitch", of which `datapath` and `ovsdb` are its kind and how its database is reached."""

    address: str
    vxlan_port: int = 4789
    interfaces: Mapping[str, str] = field(default_factory=dict)
    lease: int = 86400
    namespace: str = ""
    switch: str = "linuxbridge"
    datapath: str = "system"
    ovsdb: str = ""


@dataclass(frozen=True)
class Bridge:
    """A network on this host. `zone` tells its connections from others'."""

    name: str
    network_id: str
    mtu: int
    zone: int


@dataclass(frozen=True)
class Tunnel:
    """A network's way to other hosts; `forward`: (MAC, address of the host) in order."""

    name: str
    bridge: str
    vni: int
    mtu: int
    local: str
    port: int
    forward: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Vlan:
    """A network's way to others: what has the tag `number` (IEEE 802.1Q) on the interface `parent`."""

    name: str
    bridge: str
    parent: str
    number: int
    mtu: int


@dataclass(frozen=True)
class Plan:
    """`uplinks`: interface -> the bridge it is a port of; `cables` and `switches` are there in place of these three
    where Open vSwitch carries networks; `ports`: port id -> its network; `refused`: network or router
    -> why it cannot be had here; `carried`: what can be said of the routers; `unfinished`: there is more to do."""

    bridges: tuple[Bridge, ...] = ()
    tunnels: tuple[Tunnel, ...] = ()
    vlans: tuple[Vlan, ...] = ()
    uplinks: Mapping[str, str] = field(default_factory=dict)
    cables: tuple[switching.Cable, ...] = ()
    switches: tuple[switching.Switch, ...] = ()
    servers: tuple[dhcp.Server, ...] = ()
    routers: tuple[routers.Router, ...] = ()
    carried: tuple[CarriedRouter, ...] = ()
    rules: Ruleset = field(default_factory=Ruleset)
    ports: Mapping[str, str] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)
    unfinished: bool = False

    def without(self, failed: Mapping[str, str]) -> Plan:
        """The same but for networks that could not be made, and why; what is there of them is left alone."""
        gone = {names.bridge(network) for network in failed}
        return replace(
            self,
            tunnels=tuple(one for one in self.tunnels if one.bridge not in gone),
            vlans=tuple(one for one in self.vlans if one.bridge not in gone),
            cables=tuple(one for one in self.cables if one.bridge not in gone),
            servers=tuple(one for one in self.servers if one.bridge not in gone),
            ports={port: network for port, network in self.ports.items() if network not in failed},
            refused={**self.refused, **failed},
        )

    def with_routers(self, wanted: HostNetworks) -> Plan:
        """The same with the routers that have networks here."""
        there = {net.id: net for net in wanted.networks if net.id not in self.refused}
        made = {one.id: routers.router(one, there) for one in wanted.routers}
        return replace(
            self,
            routers=tuple(one for one in made.values() if one is not None),
            carried=tuple(routers.carried(one, made[one.id], there) for one in wanted.routers),
        )

    def without_routers(self, failed: Mapping[str, str], absent: Container[str] = (), waiting: bool = False) -> Plan:
        """The same but for routers that could not be made, and why, and those whose turn has not come."""
        return replace(
            self,
            routers=tuple(one for one in self.routers if one.id not in failed and one.id not in absent),
            carried=tuple(one for one in self.carried if one.id not in failed and one.id not in absent),
            refused={**self.refused, **failed},
            unfinished=waiting or bool(failed),
        )


def plan(wanted: HostNetworks, host: Host, zones: Mapping[str, int]) -> Plan:
    """`zones` are the numbers that networks here have already; they keep them."""
    refused = {net.id: why for net in wanted.networks if (why := refusal(net, host))}
    networks = [net for net in wanted.networks if net.id not in refused]
    there = {net.id for net in networks}
    ports = [port for port in wanted.ports if port.network_id in there]
    zones = numbered(there, zones)
    made = _switched(networks, host) if host.switch == "openvswitch" else _bridged(networks, host)
    outside = [*made.uplinks, *(one.name for one in made.vlans), *(one.name for one in made.cables)]
    return replace(
        made,
        bridges=tuple(Bridge(names.bridge(net.id), net.id, net.mtu, zones[net.id]) for net in networks),
        servers=tuple(found for net in networks if (mine := _on(net, ports))
                      and (found := dhcp.server(net, mine, host.lease))),
        rules=ruleset(wanted.model_copy(update={"ports": tuple(ports), "networks": tuple(networks)}), zones, outside),
        ports={port.id: port.network_id for port in ports},
        refused=refused,
    ).with_routers(wanted)


def refusal(network: HostNetwork, host: Host) -> str | None:
    """Why this host cannot have a network; None when it can."""
    if network.type == "vxlan":
        return None if network.segmentation_id is not None else "it has no VXLAN number"
    if network.type == "local":
        return None
    if network.type not in ("flat", "vlan"):
        return f"this host carries no networks of type {network.type}"
    if network.type == "vlan" and network.segmentation_id is None:
        return "it has no VLAN number"
    if network.physical_network not in host.interfaces:
        return f"no interface of this host belongs to the physical network {network.physical_network}"
    return None


def numbered(networks: set[str], zones: Mapping[str, int]) -> dict[str, int]:
    """A number for every network, the one it has already where it has one."""
    kept = {net: zone for net, zone in zones.items() if net in networks}
    free = (zone for zone in range(1, MAX_ZONE + 1) if zone not in set(kept.values()))
    return kept | {net: next(free) for net in sorted(networks - kept.keys())}


def _bridged(networks: list[HostNetwork], host: Host) -> Plan:
    """Their ways to other hosts, where these are ports of their bridges."""
    return Plan(
        tunnels=tuple(_tunnel(net, host) for net in networks if net.type == "vxlan"),
        vlans=tuple(_vlan(net, host) for net in networks if net.type == "vlan"),
        uplinks={host.interfaces[net.physical_network or ""]: names.bridge(net.id)
                 for net in networks if net.type == "flat"},
    )  # fmt: skip


def _switched(networks: list[HostNetwork], host: Host) -> Plan:
    """The same where Open vSwitch has them, and bridges have a cable to it."""
    return Plan(
        cables=tuple(switching.cable(net) for net in networks if net.type != "local"),
        switches=switching.switches(networks, host.address, host.vxlan_port, host.interfaces),
    )


def _on(network: HostNetwork, ports: list[LocalPort]) -> list[LocalPort]:
    return [port for port in ports if port.network_id == network.id]


def _vlan(network: HostNetwork, host: Host) -> Vlan:
    return Vlan(
        name=names.vlan(network.id),
        bridge=names.bridge(network.id),
        parent=host.interfaces[network.physical_network or ""],
        number=network.segmentation_id or 0,
        mtu=network.mtu,
    )


def _tunnel(network: HostNetwork, host: Host) -> Tunnel:
    forward = [(FLOOD, peer.address) for peer in network.peers]
    forward += [(port.mac, peer.address) for peer in network.peers for port in peer.ports]
    return Tunnel(
        name=names.tunnel(network.id),
        bridge=names.bridge(network.id),
        vni=network.segmentation_id or 0,
        mtu=network.mtu,
        local=host.address,
        port=host.vxlan_port,
        forward=tuple(sorted(set(forward))),
    )
