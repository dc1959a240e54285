"""Networks as a host sees them: the network cards of one guest, and all that one host must enforce."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from novalite.objects.base import Message


class Subnet(Message):
    """A range of addresses. `dns` and `host_routes` (destination, next hop) go to guests by DHCP.

    `dhcp`: guests get their addresses by DHCP; for IPv6 `ipv6_address_mode` says how (the modes of the public
    Network API). `gateway` None: there is none.
    """

    id: str
    cidr: str
    ip_version: Literal[4, 6] = 4
    gateway: str | None = None
    dns: tuple[str, ...] = ()
    host_routes: tuple[tuple[str, str], ...] = ()
    dhcp: bool = True
    ipv6_address_mode: str | None = None
    ipv6_ra_mode: str | None = None


class FixedIp(Message):
    """An address of a guest, and the subnet that it is from."""

    address: str
    subnet: Subnet


class Vif(Message):
    """conductor -> compute: one network card of a guest. `mtu` in bytes; `tag` is the user's name for it.

    `network_type` and its companions are those of the public Network API's provider extension.
    """

    port_id: str
    mac: str
    network_id: str
    network_name: str = ""
    network_type: str = "vxlan"
    segmentation_id: int | None = None
    physical_network: str | None = None
    mtu: int = 1450
    fixed_ips: tuple[FixedIp, ...] = ()
    tag: str | None = None
    vnic_type: str = "normal"
    port_security: bool = True


class RemotePort(Message):
    """A port on another host: where frames for `mac` go."""

    mac: str
    addresses: tuple[str, ...] = ()


class Peer(Message):
    """Another host with ports on the same network. `address` is the outer address of its end of a tunnel."""

    host: str
    address: str
    ports: tuple[RemotePort, ...] = ()


class HostNetwork(Message):
    """A network that has ports on the host. `mtu` in bytes, of what guests send."""

    id: str
    name: str = ""
    type: str = "vxlan"
    segmentation_id: int | None = None
    physical_network: str | None = None
    mtu: int = 1450
    subnets: tuple[Subnet, ...] = ()
    peers: tuple[Peer, ...] = ()


class AddressPair(Message):
    """What a port may send from beside its own: an address or CIDR. `mac` None: the port's own."""

    ip: str
    mac: str | None = None


class LocalAddress(Message):
    """An address of a port here; `subnet_id` is a subnet of its network."""

    address: str
    subnet_id: str


class LocalPort(Message):
    """A port whose guest is, or will be, on the host. `port_security` False: nothing it sends or gets is filtered.

    `hostname` is what DHCP tells the guest it is called.
    """

    id: str
    network_id: str
    mac: str
    server_id: str = ""
    addresses: tuple[LocalAddress, ...] = ()
    allowed_pairs: tuple[AddressPair, ...] = ()
    port_security: bool = True
    group_ids: tuple[str, ...] = ()
    hostname: str = ""
    admin_up: bool = True


class GroupRule(Message):
    """What a security group lets through. None means any; `remote_group_id`: addresses of that group's ports.

    `protocol` is a name or a number of IANA's; for ICMP `port_min` is the type and `port_max` the code.
    """

    direction: Literal["ingress", "egress"]
    ip_version: Literal[4, 6] = 4
    protocol: str | None = None
    port_min: int | None = None
    port_max: int | None = None
    remote_cidr: str | None = None
    remote_group_id: str | None = None


class SecurityGroup(Message):
    """The rules of a group that ports here belong to."""

    id: str
    rules: tuple[GroupRule, ...] = ()


ANY = "*"
"""In place of the names of a host's physical networks: it has every one there is, because its networks are pretended,
as its guests are. What it is given to carry is carried at once."""


class RouterLeg(Message):
    """Where a router is plugged into a network: a port of its own with the addresses the router has there."""

    port_id: str
    network_id: str
    mac: str
    addresses: tuple[LocalAddress, ...] = ()
    admin_up: bool = True


class FloatingIp(Message):
    """An address outside that stands for `fixed`, an address inside."""

    id: str
    address: str
    fixed: str


class HostRouter(Message):
    """A router that the host carries. `gateway` is the leg (its port's id) that leads outside, None: there is none.

    `snat`: what is inside and has no floating address is seen outside as the router. `routes`: (destination, next
    hop). `let_go_after`: seconds without its daemon after which the host must not carry it any more, because another
    host will; 0: never, there is no other.
    """

    id: str
    legs: tuple[RouterLeg, ...] = ()
    gateway: str | None = None
    snat: bool = True
    routes: tuple[tuple[str, str], ...] = ()
    floating: tuple[FloatingIp, ...] = ()
    admin_up: bool = True
    let_go_after: float = 0


class CarriedRouter(Message):
    """compute -> conductor: a router that is carried as wanted: through these ports, with these floating addresses."""

    id: str
    whole: bool = True
    port_ids: tuple[str, ...] = ()
    floating: tuple[FloatingIp, ...] = ()


class MetadataAccess(Message):
    """conductor -> compute: how a host asks the metadata service for its guests: at `url`, signing as `host` with a key
    that is the host's alone."""

    url: str
    host: str
    key: str = Field(repr=False)


class HostNetworks(Message):
    """conductor -> compute: everything one host must enforce, and nothing that concerns others only.

    `version` is another one whenever anything in it is. `members` has the addresses (also CIDRs) of the ports,
    on any host, of every group that a rule in `groups` names as remote. `metadata` None: guests are not told of
    themselves on their networks.
    """

    host: str
    version: str = ""
    networks: tuple[HostNetwork, ...] = ()
    ports: tuple[LocalPort, ...] = ()
    groups: tuple[SecurityGroup, ...] = ()
    routers: tuple[HostRouter, ...] = ()
    members: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    metadata: MetadataAccess | None = None
