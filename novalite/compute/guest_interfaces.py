"""The endpoint for network cards of guests: plugged and unplugged while the conductor waits."""

from __future__ import annotations

from novalite.compute.virt.driver import Driver, PlugsInterfaces, able
from novalite.context import Context
from novalite.objects.host_networks import Vif
from novalite.objects.servers import GuestSpec
from novalite.rpc.contracts.interfaces import GuestInterfaces


class GuestInterfacesEndpoint(GuestInterfaces):
    """See the contract."""

    def __init__(self, driver: Driver) -> None:
        self.driver = driver

    def attach(self, ctx: Context, server: GuestSpec, vif: Vif) -> None:
        able(self.driver, PlugsInterfaces, "attaching network interfaces").attach_interface(server, vif)

    def detach(self, ctx: Context, server: GuestSpec, vif: Vif) -> None:
        able(self.driver, PlugsInterfaces, "detaching network interfaces").detach_interface(server, vif)
