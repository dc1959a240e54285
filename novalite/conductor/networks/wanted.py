"""Hosts ask what they must make of networks; conductors answer from the tables each time, and hear what was made."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy.orm import Session

from novalite.conductor.env import Env
from novalite.conductor.networks import changes
from novalite.conductor.networks.host_view import host_networks
from novalite.conductor.networks.pretended import pretend
from novalite.context import Context
from novalite.db.networks import hosts, placing
from novalite.objects.host_networks import CarriedRouter, HostNetworks, MetadataAccess
from novalite.objects.metadata_signature import host_key
from novalite.rpc.contracts.host_networks import WantedNetworks

SPARE = 5.0
"""Seconds between a host's letting go of its routers and others' taking them."""


class WantedNetworksEndpoint(WantedNetworks):
    """See the contract. A cloud without networks of its own has nothing to be made."""

    def __init__(self, env: Env) -> None:
        self.env = env

    def of_host(
        self, ctx: Context, host: str, address: str, known: str = "", physical: tuple[str, ...] | None = None
    ) -> HostNetworks | None:
        if self.env.conf.networks.service != "embedded":
            made = host_networks(host, hosts.Facts())
            return None if made.version == known else made
        if not known and self.env.db.run(lambda session: hosts.said(session, host, address, physical)):
            with self.env.db.read() as session:
                facts = hosts.facts(session, host)
            changes.changed(self.env, ctx, network_ids=[net["id"] for net in facts.networks])
        with self.env.db.read() as session:
            made = host_networks(host, self._facts(session, host), self._metadata(host))
        return None if made.version == known else made

    def _facts(self, session: Session, host: str) -> hosts.Facts:
        """With how long a host whose daemon is dead keeps each router: for good where nobody else could have it."""
        facts = hosts.facts(session, host)
        if not facts.routers:
            return facts
        conf = self.env.conf
        there = placing.willing(session, conf.service_down_time, self.env.tasks.now())
        seconds = max(1.0, conf.service_down_time - conf.report_interval - SPARE)
        return replace(facts, let_go=dict.fromkeys(placing.others_able(session, facts.routers, there), seconds))

    def carried(self, ctx: Context, host: str, routers: tuple[CarriedRouter, ...]) -> None:
        self.env.db.run(lambda session: placing.carried(session, host, routers))

    def pretend(self, ctx: Context, host: str) -> None:
        self.env.db.run(lambda session: pretend(session, host))

    def _metadata(self, host: str) -> MetadataAccess | None:
        own = self.env.conf.metadata
        if not own.url or not own.secret:
            return None
        return MetadataAccess(url=own.url, host=host, key=host_key(own.secret, host))
