"""Names of devices on a host, which the kernel limits to 15 characters: a prefix and the start of an id.

Rules of the firewall go by the prefixes. Taps are called as everybody's tools expect.
"""

from __future__ import annotations

BRIDGE, TUNNEL, VLAN, DHCP, ROUTER, TAP = "nlb", "nlv", "nlw", "nld", "nlr", "tap"
SWITCH, CABLE, FAR = "nls", "nlo", "nlq"
ID_LENGTH = 11


def bridge(network_id: str) -> str:
    """The bridge of a network."""
    return BRIDGE + network_id[:ID_LENGTH]


def tunnel(network_id: str) -> str:
    """Its way to other hosts."""
    return TUNNEL + network_id[:ID_LENGTH]


def vlan(network_id: str) -> str:
    """Its way to others over a physical network, behind a tag."""
    return VLAN + network_id[:ID_LENGTH]


def switch(owner: str) -> str:
    """The bridge of Open vSwitch for a network, or for what many of them share."""
    return SWITCH + owner[:ID_LENGTH]


def cable(network_id: str) -> str:
    """The bridge's end of the cable to Open vSwitch."""
    return CABLE + network_id[:ID_LENGTH]


def far(network_id: str) -> str:
    """The other end of that cable."""
    return FAR + network_id[:ID_LENGTH]


def dhcp(network_id: str) -> str:
    """The bridge's end of the cable to its DHCP server."""
    return DHCP + network_id[:ID_LENGTH]


def leg(port_id: str) -> str:
    """The bridge's end of the cable to a router."""
    return ROUTER + port_id[:ID_LENGTH]


def tap(port_id: str) -> str:
    """The bridge's end of the cable to a guest."""
    return TAP + port_id[:ID_LENGTH]
