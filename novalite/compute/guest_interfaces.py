"""The endpoint for network cards of guests: plugged and unplugged while the conductor waits."""

from __future__ import annotations

from novalite.compute.networks import GuestNetworks
from novalite.compute.virt.driver import Driver, PlugsInterfaces, able
from novalite.context import Context
from novalite.objects.host_networks import Vif
from novalite.objects.servers import GuestSpec
from novalite.rpc.contracts.interfaces import GuestInterfaces


class GuestInterfacesEndpoint(GuestInterfaces):
    """See the contract."""

    def __init__(self, driver: Driver, networks: GuestNetworks) -> None:
        self.driver, self.networks = driver, networks

    def attach(self, ctx: Context, server: GuestSpec, vif: Vif) -> None:
        driver = able(self.driver, PlugsInterfaces, "attaching network interfaces")
        self.networks.ready(server)
        driver.attach_interface(server, vif)

    def detach(self, ctx: Context, server: GuestSpec, vif: Vif) -> None:
        able(self.driver, PlugsInterfaces, "detaching network interfaces").detach_interface(server, vif)
