"""Interfaces of servers, and what a host is asked to do with them."""

from __future__ import annotations

from novalite.context import Context
from novalite.objects.base import Record
from novalite.objects.host_networks import Vif
from novalite.objects.servers import Accepted, GuestSpec
from novalite.rpc.contracts.base import Contract, call


class Interfaces(Contract, topic="conductor", namespace="interfaces", version="1.0"):
    """api -> conductor. A server of another project is ServerNotFound for callers without all-project sight.

    Records of interfaces: port_id, net_id, mac_addr, port_state, fixed_ips (subnet_id, ip_address) and tag.
    """

    @call()
    def page(self, ctx: Context, server_id: str) -> list[Record]:
        """Every interface of the server, in their order."""
        raise NotImplementedError

    @call(timeout=60)
    def attach(self, ctx: Context, server_id: str, wanted: Record) -> Record:
        """Plug in a port (`port_id`), a new one on a network (`net_id`, `fixed_ips` [{ip_address}]), or a new one on
        the only network there is; `tag`; `external`: on an external network, too. Returns when the guest has it.
        Raises NetworkNotFound, PortNotFound, PortStillInUse, FixedIpInUse, BadRequest, PortLimitExceeded,
        ExternalNetworkForbidden, InvalidServerState, and InterfaceNotAttached when the host failed."""
        raise NotImplementedError

    @call()
    def detach(self, ctx: Context, server_id: str, port_id: str) -> Accepted:
        """Begin to unplug it. Raises PortNotFound for one that is not the server's."""
        raise NotImplementedError

    @call()
    def groups(self, ctx: Context, server_id: str) -> list[Record]:
        """The security groups of its ports, as the contract Networks has them."""
        raise NotImplementedError

    @call()
    def change_groups(self, ctx: Context, server_id: str, name: str, add: bool) -> None:
        """Add a security group, by name or id, to all ports of the server, or take it from them. Raises
        SecurityGroupNotFound, also when none of the ports is in it; Conflict for a name that two groups have."""
        raise NotImplementedError

    @call()
    def add_fixed_ip(self, ctx: Context, server_id: str, network_id: str) -> None:
        """One more address on the server's port of that network. Raises NetworkNotFound when it has none."""
        raise NotImplementedError

    @call()
    def remove_fixed_ip(self, ctx: Context, server_id: str, address: str) -> None:
        """Take an address from the port that has it; BadRequest when none of the server's has."""
        raise NotImplementedError

    @call()
    def change_floating_ip(
        self, ctx: Context, server_id: str, address: str, add: bool, fixed_address: str | None = None
    ) -> None:
        """Let a floating address of the project stand for one of the server's (the first IPv4 one, unless
        `fixed_address` says which), or for none any more. Raises FloatingIpNotFound, BadRequest and Conflict."""
        raise NotImplementedError


class GuestInterfaces(Contract, topic="compute", namespace="guest_interfaces", version="1.0"):
    """conductor -> one compute host, which answers when it is done. Each may be asked twice with the same effect.

    DriverUnsupported where the hypervisor cannot.
    """

    @call(timeout=45)
    def attach(self, ctx: Context, server: GuestSpec, vif: Vif) -> None:
        """Give the guest this network card, running or not. Having it already is success. `server.vifs` are those
        that it is to have then."""
        raise NotImplementedError

    @call(timeout=45)
    def detach(self, ctx: Context, server: GuestSpec, vif: Vif) -> None:
        """Take it away; not having it is success. Raises DriverError when the guest does not let go of it."""
        raise NotImplementedError
