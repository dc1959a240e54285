"""Break a flow at every step, message and commit, let the survivors clean up, and check what must always hold.

A case is one way to break it once. Whatever the case, afterwards: no task is open, no server is busy, what
hosts give equals what servers hold, and exactly the guests exist that servers say they have.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from novalite.compute.virt.fake_numa import pins
from novalite.conductor.task import CommitStep, Flow, HostStep, Step
from novalite.db import allocations, numa, numa_check, pci_check
from novalite.db.models.compute import Allocation, Host, Server, Task
from novalite.db.models.migrations import Migration
from novalite.db.models.pci import PciDevice
from novalite.db.session import Database
from novalite.errors import NovaliteError, Unavailable
from novalite.objects.numa import Placed
from novalite.rpc.bus import DaemonKilled
from tests.cloud import Cloud, Conductor

MODES = ("fails", "runs twice", "killed before", "killed after")


class BrokenOnPurpose(NovaliteError):
    """The failure that cases inject."""

    message = "Broken on purpose."


class CannotAskOnPurpose(Unavailable):
    """The failure of asking a host: nobody takes the message now."""

    message = "Not taken, on purpose."


def step_cases(flow: Flow) -> list[tuple[str, str]]:
    """Every (step, mode) of a flow."""
    return [(step.name, mode) for step in flow.steps for mode in MODES]


class Saboteur:
    """Wraps one function of a step; acts once."""

    def __init__(self, conductor: Conductor, do: Any, mode: str, failure: NovaliteError) -> None:
        self.conductor, self.do, self.mode, self.failure = conductor, do, mode, failure
        self.acted = False

    def __call__(self, *args: Any) -> Any:
        if self.acted:
            return self.do(*args)
        self.acted = True
        if self.mode == "fails":
            raise self.failure
        if self.mode == "killed before":
            self.conductor.die()
        answer = self.do(*args)
        if self.mode == "runs twice":
            answer = self.do(*args)
        if self.mode == "killed after":
            self.conductor.die()
        return answer


@contextmanager
def broken_step(conductor: Conductor, kind: str, name: str, mode: str) -> Iterator[Saboteur]:
    """The conductor's flow `kind` behaves as `mode` says at step `name`, once."""
    flows = conductor.manager.env.tasks.flows
    flow = flows[kind]
    step = flow.step(name)
    what, failure = (
        ("ask", CannotAskOnPurpose()) if isinstance(step, HostStep) else ("do", BrokenOnPurpose())
    )  # fmt: skip
    saboteur = Saboteur(conductor, getattr(step, what), mode, failure)
    broken: Step | CommitStep | HostStep = replace(step, **{what: saboteur})
    steps = tuple(broken if s.name == name else s for s in flow.steps)
    patched = {**flows, kind: replace(flow, steps=steps)}
    runner = conductor.manager.env.tasks
    runner.flows = runner.engine.flows = patched
    try:
        yield saboteur
    finally:
        runner.flows = runner.engine.flows = flows


class KillingDatabase(Database):
    """Ends its conductor right before or right after the n-th transaction from when it is armed."""

    conductor: Conductor
    left: int | None = None
    after = False
    act: Callable[[], object] | None = None

    def arm(self, number: int, after: bool) -> None:
        """The `number`-th (from 0) write transaction from now is the last thing the conductor does."""
        self.left, self.after = number, after

    def before(self, number: int, act: Callable[[], object]) -> None:
        """Something else happens right before the `number`-th (from 0) write transaction from now."""
        self.left, self.act = number, act

    def run(self, work: Any, one: bool = False) -> Any:
        if self.act and self.left == 0:
            act, self.act, self.left = self.act, None, None
            act()
        if self.act and self.left is not None:
            self.left -= 1
            return super().run(work, one)
        if self.left is None:
            return super().run(work, one)
        now, self.left = self.left == 0, self.left - 1
        if now and not self.after:
            self.conductor.die()
        try:
            return super().run(work, one)
        finally:  # also after one that was rolled back
            if now:
                self.conductor.die()


