"""The answers of a cloud without a network service: those of one that has no networks.

What is listed is empty and what is named is not found, as clients expect of an API; only what would make
something there is told that there is no such service.
"""

from __future__ import annotations

from typing import Any

from novalite.context import Context
from novalite.errors import BadRequest
from novalite.networks.port import (
    FloatingIpNotFound,
    FloatingIpPoolNotFound,
    NetworkNotFound,
    NoNetworkService,
    PortNotFound,
    SecurityGroupNotFound,
    SecurityGroupRuleNotFound,
)
from novalite.objects.base import Record
from novalite.rpc.client import Client
from novalite.rpc.contracts.servers import Servers

DEFAULT_GROUP = "default"
"""The one security group that every project has."""


class NoNetworks:
    """A NetworkPort; see there for the methods.

    The names of security groups that a server is to have are kept with it all the same.
    """

    def __init__(self, client: Client) -> None:
        self.servers = client.of(Servers)

    def networks(self, ctx: Context) -> list[Record]:
        """None."""
        return []

    def network(self, ctx: Context, network_id: str) -> Record:
        """Never found."""
        raise NetworkNotFound(network_id=network_id)

    def pools(self, ctx: Context) -> list[str]:
        """None."""
        return []

    def floating_ips(self, ctx: Context) -> list[Record]:
        """None."""
        return []

    def floating_ip(self, ctx: Context, floating_ip_id: str) -> Record:
        """Never found."""
        raise FloatingIpNotFound(floating_ip_id=floating_ip_id)

    def allocate_floating_ip(self, ctx: Context, pool: str | None) -> Record:
        """There is no pool."""
        raise FloatingIpPoolNotFound

    def release_floating_ip(self, ctx: Context, floating_ip_id: str) -> None:
        """Never found."""
        raise FloatingIpNotFound(floating_ip_id=floating_ip_id)

    def security_groups(self, ctx: Context, all_projects: bool = False) -> list[Record]:
        """None."""
        return []

    def security_group(self, ctx: Context, group_id: str) -> Record:
        """Never found."""
        raise SecurityGroupNotFound(group_id=group_id)

    def create_security_group(self, ctx: Context, name: str, description: str) -> Record:
        """Refused."""
        raise NoNetworkService

    def update_security_group(self, ctx: Context, group_id: str, name: str, description: str) -> Record:
        """Never found."""
        raise SecurityGroupNotFound(group_id=group_id)

    def delete_security_group(self, ctx: Context, group_id: str) -> None:
        """Never found."""
        raise SecurityGroupNotFound(group_id=group_id)

    def add_rule(self, ctx: Context, group_id: str, rule: Record) -> Record:
        """The group is never found."""
        raise SecurityGroupNotFound(group_id=group_id)

    def delete_rule(self, ctx: Context, rule_id: str) -> None:
        """Never found."""
        raise SecurityGroupRuleNotFound(rule_id=rule_id)

    def interfaces(self, ctx: Context, server: Record) -> list[Record]:
        """None."""
        return []

    def interface(self, ctx: Context, server: Record, port_id: str) -> Record:
        """Never found."""
        raise PortNotFound(port_id=port_id)

    def attach(self, ctx: Context, server: Record, wanted: Record) -> Record:
        """Neither the port nor the network is there, nor any that could be taken unasked."""
        if wanted["port_id"]:
            raise PortNotFound(port_id=wanted["port_id"])
        if wanted["net_id"]:
            raise NetworkNotFound(network_id=wanted["net_id"])
        raise BadRequest(
            "No specific network was requested and none are available for project "
            f"'{server['project_id']}'."
        )

    def detach(self, ctx: Context, server: Record, port_id: str) -> None:
        """Never found."""
        raise PortNotFound(port_id=port_id)

    def groups_of(self, ctx: Context, server: Record) -> list[Record]:
        """None: there are no ports."""
        return []

    def change_groups(self, ctx: Context, server: Record, verb: str, name: str) -> None:
        """Only the default group can be added; what the server was created with can be removed."""
        if verb == "add" and name != DEFAULT_GROUP:
            raise SecurityGroupNotFound(group_id=name)
        self.servers.change_security_group(ctx, server["id"], name, verb == "add")

    def change_fixed_ip(self, ctx: Context, server: Record, verb: str, wanted: str) -> None:
        """The network is never found, and the server has no address."""
        if verb == "add":
            raise NetworkNotFound(network_id=wanted)
        raise BadRequest(f"Instance {server['id']} has no fixed IP {wanted}.")

    def change_floating_ip(self, ctx: Context, server: Record, verb: str, wanted: dict[str, Any]) -> None:
        """The server has no address to join it with, and no floating one is found."""
        if verb == "add":
            raise BadRequest("No fixed IPs associated to instance")
        raise FloatingIpNotFound("floating IP not found")
