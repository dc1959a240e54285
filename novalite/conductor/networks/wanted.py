"""Hosts ask what they must make of networks; conductors answer from the tables each time."""

from __future__ import annotations

from novalite.conductor.env import Env
from novalite.conductor.networks import changes
from novalite.conductor.networks.host_view import host_networks
from novalite.context import Context
from novalite.db.networks import hosts
from novalite.objects.host_networks import HostNetworks
from novalite.rpc.contracts.host_networks import WantedNetworks


class WantedNetworksEndpoint(WantedNetworks):
    """See the contract. A cloud without networks of its own has nothing to be made."""

    def __init__(self, env: Env) -> None:
        self.env = env

    def of_host(self, ctx: Context, host: str, address: str, known: str = "") -> HostNetworks | None:
        if self.env.conf.networks.service != "embedded":
            made = host_networks(host, hosts.Facts())
            return None if made.version == known else made
        if not known and self.env.db.run(lambda session: hosts.said(session, host, address)):
            with self.env.db.read() as session:
                mine = {port["network_id"] for port in hosts.facts(session, host).ports}
            changes.changed(self.env, ctx, network_ids=mine)
        with self.env.db.read() as session:
            made = host_networks(host, hosts.facts(session, host))
        return None if made.version == known else made
