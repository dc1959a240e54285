"""A control plane in one process: real conductor, scheduler, compute and API, one bus, and hypervisors that
are fake unless `per_host` chooses another driver (`tests/real/cloud.py` does).

Every message crosses as JSON; casts are done before the outermost call returns, so a test sees the end of
what it began. Time for heartbeats, leases and waits is a clock that tests move, most of them by `recover`.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Self

from flask.testing import FlaskClient
from oslo_config.cfg import ConfigOpts
from sqlalchemy import func, select

from novalite.api.app import create_app
from novalite.compute.manager import ComputeManager
from novalite.compute.virt import load_driver
from novalite.compute.virt.fake import FakeDriver
from novalite.conductor.manager import ConductorManager
from novalite.conf import load
from novalite.context import Context
from novalite.db.models.compute import Task
from novalite.db.session import Database
from novalite.errors import NovaliteError
from novalite.identity.embedded import EmbeddedIdentity, IdentityNewsEndpoint
from novalite.images.embedded import EmbeddedImages, ImageNewsEndpoint
from novalite.objects.base import Record, unpack_records
from novalite.objects.servers import CreateServers, ServerAction, ServerQuery
from novalite.rpc.bus import DaemonKilled, ServerHandle
from novalite.rpc.client import Client
from novalite.rpc.contracts.flavors import Flavors
from novalite.rpc.contracts.servers import Servers, Tasks
from novalite.rpc.local import LocalBus
from novalite.scheduler.manager import SchedulerManager
from tests.furnished import furnished
from tests.rest import People, Rest

PASSWORD = "secret-of-the-tests"
PROJECT, USER = "11111111111111111111111111111111", "22222222222222222222222222222222"
DEFAULTS: dict[str, Any] = {
    "service_down_time": 60,
    "conductor.lease_seconds": 15.0,
    "compute.driver": "fake",
    "compute.running_deleted_instance_action": "reap",
    "identity.scrypt_cost": 1024,
    "identity.scrypt_block_size": 1,
    "identity.revocation_poll_interval": 3600,  # they are told, and a poll would be counted
    "images.fsync": False,
}


class Clock:
    """Wall time plus what tests added."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


class Conductor:
    """One conductor that can die."""

    def __init__(self, cloud: Cloud, db: Database, number: int) -> None:
        from tests.flows.harness import KillingDatabase

        self.cloud, self.db = cloud, db
        if isinstance(db, KillingDatabase):
            db.conductor = self
        self.alive = True
        self.manager = ConductorManager(cloud.conf, cloud.client, db, inline=True, clock=cloud.clock)
        endpoints = self.manager.endpoints()
        self.handle: ServerHandle = cloud.bus.serve("conductor", f"conductor{number}", endpoints)
        self.handle.start()

    def die(self) -> None:
        """SIGKILL: nothing after this line happens, nobody is told."""
        self.alive = False
        self.handle.stop()
        raise DaemonKilled()


class Host:
    """One compute daemon over one hypervisor, the fake one unless its configuration names another."""

    def __init__(self, cloud: Cloud, name: str) -> None:
        self.cloud, self.name = cloud, name
        self.conf = load.for_tests({**cloud.overrides, **cloud.per_host.get(name, {}), "host": name})
        self.driver: Any = load_driver(self.conf)
        self.start()

    def start(self) -> None:
        """The daemon starts; the hypervisor was there all along."""
        self.manager = ComputeManager(self.conf, self.cloud.client, driver=self.driver, inline=True)
        self.handle = self.cloud.bus.serve("compute", self.name, self.manager.endpoints())
        self.manager.start()
        self.handle.start()
        self.manager.announce()

    def stop(self) -> None:
        """The daemon is gone at once; guests go on."""
        self.handle.stop()


