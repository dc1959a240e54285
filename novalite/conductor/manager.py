"""Wires a conductor: database, endpoints, task runner and periodics."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from oslo_config.cfg import ConfigOpts

from novalite.conductor import pci_requests, periodic
from novalite.conductor.commits import Commits
from novalite.conductor.env import Env
from novalite.conductor.feed import INTERVAL, Feed
from novalite.conductor.identity import ExpireRevocations, make_signer
from novalite.conductor.images import ConductorImages, ExpireUploads
from novalite.conductor.networks.news import News
from novalite.conductor.placement import Placement
from novalite.conductor.runner import TaskRunner
from novalite.conductor.tasks import FLOWS
from novalite.db import schema, services
from novalite.db.session import Database
from novalite.errors import DatabaseUnfit, DatabaseUnreachable
from novalite.periodic import Periodic
from novalite.rpc.client import Client
from novalite.rpc.contracts.base import Contract

LOG = logging.getLogger(__name__)

ENDPOINTS = (
    ("novalite.conductor.servers", "ServersEndpoint"),
    ("novalite.conductor.instance_actions", "InstanceActionsEndpoint"),
    ("novalite.conductor.hosted_servers", "HostedServersEndpoint"),
    ("novalite.conductor.passwords", "PasswordsEndpoint"),
    ("novalite.conductor.interfaces", "InterfacesEndpoint"),
    ("novalite.conductor.guest_metadata", "GuestMetadataEndpoint"),
    ("novalite.conductor.diagnostics", "DiagnosticsEndpoint"),
    ("novalite.conductor.consoles", "ConsolesEndpoint"),
    ("novalite.conductor.tags", "TagsEndpoint"),
    ("novalite.conductor.task_hints", "TasksEndpoint"),
    ("novalite.conductor.services", "ServicesEndpoint"),
    ("novalite.conductor.hosts", "HostsEndpoint"),
    ("novalite.conductor.placement_decisions", "PlacementDecisionsEndpoint"),
    ("novalite.conductor.aggregates", "AggregatesEndpoint"),
    ("novalite.conductor.server_groups", "ServerGroupsEndpoint"),
    ("novalite.conductor.usage", "UsageEndpoint"),
    ("novalite.conductor.external_events", "ExternalEventsEndpoint"),
    ("novalite.conductor.flavors", "FlavorsEndpoint"),
    ("novalite.conductor.keypairs", "KeypairsEndpoint"),
    ("novalite.conductor.quotas", "QuotasEndpoint"),
    ("novalite.conductor.migrations", "MigrationsEndpoint"),
    ("novalite.conductor.identity", "IdentityEndpoint"),
    ("novalite.conductor.images", "ImagesEndpoint"),
    ("novalite.conductor.networks.endpoint", "NetworksEndpoint"),
    ("novalite.conductor.networks.wanted", "WantedNetworksEndpoint"),
    ("novalite.conductor.resource_providers.endpoint", "ResourceProvidersEndpoint"),
)
"""Every noun a conductor answers for."""


def database_url(conf: ConfigOpts) -> str:
    """[database] connection, or a SQLite file in state_path."""
    return conf.database.connection or f"sqlite:///{Path(conf.state_path).resolve() / 'novalite.db'}"


def open_database(conf: ConfigOpts) -> Database:
    """The database named by the configuration; does not connect yet."""
    section = conf.database
    return Database(database_url(conf), section.pool_size, section.pool_timeout, section.max_retries)


class ConductorManager:
    """One conductor. Tests make tasks run in the caller's thread (`inline`) and set the clock of leases."""

    topic = "conductor"

    def __init__(
        self,
        conf: ConfigOpts,
        client: Client,
        db: Database | None = None,
        inline: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.conf = conf
        pci_requests.aliases(conf)  # what makes no sense is said at start
        self.db = db if db is not None else open_database(conf)
        self.env = Env(conf=conf, db=self.db, client=client, host=conf.host)
        self.env.feed = Feed(self.db, client, interval=0 if inline else INTERVAL)
        self.env.news = News(self.db, client, interval=0 if inline else 0.1)
        self.env.tasks = TaskRunner(self.env, FLOWS, inline=inline, clock=clock)
        self.env.placement = Placement(client, threads=1 if inline else conf.conductor.workers)
        self.env.commits = Commits(self.db)
        self._wire_companions(client)
        self._stopping = threading.Event()

    def _wire_companions(self, client: Client) -> None:
        self.env.signer = make_signer(self.db)
        self.env.images = ConductorImages(self.db, self.env.signer, self.conf, client)

    def endpoints(self) -> list[Contract]:
        """What this conductor serves."""
        return [getattr(import_module(module), name)(self.env) for module, name in ENDPOINTS]

    def wait_for_database(self) -> None:
        """Return when the database answers and has the tables; until then say so, once in a while, and try again.

        A database that is newer than this release is used: steps of the schema only add until every daemon
        has been upgraded.
        """
        pause = 0.5
        while not self._stopping.is_set():
            try:
                found = schema.version(self.db)
                if found is None or (found != schema.head() and schema.known(found)):
                    schema.require(self.db)
                return
            except (DatabaseUnreachable, DatabaseUnfit) as error:
                LOG.warning("%s Trying again in %.0f seconds.", error, pause)
                self._stopping.wait(pause)
                pause = min(pause * 2, self.conf.database.start_timeout)

    def start(self) -> None:
        """Begin to sweep; call when the endpoints are served."""
        self.wait_for_database()
        self.env.feed.start()
        self.env.news.start()
        self.env.tasks.start()

    def heartbeat(self) -> None:
        """Say that this conductor is alive."""
        self.db.run(lambda session: services.beat(session, self.conf.host, "nova-conductor"))

    def periodics(self) -> list[Periodic]:
        """Periodic work besides the sweep."""
        lifetime = self.conf.identity.token_expiration
        jobs = ExpireUploads(self.db, self.conf), ExpireRevocations(self.db, lifetime)
        return [*[_periodic(job) for job in jobs], *periodic.periodics(self.env)]

    def stop(self, grace: float = 30.0) -> None:
        """Finish what runs, leave the rest to others."""
        self._stopping.set()
        self.env.tasks.stop(grace)
        self.env.news.stop()
        self.env.feed.stop()
        self.db.close()


def _periodic(job: ExpireUploads | ExpireRevocations) -> Periodic:
    return Periodic(job.name, lambda ctx: job.run(), job.interval)