def check_invariants(cloud: Cloud) -> None:
    """What must hold whenever nothing is going on."""
    with cloud.db.read() as session:
        open_tasks = session.execute(select(Task.id, Task.kind).where(Task.state == "open")).all()
        servers = session.execute(select(Server)).scalars().all()
        hosts = {h.host: h for h in session.execute(select(Host)).scalars()}
        held = {(a.server_id, a.host) for a in session.execute(select(Allocation)).scalars()}
        totals = allocations.totals(session)
        migrations = session.execute(select(Migration)).scalars().all()
        devices = check_devices(session)
        places = check_cells(session)
    assert open_tasks == [], f"tasks left open: {open_tasks}"
    busy = [(s.id, s.task_state) for s in servers if s.task_state is not None]
    assert busy == [], f"servers left busy: {busy}"
    for server in servers:
        if server.vm_state == "error":
            assert server.fault and server.fault["message"], "ERROR without a reason"
        assert server.vm_state != "building", "a server was left building"
    placed = {(s.id, s.host) for s in servers if not s.deleted and s.host is not None}
    aside = {(m.uuid, m.source_host) for m in unconfirmed(servers, migrations)}
    assert held == placed | aside, f"allocations {held} differ from servers {placed} and resizes {aside}"
    held -= aside  # a place that is kept is not one server more
    for name, host in hosts.items():
        total = totals.get(name, allocations.Amount(0, 0, 0))
        assert (host.used_vcpus, host.used_ram_mb, host.used_disk_gb) == (
            total.vcpus, total.ram_mb, total.disk_gb,
        ), f"host {name} counts use that nobody holds"  # fmt: skip
        assert host.servers == len([h for h in held if h[1] == name])
        guests = {g.server_id for g in cloud.driver(name).guests()}
        kept = {s for s, h in left_behind(servers, migrations) if h == name}
        assert guests == {s for s, h in placed if h == name} | kept, f"guests on {name} differ from servers"
        owners = {m.uuid: m.server_id for m in migrations if m.source_host != m.dest_host}  # those who stay have two
        for server_id in guests:
            mine = {a for a, h, s in devices if h == name and owners.get(s, s) == server_id}
            assert set(cloud.driver(name).guest(server_id).devices) == mine, "a guest has other devices than its server"
            stays = {m.uuid: m.server_id for m in migrations if (m.uuid, name) in aside and m.uuid not in owners}
            cpus = [pins(p) for h, s, p in places if h == name and {**owners, **stays}.get(s, s) == server_id]
            # a resize where it is that could not be taken back altogether may have its guest in either place
            either = [{}] if server_id in stays.values() or not cpus else []
            assert cloud.driver(name).guest(server_id).pins in [*cpus, *either], "a guest has other CPUs"


def check_devices(session: Session) -> list[tuple[str, str, str]]:
    """(address, host, holder) of the PCI devices that are somebody's; the rules of `db check` hold."""
    rules = (pci_check.devices_belong_to_claims, pci_check.devices_are_given_once, pci_check.free_devices_are_told)
    assert [sentence for rule in rules for sentence in rule(session)] == []
    found = select(PciDevice.address, PciDevice.host, PciDevice.holder).where(PciDevice.holder.is_not(None))
    return [(address, host, holder) for address, host, holder in session.execute(found)]


def check_cells(session: Session) -> list[tuple[str, str, Placed]]:
    """(host, holder, place) of those who have cells or CPUs; the rules of `db check` hold."""
    rules = (numa_check.cpus_are_given_once, numa_check.use_of_cells_is_told, numa_check.pinned_cpus_are_offered)
    assert [sentence for rule in rules for sentence in rule(session)] == []
    hosts = session.scalars(select(Allocation.host).where(Allocation.numa.is_not(None)).distinct()).all()
    return [(host, who, place) for host in hosts for who, place in numa.of_host(session, host).items()]


def left_behind(servers: Sequence[Server], migrations: Sequence[Migration]) -> set[tuple[str, str]]:
    """(server, host) of the old guests of servers that were moved and wait to be confirmed."""
    by_uuid = {m.uuid: m for m in migrations}
    waiting = [by_uuid[s.migration_id] for s in servers if s.migration_id and not s.deleted]
    return {(m.server_id, str(m.source_host)) for m in waiting if m.source_host != m.dest_host}


def unconfirmed(servers: Sequence[Server], migrations: Sequence[Migration]) -> list[Migration]:
    """Migrations that may still be taken back: those of idle servers that wait for it; every other one is over."""
    by_uuid = {m.uuid: m for m in migrations}
    waiting = []
    for server in servers:
        if server.deleted or server.vm_state != "resized":
            assert server.deleted or (server.migration_id, server.old_flavor, server.old_vm_state) == (None,) * 3
            continue
        migration = by_uuid.pop(server.migration_id or "")
        assert (migration.server_id, migration.status) == (server.id, "finished")
        assert server.old_flavor["flavor_id"] == migration.old_flavor["flavor_id"]
        assert (migration.migration_type == "migration") == (server.flavor_id == server.old_flavor["flavor_id"])
        waiting.append(migration)
    over = {m.status for m in by_uuid.values()}
    assert over <= {"confirmed", "reverted", "error", "done"}, f"migrations that nobody ends: {over}"
    for server in servers:
        assert server.deleted or server.vcpus == server.flavor["vcpus"], "quota counts what the server does not take"
    return waiting


__all__ = [
    "MODES",
    "BrokenOnPurpose",
    "DaemonKilled",
    "KillingDatabase",
    "broken_step",
    "check_invariants",
    "step_cases",
]