class Cloud:
    """See the module. `url` selects another database than a SQLite file in `folder`; `overrides` are
    configuration of everybody, `per_host` of one compute daemon each."""

    def __init__(
        self,
        folder: Path,
        hosts: tuple[str, ...] = ("alpha",),
        conductors: int = 1,
        url: str | None = None,
        overrides: dict[str, Any] | None = None,
        per_host: dict[str, dict[str, Any]] | None = None,
    ) -> None:
        from tests.flows.harness import KillingDatabase

        paths = {
            "state_path": str(folder),
            "images.store_path": str(folder / "images"),
            "compute.instances_path": str(folder / "instances"),
        }
        self.overrides = {**DEFAULTS, **paths, **(overrides or {})}
        self.per_host = per_host or {}
        self.conf: ConfigOpts = load.for_tests({**self.overrides, "host": "controller"})
        self.clock = Clock()
        self.bus = LocalBus(inline=True)
        self.client = Client(self.bus)
        self.url = url or f"sqlite:///{folder / 'novalite.db'}"
        self.db = furnished(self.url, PASSWORD, "http://localhost")
        self.refused: NovaliteError | None = None
        self.databases = [KillingDatabase(self.url) for _ in range(conductors)]
        # The bus lets servers take turns; requests of tests go to the first conductor while it lives.
        self.conductors = [Conductor(self, self.databases[0], 1)]
        self.scheduler = SchedulerManager(self.conf, self.client, self.clock)
        self.scheduler_handle = self.bus.serve("scheduler", "controller", self.scheduler.endpoints())
        self.scheduler_handle.start()
        self.scheduler.start()
        self.hosts = {name: Host(self, name) for name in hosts}
        self.spare = [self.databases[n] for n in range(1, conductors)]
        self.ctx = Context(user_id=USER, project_id=PROJECT, roles=("member", "reader"))
        self.admin = Context(user_id=USER, project_id=PROJECT, roles=("admin", "member", "reader"))
        self.flavor_id = self.make_flavor("tiny", vcpus=1, ram_mb=64, disk_gb=1)
        self._people: People | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.bus.close()
        for database in (*self.databases, self.db):
            database.close()

    # --- parts

    @property
    def host_names(self) -> list[str]:
        """Hosts by name."""
        return list(self.hosts)

    def driver(self, host: str) -> FakeDriver:
        """The fake hypervisor of a host."""
        driver = self.hosts[host].driver
        assert isinstance(driver, FakeDriver)
        return driver

    def fail_everywhere(self, operation: str, reason: str, times: int | None = 1) -> None:
        """Each host's hypervisor refuses `operation`, `times` times (None: always)."""
        for host in self.hosts.values():
            host.driver.fail(operation, reason, times)

    def stop_host(self, name: str) -> None:
        """The compute daemon of a host ends and is seen to be down."""
        self.hosts[name].stop()
        self.mark_down(name, True)

    def start_host(self, name: str) -> None:
        """It is back."""
        self.mark_down(name, False)
        self.hosts[name].start()

    def mark_down(self, name: str, down: bool) -> None:
        """Make the service record look unheard of, or let the next heartbeat bring it back."""
        from sqlalchemy import update

        from novalite.db.models.compute import Service

        if down:
            with self.db.begin() as session:
                session.execute(update(Service).where(Service.host == name).values(last_seen=0.0))

    @property
    def api(self) -> FlaskClient:
        """A client of the REST API."""
        return create_app(self.conf, self.client).test_client()

    def rest(self, user: str = "member", project: str | None = None, role: str | None = None) -> Rest:
        """The API as a user with a real token sees it, newest version. `admin` is the cloud's own; anybody
        else is made on first use, as `role` (member) in a project of the same name unless told otherwise."""
        if self._people is None:
            identity = EmbeddedIdentity(self.conf, self.client)
            news = [IdentityNewsEndpoint(identity), ImageNewsEndpoint(EmbeddedImages(self.conf, self.client))]
            self.bus.serve("api", "controller", news).start()
            self._people = People(create_app(self.conf, self.client, identity).test_client(), PASSWORD)
        return self._people.of(user, project or user, role or "member")

    # --- what tests do

    def make_flavor(self, name: str, vcpus: int, ram_mb: int, disk_gb: int) -> str:
        """A public flavor; answers its id."""
        flavor = {"flavor_id": name, "name": name, "vcpus": vcpus, "ram_mb": ram_mb, "disk_gb": disk_gb}
        return str(self.client.of(Flavors).create(self.admin, flavor)["flavor_id"])

    def create(self, name: str, tolerant: bool = False, **body: Any) -> Any:
        """POST a server without an image and poke its task, as the API does. None when `tolerant` and the
        answering conductor died before it accepted."""
        request = CreateServers(**{"name": name, "flavor_id": self.flavor_id, "networks": "none", **body})
        try:
            accepted = self.client.of(Servers).create(self.ctx, request)
        except NovaliteError as error:
            if not tolerant:
                raise
            self.refused = error
            found = [s["id"] for s in self.list_all()]
            return found[-1] if found else None
        self.client.of(Tasks).poke(self.ctx, list(accepted.task_ids))
        return accepted.server_ids[0]

    def boot(self, name: str, **body: Any) -> str:
        """A server that is ACTIVE."""
        server_id = self.create(name, **body)
        assert self.show(server_id)["vm_state"] == "active", self.show(server_id)["fault"]
        return str(server_id)

    def delete(self, server_id: str, tolerant: bool = False) -> None:
        """DELETE and poke."""
        try:
            accepted = self.client.of(Servers).delete(self.ctx, server_id)
        except NovaliteError as error:
            if not tolerant:
                raise
            self.refused = error
            return
        if accepted.task_id:
            self.client.of(Tasks).poke(self.ctx, [accepted.task_id])

    def act(self, server_id: str, verb: str, tolerant: bool = False, **params: Any) -> None:
        """An action and its poke."""
        try:
            accepted = self.client.of(Servers).act(
                self.ctx, ServerAction(server_id=server_id, verb=verb, params=params)
            )
        except NovaliteError as error:
            if not tolerant:
                raise
            self.refused = error
            return
        if accepted.task_id:
            self.client.of(Tasks).poke(self.ctx, [accepted.task_id])

    def show(self, server_id: str, deleted: bool = False) -> Record:
        """The server's record, read from the database whoever is alive."""
        from novalite.db import servers

        with self.db.read() as session:
            return servers.get(session, server_id, deleted=None)

    def list_all(self) -> list[Record]:
        """Every server of every project, oldest first."""
        from novalite.db import server_lists

        query = ServerQuery(sort=(("created_at", "asc"),), soft_deleted=True)
        with self.db.read() as session:
            return server_lists.page(session, query)

    def page(self, query: ServerQuery) -> list[Record]:
        """A page over RPC."""
        return unpack_records(self.client.of(Servers).page(self.ctx, query))

    # --- recovery

    def revive(self) -> None:
        """A dead conductor is replaced by the next one; messages that waited are delivered."""
        if not any(c.alive for c in self.conductors):
            database = self.spare.pop(0)
            self.conductors.append(Conductor(self, database, len(self.conductors) + 1))

    def recover(self, rounds: int = 12) -> None:
        """Let time pass and the survivors do their periodic work, until nothing was open twice, or for `rounds`."""
        quiet = 0
        for _ in range(rounds):
            self.revive()
            self.clock.ahead += 20
            for host in self.hosts.values():
                self.beat(host)
            for conductor in [c for c in self.conductors if c.alive]:
                try:
                    conductor.manager.env.tasks.sweep()
                except DaemonKilled:
                    continue
            self.bus.drain()
            quiet = 0 if self.open_tasks() else quiet + 1
            if quiet == 2:
                return

    def open_tasks(self) -> int:
        """How many tasks are unfinished."""
        with self.db.read() as session:
            open_ones = select(func.count()).select_from(Task).where(Task.state == "open")
            return int(session.execute(open_ones).scalar_one())

    def beat(self, host: Host) -> None:
        """One heartbeat of a host that is served."""
        if host.handle in self.bus._carrier.servers["compute"]:  # type: ignore[union-attr]
            host.manager.heartbeat()
