"""What hosts are to make of networks, and how they learn of changes."""

from __future__ import annotations

from novalite.context import Context
from novalite.objects.host_networks import CarriedRouter, HostNetworks
from novalite.rpc.contracts.base import Contract, call, cast


class WantedNetworks(Contract, topic="conductor", namespace="wanted_networks", version="1.1"):
    """compute -> conductor."""

    @call(timeout=20)
    def of_host(
        self, ctx: Context, host: str, address: str, known: str = "", physical: tuple[str, ...] | None = None
    ) -> HostNetworks | None:
        """Everything that the host must enforce; None when it is what the host knows, by its version. `address` is
        its end of tunnels: hosts of the same networks are told when it is another one. `physical`: physical networks
        that the host has, None when it carries no routers; heard where nothing is `known`."""
        raise NotImplementedError

    @call(timeout=20)
    def carried(self, ctx: Context, host: str, routers: tuple[CarriedRouter, ...]) -> None:
        """These routers, and no others, are carried by the host as it was told last."""
        raise NotImplementedError


    @cast()
    def pretend(self, ctx: Context, host: str) -> None:
        """conductor -> conductor, instead of news for a host whose networks are pretended: it carries what it should.
        Losing this costs one interval of place_routers."""
        raise NotImplementedError


class NetworkNews(Contract, topic="compute", namespace="network_news", version="1.0"):
    """conductor -> one compute host."""

    @cast()
    def changed(self, ctx: Context) -> None:
        """Something that the host enforces may have changed: ask. Losing this costs one interval, nothing else."""
        raise NotImplementedError
