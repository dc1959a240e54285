"""Networks as messages: what may be listed, and the words that clients and hosts share."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from novalite.objects.base import Message

Kind = Literal[
    "network", "subnet", "port", "router", "floatingip", "security_group", "security_group_rule", "subnetpool"
]
KINDS: tuple[Kind, ...] = (
    "network", "subnet", "port", "router", "floatingip", "security_group", "security_group_rule", "subnetpool",
)  # fmt: skip
"""Everything the network service keeps; also the names of quotas."""

ROUTER_INTERFACE, ROUTER_GATEWAY, FLOATING_IP = (
    "network:router_interface",
    "network:router_gateway",
    "network:floatingip",
)
"""Owners of ports that the service makes for itself."""
ROUTER_OWNERS = (ROUTER_INTERFACE, ROUTER_GATEWAY, FLOATING_IP)


class NetworkQuery(Message):
    """Which things of a kind to list.

    `equals`: any of the values, by column. `addresses` and `subnets` are for ports, as `groups` is. `tags_all` must
    all be there, one of `tags_any`, not all of `not_all`, none of `not_any`. `reverse` is the page before the marker.
    """

    equals: dict[str, list[str | int | bool | None]] = Field(default_factory=dict)
    addresses: tuple[str, ...] = ()
    address_parts: tuple[str, ...] = ()
    subnets: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    tags_all: tuple[str, ...] = ()
    tags_any: tuple[str, ...] = ()
    not_all: tuple[str, ...] = ()
    not_any: tuple[str, ...] = ()
    sort: tuple[tuple[str, Literal["asc", "desc"]], ...] = ()
    limit: int | None = None
    marker: str | None = None
    reverse: bool = False


class NetworkLimit(Message):
    """One limit of a project and how much of it is used."""

    limit: int
    used: int = 0
    reserved: int = 0
