"""What the rest of novalite may ask the network service, and what it may be told."""

from __future__ import annotations

from typing import Any, Protocol

from novalite.context import Context
from novalite.errors import NotFound, NotImplementedHere
from novalite.objects.base import Record
from novalite.objects.network_errors import (
    FloatingIpNotFound,
    NetworkNotFound,
    PortNotFound,
    SecurityGroupNotFound,
    SecurityGroupRuleNotFound,
)

__all__ = [
    "FloatingIpNotFound",
    "FloatingIpPoolNotFound",
    "NetworkNotFound",
    "NetworkPort",
    "NoNetworkService",
    "PortNotFound",
    "SecurityGroupNotFound",
    "SecurityGroupRuleNotFound",
]


class NoNetworkService(NotImplementedHere):
    message = "This cloud has no network service."


class FloatingIpPoolNotFound(NotFound):
    message = "Floating IP pool not found."


class NetworkPort(Protocol):
    """Whoever knows networks. Thread-safe; sees to it that callers stay within their project.

    Networks are records with id, label; floating addresses with id, ip, pool, fixed_ip, instance_id; groups with
    id, name, description, project_id and rules (id, ip_protocol, from_port, to_port, ip_range, and group: the
    name and project_id of the other group, or None); interfaces with port_id, net_id, mac_addr, port_state,
    fixed_ips (subnet_id, ip_address) and tag. An id that is not there, or not the caller's, is one of the errors above.
    """

    def networks(self, ctx: Context) -> list[Record]:
        """Every network the caller may use."""

    def network(self, ctx: Context, network_id: str) -> Record:
        """One of them."""

    def pools(self, ctx: Context) -> list[str]:
        """Names of the networks that floating addresses come from."""

    def floating_ips(self, ctx: Context) -> list[Record]:
        """Floating addresses of the project."""

    def floating_ip(self, ctx: Context, floating_ip_id: str) -> Record:
        """One of them."""

    def allocate_floating_ip(self, ctx: Context, pool: str | None) -> Record:
        """A new one; FloatingIpPoolNotFound when there is no such pool (None: any)."""

    def release_floating_ip(self, ctx: Context, floating_ip_id: str) -> None:
        """Give it back."""

    def security_groups(self, ctx: Context, all_projects: bool = False) -> list[Record]:
        """Groups of the project, or of all."""

    def security_group(self, ctx: Context, group_id: str) -> Record:
        """One of them."""

    def create_security_group(self, ctx: Context, name: str, description: str) -> Record:
        """A new group."""

    def update_security_group(self, ctx: Context, group_id: str, name: str, description: str) -> Record:
        """Rename or describe a group."""

    def delete_security_group(self, ctx: Context, group_id: str) -> None:
        """Conflict while a port uses it."""

    def add_rule(self, ctx: Context, group_id: str, rule: Record) -> Record:
        """A new rule of a group."""

    def delete_rule(self, ctx: Context, rule_id: str) -> None:
        """Remove a rule."""

    # --- of a server, whose record has been checked

    def interfaces(self, ctx: Context, server: Record) -> list[Record]:
        """What the server is connected to."""

    def interface(self, ctx: Context, server: Record, port_id: str) -> Record:
        """One of these."""

    def attach(self, ctx: Context, server: Record, wanted: Record) -> Record:
        """Connect it: `wanted` has port_id, net_id, fixed_ips, tag, and whether an `external` network will do.
        BadRequest when that cannot be done."""

    def detach(self, ctx: Context, server: Record, port_id: str) -> None:
        """Disconnect it."""

    def groups_of(self, ctx: Context, server: Record) -> list[Record]:
        """Security groups of its ports."""

    def change_groups(self, ctx: Context, server: Record, verb: str, name: str) -> None:
        """`add` or `remove` a group, by name or id, on all its ports."""

    def change_fixed_ip(self, ctx: Context, server: Record, verb: str, wanted: str) -> None:
        """`add` an address of the network `wanted`, or `remove` the address `wanted`."""

    def change_floating_ip(self, ctx: Context, server: Record, verb: str, wanted: dict[str, Any]) -> None:
        """`add` or `remove` the floating address `address`; `fixed_address` says which of the server's."""
