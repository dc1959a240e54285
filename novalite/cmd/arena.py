"""Schedulers, conductors and a database without hosts: the real steps that choose and claim, for simulations and races.

What is real: the schedulers with their tables and debits, the conductors' feed and messages, the steps `select` and
`claim` of a create flow, the statements of a claim. What is not there: the API, builds, time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from novalite.conductor.feed import Feed
from novalite.conductor.manager import ConductorManager
from novalite.conductor.task import Task
from novalite.conductor.tasks import create_server
from novalite.context import Context, system
from novalite.db import allocations, hosts, server_groups, servers, services
from novalite.db.session import Database
from novalite.errors import NoValidHost, NovaliteError
from novalite.objects.flavors import Flavor
from novalite.objects.hosts import HostInventory
from novalite.objects.scheduling import RequestSpec
from novalite.rpc.client import Client
from novalite.rpc.local import LocalBus
from novalite.scheduler.manager import SchedulerManager
from novalite.states import BUILDING, SCHEDULING

if TYPE_CHECKING:
    from oslo_config.cfg import ConfigOpts

PROJECT, USER = "arena", "arena"


@dataclass(frozen=True)
class Asked:
    """One server that is wanted. `group` is the id of a server group; `more` are fields of its RequestSpec."""

    server_id: str
    flavor: Flavor
    group: str | None = None
    more: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Placed:
    """What became of it: a host, or why there is none; `rounds` is how often a scheduler was asked."""

    server_id: str
    host: str | None
    why: str
    rounds: int


class Arena:
    """`inline`: everything in the caller's thread, for results that are the same each time."""

    def __init__(
        self, conf: ConfigOpts, open_db: Callable[[], Database], conductors: int = 1, schedulers: int = 1,
        inline: bool = False, bus: Any = None,
    ) -> None:  # fmt: skip
        self.bus = LocalBus(inline=inline) if bus is None else bus
        self.databases = [open_db() for _ in range(conductors)]
        client = Client(self.bus)
        self.conductors = [ConductorManager(conf, client, db, inline=True) for db in self.databases]
        for conductor in self.conductors:
            if not inline:
                conductor.env.feed = Feed(conductor.db, client)
                conductor.env.feed.start()
        self.schedulers = [SchedulerManager(conf, client) for _ in range(schedulers)]
        served = [("conductor", f"conductor-{n}", one.endpoints()) for n, one in enumerate(self.conductors)]
        served += [("scheduler", f"scheduler-{n}", one.endpoints()) for n, one in enumerate(self.schedulers)]
        self._handles = [self.bus.serve(*one) for one in served]
        for handle in self._handles:
            handle.start()

    def start(self) -> None:
        """The schedulers read the hosts. Raises Unavailable when they cannot."""
        for one in self.schedulers:
            one.start()
        for one in self.schedulers:
            one.feed.need_hosts(60)

    def close(self) -> None:
        """End everything."""
        for scheduler in self.schedulers:
            scheduler.stop()
        for conductor in self.conductors:
            conductor.env.feed.stop()
        for handle in self._handles:
            handle.stop()
        self.bus.close()
        for db in self.databases:
            db.close()

    # --- what there is

    def add_hosts(self, inventories: Iterable[HostInventory], seen: float | None = None) -> None:
        """Hosts that were heard of at `seen` (seconds since the epoch; now)."""
        moment = time.time() if seen is None else seen
        listed = list(inventories)
        db = self.databases[0]
        for at in range(0, len(listed), 500):
            part = listed[at : at + 500]
            db.run(lambda session, part=part: hosts.add_new(session, part, moment))  # type: ignore[misc]

    def add_group(self, policy: str, most: int | None = None) -> str:
        """A server group; answers its id."""
        rules = {} if most is None else {"max_server_per_host": most}
        values = {"name": policy, "policy": policy, "rules": rules, "project_id": PROJECT, "user_id": USER}
        return self.databases[0].run(lambda session: server_groups.create(session, values))

    # --- what happens

    def place(self, asked: Asked, conductor: int = 0, ctx: Context | None = None) -> Placed:
        """Choose and claim as a create flow does, until there is a host or none is left."""
        manager = self.conductors[conductor]
        env, task = manager.env, self._task(manager.db, asked, ctx or system())
        rounds = 0
        while True:
            rounds += 1
            try:
                task.done["select"] = create_server.select(env, task)
                host = env.commits.run(
                    lambda session: create_server.claim(env, task, session), create_server.shared(task)
                )
                env.feed.changed([host])
                return Placed(asked.server_id, host, "", rounds)
            except NovaliteError as error:
                if (final := create_server.elsewhere(env, task, error)) is not None:
                    if not isinstance(final, NoValidHost):
                        raise
                    return Placed(asked.server_id, None, final.sentence, rounds)

    def _task(self, db: Database, asked: Asked, ctx: Context) -> Task:
        flavor, hints = asked.flavor, {"group": asked.group} if asked.group else {}
        spec = RequestSpec(
            server_id=asked.server_id, flavor=flavor, project_id=PROJECT, hints=hints, **asked.more
        )
        task_id = asked.server_id[::-1]
        row = {
            "id": asked.server_id, "name": "one", "hostname": "one", "project_id": PROJECT, "user_id": USER,
            "vm_state": BUILDING, "task_state": SCHEDULING, "task_id": task_id, "flavor_id": flavor.flavor_id,
            "flavor": flavor.model_dump(mode="json"), "vcpus": flavor.vcpus, "ram_mb": flavor.ram_mb,
            "disk_gb": spec.disk_gb, "reservation_id": "r-arena", "scheduler_hints": hints,
        }  # fmt: skip

        def write(session: Any) -> None:
            servers.create(session, [row])
            if asked.group:
                server_groups.join(session, asked.group, [asked.server_id])

        db.run(write)
        args = {"spec": spec.model_dump(mode="json", exclude={"excluded", "group"})}
        return Task(
            id=task_id, kind="create", server_id=asked.server_id, ctx=ctx, args=args, attempt=1, asks=0,
            deadline=0.0, wait_host=None, events=[],
        )  # fmt: skip

    def remove(self, server_id: str, conductor: int = 0) -> None:
        """The server is gone, and its place free."""
        env = self.conductors[conductor].env

        def work(session: Any) -> list[str]:
            server_groups.leave(session, server_id)
            freed = allocations.release(session, server_id)
            servers.mark_deleted(session, server_id)
            return freed

        env.feed.changed(env.db.run(work))

    def set_enabled(self, host: str, enabled: bool) -> None:
        """An operator takes a host out of use, or back."""
        env = self.conductors[0].env

        def work(session: Any) -> None:
            found = services.by_name(session, host, services.COMPUTE)
            services.change(session, found["uuid"], disabled=not enabled)
            hosts.touch(session, [host])

        env.db.run(work)
        env.feed.changed([host])

    def rows(self) -> list[Any]:
        """Hosts as the database has them."""
        with self.databases[0].read() as session:
            return hosts.rows(session)
